"""The network that works everywhere: all hosts share 127.0.0.1, and every listener has an ephemeral port.

The port that a server would have on a real host (587) is kept as its nominal port; `Network.nominal` and
`Network.names` lead from one to the other. Needs no privilege on any system; only `sniff` is for Linux, and only
where packet sockets are allowed.
"""

import errno
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from labkit.errors import CannotSniff, LabError
from labkit.limits import within_limits
from labkit.network import tool
from labkit.network.addresses import address, numbered
from labkit.network.checks import is_loopback
from labkit.network.hosts import Host, Network
from labkit.network.interception import Interception
from labkit.network.listener import TCP, UDP, Address, Listener, without_delay
from labkit.network.pace import Pace
from labkit.network.processes import ROOT
from labkit.network.relay import Relay

_ADDRESS = "127.0.0.1"
_INTERFACE = "lo"
_ALL_PROTOCOLS = 0x0003
"""ETH_P_ALL of <linux/if_ether.h>."""

_NEVER_GIVEN = range(20_000, 32_768)
"""Ports that systems give to no socket by themselves: dynamic ones begin at 49152 (RFC 6335 §6), on Linux at 32768."""
_TRIES = 20

_LEASH = (sys.executable, "-E", "-s", "-S", str(Path(__file__).with_name("leash.py")))
_LARGEST_NUMBER = 16
"""Digits of an error number."""
_HOW = "Connections of the other hosts are diverted."

_PIECE = 1 << 16
"""Bytes that a slow link carries at once."""


class LoopbackHost(Host):
    """A host that is a name on 127.0.0.1."""

    def sniff(self) -> socket.socket:
        """A packet socket (packet(7)) on the loopback interface. Raises `CannotSniff`."""
        if not hasattr(socket, "AF_PACKET"):
            raise CannotSniff("Packet sockets exist only on Linux: the tap captures here instead.")
        try:
            with within_limits("Opening a packet socket"):
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

    def bound(self, port: int, transport: str = TCP) -> socket.socket:
        """A listening socket that stands for this port and has a free one. Raises `OSError`.

        For UDP it is the one that the host has for TCP already, where that is free: tools take one number for both.
        """
        both = self.network.listeners.get((self.name, port)) if transport == UDP else None
        if both:
            with suppress(OSError):
                return super().bound(both.address[1], transport)
        return super().bound(0, transport)

    def lasting_port(self) -> int:
        """A TCP port that is free, and that the system gives to no other program meanwhile. Raises `OSError`."""
        for port in random.sample(_NEVER_GIVEN, _TRIES):
            try:
                with super().bound(port):
                    return port
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        with super().bound(0) as sock:
            return sock.getsockname()[1]

    def tcp(self, family: int = socket.AF_INET) -> socket.socket:
        """A TCP socket that is not connected yet, with Nagle's algorithm off. Raises `OSError`."""
        return without_delay(socket.socket(family, socket.SOCK_STREAM))

    def udp(self, family: int = socket.AF_INET) -> socket.socket:
        """A UDP socket that is not bound yet. Raises `OSError`."""
        return socket.socket(family, socket.SOCK_DGRAM)

    def _placed(self, command: list[str], rights: str = ROOT) -> list[str]:
        return command

    def _run(
        self, command: list[str], input: bytes, timeout: float, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        if os.name == "nt":
            return tool.run(command, command, input, timeout, environment)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            leash = theirs.fileno()
            done = tool.run([*_LEASH, str(leash), *command], command, input, timeout, environment, keep=(leash,))
            with suppress(BlockingIOError):  # where all went well, nothing was sent
                number = int(ours.recv(_LARGEST_NUMBER, socket.MSG_DONTWAIT))
                raise OSError(number, os.strerror(number))
        return done

    def _check_root(self) -> None:
        if getattr(os, "geteuid", int)() != 0:
            raise LabError(
                "On loopback a program cannot be root, because this process is not: "
                'a private LAN has a root of its own, Lab(network="namespace").'
            )


class Loopback(Network):
    """Hosts by name on the loopback interface of this machine."""

    kind = "loopback"
    lookout = f"on the interface {_INTERFACE}"

    def __init__(self, hosts: tuple[str, ...]) -> None:
        super().__init__()
        self.hosts = {name: LoopbackHost(self, name, _ADDRESS) for name in hosts}
        self._numbers = numbered(hosts)
        self._reserved: dict[tuple[str, int], int] = {}
        """(host name, nominal port) -> the real port of a program that stands for it."""
        self._slow: Relay | None = None
        """Carries the connections of hosts with a slow link, unless a tap does."""

    def published(self, host: str) -> str:
        """The address that the lab's DNS gives for a host; it stands for it."""
        return address(self._numbers[host])

    def reserve(self, host: str, port: int) -> int:
        """A real port that is free now and stands for a nominal port of a host; the same each time."""
        if (host, port) not in self._reserved:
            with within_limits("Looking for a free port"):
                self._reserved[host, port] = self.hosts[host].lasting_port()
        return self._reserved[host, port]

    def real_port(self, host: str, port: int) -> int:
        """The real port that was reserved for a nominal port of a host. Raises `LabError` where none was."""
        if (host, port) not in self._reserved:
            raise LabError(
                f"On loopback a program cannot listen on port {port} itself: let it listen on the real port that "
                f"lab.network.host({host!r}).free_port({port}) gives, or say on which one it does with real=…."
            )
        return self._reserved[host, port]

    def contains(self, ip: str) -> bool:
        """Whether the address is one of the loopback addresses, 127.0.0.0/8 and ::1 (RFC 6890)."""
        return is_loopback(ip)

    def watch(self) -> socket.socket:
        """A packet socket (packet(7)) on the loopback interface. Raises `CannotSniff`."""
        return next(iter(self.hosts.values())).sniff()

    def _link(self, host: Host, delay: float, loss: float) -> str:
        if loss:
            raise LabError(
                f"Nothing can be lost at {host.name}: all hosts share {_ADDRESS}, where only connections are delayed. "
                'Loss needs a private LAN: Lab(network="namespace").'
            )
        slow = {**self.delays, host.name: delay}
        if any(slow.values()) and self._slow is None:
            self._slow = Relay(self, self.loop, _PIECE, ended=lambda: None)
        elif not any(slow.values()) and self._slow is not None:
            carrying, self._slow = self._slow, None
            carrying.leave(0)  # what is open is carried on
        if not delay:
            return f"{host.name} is on loopback, which takes no time; a connection that was slow is so no more."
        return (
            f"Every TCP segment between {host.name} and another host takes {delay * 1000:g} ms more each way, in "
            "connections that are opened from now on; a relay does it. Datagrams (UDP), and programs that connect to "
            "a real port, take no time."
        )

    def pace(self, sender: str, host: str, port: int) -> Callable[[], Pace]:
        """A function that returns the present pace of a relay from `sender` to this host and nominal port.

        An attacker on the path to the host stands in its place.
        """
        listener = self._listener(host, port, sender, TCP)
        return partial(self._pace, sender, listener.host if listener else host)

    def _pace(self, sender: str, host: str) -> Pace:
        if sender == host:
            return Pace()
        return Pace(self.delays.get(sender, 0.0), self.delays.get(host, 0.0))

    def _diverted(self, sender: str, host: str, port: int, address: Address, transport: str) -> Address:
        """Where the tap leads, or a slow link."""
        led = super()._diverted(sender, host, port, address, transport)
        slow, pace = self._slow, self.pace(sender, host, port)
        if led != address or transport != TCP or slow is None or not pace().whole:
            return led
        at = self._listener(host, port, sender, transport)
        return slow.listen(self.host(sender), address, (sender, at and at.host, address), pace=pace)

    def _intercept(self, attacker: Host, server: Host, port: int, transport: str) -> Interception:
        listener = attacker.listen(port, transport)
        self.name(f"{server.address}:{port}", server.name)  # both have this address; the name stays with the server
        return Interception(
            attacker.name,
            server.name,
            listener,
            _HOW,
            connect=partial(attacker.connect, server.name, port, transport=transport),
            name=self.name,
            leave=self.leave,
        )

    def _heal(self, interception: Interception) -> None:
        """Nothing was changed on other hosts."""

    def _listener(self, host: str, port: int, sender: str, transport: str) -> Listener | None:
        interception = self.tables[transport].interceptions.get((host, port))
        if interception and interception.applies_to(sender):
            return interception.listener
        return super()._listener(host, port, sender, transport)

    def describe(self) -> str:
        """One sentence on how this network is made."""
        return (
            f"All hosts share {_ADDRESS} of this machine; "
            f"every server has a free port and is shown under the port it stands for. {self.instead}"
        ).rstrip()
