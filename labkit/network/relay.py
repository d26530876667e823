"""A faithful relay: one thread that carries TCP connections and tells a witness what each side does.

The two ends must not notice it: bytes, the end of one direction alone (FIN) and resets (RST) are passed on as they
come, and a side is read no faster than the other one takes its bytes. What the witness makes of it does not belong
here, nor why a client came this way.
"""

import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from labkit.dialects.base import CLIENT, SERVER
from labkit.network.base import Address, Host, Network

Witness = Callable[[str, str, bytes], None]
"""(sender, kind, payload): told of every step of one connection, in the words of `Chunk`."""

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_TICK = 0.1
"""Seconds between two looks whether connections that outlived their capture are still wanted."""
_PATIENCE = 2.0
"""Seconds that `leave` waits for the thread beyond the settling; it needs milliseconds."""
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""SO_LINGER with no time at all: closing sends RST instead of FIN."""


class Relay:
    """Carries connections while somebody wants it to, and after that until the last of them has ended.

    It begins with one user; `enter` and `leave` count the others. Connections that outlive the last user are carried
    on, and dropped only when `abandoned` says so. `ended` is called once, when the relay is over.
    """

    def __init__(self, network: Network, piece: int, abandoned: Callable[[], bool], ended: Callable[[], None]) -> None:
        self.piece = piece
        """The most bytes that are carried at once."""
        self._network = network
        self._abandoned = abandoned
        self._ended = ended
        self._over = False
        self._users = 1
        self._lock = threading.Lock()
        self._leaving: list[tuple[float, threading.Event]] = []
        self._listeners: dict[tuple[object, ...], socket.socket] = {}
        self._fresh: list[tuple[socket.socket, Callable[[], None]]] = []
        self._links: set[_Link] = set()
        self._selector = selectors.DefaultSelector()
        self._alarm, self._bell = socket.socketpair()
        self._alarm.setblocking(False)
        self._bell.setblocking(False)
        self.watch(self._alarm, _READ, self._hear)
        self._thread = threading.Thread(target=self._run, name="labkit tap", daemon=True)
        self._thread.start()

    def enter(self) -> bool:
        """One user more. False when the relay is over already."""
        with self._lock:
            self._users += not self._over
            return not self._over

    def leave(self, settle: float) -> None:
        """One user less, as soon as every connection has ended, but after `settle` seconds at most."""
        left = threading.Event()
        with self._lock:
            if self._over:
                return
            self._leaving.append((time.monotonic() + settle, left))
        self._ring()
        left.wait(settle + _PATIENCE)
        if self._over:
            self._thread.join(_PATIENCE)

    def listen(
        self, on: Host, server: Address, label: tuple[object, ...], witness: Callable[[Address], Witness]
    ) -> Address:
        """Where to connect on host `on` to reach `server` from there through the relay; one place for each `label`.

        `witness` makes the witness of a connection from the address of its client. Raises `OutsideTheLab`.
        """
        self._network.admit(server[0])
        with self._lock:
            if self._over:
                return server
            if label not in self._listeners:
                sock = on.bound(0)
                sock.setblocking(False)
                self._listeners[label] = sock
                self._fresh.append((sock, partial(self._accept, sock, on, server, witness)))
                self._ring()
            return self._listeners[label].getsockname()[:2]

    def watch(self, sock: socket.socket, events: int, act: Callable[[], None]) -> None:
        """Call `act` whenever `sock` is ready for one of these events; for the relay's own thread."""
        if sock.fileno() not in self._selector.get_map():
            if events:
                self._selector.register(sock, events, act)
        elif events:
            self._selector.modify(sock, events, act)
        else:
            self._selector.unregister(sock)

    def forget(self, link: "_Link") -> None:
        """A connection has ended; for the relay's own thread."""
        self._links.discard(link)

    def _ring(self) -> None:
        with suppress(OSError):
            self._bell.send(b".")

    def _hear(self) -> None:
        self._alarm.recv(1024)
        with self._lock:
            fresh, self._fresh = self._fresh, []
        for sock, act in fresh:
            self.watch(sock, _READ, act)

    def _accept(self, sock: socket.socket, on: Host, server: Address, witness: Callable[[Address], Witness]) -> None:
        with suppress(OSError):  # the client has already gone
            client, address = sock.accept()
            self._links.add(_Link(self, client, on.tcp(), server, witness(address[:2])))

    def _run(self) -> None:
        try:
            while not self._over:
                events = self._selector.select(self._pause())
                for key, _ in events:
                    key.data()
                if not self._users and self._abandoned():
                    self._drop()
                if self._leaving or not self._users:
                    self._let_go(idle=not events)
        finally:
            self._end()

    def _pause(self) -> float | None:
        """Seconds to wait for events."""
        if self._leaving:
            return max(0.0, min(self._leaving)[0] - time.monotonic()) if self._links else 0.0
        return None if self._users else _TICK

    def _let_go(self, idle: bool) -> None:
        """Release the users that are leaving, and end when nobody and nothing is left."""
        with self._lock:
            now = time.monotonic()
            settled = [entry for entry in self._leaving if (idle and not self._links) or entry[0] <= now]
            self._users -= len(settled)
            self._leaving = [entry for entry in self._leaving if entry not in settled]
            if not self._users and not self._links:
                self._finish()
        for _, left in settled:
            left.set()

    def _drop(self) -> None:
        for link in list(self._links):
            link.reset()

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            self._ended()

    def _end(self) -> None:
        with self._lock:
            self._finish()
        self._drop()
        self._selector.close()
        for sock in (self._alarm, self._bell, *self._listeners.values()):
            sock.close()
        for _, left in self._leaving:
            left.set()


class _End:
    """One of the two sockets of a connection."""

    def __init__(self, name: str, sock: socket.socket) -> None:
        self.name = name
        self.socket = sock
        self.peer: _End
        self.pending = b""
        """What the peer said and this end has not taken yet."""
        self.finished = False
        """It has said that it will send no more."""
        self.told = False
        """It knows that its peer will send no more."""
        self.watched = 0
        """The events that the relay waits for."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _Link:
    """One connection that is carried: from its client to the relay, and from the relay to its server."""

    def __init__(
        self, relay: Relay, client: socket.socket, onward: socket.socket, server: Address, witness: Witness
    ) -> None:
        self._relay = relay
        self._witness = witness
        self._client = _End(CLIENT, client)
        self._server = _End(SERVER, onward)
        self._client.peer, self._server.peer = self._server, self._client
        self._over = False
        witness(CLIENT, "syn", b"")
        self._server.socket.connect_ex(server)
        relay.watch(self._server.socket, _WRITE, self._connected)

    def reset(self) -> None:
        """Drop the connection in a way that both ends notice."""
        self._over = True
        self._relay.forget(self)
        for end in (self._client, self._server):
            self._relay.watch(end.socket, 0, self.reset)
            with suppress(OSError):
                end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            end.socket.close()

    def _connected(self) -> None:
        if self._server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._reset_by(self._server)
            return
        self._witness(SERVER, "syn-ack", b"")
        self._witness(CLIENT, "ack", b"")
        self._watch()

    def _watch(self) -> None:
        """Write to an end when something is pending for it, and read from it when its peer took all."""
        for end in (self._client, self._server):
            reading = not end.finished and not end.peer.pending
            events = (_READ if reading else 0) | (_WRITE if end.pending else 0)
            if events != end.watched:
                end.watched = events
                self._relay.watch(end.socket, events, partial(self._ready, end))

    def _ready(self, end: _End) -> None:
        if end.pending:
            self._push(end)
        if not self._over and not end.finished and not end.peer.pending:
            self._pull(end)
        if not self._over:
            self._watch()

    def _pull(self, end: _End) -> None:
        """Take what `end` has to say and hand it to its peer."""
        try:
            data = end.socket.recv(self._relay.piece)
        except BlockingIOError:
            return
        except OSError:
            self._reset_by(end)
            return
        end.finished = not data
        end.peer.pending = data
        self._witness(end.name, "data" if data else "fin", data)
        self._push(end.peer)

    def _push(self, end: _End) -> None:
        """Hand `end` what its peer said."""
        try:
            if end.pending:
                end.pending = end.pending[end.socket.send(end.pending) :]
        except BlockingIOError:
            return
        except OSError:
            self._hear_out(end)
            return
        if end.peer.finished and not end.pending and not end.told:
            end.told = True
            with suppress(OSError):  # it may have gone altogether
                end.socket.shutdown(socket.SHUT_WR)
            if end.peer.told:
                self._close(last=end)

    def _hear_out(self, end: _End) -> None:
        """It takes nothing any more, but what it said before it reset the connection still counts."""
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

    def _close(self, last: _End) -> None:
        """Both directions have ended; `last` is the end whose peer finished last, so it acknowledges last."""
        self._witness(last.name, "ack", b"")
        self._over = True
        self._relay.forget(self)
        for end in (self._client, self._server):
            self._relay.watch(end.socket, 0, self.reset)
            end.socket.close()
