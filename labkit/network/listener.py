"""A listening socket on a host of the lab, under its nominal port."""

import contextlib
import os
import socket
import struct
from collections.abc import Callable

TCP, UDP = "TCP", "UDP"
"""The transports that a port may belong to."""
_WITHOUT_DELAY = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""The value of SO_LINGER for no time at all."""
Address = tuple[str, int]
"""(IP address, port in host order)."""


class Listener:
    """A socket on a host that clients reach; for UDP, it gets what they send.

    `port` is the nominal one, `address` the real one; they differ on loopback. `transport` is `TCP` or `UDP`. `forget`
    is called with the listener before its socket is closed.
    """

    def __init__(
        self, host: str, port: int, sock: socket.socket, forget: "Callable[[Listener], None]", transport: str = TCP
    ) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.socket = sock
        self.address: Address = sock.getsockname()[:2]
        self._forget = forget
        self._maker = os.getpid()

    @property
    def closed(self) -> bool:
        """Whether it has stopped listening."""
        return self.socket.fileno() < 0

    @property
    def elsewhere(self) -> str:
        """``really 127.0.0.1:40001`` where the real port is not the nominal one, otherwise empty."""
        return "" if self.address[1] == self.port else "really {}:{}".format(*self.address)

    def close(self) -> None:
        """Stop listening. A second call does nothing; nor does one in a forked process, which shares the socket."""
        if os.getpid() == self._maker:
            self._forget(self)
            stop_listening(self.socket)

    def __repr__(self) -> str:
        return f"<{self.host} listens on port {self.port}{self.elsewhere and f', {self.elsewhere}'}>"


class ForeignListener(Listener):
    """The listening socket of a program that labkit did not write, of which only the address is known here."""

    def __init__(self, host: str, port: int, address: Address, forget: "Callable[[Listener], None]") -> None:
        self.transport = TCP
        self.host = host
        self.port = port
        self.address = address
        self._forget = forget
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the lab has forgotten it; the program may listen on."""
        return self._closed

    def close(self) -> None:
        """Forget it; what the program does is not changed. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._forget(self)


def stop_listening(sock: socket.socket) -> None:
    """Close a listening socket so that its port is free at once.

    A process that another thread is just starting may hold a copy of the descriptor for a moment.
    """
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def without_delay(sock: socket.socket) -> socket.socket:
    """Nagle's algorithm off, also for what a listener accepts: with delayed ACKs (RFC 1122) it costs 40 ms a turn."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def reset_on_close(sock: socket.socket) -> None:
    """Let closing it send RST instead of FIN, so that nothing of the connection follows (SO_LINGER, socket(7))."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _WITHOUT_DELAY)
