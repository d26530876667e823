"""A faithful relay: it carries TCP connections in a loop and tells a witness what each side does.

The two ends must not notice it: bytes, the end of one direction alone (FIN) and resets (RST) are passed on as they
come, and a side is read no faster than the other one takes its bytes. What the witness makes of it does not belong
here, nor why a client came this way.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from labkit.dialects.base import CLIENT, SERVER
from labkit.errors import NetworkUnavailable
from labkit.network.ends import CarriedEnd
from labkit.network.entrance import Entrance
from labkit.network.hosts import Address, Host, Network
from labkit.network.loop import Loop

Witness = Callable[[str, str, bytes], None]
"""(sender, kind, payload): told of every step of one connection, in the words of `Chunk`."""


class Relay:
    """Carries connections while somebody wants it to, and after that until the last of them has ended.

    It begins with one user; `enter` and `leave` count the others. Connections that outlive the last user are carried
    on, and dropped only when the loop ends. `ended` is called once, when the relay is over.
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
        self._doors: dict[tuple[object, ...], _Door] = {}
        self._links: set[_Link] = set()
        self._idle = threading.Event()
        """No connection is under way."""
        self._idle.set()
        self.loop.endings.add(self._end)

    def enter(self) -> bool:
        """One user more. False when the relay is over already."""
        with self._lock:
            self._users += not self._over
            return not self._over

    def leave(self, settle: float) -> None:
        """One user less, as soon as every connection has ended, but after `settle` seconds at most."""
        try:
            self._do(self._let_in)
            self._idle.wait(settle)
        finally:
            self._do(self._dismiss)

    def listen(
        self, on: Host, server: Address, label: tuple[object, ...], witness: Callable[[Address], Witness]
    ) -> Address:
        """Where to connect on host `on` to reach `server` from there through the relay; one place for each `label`.

        `witness` makes the witness of a connection from the address of its client. Raises `OutsideTheLab`.
        """
        with self._lock:
            if self._over:
                return server
            if label not in self._doors:
                self._network.admit(server[0])
                self._doors[label] = _Door(self, on, server, witness)
            return self._doors[label].address

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

    def _let_in(self) -> None:
        """Who has knocked before a user leaves is carried for that user, too."""
        if any(door.let_in() for door in tuple(self._doors.values())):
            self.loop.events.call_soon(self._let_in)

    def _dismiss(self) -> None:
        with self._lock:
            self._users -= 1
        self._finish()

    def _finish(self) -> None:
        """End when nobody and nothing is left."""
        with self._lock:
            if self._over or self._users or self._links:
                return
            self._over = True
        self.loop.endings.discard(self._end)
        for door in self._doors.values():
            door.close()
        self._ended()

    def _end(self) -> None:
        """End in any case."""
        self._users = 0
        for link in tuple(self._links):
            link.reset()
        self._finish()


class _Door:
    """Where clients come in that mean one server."""

    def __init__(self, relay: Relay, on: Host, server: Address, witness: Callable[[Address], Witness]) -> None:
        self._relay = relay
        self._on = on
        self._server = server
        self._witness = witness
        self._socket = on.bound(0)
        self.address: Address = self._socket.getsockname()[:2]
        # One at a time, so that a server gets its turn before the next.
        self._entrance = Entrance(relay.loop.events, self._socket, 1, self._carry, lambda _: None)
        self.let_in = self._entrance.let_in

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


class _End(CarriedEnd):
    """One of the two ends of a link."""

    def __init__(self, link: "_Link", name: str, sock: socket.socket) -> None:
        super().__init__(link.events, sock, link.drained, link.hear_out)
        self.name = name
        self.peer: _End
        self.finished = False
        """It has said that it will send no more."""


class _Link:
    """One connection that is carried: from its client to the relay, and from the relay to its server."""

    def __init__(self, relay: Relay, client: socket.socket, onward: socket.socket, witness: Witness) -> None:
        self.events = relay.loop.events
        self._relay = relay
        self._witness = witness
        self._client = _End(self, CLIENT, client)
        self._server = _End(self, SERVER, onward)
        self._client.peer, self._server.peer = self._server, self._client
        relay.begin(self)

    def connect(self, server: Address) -> None:
        """Begin as the client has begun."""
        self._witness(CLIENT, "syn", b"")
        self._server.connect(server, self._connected)

    def reset(self) -> None:
        """Drop the connection in a way that both ends notice."""
        for end in (self._client, self._server):
            end.reset()
        self._relay.forget(self)

    def drained(self, end: CarriedEnd) -> None:
        """`end` has taken all that waited: its peer is heard again."""
        self._listen(end.peer)

    def hear_out(self, end: CarriedEnd, _: OSError) -> None:
        """It takes nothing any more, but what it said before it reset the connection still counts."""
        with suppress(OSError):
            while not end.finished and (data := end.receive(self._relay.piece)):
                self._witness(end.name, "data", data)
                end.peer.pending += data
        self._reset_by(end)

    def _connected(self, error: int) -> None:
        if error:
            self._reset_by(self._server)
            return
        self._witness(SERVER, "syn-ack", b"")
        self._witness(CLIENT, "ack", b"")
        for end in (self._client, self._server):
            self._listen(end)

    def _listen(self, end: _End) -> None:
        if not end.finished:
            end.hear(partial(self._carry, end))

    def _carry(self, end: _End) -> None:
        """Take what `end` has to say and hand it to its peer, which is not sent more while it has not taken that."""
        try:
            data = end.receive(self._relay.piece)
        except OSError:
            self._reset_by(end)
            return
        if data:
            self._witness(end.name, "data", data)
            end.peer.send(data)
            if end.peer.pending:
                end.hear(None)
        elif data is not None:
            self._finish(end)

    def _finish(self, end: _End) -> None:
        """`end` has said all, and its peer has taken it."""
        end.finished = True
        end.hear(None)
        self._witness(end.name, "fin", b"")
        if end.peer.finished:
            self._witness(end.peer.name, "ack", b"")
            self._close()
        else:
            end.peer.finish()

    def _reset_by(self, end: _End) -> None:
        self._witness(end.name, "rst", b"")
        self.reset()

    def _close(self) -> None:
        for end in (self._client, self._server):
            end.close()
        self._relay.forget(self)
