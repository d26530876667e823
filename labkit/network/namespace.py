"""A private LAN in the kernel that needs no privileges: every host has an address and its real ports.

Each host is a network namespace (network_namespaces(7)) inside one user namespace; a bridge and virtual cables join
them, so there is real ARP, a real switch and real sniffing, and nothing of it can be seen or reached from outside. Only
for Linux, and only where user namespaces are allowed (`labkit.network.obstacles`).
"""

import socket
import subprocess
import sys
import weakref
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import partial

from labkit.errors import CannotSniff, LabError, NetworkUnavailable
from labkit.limits import within_limits
from labkit.network import tool
from labkit.network.addresses import address, numbered
from labkit.network.broker import INSIDE, PYTHON, Broker
from labkit.network.hosts import Host, Network
from labkit.network.interception import Interception
from labkit.network.listener import TCP, Address, ForeignListener, Listener, stop_listening, without_delay
from labkit.network.poisoning import ARP_FRAMES, NeighbourEntries, Poisoning
from labkit.network.processes import ROOT
from labkit.trust.certificates import DOMAIN

_PREFIX = 24
_INTERFACE = "eth0"
_ALL_PROTOCOLS = 0x0003
"""ETH_P_ALL of <linux/if_ether.h>."""
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
"""Of <linux/if_packet.h>."""
_SWITCH = "lan"


_CARRIERS = {"netem": "the kernel does it (netem)", "relay": "a relay does it, because this kernel has no netem"}
"""What slows a link down -> how it is said."""


class NamespaceHost(Host):
    """A host in a network namespace of its own. `mac` is the hardware address of its interface."""

    network: "Namespace"

    def __init__(self, network: "Namespace", name: str, number: int) -> None:
        super().__init__(network, name, address(number))
        self.mac = f"00:00:5e:00:53:{number:02d}"  # likewise (RFC 9542 §2.1.2), with the digits of the IP address

    def sniff(self, protocol: int = _ALL_PROTOCOLS) -> socket.socket:
        """A packet socket (packet(7)) on this host's interface, which sees what a network card in this place sees.

        Raises `CannotSniff` where packet sockets are refused.
        """
        sock = self.network.packet_socket(self.name)
        sock.bind((_INTERFACE, protocol))
        return sock

    def tcp(self, family: int = socket.AF_INET) -> socket.socket:
        """A TCP socket of this host that is not connected yet, with Nagle's algorithm off. Raises `OSError`."""
        sock = without_delay(self.network.broker.socket(self.name, family, socket.SOCK_STREAM))
        # A server that is started again finds its port free, although old connections are still remembered.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.network.sockets.add(sock)
        return sock

    def udp(self, family: int = socket.AF_INET) -> socket.socket:
        """A UDP socket of this host that is not bound yet. Raises `OSError`."""
        sock = self.network.broker.socket(self.name, family, socket.SOCK_DGRAM)
        self.network.sockets.add(sock)
        return sock

    def _run(
        self, command: list[str], input: bytes, timeout: float, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        # The broker ends what runs in the namespaces, at the latest with the lab.
        return tool.run(self._placed(command), command, input, timeout, environment)

    def _placed(self, command: list[str], rights: str = ROOT) -> list[str]:
        broker = self.network.broker
        place = (str(broker.pid), str(broker.namespaces[self.name]), f"{self.name}.{DOMAIN}")
        return [*PYTHON, str(INSIDE / "enter.py"), *place, rights, *command]

    def _check_root(self) -> None:
        """Every LAN has a root."""

    def adopt(self, port: int, real: int | None = None, timeout: float = 10.0) -> ForeignListener:
        """See `labkit.network.processes.Processes.adopt`: `real` can only be the port itself. Raises `LabError` for
        another one."""
        if real not in (None, port):
            raise LabError(
                f"On a private LAN every port is the real one: what listens on port {real!r} of {self.name} is adopted "
                "under that number, without real=…."
            )
        return super().adopt(port, None, timeout)


class Namespace(Network):
    """Hosts on a LAN of their own, 192.0.2.0/24. Raises `NetworkUnavailable` where it cannot be made."""

    kind = "namespace"
    lookout = "at the switch of the LAN"

    def __init__(self, hosts: tuple[str, ...]) -> None:
        super().__init__()
        if sys.platform != "linux":
            raise NetworkUnavailable("A private LAN needs the network namespaces of Linux: use the network loopback.")
        self.hosts = {name: NamespaceHost(self, name, number) for name, number in numbered(hosts).items()}
        self.cables = {_INTERFACE, *hosts}
        self._ends = {name: name for name in hosts}
        """Host -> the end of its cable at the switch."""
        self.names = {host.address: name for name, host in self.hosts.items()}
        lan = {name: {"address": host.address, "mac": host.mac} for name, host in self.hosts.items()}
        self.sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        """The sockets that were handed out and may still be open."""
        self._poisonings: dict[tuple[str, str], Poisoning | NeighbourEntries] = {}
        """(attacker, server) -> how the first got on the path to the second."""
        self.broker = Broker({"hosts": lan, "prefix": _PREFIX, "files": self._files()})
        self.users = self.broker.users

    def _files(self) -> dict[str, str]:
        """Files of the machine -> what a tool that runs on a host reads in their place."""
        names = "".join(f"{host.address} {name}.{DOMAIN} {name}\n" for name, host in self.hosts.items())
        resolver = f"nameserver {self.hosts['dns'].address}\n" if "dns" in self.hosts else ""
        return {"/etc/hosts": f"127.0.0.1 localhost\n{names}", "/etc/resolv.conf": resolver}

    def published(self, host: str) -> str:
        """The address that the lab's DNS gives for a host: its own."""
        return self.hosts[host].address

    def reserve(self, host: str, port: int) -> int:
        """The port itself: every host has its real ones."""
        return port

    def real_port(self, host: str, port: int) -> int:
        """The port itself."""
        return port

    def locate(self, host: str, port: int, sender: str = "", transport: str = TCP) -> Address:
        """Where `sender`'s connection to this host and port goes; an IP address is taken as it is."""
        if host not in self.hosts:
            return host, port
        return self._diverted(sender, host, port, (self.hosts[host].address, port), transport)

    def _link(self, host: Host, delay: float, loss: float) -> str:
        carrier, end = self.broker.ask("link", host.name, delay, loss)
        before, self._ends[host.name] = self._ends[host.name], end
        if end != before:  # a capture under way looks there from now on
            self.cables.add(end)
            self.cables.discard(before)
        if not carrier:
            return f"Between {host.name} and the switch is a plain cable."
        lost = f" and {loss:.0%} of them are lost" if loss else ""
        slow = f"every frame takes {delay * 1000:g} ms more each way{lost}"
        return f"Between {host.name} and the switch {slow}; {_CARRIERS[carrier]}."

    def _intercept(self, attacker: Host, server: Host, port: int, transport: str) -> Interception:
        with ExitStack() as undo:
            sock = attacker.tcp() if transport == TCP else attacker.udp()
            undo.callback(stop_listening, sock)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TRANSPARENT, 1)  # it answers with the server's address
            sock.bind((server.address, port))
            if transport == TCP:
                sock.listen()
            self.broker.ask("detour", attacker.name, server.address, port, transport)
            undo.callback(self.broker.ask, "straight", attacker.name, server.address, port, transport)
            how = self._poison(attacker, server)
            undo.pop_all()
        return Interception(
            attacker.name,
            server.name,
            Listener(attacker.name, port, sock, self.forget, transport),
            how,
            connect=partial(attacker.connect, server.name, port, transport=transport),
            name=self.name,
            leave=self.leave,
        )

    def _poison(self, attacker: Host, server: Host) -> str:
        """Put the attacker between this server and all other hosts; it forwards the frames that it does not intercept.

        Says in a sentence how.
        """
        path = attacker.name, server.name
        if path not in self._poisonings:
            others = [host for host in self.hosts.values() if host not in (attacker, server)]
            try:
                sock = attacker.sniff(ARP_FRAMES)
            except CannotSniff:
                places = [((other.name, other.address), (server.name, server.address)) for other in others]
                write = partial(self.broker.ask, "neighbour")
                self._poisonings[path] = NeighbourEntries(write, attacker.mac, places)
            else:
                pairs = [(other.address, server.address) for other in others]
                self._poisonings[path] = Poisoning(sock, attacker.address, attacker.mac, pairs)
        return self._poisonings[path].how

    def _heal(self, interception: Interception) -> None:
        """End the poisoning, unless the attacker is still there for another port."""
        path = interception.attacker, interception.server
        listener = interception.listener
        left = [each for tables in self.tables.values() for each in tables.interceptions.values()]
        try:
            if path not in [(other.attacker, other.server) for other in left]:
                self._poisonings.pop(path).close()
        finally:
            where = listener.address[0], listener.port, listener.transport
            self.broker.ask("straight", interception.attacker, *where)

    def watch(self) -> socket.socket:
        """A packet socket (packet(7)) on all ports of the switch; it sees each frame that a host sends once.

        Raises `CannotSniff` where packet sockets are refused.
        """
        sock = self.packet_socket(_SWITCH, socket.htons(_ALL_PROTOCOLS))
        sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        return sock

    def packet_socket(self, place: str, protocol: int = 0) -> socket.socket:
        """A packet socket (packet(7)) on a host or on the switch. Raises `CannotSniff`."""
        self.still_open()
        try:
            with within_limits("Opening a packet socket"):
                return self.broker.socket(place, socket.AF_PACKET, socket.SOCK_RAW, protocol)
        except OSError as error:
            raise CannotSniff(
                f"This process may not open a packet socket ({error.strerror}): the tap captures instead."
            ) from error

    def contains(self, ip: str) -> bool:
        """Whether the address is that of a host."""
        return any(ip == host.address for host in self.hosts.values())

    def describe(self) -> str:
        """One sentence on how this network is made."""
        return (
            "A private LAN, 192.0.2.0/24: every host has its own address, every server its real port, "
            "and nothing of it is seen outside."
        )

    def _take_down(self) -> None:
        for sock in list(self.sockets):
            with suppress(OSError):  # closed, or wrapped in TLS
                sock.shutdown(socket.SHUT_RDWR)  # over a LAN that is gone, no FIN would arrive
        self.broker.close()
