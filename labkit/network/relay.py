"""A faithful relay: it carries TCP connections in a loop and notifies a witness of what each side does.

The two ends must not notice it: bytes, the end of one direction alone (FIN) and resets (RST) are passed on as they
come, and a side is read no faster than the other one takes its bytes. What the witness does with it does not belong
here, nor why a client was led here.
"""

import os
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

from labkit.dialects.base import CLIENT, SERVER
from labkit.errors import NetworkUnavailable
from labkit.network.entrance import Entrance
from labkit.network.hosts import Host, Network
from labkit.network.listener import Address
from labkit.network.loop import Loop

Witness = Callable[[str, str, bytes], None]
"""(sender, kind, payload), called at every step of one connection; the kinds are those of `Chunk`."""

_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""SO_LINGER with a time of 0 s: closing sends RST instead of FIN."""


class Relay:
    """Carries connections while its reference count is above zero, and after that until the last of them has ended.

    The count begins at one; `enter` increments and `leave` decrements it. Connections that are open when it reaches
    zero are carried on, and dropped only when the loop ends. `ended` is called once, when the relay is over.
    """

    def __init__(self, network: Network, loop: Loop, piece: int, ended: Callable[[], None]) -> None:
        self.piece = piece
        """The most bytes that are carried at once."""
        self.loop = loop
        self._network = network
        self._ended = ended
        self._over = False
        self._users = 1
        self._lock = threading.Lock()
        self._forwarders: dict[tuple[object, ...], _Forwarder] = {}
        self._links: set[_Link] = set()
        self._idle = threading.Event()
        """No connection is under way."""
        self._idle.set()
        self.loop.endings.add(self._end)

    def enter(self) -> bool:
        """Increment the reference count. False when the relay is over already."""
        with self._lock:
            self._users += not self._over
            return not self._over

    def leave(self, settle: float) -> None:
        """Decrement the reference count when every connection has ended, after `settle` seconds at most."""
        try:
            self._do(self._accept_pending)
            self._idle.wait(0 if self.loop.runs_here else settle)
        finally:
            self._do(self._decrement)

    def listen(
        self, on: Host, server: Address, label: tuple[object, ...], witness: Callable[[Address], Witness]
    ) -> Address:
        """The address to connect to from host `on` to reach `server` through the relay; one for each `label`.

        `witness` makes the witness of a connection from the address of its client. Raises `OutsideTheLab`, `OSError`.
        """
        with self._lock:
            if self._over:
                return server
            if label not in self._forwarders:
                self._network.admit(server[0])
                self._forwarders[label] = _Forwarder(self, on, server, witness)
            return self._forwarders[label].address

    # ---- for the loop's thread

    def begin(self, link: "_Link") -> None:
        """A connection is under way."""
        self._links.add(link)
        self._idle.clear()

    def forget(self, link: "_Link") -> None:
        """A connection has ended."""
        self._links.discard(link)
        if not self._links:
            self._idle.set()
            self._finish()

    def _do(self, act: Callable[[], None]) -> None:
        if not self._over:
            self.loop.call(act)

    def _accept_pending(self) -> None:
        """Accept the connections that were made before the count is decremented: they are carried, too."""
        if any(forwarder.accept_pending() for forwarder in tuple(self._forwarders.values())):
            self.loop.events.call_soon(self._accept_pending)

    def _decrement(self) -> None:
        with self._lock:
            self._users -= 1
        self._finish()

    def _finish(self) -> None:
        """End when the count is zero and no connection is open."""
        with self._lock:
            if self._over or self._users or self._links:
                return
            self._over = True
        self.loop.endings.discard(self._end)
        for forwarder in self._forwarders.values():
            forwarder.close()
        self._ended()

    def _end(self) -> None:
        """Drop every connection and end."""
        self._users = 0
        for link in tuple(self._links):
            link.reset()
        self._finish()


class _Forwarder:
    """Listening socket that forwards to one server."""

    def __init__(self, relay: Relay, on: Host, server: Address, witness: Callable[[Address], Witness]) -> None:
        self._relay = relay
        self._on = on
        self._server = server
        self._witness = witness
        self._socket = on.bound(0)
        self.address: Address = self._socket.getsockname()[:2]
        # One at a time, so that a server gets its turn before the next.
        self._entrance = Entrance(relay.loop.events, self._socket, 1, self._carry, lambda _: None)
        self.accept_pending = self._entrance.accept_pending

    def _carry(self, client: socket.socket, address: tuple[object, ...]) -> None:
        try:
            onward = self._on.tcp()
        except (OSError, NetworkUnavailable):
            client.close()
        else:
            _Link(self._relay, client, onward, self._witness(address[:2])).connect(self._server)

    def close(self) -> None:
        self._entrance.close()
        self._socket.close()


class _End:
    """One of the two sockets of a connection."""

    def __init__(self, name: str, sock: socket.socket) -> None:
        self.name = name
        self.socket = sock
        self.fileno = sock.fileno()
        """For asyncio: given the socket itself, it formats its repr for an error message, which takes time."""
        self.peer: _End
        self.pending = b""
        """Bytes from the peer that this end has not taken yet."""
        self.finished = False
        """It has sent its FIN."""
        sock.setblocking(False)


class _Link:
    """One connection that is carried: from its client to the relay, and from the relay to its server."""

    def __init__(self, relay: Relay, client: socket.socket, onward: socket.socket, witness: Witness) -> None:
        self._relay = relay
        self._events = relay.loop.events
        self._witness = witness
        self._client = _End(CLIENT, client)
        self._server = _End(SERVER, onward)
        self._client.peer, self._server.peer = self._server, self._client
        relay.begin(self)

    def connect(self, server: Address) -> None:
        """Connect to the server, as the client has connected to the relay."""
        self._witness(CLIENT, "syn", b"")
        self._server.socket.connect_ex(server)
        self._events.add_writer(self._server.fileno, self._connected)

    def reset(self) -> None:
        """Drop the connection in a way that both ends notice."""
        for end in (self._client, self._server):
            self._events.remove_reader(end.fileno)
            self._events.remove_writer(end.fileno)
            with suppress(OSError):
                end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._close()

    def _connected(self) -> None:
        self._events.remove_writer(self._server.fileno)
        if self._server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._reset_by(self._server)
            return
        self._witness(SERVER, "syn-ack", b"")
        self._witness(CLIENT, "ack", b"")
        for end in (self._client, self._server):
            self._events.add_reader(end.fileno, self._carry, end)

    def _carry(self, end: _End) -> None:
        """Receive from `end` and send to its peer."""
        try:
            data = end.socket.recv(self._relay.piece)
        except BlockingIOError:
            return
        except OSError:
            self._reset_by(end)
            return
        if data:
            self._witness(end.name, "data", data)
            self._hand(end.peer, data)
        else:
            self._finish(end)

    def _hand(self, end: _End, data: bytes) -> None:
        """Send bytes from the peer to `end`; while some are pending, nothing is received from the peer."""
        try:
            left = data[end.socket.send(data) :]
        except BlockingIOError:
            left = data
        except OSError:
            self._drain(end)
            return
        if left and not end.pending:
            self._events.remove_reader(end.peer.fileno)
            self._events.add_writer(end.fileno, self._push, end)
        elif end.pending and not left:
            self._events.remove_writer(end.fileno)
            self._events.add_reader(end.peer.fileno, self._carry, end.peer)
        end.pending = left

    def _push(self, end: _End) -> None:
        self._hand(end, end.pending)

    def _finish(self, end: _End) -> None:
        """`end` has sent its FIN, and its peer has taken all bytes before it."""
        end.finished = True
        self._events.remove_reader(end.fileno)
        self._witness(end.name, "fin", b"")
        if end.peer.finished:
            self._witness(end.peer.name, "ack", b"")
            self._close()
            return
        with suppress(OSError):  # it may have gone altogether
            end.peer.socket.shutdown(socket.SHUT_WR)

    def _drain(self, end: _End) -> None:
        """Receive what `end` sent before it reset the connection."""
        with suppress(OSError):
            while not end.finished and (data := end.socket.recv(self._relay.piece)):
                self._witness(end.name, "data", data)
                end.peer.pending += data
        self._reset_by(end)

    def _reset_by(self, end: _End) -> None:
        self._witness(end.name, "rst", b"")
        with suppress(OSError):
            end.peer.socket.send(end.peer.pending)
        self.reset()

    def _close(self) -> None:
        for end in (self._client, self._server):
            end.socket.close()
        self._relay.forget(self)
