"""The network that works everywhere: all hosts share 127.0.0.1, and every listener has an ephemeral port.

The port that a server would have on a real host (587) is kept as its nominal port; `Network.nominal` and
`Network.names` lead from one to the other. Needs no privilege on any system; only `sniff` is for Linux, and only
where packet sockets are allowed.
"""

import socket

from labkit.errors import CannotSniff, LabError
from labkit.network.hosts import Host, Listener, Network, is_loopback, without_delay
from labkit.network.interception import Interception

_ADDRESS = "127.0.0.1"
_INTERFACE = "lo"
_ALL_PROTOCOLS = 0x0003
"""ETH_P_ALL of <linux/if_ether.h>."""

_WITH_LINKS = 'A slow link needs a private LAN: Lab(network="namespace").'


class LoopbackHost(Host):
    """A host that is a name on 127.0.0.1."""

    def sniff(self) -> socket.socket:
        """A packet socket (packet(7)) on the loopback interface. Raises `CannotSniff`."""
        if not hasattr(socket, "AF_PACKET"):
            raise CannotSniff("Packet sockets exist only on Linux: the tap captures here instead.")
        try:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except OSError as error:
            raise CannotSniff(
                f"This process may not open a packet socket ({error.strerror}): the tap captures instead."
            ) from error
        try:
            sock.bind((_INTERFACE, _ALL_PROTOCOLS))
        except OSError as error:
            sock.close()
            raise CannotSniff(
                f"The interface {_INTERFACE} cannot be watched ({error.strerror}): the tap captures instead."
            ) from error
        return sock

    def bound(self, port: int) -> socket.socket:
        """A listening socket that stands for this port and has a free one. Raises `OSError`."""
        return super().bound(0)

    def tcp(self, family: int = socket.AF_INET) -> socket.socket:
        """A TCP socket that is not connected yet, with Nagle's algorithm off. Raises `OSError`."""
        return without_delay(socket.socket(family, socket.SOCK_STREAM))

    def _started_here(self, command: list[str]) -> list[str]:
        return command


class Loopback(Network):
    """Hosts by name on the loopback interface of this machine."""

    kind = "loopback"
    lookout = f"on the interface {_INTERFACE}"

    def __init__(self, hosts: tuple[str, ...]) -> None:
        super().__init__()
        self.hosts = {name: LoopbackHost(self, name, _ADDRESS) for name in hosts}

    def contains(self, ip: str) -> bool:
        """Whether the address is one of the loopback addresses, 127.0.0.0/8 and ::1 (RFC 6890)."""
        return is_loopback(ip)

    def watch(self) -> socket.socket:
        """A packet socket (packet(7)) on the loopback interface. Raises `CannotSniff`."""
        return next(iter(self.hosts.values())).sniff()

    def _link(self, host: Host, delay: float, loss: float) -> str:
        if delay or loss:
            raise LabError(f"There is no link at {host.name}: all hosts share {_ADDRESS}. {_WITH_LINKS}")
        return f"{host.name} is on loopback, which takes no time."

    def _intercept(self, attacker: Host, server: Host, port: int) -> Interception:
        listener = attacker.listen(port)
        self.name(f"{server.address}:{port}", server.name)  # both have this address; the name stays with the server
        return Interception(attacker, server.name, listener, listener.address)

    def _listener(self, host: str, port: int, sender: str) -> Listener | None:
        interception = self.interceptions.get((host, port))
        if interception and interception.meets(sender):
            return interception.listener
        return super()._listener(host, port, sender)

    def describe(self) -> str:
        """One sentence on how this network is made."""
        return (
            f"All hosts share {_ADDRESS} of this machine; "
            f"every server has a free port and is shown under the port it stands for. {self.instead}"
        ).rstrip()
