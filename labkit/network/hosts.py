"""A network of the lab: named hosts that listen, connect, sniff and run tools.

Everything above this room uses these names and does not know which network it runs on. The one check that keeps the lab
inside the lab is here too (`Network.admit`): no listener and no connection exists that did not pass it.
"""

import contextlib
import os
import socket
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from labkit.errors import LabError, NotListening, OutsideTheLab, PortTaken
from labkit.interrupts import uninterrupted
from labkit.limits import within_limits
from labkit.network.bounded import Running
from labkit.network.checks import check_link, check_port, check_timeout
from labkit.network.datagrams import DatagramWitness
from labkit.network.interception import Interception
from labkit.network.listener import TCP, Address, Listener
from labkit.network.loop import Loop
from labkit.network.pace import Pace, at_once
from labkit.network.processes import Processes
from labkit.network.register import Register
from labkit.network.started import StartedProgram

Diversion = Callable[[str, str, int, Address], Address]
"""(sender, host name, nominal port, real address) -> where to connect instead: how a tap gets into the path."""

_BACKLOG = 128


class Host(Processes):
    """A named host of a network."""

    def __init__(self, network: "Network", name: str, address: str) -> None:
        self.network = network
        self.name = name
        self.address = address

    def listen(self, port: int, transport: str = TCP) -> Listener:
        """Listen on a nominal port (1 to 65535). Raises `PortTaken` when this host already does."""
        check_port(port)
        self.network.still_open()
        if (self.name, port) in self.network.tables[transport].listeners:
            raise PortTaken(
                f"Port {port} on {self.name} is taken: close the server that listens there, or use another port."
            )
        self.network.admit(self.address)
        listener: Listener | None = None
        try:
            with uninterrupted(), within_limits(f"Listening on port {port} of {self.name}"):
                sock = self.bound(port, transport)
                listener = self.network.remember(Listener(self.name, port, sock, self.network.forget, transport))
        except OSError as error:
            raise PortTaken(
                f"{self.name} cannot listen on port {port} ({error.strerror}): try another port."
            ) from error
        except BaseException:  # an interrupt: its user does not have the listener
            if listener is not None:
                listener.close()
            raise
        return listener

    def listen_anywhere(self) -> Listener:
        """Listen on a free port, which is the nominal one, too. Raises `PortTaken` where none is left."""
        self.network.still_open()
        self.network.admit(self.address)
        try:
            with within_limits(f"Listening on a free port of {self.name}"):
                sock = self.bound(0)
        except OSError as error:
            raise PortTaken(f"{self.name} has no free port to listen on ({error.strerror}).") from error
        return self.network.remember(Listener(self.name, sock.getsockname()[1], sock, self.network.forget))

    def connect(
        self, host: str, port: int, timeout: float = 10.0, transport: str = TCP, source: str = ""
    ) -> socket.socket:
        """A connection to a host of the lab (by name, or address in its DNS, and nominal port) or to a real address.

        `timeout` (seconds) limits the connecting and stays on the socket. A UDP socket is bound to that peer, and takes
        datagrams from no other. `source` is an address of this host to connect from, the usual one unless given. Raises
        `NotListening`, `OutsideTheLab`, or `LabError` when nothing answers in time.
        """
        check_port(port)
        self.network.still_open()
        check_timeout(timeout)
        host = self.network.named(host)
        opening = self.network.opening(self.name, host, port, transport)
        address = self.network.locate(host, port, self.name, transport)
        self.network.admit(address[0])
        if source:
            self.network.admit(source)
        try:
            with within_limits(f"Connecting to port {port} of {host}"):
                sock = self._connected_socket(address, timeout, transport, source, opening)
        except ConnectionRefusedError as error:
            raise NotListening(f"Nothing listens on port {port} of {host}: start a server there first.") from error
        except OSError as error:
            raise LabError(f"{self.name} cannot reach port {port} of {host} within {timeout:g} s: {error}.") from error
        end = "{}:{}".format(*sock.getsockname()[:2])
        self.network.name(end, self.name)
        self.network.name(f"{end}>", self.network.reached(host, port, self.name, transport))
        return sock

    def bound(self, port: int, transport: str = TCP) -> socket.socket:
        """A listening socket that stands for this port; for 0 it has a free port of the system. Raises `OSError`."""
        sock = self._socket(transport)
        try:
            sock.bind((self.address, port))
            if transport == TCP:
                sock.listen(_BACKLOG)
        except BaseException:
            sock.close()
            raise
        return sock

    def _socket(self, transport: str, family: int = socket.AF_INET) -> socket.socket:
        return self.tcp(family) if transport == TCP else self.udp(family)

    @abstractmethod
    def udp(self, family: int = socket.AF_INET) -> socket.socket:
        """A UDP socket of this host that is not bound yet. Raises `OSError`."""

    @abstractmethod
    def sniff(self) -> socket.socket:
        """A packet socket (packet(7)) that sees what this host's interface carries. Raises `CannotSniff`."""

    def _connected_socket(
        self, address: Address, timeout: float, transport: str, source: str, opening: float
    ) -> socket.socket:
        """A socket that is connected, from the address `source` where one is named; `opening` are the seconds that
        TCP's opening takes beyond the system's own."""
        sock = self._socket(transport, socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        try:
            sock.settimeout(timeout)
            if source:
                sock.bind((source, 0))
            sock.connect(address)
            if opening:  # a sleep of no time would still let others go first
                time.sleep(min(opening, timeout))
            if opening > timeout:
                raise TimeoutError("timed out")
        except BaseException:
            sock.close()
            raise
        return sock

    def __repr__(self) -> str:
        return f"<{self.name}, {self.address}>"


class Network(Register, ABC):
    """Hosts with names, and what listens on them."""

    kind: str
    """``loopback`` or another name for how it is made."""
    lookout: str
    """Where `watch` looks from, in the words of a sentence."""
    cables: AbstractSet[str] = frozenset()
    """The interfaces that carry nothing but the lab's frames, one end of each cable; none where the lab shares those of
    the machine."""

    users: int | None = None
    """How many user numbers of the machine are mapped on its hosts; None where all are."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: dict[str, Host] = {}
        self.written: dict[str, str] = {}
        """Host -> the address that a tap writes into its frames, in the place of the real one."""
        self.environment: Callable[[], Mapping[str, str]] = dict
        """Returns the environment variables that are added for the programs that run on a host."""
        self.diversion: Diversion | None = None
        """Called for every connection to a host by name; returns where to connect instead."""
        self.witnesses: list[DatagramWitness] = []
        """Each is called with every datagram that a server of the lab receives or sends."""
        self.delays: dict[str, float] = {}
        """Host name -> seconds that its link takes, for hosts whose delay was set."""
        self.instead = ""
        """Why this machine allows no better network, in a sentence; empty if this one was asked for."""
        self.programs: set[Running] = set()
        """What was started by `Host.try_out` and has not ended."""
        self.started: list[tuple[StartedProgram, object]] = []
        """What was started by `Host.start`, and the occasion of each."""
        self.occasion: Callable[[], object] = lambda: None
        """Returns the occasion on which a program is started now: the execution of a notebook's cell, for example."""
        self.repeats: Callable[[Any], bool] = lambda _: False
        """(an occasion) -> whether it is repeated now, so that a program that was started then is replaced."""
        self._closed = False
        self._maker = os.getpid()
        self._loop: Loop | None = None
        self._starting = threading.Lock()

    @abstractmethod
    def contains(self, ip: str) -> bool:
        """Whether this IP address belongs to the lab."""

    @property
    def loop(self) -> "Loop":
        """The thread in which servers and relays run, from the first of them to `close`."""
        with uninterrupted(), self._starting, within_limits("Starting the thread of the servers"):
            self.still_open()
            if self._loop is None:
                self._loop = Loop()
                weakref.finalize(self, self._loop.close).atexit = False  # at exit, servers are closed first
            return self._loop

    @abstractmethod
    def watch(self) -> socket.socket:
        """A packet socket (packet(7)) that sees everything that crosses the network. Raises `CannotSniff`."""

    @abstractmethod
    def describe(self) -> str:
        """One sentence on how this network is made."""

    def admit(self, ip: str) -> None:
        """The safety check: raises `OutsideTheLab` unless the address belongs to the lab."""
        if not self.contains(ip):
            raise OutsideTheLab(f"{ip!r} is not inside the lab: use one of its hosts, {', '.join(self.hosts)}.")

    @property
    def is_here(self) -> bool:
        """Whether this process made the network; a fork of it (fork(2)) did not."""
        return os.getpid() == self._maker

    def still_open(self) -> None:
        """Raises `LabError` after `close`, and in a forked process (fork(2))."""
        if not self.is_here:
            raise LabError(
                f"This lab belongs to the process that made it ({self._maker}), not to a fork of it: "
                "make a new one here with Lab()."
            )
        if self._closed:
            raise LabError(
                "This lab is closed: make a new one with Lab(), or run the cells of the notebook from the top again."
            )

    @abstractmethod
    def published(self, host: str) -> str:
        """The address that the lab's DNS gives for a host: see `labkit.network.addresses`."""

    def named(self, address: str) -> str:
        """The name of the host that this address in the lab's DNS stands for; anything else as it is."""
        return next((name for name in self.hosts if self.published(name) == address), address)

    def host(self, name: str) -> Host:
        """The host of that name. Raises `LabError` for an unknown one."""
        if name not in self.hosts:
            raise LabError(f"There is no host {name!r} in the lab: it has {', '.join(self.hosts)}.")
        return self.hosts[name]

    def intercept(self, attacker: str, server: str, port: int, transport: str = TCP) -> Interception:
        """Put a host on the path to a nominal port of another one, until the interception is closed.

        Raises `OutsideTheLab` for a server that is not in the lab, and `LabError` for a host that does not exist or a
        port that is intercepted already.
        """
        check_port(port)
        self.still_open()
        for name in (server, attacker):
            self.admit(self.hosts[name].address if name in self.hosts else name)
        if attacker == server:
            raise LabError(f"{attacker} cannot be on the path to itself: name another host as the attacker.")
        under_way = self.tables[transport].interceptions
        if (server, port) in under_way:
            raise LabError(f"{under_way[server, port]!r} already: close that interception first.")
        interception: Interception | None = None
        try:
            with uninterrupted(), within_limits(f"Getting on the path to {server}"):
                interception = self._intercept(self.host(attacker), self.host(server), port, transport)
                under_way[server, port] = interception
        except BaseException:  # an interrupt: its user does not have the interception
            if interception is not None:
                interception.close()
            raise
        return interception

    def leave(self, interception: Interception) -> None:
        """Take an attacker off the path again; without effect when it has left, and in a forked process."""
        where = interception.server, interception.port
        under_way = self.tables[interception.listener.transport].interceptions
        if under_way.get(where) is not interception or not self.is_here:
            return
        with uninterrupted():
            del under_way[where]
            try:
                self._heal(interception)
            finally:
                interception.listener.close()

    @abstractmethod
    def _intercept(self, attacker: Host, server: Host, port: int, transport: str) -> Interception:
        """Put a host on the path. Raises `OSError`."""

    @abstractmethod
    def _heal(self, interception: Interception) -> None:
        """Undo what `_intercept` changed on other hosts."""

    def link(self, host: str, delay: float = 0.0, loss: float = 0.0) -> str:
        """Slow down what a host sends and receives by `delay` seconds, and lose the share `loss` (0 to 1) of it.

        A round trip so takes twice the delay longer, that of TCP's opening included, and the order is kept. Without
        delay and loss the link is again as it was; a session that runs goes on. Says in a sentence how it is done.
        Raises `LabError` for a host or a value that makes no sense, or for what this network cannot do.
        """
        self.still_open()
        check_link(delay, loss)
        at = self.host(host)
        try:
            with uninterrupted(), within_limits(f"Slowing down the link of {host}"):
                said = self._link(at, delay, loss)
        except OSError as error:
            raise LabError(f"The link of {host} cannot be slowed down here ({error.strerror}).") from error
        self.delays[host] = delay
        return said

    @abstractmethod
    def _link(self, host: Host, delay: float, loss: float) -> str:
        """What `link` does on this network. Raises `OSError`."""

    @property
    def longest_round_trip(self) -> float:
        """Seconds that the links make a segment and its answer take between the two hosts that are farthest apart."""
        return 2 * sum(sorted(self.delays.values())[-2:])

    def pace(self, sender: str, host: str, port: int) -> Callable[[], Pace]:
        """A function that returns the present pace of a relay from `sender` to this host and nominal port.

        It takes no time where the frames themselves are delayed.
        """
        return at_once

    def opening(self, sender: str, host: str, port: int, transport: str = TCP) -> float:
        """Seconds that the opening of TCP takes from `sender` to this host and nominal port, beyond the system's."""
        return 2 * self.pace(sender, host, port)().whole if transport == TCP else 0.0

    def reached(self, host: str, port: int, sender: str, transport: str = TCP) -> str:
        """The name of the host that `sender` talks to when it connects to this host and nominal port."""
        interception = self.tables[transport].interceptions.get((host, port))
        return interception.pose if interception and interception.applies_to(sender) else self._known(host, port)

    def _known(self, host: str, port: int) -> str:
        return host if host in self.hosts else self.names.get(f"{host}:{port}", host)

    def locate(self, host: str, port: int, sender: str = "", transport: str = TCP) -> Address:
        """Where `sender`'s connection to this host and nominal port really goes; an IP address is taken as it is.
        Raises `NotListening`."""
        if host not in self.hosts:
            return host, port
        listener = self._listener(host, port, sender, transport)
        if listener is None:
            raise NotListening(f"Nothing listens on port {port} of {host}: start a server there first.")
        return self._diverted(sender, host, port, listener.address, transport)

    def _diverted(self, sender: str, host: str, port: int, address: Address, transport: str) -> Address:
        """The address of the tap, which carries TCP alone; `address` itself without a tap."""
        diverts = self.diversion is not None and transport == TCP
        return self.diversion(sender, host, port, address) if diverts else address

    def _listener(self, host: str, port: int, sender: str, transport: str) -> Listener | None:
        """The listener that `sender` reaches at this host and nominal port."""
        return self.tables[transport].listeners.get((host, port))

    @abstractmethod
    def reserve(self, host: str, port: int) -> int:
        """The real port that stands for a nominal port of a host, for a program to listen on. Raises `LabError`."""

    @abstractmethod
    def real_port(self, host: str, port: int) -> int:
        """The real port that was reserved for a nominal port of a host. Raises `LabError` where none was."""

    def close(self) -> None:
        """End what serves, what carries and what was started, close every listener and admit no more.

        A second call does nothing; nor does one in a forked process, where the network still belongs to its maker.
        """
        if not self.is_here or self._closed:
            return
        with uninterrupted():
            self._closed = True
            self.diversion = None
            for program in tuple(self.programs):
                program.end()
            if self._loop is not None:
                self._loop.close()
            standing = [each for tables in self.tables.values() for each in tables.interceptions.values()]
            for running in (*(program for program, _ in self.started), *standing, *self._open()):
                with contextlib.suppress(OSError, LabError):
                    running.close()
            self._take_down()

    def _take_down(self) -> None:
        """End what only this kind of network has."""
