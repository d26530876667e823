"""What a network of the lab is: named hosts that listen, connect, sniff and run tools.

Everything above this room uses these names and does not know which network it runs on. The one check that keeps the lab
inside the lab is here too (`Network.admit`): no listener and no connection exists that did not pass it.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from ipaddress import ip_address
from numbers import Real
from typing import TYPE_CHECKING

from labkit.errors import LabError, NotListening, OutsideTheLab, PortTaken
from labkit.network.interception import Interception

if TYPE_CHECKING:
    from labkit.network.loop import Loop

Address = tuple[str, int]
"""(IP address, port in host order)."""
Diversion = Callable[[str, str, int, Address], Address]
"""(sender, host name, nominal port, real address) -> where to connect instead: how a tap gets into the path."""

_NAMES_KEPT = 4096
_BACKLOG = 128
_SLOWEST = 10.0
"""Seconds; a slower link would look like a broken one."""
_LONGEST_WAIT = 86_400
"""Seconds; sockets and timers cannot count up to any number."""


class Listener:
    """A listening socket on a host. `port` is the nominal one, `address` the real one; they differ on loopback."""

    def __init__(self, network: "Network", host: str, port: int, sock: socket.socket) -> None:
        self.host = host
        self.port = port
        self.socket = sock
        self.address: Address = sock.getsockname()[:2]
        self._network = network

    @property
    def elsewhere(self) -> str:
        """``really 127.0.0.1:40001`` for one that only stands for its port, and nothing for one that is there."""
        return "" if self.address[1] == self.port else "really {}:{}".format(*self.address)

    def close(self) -> None:
        """Stop listening. A second call does nothing."""
        self._network.forget(self)
        stop_listening(self.socket)

    def __repr__(self) -> str:
        return f"<{self.host} listens on port {self.port}{self.elsewhere and f', {self.elsewhere}'}>"


def stop_listening(sock: socket.socket) -> None:
    """Close a listening socket so that its port is free at once.

    Whoever starts a process in another thread may hold a copy of the descriptor for a moment.
    """
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


class Host(ABC):
    """A named host of a network."""

    def __init__(self, network: "Network", name: str, address: str) -> None:
        self.network = network
        self.name = name
        self.address = address

    def listen(self, port: int) -> Listener:
        """Listen on a nominal port (1 to 65535). Raises `PortTaken` when this host already does."""
        _check_port(port)
        self.network.still_open()
        if (self.name, port) in self.network.listeners:
            raise PortTaken(
                f"Port {port} on {self.name} is taken: close the server that listens there, or use another port."
            )
        self.network.admit(self.address)
        try:
            sock = self.bound(port)
        except OSError as error:
            raise PortTaken(
                f"{self.name} cannot listen on port {port} ({error.strerror}): try another port."
            ) from error
        return self.network.remember(Listener(self.network, self.name, port, sock))

    def listen_anywhere(self) -> Listener:
        """Listen on a free port, which is the nominal one, too. Raises `PortTaken` where none is left."""
        self.network.still_open()
        self.network.admit(self.address)
        try:
            sock = self.bound(0)
        except OSError as error:
            raise PortTaken(f"{self.name} has no free port to listen on ({error.strerror}).") from error
        return self.network.remember(Listener(self.network, self.name, sock.getsockname()[1], sock))

    def connect(self, host: str, port: int, timeout: float = 10.0) -> socket.socket:
        """A TCP connection to a host of the lab (by name and nominal port) or to an address inside it (and real port).

        `timeout` (seconds) limits the connecting and stays on the socket. Raises `NotListening`, `OutsideTheLab`, or
        `LabError` when nothing answers in time.
        """
        _check_port(port)
        self.network.still_open()
        check_timeout(timeout)
        address = self.network.locate(host, port, self.name)
        self.network.admit(address[0])
        try:
            sock = self._connected_socket(address, timeout)
        except ConnectionRefusedError as error:
            raise NotListening(f"Nothing listens on port {port} of {host}: start a server there first.") from error
        except OSError as error:
            raise LabError(f"{self.name} cannot reach port {port} of {host} within {timeout:g} s: {error}.") from error
        end = "{}:{}".format(*sock.getsockname()[:2])
        self.network.name(end, self.name)
        self.network.name(f"{end}>", self.network.reached(host, port, self.name))
        return sock

    def run(self, command: list[str], input: bytes = b"", timeout: float = 30.0) -> subprocess.CompletedProcess[bytes]:
        """Run a tool on this host with `input` on its standard input; `timeout` in seconds, output in bytes.

        Raises `LabError` when the tool is not installed or does not end in time; it is stopped then, with whatever it
        has started.
        """
        self.network.still_open()
        check_timeout(timeout)
        if isinstance(command, str) or not command:
            raise LabError(f"A command is a list of words, for example ['openssl', 'version'], not {command!r}.")
        if shutil.which(command[0]) is None:
            raise LabError(f"The tool {command[0]!r} is not installed here: install it, or leave this step out.")
        try:
            return _run(self._started_here(command), command, input, timeout)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{command[0]!r} was still running after {timeout:g} s and was stopped.") from error

    def bound(self, port: int) -> socket.socket:
        """A listening socket that stands for this port; for 0 it has a free port of the system. Raises `OSError`."""
        sock = self.tcp()
        try:
            sock.bind((self.address, port))
            sock.listen(_BACKLOG)
        except BaseException:
            sock.close()
            raise
        return sock

    @abstractmethod
    def tcp(self, family: int = socket.AF_INET) -> socket.socket:
        """A TCP socket of this host that is not connected yet, with Nagle's algorithm off. Raises `OSError`."""

    @abstractmethod
    def sniff(self) -> socket.socket:
        """A packet socket (packet(7)) that sees what this host's interface carries. Raises `CannotSniff`."""

    def _connected_socket(self, address: Address, timeout: float) -> socket.socket:
        sock = self.tcp(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    @abstractmethod
    def _started_here(self, command: list[str]) -> list[str]:
        """The command that starts this one on this host."""

    def __repr__(self) -> str:
        return f"<{self.name}, {self.address}>"


class Network(ABC):
    """Hosts with names, and what listens on them."""

    kind: str
    """``loopback`` or another name for how it is made."""
    lookout: str
    """Where `watch` looks from, in the words of a sentence."""
    cables: frozenset[str] = frozenset()
    """The interfaces that carry nothing but the lab's frames; none where the lab shares those of the machine."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.listeners: dict[tuple[str, int], Listener] = {}
        """(host name, nominal port) -> what listens there."""
        self.nominal: dict[int, int] = {}
        """Real port -> nominal port of the open listeners."""
        self.opened: list[tuple[int, int]] = []
        """(real port, nominal port) of every listener there has been, in order."""
        self.names: dict[str, str] = {}
        """``ip:port`` or ``ip`` -> host name: what an address in a capture is called; ``ip:port>`` -> whom the client
        at that end talks to, where several hosts share an address or one poses as another."""
        self.interceptions: dict[tuple[str, int], Interception] = {}
        """(server, nominal port) -> who is on the path to it."""
        self.diversion: Diversion | None = None
        """Asked on every connection to a host by name where to connect instead."""
        self.instead = ""
        """Why this machine has not a better network, in a sentence; empty when this one was asked for."""
        self._closed = False
        self._loop: Loop | None = None
        self._starting = threading.Lock()

    @abstractmethod
    def contains(self, ip: str) -> bool:
        """Whether this IP address belongs to the lab."""

    @property
    def loop(self) -> "Loop":
        """The thread of what serves and what carries here, from the first of them to `close`."""
        from labkit.network.loop import Loop

        with self._starting:
            self.still_open()
            if self._loop is None:
                self._loop = Loop()
                weakref.finalize(self, self._loop.close).atexit = False  # then whoever serves comes first
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

    def still_open(self) -> None:
        """Raises `LabError` after `close`."""
        if self._closed:
            raise LabError("This lab is closed: make a new one with Lab().")

    def host(self, name: str) -> Host:
        """The host of that name. Raises `LabError` for an unknown one."""
        if name not in self.hosts:
            raise LabError(f"There is no host {name!r} in the lab: it has {', '.join(self.hosts)}.")
        return self.hosts[name]

    def intercept(self, attacker: str, server: str, port: int) -> Interception:
        """Put a host on the path to a nominal port of another one, until the interception is closed.

        Raises `OutsideTheLab` for a server that is not in the lab, and `LabError` for a host that does not exist or a
        port that somebody already intercepts.
        """
        _check_port(port)
        self.still_open()
        for name in (server, attacker):
            self.admit(self.hosts[name].address if name in self.hosts else name)
        if attacker == server:
            raise LabError(f"{attacker} cannot be on the path to itself: name another host as the attacker.")
        if (server, port) in self.interceptions:
            raise LabError(f"{self.interceptions[server, port]!r} already: close that interception first.")
        return self._intercept(self.host(attacker), self.host(server), port)

    @abstractmethod
    def _intercept(self, attacker: Host, server: Host, port: int) -> Interception: ...

    def link(self, host: str, delay: float = 0.0, loss: float = 0.0) -> str:
        """Slow down what a host sends and gets: it takes `delay` seconds more, and a part (0 to 1) of it is lost.

        Without delay and loss the link is again as it was. Says in a sentence how it is done. Raises `LabError` for a
        host or a value that makes no sense, or for what this network cannot do.
        """
        self.still_open()
        if not 0 <= delay <= _SLOWEST or not 0 <= loss < 1:
            raise LabError(
                f"A link has a delay of 0 to {_SLOWEST:g} seconds and loses a part of 0 up to 1, "
                f"not {delay:g} and {loss:g}."
            )
        return self._link(self.host(host), delay, loss)

    @abstractmethod
    def _link(self, host: Host, delay: float, loss: float) -> str: ...

    def reached(self, host: str, port: int, sender: str) -> str:
        """Whom `sender` talks to when it connects to this host and nominal port."""
        interception = self.interceptions.get((host, port))
        return interception.pose if interception and interception.meets(sender) else self._known(host, port)

    def _known(self, host: str, port: int) -> str:
        return host if host in self.hosts else self.names.get(f"{host}:{port}", host)

    def locate(self, host: str, port: int, sender: str = "") -> Address:
        """Where `sender`'s connection to this host and nominal port really goes; an IP address is taken as it is."""
        if host not in self.hosts:
            return host, port
        listener = self._listener(host, port, sender)
        if listener is None:
            raise NotListening(f"Nothing listens on port {port} of {host}: start a server there first.")
        return self.diversion(sender, host, port, listener.address) if self.diversion else listener.address

    def _listener(self, host: str, port: int, sender: str) -> Listener | None:
        """What `sender` meets at this host and nominal port."""
        return self.listeners.get((host, port))

    def remember(self, listener: Listener) -> Listener:
        """Enter a new listener in the tables."""
        self.listeners[listener.host, listener.port] = listener
        self.nominal[listener.address[1]] = listener.port
        self.opened.append((listener.address[1], listener.port))
        for port in (listener.port, listener.address[1]):
            self.name(f"{listener.address[0]}:{port}", listener.host)
        return listener

    def forget(self, listener: Listener) -> None:
        """Take a listener out of the tables; its name stays for the captures that still show it."""
        if self.listeners.get((listener.host, listener.port)) is listener:
            del self.listeners[listener.host, listener.port]
            self.nominal.pop(listener.address[1], None)

    def name(self, endpoint: str, host: str) -> None:
        """Note who uses this ``ip:port``; the oldest notes are dropped when there are very many."""
        self.names.pop(endpoint, None)
        self.names[endpoint] = host
        if len(self.names) > _NAMES_KEPT:
            oldest = next(key for key in self.names if not self._listens(key))
            del self.names[oldest]

    def _listens(self, endpoint: str) -> bool:
        if endpoint.endswith(">"):
            return False
        ports = {port for listener in self.listeners.values() for port in (listener.port, listener.address[1])}
        return ":" not in endpoint or int(endpoint.rpartition(":")[2]) in ports

    def close(self) -> None:
        """End what serves and what carries, close every listener and admit no more. A second call does nothing."""
        self._closed = True
        self.diversion = None
        if self._loop is not None:
            self._loop.close()
        for interception in list(self.interceptions.values()):
            with contextlib.suppress(OSError, LabError):
                interception.close()
        for listener in list(self.listeners.values()):
            with contextlib.suppress(OSError):
                listener.close()


def _run(start: list[str], command: list[str], input: bytes, timeout: float) -> subprocess.CompletedProcess[bytes]:
    pipe = subprocess.PIPE
    with subprocess.Popen(start, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        try:
            out, err = process.communicate(input, timeout)
        except BaseException:
            _kill(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where there are process groups, those that it has started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _check_port(port: int) -> None:
    if not isinstance(port, int) or not 0 < port < 65536:
        raise LabError(f"A TCP port is a number from 1 to 65535, not {port!r}.")


def check_timeout(timeout: float) -> None:
    """Raises `LabError` for what is no number of seconds that somebody would wait."""
    if not isinstance(timeout, Real) or not 0 < timeout <= _LONGEST_WAIT:
        raise LabError(f"A time limit is a number of seconds above 0, a day at most, not {timeout!r}.")


def without_delay(sock: socket.socket) -> socket.socket:
    """Nagle's algorithm off, also for what a listener accepts: with delayed ACKs (RFC 1122) it costs 40 ms a turn."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def is_loopback(ip: str) -> bool:
    """Whether this text is a loopback IP address; a host name is not."""
    try:
        return ip_address(ip).is_loopback
    except ValueError:
        return False
