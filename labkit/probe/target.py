"""The server that is probed: where it is, which dialect it speaks, the name it should prove, and what may be done to
it.

More than any mail client does is done only through `ProbeTarget.inside`, a host of the lab, which reaches nothing else.
"""

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from labkit.capture.conversation import Endpoint
from labkit.dialects import Dialect, for_port, named
from labkit.dialects.writing import Credentials
from labkit.errors import LabError
from labkit.network import Host
from labkit.network.checks import check_port, check_timeout
from labkit.network.outside import Outside, is_address

if TYPE_CHECKING:
    from labkit.probe.looking_up import Publication

PATIENCE_INSIDE, PATIENCE_OUTSIDE = 5.0, 15.0
"""Seconds for each answer of a server; some outside let a client wait on purpose before they greet."""
_ANSWERS = 6
"""The time limit for all visits together, as a multiple of the patience for one answer."""

_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^:\s]*))(?::(?P<port>[^:]*))?")


@dataclass(frozen=True, kw_only=True)
class ProbeTarget:
    """One server."""

    host: str
    """The name or address that is connected to."""
    port: int
    """The nominal port."""
    dialect: Dialect
    name: str
    """The reference identifier (RFC 9525): the name that the certificate must have."""
    trust: Callable[[ssl.SSLContext], Any]
    """Lets a context trust the authorities that count here."""
    implicit: bool = False
    """Whether TLS begins before the first byte."""
    inside: Host | None = None
    """The host of the lab from which one of the lab's own servers is probed; None for a server outside."""
    login: Credentials | None = None
    """An account on one of the lab's own servers."""
    domain: str = ""
    """The mail domain that the server is for; empty where it is not known."""
    publication: "Callable[[], Publication] | None" = None
    """Makes the way to look up what is published; None without one."""
    unpublished: str = ""
    """Why nothing is looked up, or not for this domain."""
    source: str = ""
    """The address to connect from; the usual one where it is empty."""
    patience: float = PATIENCE_INSIDE
    """Seconds for each answer."""
    longest: float = _ANSWERS * PATIENCE_INSIDE
    """Seconds for everything that is looked at."""

    @property
    def reach(self) -> Host | Outside:
        """The host, or the outside, from which it is connected to."""
        return self.inside or Outside()

    @property
    def ours(self) -> bool:
        """Whether it is one of the lab's own, so that attacks may be tried."""
        return self.inside is not None

    @property
    def relays(self) -> bool:
        """Whether other mail servers connect to it, rather than people's clients."""
        return self.port in self.dialect.relay_ports

    def within(self, timeout: float) -> "ProbeTarget":
        """The same target with another time limit (seconds) for each answer. Raises `LabError` for none."""
        check_timeout(timeout)
        return replace(self, patience=timeout, longest=_ANSWERS * timeout)

    @property
    def sni(self) -> str | None:
        """The name that a client sends in its ClientHello (RFC 6066 §3 allows no address)."""
        return None if is_address(self.name) else self.name


def address(text: str) -> tuple[str, int | None]:
    """Host and port of ``mail.example.org:587`` or ``[2001:db8::25]:25``; no port is None. Raises `LabError`."""
    read = _ADDRESS.fullmatch(text.strip()) if isinstance(text, str) else None
    host = (read["v6"] or read["host"] or "") if read else ""
    if read is None or not host or (read["v6"] is not None and not is_address(host)):
        raise LabError(
            f"A server is given as host:port, for example mail.example.org:587 or [2001:db8::25]:25, not as {text!r}."
        )
    if read["port"] is None:
        return host, None
    if not re.fullmatch(r"[0-9]{1,9}", read["port"], re.ASCII):
        raise LabError(f"The port in {text!r} is not a number from 1 to 65535.")
    check_port(int(read["port"]))
    return host, int(read["port"])


def undecided(host: str, port: int | None) -> LabError:
    """The error for a server whose protocol is neither given nor told by its port."""
    if port is None:
        return LabError(f"{host} has no port: write it after a colon, for example {host}:587.")
    return LabError(
        f"Which protocol {Endpoint(host, port)} speaks cannot be told from the port: "
        "say it, for example protocol='smtp' (--protocol smtp in a terminal)."
    )


def outside(
    text: str,
    protocol: str = "",
    domain: str = "",
    implicit: bool | None = None,
    trust: Callable[[ssl.SSLContext], Any] = ssl.SSLContext.load_default_certs,
) -> ProbeTarget:
    """A server outside the lab; its port tells `protocol` and `implicit` unless they are given. Raises `LabError`."""
    host, port = address(text)
    dialect = named(protocol) if protocol else for_port(port or 0)
    if dialect is None:
        raise undecided(host, port)
    port = port or dialect.explicit_ports[0]
    return ProbeTarget(
        host=host,
        port=port,
        dialect=dialect,
        name=host.rstrip("."),
        trust=trust,
        implicit=_implicit(dialect, port) if implicit is None else implicit,
        domain=domain,
        publication=_public,
        unpublished="" if domain else "no mail domain was named",
        patience=PATIENCE_OUTSIDE,
        longest=_ANSWERS * PATIENCE_OUTSIDE,
    )


def _implicit(dialect: Dialect, port: int) -> bool:
    return port in dialect.implicit_ports and port not in dialect.explicit_ports


def _public() -> "Publication":
    from labkit.probe.looking_up import public  # it loads dnspython, which a probe without a domain does not need

    return public()
