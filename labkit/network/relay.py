"""A faithful relay: it carries TCP connections in a loop and notifies a witness of what each side does.

The two ends must not notice it: bytes, the end of one direction alone (FIN) and resets (RST) are passed on as they
come, and a side is read no faster than the other one takes its bytes. What the witness does with it does not belong
here, nor why a client was led here.
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
from labkit.network.hosts import Host, Network
from labkit.network.listener import Address
from labkit.network.loop import Loop

Witness = Callable[[str, str, bytes], None]
"""(sender, kind, payload), called at every step of one connection; the kinds are those of `Chunk`."""


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
            self._idle.wait(0 if self.loop.here else settle)
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


class _End(CarriedEnd):
    """One of the two ends of a link."""

    def __init__(self, link: "_Link", name: str, sock: socket.socket) -> None:
        super().__init__(link.events, sock, link.drained, link.hear_out)
        self.name = name
        self.peer: _End
        self.finished = False
        """It has sent its FIN."""


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
        """Connect to the server, as the client has connected to the relay."""
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
        """Receive from `end` and send to its peer; while bytes for the peer are pending, nothing is received."""
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
        """`end` has sent its FIN, and its peer has taken all bytes before it."""
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
