"""A faithful relay: it carries TCP connections in a loop and notifies a witness of what each side does.

The two ends must not notice it: bytes, the end of one direction alone (FIN) and resets (RST) are passed on as they
come, and a side is read no faster than the other one takes its bytes. The path may have a delay
(`labkit.network.pace`); then the opening of TCP takes its round trip, too, and a witness is called when a segment
passes its place.
What the witness does with it does not belong here, nor why a client was led here.
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
from labkit.network.pace import Pace, Transit, at_once

Witness = Callable[[str, str, bytes, int], None]
"""(sender, kind, payload, received), called at every step of one connection; the kinds are those of `Chunk`.

`received` is how much the sender had received when it sent this: bytes, and one each for SYN and FIN (RFC 9293 §3.4).
"""
_WINDOW = 1 << 20
"""Bytes of one direction that may be on their way."""


def unseen(address: Address) -> Witness:
    """The witness of a connection that is not recorded."""
    return lambda sender, kind, payload, received: None


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
        """Set while no connection is under way."""
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
        self,
        on: Host,
        server: Address,
        label: tuple[object, ...],
        witness: Callable[[Address], Witness] = unseen,
        pace: Callable[[], Pace] = at_once,
    ) -> Address:
        """The address to connect to from host `on` to reach `server` through the relay; one for each `label`.

        `witness` makes the witness of a connection from the address of its client; `pace` says how long the way is now.
        Raises `OutsideTheLab`, `OSError`.
        """
        with self._lock:
            if self._over:
                return server
            if label not in self._forwarders:
                self._network.admit(server[0])
                self._forwarders[label] = _Forwarder(self, on, server, witness, pace)
            return self._forwarders[label].address

    # ---- for the loop's thread

    def begin(self, link: "_Link") -> None:
        """Add a connection that has begun."""
        self._links.add(link)
        self._idle.clear()

    def forget(self, link: "_Link") -> None:
        """Remove a connection that has ended; after the last, the relay may be over."""
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

    def __init__(
        self,
        relay: Relay,
        on: Host,
        server: Address,
        witness: Callable[[Address], Witness],
        pace: Callable[[], Pace],
    ) -> None:
        self._relay = relay
        self._on = on
        self._server = server
        self._witness = witness
        self._pace = pace
        self._socket = on.bound(0)
        self.address: Address = self._socket.getsockname()[:2]
        # One connection at a time, so that a server can answer before the next.
        self._entrance = Entrance(relay.loop.events, self._socket, 1, self._carry, lambda _: None)
        self.accept_pending = self._entrance.accept_pending

    def _carry(self, client: socket.socket, address: tuple[object, ...]) -> None:
        try:
            onward = self._on.tcp()
        except (OSError, NetworkUnavailable):
            client.close()
        else:
            _Link(self._relay, client, onward, self._witness(address[:2]), self._pace).connect(self._server)

    def close(self) -> None:
        self._entrance.close()
        self._socket.close()


class _End(CarriedEnd):
    """One of the two ends of a link."""

    def __init__(self, link: "_Link", name: str, sock: socket.socket) -> None:
        super().__init__(link.events, sock, link.drained, link.lost)
        self.name = name
        self.peer: _End
        self.reached = name == CLIENT
        """Whether it is connected, so that it takes bytes."""
        self.received = 0
        """Sequence numbers that have arrived at it: bytes, and one each for SYN and FIN."""
        self.under_way = 0
        """Bytes that it has sent and that its peer has not received yet."""
        self.finished = False
        """It has sent its FIN."""
        self.complete = False
        """The FIN of its peer has come."""
        self.fin_given = False
        """FIN was sent to it, after all bytes."""
        self.gone = False
        """The end has reset the connection, or was never reached."""
        self.onward = Transit(link.events), Transit(link.events)
        """What it sends: on its way to the witness, and from there to its peer."""


class _Link:
    """One connection that is carried: from its client to the relay, and from the relay to its server."""

    def __init__(
        self, relay: Relay, client: socket.socket, onward: socket.socket, witness: Witness, pace: Callable[[], Pace]
    ) -> None:
        self.events = relay.loop.events
        self._relay = relay
        self._witness = witness
        self._pace = pace
        self._client = _End(self, CLIENT, client)
        self._server = _End(self, SERVER, onward)
        self._client.peer, self._server.peer = self._server, self._client
        relay.begin(self)

    # ---- the opening

    def connect(self, server: Address) -> None:
        """Connect to the server, as the client has connected to the relay.

        The client was connected at once. Where the way takes time, nothing of the client is read until its handshake
        would be complete, and the server is connected to when the third segment of the handshake has come.
        """
        if self._pace().whole:
            dial = partial(self._server.connect, server, self._connected)
            self._travel(self._client, "syn", b"", partial(self._answer_syn, dial))
        else:
            self._witness(CLIENT, "syn", b"", 0)
            self._server.received = 1
            self._server.connect(server, self._connected_at_once)

    def _answer_syn(self, dial: Callable[[], object]) -> None:
        self._server.received = 1
        self._travel(self._server, "syn-ack", b"", partial(self._complete_handshake, dial))

    def _complete_handshake(self, dial: Callable[[], object]) -> None:
        self._client.received = 1
        self._travel(self._client, "ack", b"", dial)
        self._listen(self._client)

    def _connected_at_once(self, error: int) -> None:
        if not error:
            self._witness(SERVER, "syn-ack", b"", 1)
            self._client.received = 1
            self._witness(CLIENT, "ack", b"", 1)
        self._connected(error)

    def _connected(self, error: int) -> None:
        if error:
            self._reset_by(self._server)
            return
        self._server.reached = True
        self._listen(self._server)
        if self._server.pending:  # what has come for it meanwhile
            self._server.send(b"")
        self._listen(self._client)
        self._hand_over_end(self._server)

    # ---- on the way

    def _travel(self, sender: _End, kind: str, payload: bytes, arrive: Callable[[], object]) -> None:
        """Schedule a step of `sender`: it passes the witness, then arrives at its peer, each when it is due."""
        pace = self._pace()
        first, second = pace if sender is self._client else reversed(pace)
        received, (before, behind) = sender.received, sender.onward

        def pass_by() -> None:
            self._witness(sender.name, kind, payload, received)
            behind.put(second, arrive)

        before.put(first, pass_by)

    def _listen(self, end: _End) -> None:
        if not (end.finished or end.gone):
            end.on_readable(partial(self._carry, end))

    def _carry(self, end: _End) -> None:
        """Receive from `end` and send to its peer; while too many bytes for the peer wait, nothing is received."""
        try:
            data = end.receive(self._relay.piece)
        except OSError:
            self._reset_by(end)
            return
        if data:
            self._send(end, data)
            if end.peer.pending or end.under_way > _WINDOW:
                end.on_readable(None)
        elif data is not None:
            end.finished = True
            end.on_readable(None)
            self._travel(end, "fin", b"", partial(self._arrive_fin, end.peer))

    def _send(self, end: _End, data: bytes) -> None:
        end.under_way += len(data)
        self._travel(end, "data", data, partial(self._arrive, end.peer, data))

    def _arrive(self, end: _End, data: bytes) -> None:
        """Bytes have come to `end`."""
        end.peer.under_way -= len(data)
        end.received += len(data)
        if not end.reached:
            end.pending += data
        elif not end.gone:
            end.send(data)
            if not end.pending:
                self._listen(end.peer)

    def drained(self, end: CarriedEnd) -> None:
        """The queue of `end` is empty: its peer is read again."""
        self._listen(end.peer)
        self._hand_over_end(end)

    # ---- the end

    def _arrive_fin(self, end: _End) -> None:
        end.received += 1
        end.complete = True
        self._hand_over_end(end)

    def _hand_over_end(self, end: _End) -> None:
        """Send `end` the FIN that has come for it, unless bytes before it are queued. The second FIN ends the link."""
        if not end.complete or end.fin_given or end.pending or not end.reached or end.gone:
            return
        end.fin_given = True
        if end.peer.fin_given:
            for each in (end, end.peer):
                each.close()
            self._travel(end, "ack", b"", self._over)
        else:
            end.finish()

    def lost(self, end: CarriedEnd, _: OSError) -> None:
        """The end was reset; bytes that it sent before are still delivered."""
        with suppress(OSError):
            while not end.finished and (data := end.receive(self._relay.piece)):
                self._send(end, data)
        self._reset_by(end)

    def _reset_by(self, end: _End) -> None:
        if not end.gone:
            end.gone = True
            end.close()
            self._travel(end, "rst", b"", self.reset)

    def reset(self) -> None:
        """Reset both connections."""
        for end in (self._client, self._server):
            end.reset()
        self._over()

    def _over(self) -> None:
        for end in (self._client, self._server):
            for transit in end.onward:
                transit.close()
        self._relay.forget(self)
