"""The stage: who is in the lab, which servers run, on which ports, and how what crosses the wire is caught.

Plain HTML boxes with lines between them, so that text stays text: it wraps, can be selected and is read aloud in order.
"""

from collections.abc import Iterable
from textwrap import wrap
from typing import TYPE_CHECKING

from labkit.errors import CannotSniff
from labkit.network import Host, Network
from labkit.show.page import Page, markup, printable

if TYPE_CHECKING:
    from labkit.servers.server import Server

ON_THE_PATH = "mallory"
CLIENT_HOST = "alice"
ROLES = {
    CLIENT_HOST: "client, sends and fetches mail",
    "mail": "server, takes mail and hands it out",
    "provider": "relays mail for its customers",
    ON_THE_PATH: "on the path between them",
}
"""Host name -> what it is there for."""
_WIDTH = 120
"""Characters of a line of the plain text."""

_PACKET_SOCKET = "Captures with a packet socket (AF_PACKET), which sees the frames on the interface."
_TAP = "Captures with a tap, a relay in the path that records what both sides send."


def stage(network: Network, servers: Iterable["Server"], capture: str) -> Page:
    """The picture of a lab; `capture` is its setting: ``auto``, ``af_packet`` or ``tap``."""
    running = list(servers)
    listening = how_captured(network, capture)
    left = [host for host in network.hosts.values() if host.name == CLIENT_HOST]
    middle = [host for host in network.hosts.values() if host.name == ON_THE_PATH]
    right = [host for host in network.hosts.values() if host not in (*left, *middle)]
    notes = {ON_THE_PATH: [listening]}
    columns = [
        f'<div class="lk-side">{_boxes(left, running, notes)}</div>',
        f'<div class="lk-path"><div class="lk-wire">{_EYE}</div>{_boxes(middle, running, notes)}</div>',
        f'<div class="lk-side">{_boxes(right, running, notes)}</div>',
    ]
    body = (
        f'<div class="lk-stage" role="group" aria-label="The stage of the lab">{"".join(columns)}</div>'
        f'<p class="lk-soft">{markup(network.describe())}</p>'
    )
    return Page(body, _text(network, running, listening))


def how_captured(network: Network, capture: str) -> str:
    """One sentence on how this lab captures; for ``auto``, what this machine allows."""
    if capture != "auto":
        return _PACKET_SOCKET if capture == "af_packet" else _TAP
    try:
        network.host(ON_THE_PATH).sniff().close()
    except CannotSniff as error:
        return f"{_TAP} ({error})"
    return _PACKET_SOCKET


def _role(host: Host) -> str:
    return ROLES.get(host.name, "a host")


# ---- HTML

_EYE = (
    '<svg viewBox="0 0 34 22" aria-hidden="true"><path d="M2 11Q17-5 32 11 17 27 2 11Z"/>'
    '<circle cx="17" cy="11" r="4.5"/></svg>'
)


def _boxes(hosts: list[Host], servers: list["Server"], notes: dict[str, list[str]]) -> str:
    return "".join(_box(host, [s for s in servers if s.host == host.name], notes.get(host.name, [])) for host in hosts)


def _box(host: Host, servers: list["Server"], notes: list[str]) -> str:
    lines = "".join(f"<div><small>{markup(note)}</small></div>" for note in notes)
    empty = host.name not in (CLIENT_HOST, ON_THE_PATH) and not servers
    lines += "<div><small>No server runs yet: start one with <code>lab.smtp()</code>.</small></div>" if empty else ""
    return (
        f'<div class="lk-host"><b>{markup(host.name)}</b> <small>{markup(host.address)}</small>'
        f"<div>{markup(_role(host))}</div>{lines}{''.join(map(_server, servers))}</div>"
    )


def _server(server: "Server") -> str:
    return (
        f'<div class="lk-server"><b>{server.protocol}, port {server.port}</b> <small>{markup(server.elsewhere)}</small>'
        f"<div><small>{markup(server.facts)}</small></div></div>"
    )


# ---- plain text


def _where(server: "Server") -> str:
    return f"{server.protocol} on port {server.port}{server.elsewhere and f', {server.elsewhere}'}"


def _text(network: Network, servers: list["Server"], listening: str) -> str:
    lines = wrap(f"The stage of the lab. {network.describe()}", _WIDTH)
    for host in network.hosts.values():
        lines.append(f"  {host.name} ({host.address}): {_role(host)}.")
        own = [server for server in servers if server.host == host.name]
        lines += [f"    {_where(server)}: {printable(server.facts)}." for server in own]
        lines += [f"    {listening}"] * (host.name == ON_THE_PATH)
    return "\n".join(lines if servers else [*lines, "  No server runs yet: start one with lab.smtp()."])
