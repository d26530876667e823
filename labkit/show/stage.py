"""The stage: the hosts of the lab, the servers that run, their ports, and how it captures.

Plain HTML boxes with lines between them, so that text stays text: it wraps, can be selected and is read aloud in order.
"""

from collections.abc import Iterable
from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING

from labkit.errors import CannotSniff
from labkit.network import Host, Network
from labkit.show import html
from labkit.show.page import Page
from labkit.show.printed import printable

if TYPE_CHECKING:
    from labkit.servers.server import Server

ON_THE_PATH = "mallory"
CLIENT_HOST = "alice"
ROLES = {
    CLIENT_HOST: "client, sends and fetches mail",
    "mail": "server, takes mail and hands it out",
    "provider": "relays mail for its customers",
    "dns": "name server, says what domains publish",
    "www": "policy host, serves what MTA-STS asks",
    ON_THE_PATH: "on the path between them",
}
"""Host name -> what it is there for."""
_STARTS = dict.fromkeys(("dns", "www"), 'lab.domain("bob.test")') | {"provider": "lab.provider()"}
"""Host name -> what starts its server, where that is not ``lab.smtp()``."""
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
    return Page(partial(_stage, network, (left, middle, right), running, listening), _text(network, running, listening))


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


def _stage(network: Network, sides: tuple[list[Host], ...], servers: list["Server"], listening: str) -> html.Node:
    left, middle, right = ([_box(host, servers, listening) for host in hosts] for hosts in sides)
    return (
        html.div("lk-stage", role="group", aria_label="The stage of the lab")[
            html.div("lk-side")[left],
            html.div("lk-path")[html.div("lk-wire")[_eye()], middle],
            html.div("lk-side")[right],
        ],
        html.p("lk-soft")[network.describe()],
    )


def _eye() -> html.Node:
    return html.svg(viewBox="0 0 34 22", aria_hidden="true")[
        html.path(d="M2 11Q17-5 32 11 17 27 2 11Z"), html.circle(cx="17", cy="11", r="4.5")
    ]


def _box(host: Host, servers: list["Server"], listening: str) -> html.Node:
    own = [server for server in servers if server.host == host.name]
    notes = [html.div[html.small[listening]]] if host.name == ON_THE_PATH else []
    if not own and host.name not in (CLIENT_HOST, ON_THE_PATH):
        start = _STARTS.get(host.name, "lab.smtp()")
        notes.append(html.div[html.small["No server runs yet: start one with ", html.code[start], "."]])
    name = html.b[host.name], " ", html.small[host.address]
    return html.div("lk-host")[name, html.div[_role(host)], notes, map(_server, own)]


def _server(server: "Server") -> html.Node:
    name = html.b[f"{server.protocol}, port {server.port}"], " ", html.small[server.elsewhere]
    return html.div("lk-server")[name, html.div[html.small[server.facts]]]


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
