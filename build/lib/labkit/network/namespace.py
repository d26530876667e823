"""A private LAN in the kernel, for which nobody needs to be privileged: every host has an address and its real ports.

Each host is a network namespace (network_namespaces(7)) inside one user namespace; a bridge and virtual cables join
them, so there is real ARP, a real switch and real sniffing, and nothing of it can be seen or reached from outside. Only
for Linux, and only where user namespaces are allowed (`labkit.network.obstacles`).
"""

import itertools
import socket
import sys
import weakref
from contextlib import ExitStack, suppress

from labkit.errors import NetworkUnavailable
from labkit.network.broker import INSIDE, PYTHON, Broker
from labkit.network.hosts import Address, Host, Listener, Network, stop_listening, without_delay
from labkit.network.interception import Interception
from labkit.network.poisoning import ARP_FRAMES, Poisoning

DOMAIN = "lab.test"
"""The domain of the hosts; RFC 6761 keeps ``test`` for this."""
NUMBERS = {"alice": 10, "mail": 25, "dns": 53, "mallory": 66, "www": 80}
"""The last number of the addresses of a host; another one gets a number from 81 on."""
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
        super().__init__(network, name, f"192.0.2.{number}")  # for documentation (RFC 5737)
        self.mac = f"00:00:5e:00:53:{number:02d}"  # likewise (RFC 9542 §2.1.2), with the digits of the IP address

    def sniff(self, protocol: int = _ALL_PROTOCOLS) -> socket.socket:
        """A packet socket (packet(7)) on this host's interface, which sees what a network card in this place sees."""
        self.network.still_open()
        sock = self.network.broker.socket(self.name, socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind((_INTERFACE, protocol))
        return sock

    def tcp(self, family: int = socket.AF_INET) -> socket.socket:
        """A TCP socket of this host that is not connected yet, with Nagle's algorithm off. Raises `OSError`."""
        sock = without_delay(self.network.broker.socket(self.name, family, socket.SOCK_STREAM))
        # A server that is started again finds its port free, although old connections are still remembered.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.network.sockets.add(sock)
        return sock

    def _started_here(self, command: list[str]) -> list[str]:
        broker = self.network.broker
        place = (str(broker.pid), str(broker.namespaces[self.name]), f"{self.name}.{DOMAIN}")
        return [*PYTHON, str(INSIDE / "enter.py"), *place, *command]


class Namespace(Network):
    """Hosts on a LAN of their own, 192.0.2.0/24. Raises `NetworkUnavailable` where it cannot be made."""

    kind = "namespace"
    lookout = "at the switch of the LAN"

    def __init__(self, hosts: tuple[str, ...]) -> None:
        super().__init__()
        if sys.platform != "linux":
            raise NetworkUnavailable("A private LAN needs the network namespaces of Linux.")
        free = itertools.count(max(NUMBERS.values()) + 1)
        self.hosts = {name: NamespaceHost(self, name, NUMBERS.get(name) or next(free)) for name in hosts}
        self.cables = frozenset((_INTERFACE, *hosts))
        self.names = {host.address: name for name, host in self.hosts.items()}
        lan = {name: {"address": host.address, "mac": host.mac} for name, host in self.hosts.items()}
        self.sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        """What was handed out and may still be open."""
        self._poisonings: dict[tuple[str, str], Poisoning] = {}
        """(attacker, server) -> how the one got on the path to the other."""
        self.broker = Broker({"hosts": lan, "prefix": _PREFIX, "files": self._files()})

    def _files(self) -> dict[str, str]:
        """Files of the machine -> what a tool that runs on a host reads in their place."""
        names = "".join(f"{host.address} {name}.{DOMAIN} {name}\n" for name, host in self.hosts.items())
        resolver = f"nameserver {self.hosts['dns'].address}\n" if "dns" in self.hosts else ""
        return {"/etc/hosts": f"127.0.0.1 localhost\n{names}", "/etc/resolv.conf": resolver}

    def locate(self, host: str, port: int, sender: str = "") -> Address:
        """Where `sender`'s connection to this host and port goes; an IP address is taken as it is."""
        if host not in self.hosts:
            return host, port
        address = self.hosts[host].address, port
        return self.diversion(sender, host, port, address) if self.diversion else address

    def _link(self, host: Host, delay: float, loss: float) -> str:
        carrier = self.broker.ask("link", host.name, delay, loss)
        if not carrier:
            return f"Between {host.name} and the switch is a plain cable."
        lost = f" and {loss:.0%} of them are lost" if loss else ""
        slow = f"every frame takes {delay * 1000:g} ms more each way{lost}"
        return f"Between {host.name} and the switch {slow}; {_CARRIERS[carrier]}."

    def _intercept(self, attacker: Host, server: Host, port: int) -> Interception:
        with ExitStack() as undo:
            sock = attacker.tcp()
            undo.callback(stop_listening, sock)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TRANSPARENT, 1)  # it answers with the server's address
            sock.bind((server.address, port))
            sock.listen()
            self.broker.ask("detour", attacker.name, server.address, port)
            undo.callback(self.broker.ask, "straight", attacker.name, server.address, port)
            self._poison(attacker, server)
            undo.callback(self._heal, attacker.name, server.name)
            listener = Listener(self, attacker.name, port, sock)
            return Interception(attacker, server.name, listener, listener.address, heal=undo.pop_all().close)

    def _poison(self, attacker: Host, server: Host) -> None:
        """Put the attacker between this server and everybody else; it hands on what is not for it."""
        path = attacker.name, server.name
        if path not in self._poisonings:
            others = [host.address for host in self.hosts.values() if host not in (attacker, server)]
            pairs = [(other, server.address) for other in others]
            self._poisonings[path] = Poisoning(attacker.sniff(ARP_FRAMES), attacker.address, attacker.mac, pairs)

    def _heal(self, attacker: str, server: str) -> None:
        """Leave the path, unless the attacker is still there for another port."""
        left = [(other.attacker.name, other.server) for other in self.interceptions.values()]
        if (attacker, server) not in left:
            self._poisonings.pop((attacker, server)).close()

    def watch(self) -> socket.socket:
        """A packet socket (packet(7)) on all ports of the switch; it sees each frame that a host sends once."""
        self.still_open()
        sock = self.broker.socket(_SWITCH, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
        sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        return sock

    def contains(self, ip: str) -> bool:
        """Whether the address is that of a host."""
        return any(ip == host.address for host in self.hosts.values())

    def describe(self) -> str:
        """One sentence on how this network is made."""
        return (
            "A private LAN, 192.0.2.0/24: every host has its own address, every server its real port, "
            "and nothing of it is seen outside."
        )

    def close(self) -> None:
        """Close every listener, take the LAN down and admit no more. A second call does nothing."""
        super().close()
        for sock in list(self.sockets):
            with suppress(OSError):  # closed, or wrapped in TLS
                sock.shutdown(socket.SHUT_RDWR)  # over a LAN that is gone, no end of a connection would be heard of
        self.broker.close()
