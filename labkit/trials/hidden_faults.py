"""Servers with one hidden fault each, for practice in testing a server.

Each fault is one row of `FAULTS`, made of the settings and quirks that every server of the lab has; which server has
which is drawn from a seed. A row names the check of `labkit.probe` that finds its fault; how it is found does not
belong here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from labkit.clients import PROTOCOLS
from labkit.errors import LabError
from labkit.servers.quirks import KEEPS_BUFFER, KEEPS_OFFER, PREAUTH, REFUSES
from labkit.servers.server import Server
from labkit.show.page import Page
from labkit.show.table import table


@dataclass(frozen=True)
class HiddenFault:
    """One fault of a server, and its repair."""

    name: str
    what: str
    """One sentence."""
    finding: str
    """The id of the check of `labkit.probe` that finds it; empty where no check of it does."""
    settings: Mapping[str, Any]
    """The server's settings: arguments of `labkit.lab.Lab.start`."""
    mended: Mapping[str, Any]
    """The same arguments, with other values."""
    protocols: tuple[str, ...] = field(default=PROTOCOLS)
    """The protocols whose servers can have it."""


_RIGHT = {"certificate": "right"}
FAULTS = (
    HiddenFault("expired", "The certificate has expired.", "dates", {"certificate": "expired"}, _RIGHT),
    HiddenFault("wrong name", "The certificate is for another server.", "name", {"certificate": "wrong name"}, _RIGHT),
    HiddenFault(
        "unknown root",
        "The certificate comes from an authority that its clients do not know.",
        "issuer",
        {"certificate": "unknown root"},
        _RIGHT,
    ),
    HiddenFault("not offered", "TLS is not offered.", "offer", {"starttls": "off"}, {"starttls": "offered"}),
    HiddenFault(
        "refused",
        "TLS is offered, and refused when it is asked for.",
        "go-ahead",
        {"quirks": (REFUSES,)},
        {"quirks": ()},
    ),
    HiddenFault(
        "login in the clear",
        "A login with the password itself is offered before TLS.",
        "clear-login",
        {"auth": "always"},
        {"auth": "after TLS"},
    ),
    HiddenFault(
        "old versions",
        "TLS 1.0 and 1.1 are spoken (RFC 8996).",
        "old-versions",
        {"tls": ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3")},
        {"tls": ("TLS 1.2", "TLS 1.3")},
    ),
    HiddenFault(
        "kept buffer",
        "Commands that came in the clear after the upgrade command are carried out inside TLS.",
        "injection",
        {"quirks": (KEEPS_BUFFER,)},
        {"quirks": ()},
    ),
    HiddenFault(
        "kept offer",
        "The list inside TLS still offers to start TLS.",
        "list-inside",
        {"quirks": (KEEPS_OFFER,)},
        {"quirks": ()},
    ),
    HiddenFault(
        "logged in at once",
        "The greeting says that the client is logged in, so that it cannot start TLS any more.",
        "preauth",
        {"quirks": (PREAUTH,)},
        {"quirks": ()},
        ("IMAP",),
    ),
    HiddenFault(
        "open relay",
        "Mail for other domains is taken from clients that have not logged in.",
        "",
        {"relay": "always"},
        {"relay": "after login"},
        ("SMTP",),
    ),
)
PLACES = {587: "SMTP", 25: "SMTP", 2525: "SMTP", 143: "IMAP", 110: "POP3"}
"""Port -> what is spoken there."""


class MysteryServers:
    """Five servers on the host mail, by port: ``five[587]``. `seed` decides what is wrong with each.

    `start` is `labkit.lab.Lab.start`. `key` is the solution.
    """

    def __init__(self, start: Callable[..., Server], seed: object) -> None:
        self.key = drawn(seed)
        """Port -> what is wrong there."""
        self._start = start
        self._servers = {port: self._hidden(port, self.key[port].settings) for port in PLACES}

    def __getitem__(self, port: int) -> Server:
        """The server on this port. Raises `LabError` for another port."""
        if port not in self._servers:
            raise LabError(f"There is no server on port {port!r} here: there are {', '.join(map(str, PLACES))}.")
        return self._servers[port]

    def __iter__(self) -> Iterator[Server]:
        return iter(self._servers.values())

    def __len__(self) -> int:
        return len(self._servers)

    def mend(self, port: int, **settings: Any) -> Server:
        """Start the server on this port again, with these settings in the place of its own: see `Lab.start`.

        Raises `LabError` for a setting that does not exist, and leaves the server then as it was.
        """
        self[port]
        self._servers[port] = self._hidden(port, {**self.key[port].settings, **settings})
        return self._servers[port]

    def _hidden(self, port: int, settings: Mapping[str, Any]) -> Server:
        server = self._start(PLACES[port], port, replace=True, **settings)
        server.secret = True
        return server

    @property
    def page(self) -> Page:
        """Where the five are."""
        rows = [(server.protocol, str(server.port), "{}:{}".format(*server.address)) for server in self]
        return table("Five servers, each with one fault", ("speaks", "port", "listens on"), rows)

    def _repr_html_(self) -> str:
        return self.page.html

    def __repr__(self) -> str:
        return self.page.text


def drawn(seed: object) -> dict[int, HiddenFault]:
    """Port -> the fault of the server there, each another one."""
    dice = Random(f"five servers/{seed}")
    left = [fault for _, fault in sorted(((dice.random(), fault) for fault in FAULTS), key=lambda each: each[0])]
    chosen = {}
    for port, protocol in PLACES.items():
        chosen[port] = next(fault for fault in left if protocol in fault.protocols)
        left.remove(chosen[port])
    return chosen


def hidden(fault: HiddenFault, start: Callable[..., Server], protocol: str) -> Server:
    """One server with this fault, on its protocol's own port."""
    server = partial(start, protocol, replace=True)(**fault.settings)
    server.secret = True
    return server
