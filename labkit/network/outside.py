"""The one way out of the lab: connections to servers elsewhere, made as any mail client makes them.

`Outside` can connect and nothing else. It cannot listen, bind, sniff or run tools, and is not a `Host`, so nothing that
attacks takes it. Only `labkit.probe` uses it.
"""

import socket
import time
from ipaddress import ip_address

from labkit.errors import LabError, NotListening
from labkit.limits import within_limits
from labkit.network.checks import check_port, check_timeout
from labkit.network.listener import TCP, without_delay

_NAMED = 253
"""Characters of a host name (RFC 1035 §2.3.4)."""


class Outside:
    """Where servers are that do not belong to the lab."""

    name = "outside"

    def connect(
        self, host: str, port: int, timeout: float = 10.0, transport: str = TCP, source: str = ""
    ) -> socket.socket:
        """A connection to a host name or IP address, IPv6 or IPv4, in the order that the system's resolver gives.

        `timeout` (seconds) limits the connecting to all addresses together and stays on the socket. Resolving a name is
        limited by the system's resolver (resolv.conf(5)). `source` is an address of this machine to connect from.
        Raises `NotListening` where every address refuses, and `LabError` for a name that does not resolve or when
        nothing answers in time.
        """
        check_port(port)
        check_timeout(timeout)
        end = time.monotonic() + timeout
        refused: list[str] = []
        other = ""
        with within_limits(f"Connecting to port {port} of {host}"):
            for family, kind, protocol, address in _addresses(host, port, transport):
                left = end - time.monotonic()
                if left <= 0:
                    break
                try:
                    sock = _connected(family, kind, protocol, address, left, source)
                except ConnectionRefusedError:
                    refused.append(address[0])
                except TimeoutError:
                    other = f"nothing answers at {address[0]}"
                except OSError as error:
                    other = f"{address[0]}: {error.strerror or error}"
                else:
                    sock.settimeout(timeout)
                    return sock
        if refused and not other:
            raise NotListening(f"Nothing listens on port {port} of {host} ({', '.join(refused)}).")
        why = other or "the time was up before the first answer"
        raise LabError(
            f"Port {port} of {host} cannot be reached within {timeout:g} s ({why}): a firewall may drop the packets, "
            "as many networks do for port 25."
        )


def is_address(host: str) -> bool:
    """Whether this is an IP address and not a name."""
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _addresses(host: str, port: int, transport: str) -> list[tuple[int, int, int, tuple[str, int]]]:
    if not host or len(host) > _NAMED or any(char <= " " or char == "\x7f" for char in host):
        raise LabError(f"A host is a name or an IP address, as in mail.example.org, not {host[:60]!r}.")
    kind = socket.SOCK_STREAM if transport == TCP else socket.SOCK_DGRAM
    try:
        found = socket.getaddrinfo(host, port, type=kind)
    except (socket.gaierror, UnicodeError) as error:
        said = error.strerror if isinstance(error, socket.gaierror) else "it is no host name"
        raise LabError(f"The name {host} cannot be resolved ({said}): check its spelling.") from error
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def _connected(
    family: int, kind: int, protocol: int, address: tuple[str, int], timeout: float, source: str
) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        if source:
            sock.bind((source, 0))
        sock.settimeout(timeout)
        sock.connect(address)
        return without_delay(sock) if kind == socket.SOCK_STREAM else sock
    except BaseException:
        sock.close()
        raise
