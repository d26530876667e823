"""One TCP connection as it was captured: the order of its segments, what is missing, its end (RFC 9293 §3.4, §3.10).

Each side of a connection has the sequence number that it will send next. A segment is taken when its first byte is no
later than that and everything that it acknowledges was taken from the other side: so retransmissions say nothing twice
and no answer stands before its question, however the capture shuffled them. Other segments are held. When too many are
held, or the capture ends, what is missing becomes a gap. A segment that acknowledges what the other side cannot have
sent belongs to another connection, and is dropped.

A reset counts when its sequence number is inside the receiver's window (RFC 5961 §3). Which segments belong to a
connection is known in `reassembly`.
"""

from collections.abc import Iterator
from itertools import takewhile

from labkit.capture.conversation import CLIENT, SERVER, Conversation, Endpoint
from labkit.capture.frames import ACK, FIN, RST, SYN, End, Segment, address, ends
from labkit.capture.out_of_order import OutOfOrder, Waiting, distance, first_byte

_HELD_SEGMENTS = 1000
_HELD_BYTES = 4 << 20
_FARTHEST = 16 << 20
"""Bytes by which the number of an acknowledgment or a reset may exceed what was captured: more than a usual window
(RFC 7323), because frames may be missing from the capture."""
_CONTENT = {"syn", "syn-ack", "data", "gap"}
_HALF, WRAP = 1 << 31, 0xFFFFFFFF
"""Sequence numbers are counted modulo 2**32 (RFC 9293 §3.4)."""


class TCPSide:
    """One direction of a connection."""

    __slots__ = (
        *("acknowledged", "begin", "closed", "connection", "ends", "has_acknowledged", "held"),
        *("name", "next", "peer", "reset", "said", "seen", "steady"),
    )

    def __init__(self, connection: "Connection", name: str, both: bytes) -> None:
        self.connection, self.name, self.ends = connection, name, both
        self.peer: TCPSide
        self.said = connection.conversation.said
        self.begin: int | None = None
        """The sequence number of the SYN; None until it was seen."""
        self.next: int | None = None
        """The next sequence number; None until a SYN came, or a segment from the middle was taken for the beginning."""
        self.closed = False
        self.reset = False
        """Whether it sent a reset, and no data after it."""
        self.acknowledged = False
        """Whether it has acknowledged something that the other side sent in the capture."""
        self.has_acknowledged: int | None = None
        """The acknowledgment number of its last segment: where the other side's window begins (RFC 9293 §3.3.1)."""
        self.seen = False
        """Whether any of its segments is in the capture."""
        self.steady = False
        """Whether it is open and acknowledged, and no segment of either side is held."""
        self.held = OutOfOrder()

    def reused(self, syn: Segment) -> bool:
        """Whether this SYN opens a new connection between the same ends; False for a late or retransmitted one."""
        if self.connection.reset:
            return True
        if self.begin is not None:
            return self.begin != syn.seq
        if self.held.first:
            return not 0 < distance(self.held.first.segment.seq, syn.seq) <= _HELD_BYTES
        return self.next is not None


class Connection:
    """Both directions of one connection."""

    def __init__(self, client: End, server: End) -> None:
        self.conversation = Conversation(
            Endpoint(address(client[0]), client[1]), Endpoint(address(server[0]), server[1])
        )
        self.client = TCPSide(self, CLIENT, ends(client, server))
        self.server = TCPSide(self, SERVER, ends(server, client))
        self.client.peer, self.server.peer = self.server, self.client
        self.over = False
        """Whether both sides have closed it."""
        self._bytes = 0
        self._has_held = False
        """Whether a segment was ever held: in most connections none is."""

    @property
    def reset(self) -> bool:
        """Whether a side has reset it and no data has followed."""
        return self.client.reset or self.server.reset

    @property
    def is_agreed(self) -> bool:
        """Whether both sides have opened it, and neither has reset it."""
        both = self.client, self.server
        return not self.reset and all(one.begin is not None and one.acknowledged for one in both)

    @property
    def _waits(self) -> bool:
        """Whether a segment of either side is held."""
        return self._has_held and bool(self.client.held or self.server.held)

    def let_go(self) -> None:
        """Break the reference cycle of the two sides, so that they are freed without the garbage collector."""
        del self.client.peer, self.client.connection, self.server.peer, self.server.connection

    def take(self, side: TCPSide, seg: Segment, time: int, frame: int) -> None:
        said = len(self.conversation.said)
        side.seen = True
        if seg.flags & ACK:
            side.has_acknowledged = seg.ack
        waiting = self._waits
        if not self._deliver(side, seg, time, frame):
            self._hold(side, seg, time, frame)
            waiting = self._waits
        elif waiting and len(self.conversation.said) > said:
            self._release(time, frame)
            waiting = self._waits
        undisturbed = not (waiting or self.reset)
        for one in (self.client, self.server):
            one.steady = undisturbed and one.acknowledged and not one.closed

    def finish(self, over: int) -> Iterator[Conversation]:
        """The conversation, once no more segments will come; nothing if only the closing of one was captured."""
        self.conversation.over = over
        while self._waits:
            self._force()
        for side in (self.client, self.server):
            self._skip_acknowledged(side)
        if any(kind in _CONTENT for _, _, _, kind, _, _ in self.conversation.said):
            yield self.conversation

    def _say(self, side: TCPSide, kind: str, time: int, frame: int, data: bytes = b"", size: int = 0) -> None:
        self.conversation.said.append((time, frame, side.name, kind, data, size or len(data)))

    def _synchronise(self, side: TCPSide, seg: Segment, time: int, frame: int) -> bool:
        """Take the first segment of a direction if its turn has come. Returns whether the direction has begun."""
        if side.begin is not None:
            return True
        answers = bool(seg.flags & ACK)
        if side.name != (SERVER if answers else CLIENT) and not self.conversation.said:
            self._turn_round()
        if answers and side.peer.next is None:
            return False
        side.begin = seg.seq
        if side.next in (None, first_byte(seg)):
            side.next = first_byte(seg)
            self._say(side, "syn-ack" if answers else "syn", time, frame)
        return True

    def _turn_round(self) -> None:
        """Swap client and server: they were guessed from the ports, and the guess was wrong."""
        self.client, self.server = self.server, self.client
        self.client.name, self.server.name = CLIENT, SERVER
        conversation = self.conversation
        conversation.client, conversation.server = conversation.server, conversation.client

    def _deliver(self, side: TCPSide, seg: Segment, time: int, frame: int) -> bool:
        """Take a segment if its turn has come. Returns False for one that has to be held."""
        _, seq, ack, flags, payload, missing = seg
        peer = side.peer
        if flags & (RST | SYN) and self._stray(side, seg):
            return True
        if flags & SYN:
            if not self._synchronise(side, seg, time, frame):
                return False
            seq = first_byte(seg)
        tells = payload or missing or flags & (FIN | RST)
        if flags & ACK and (tells or not side.acknowledged):
            if side.next is None and not flags & RST:
                return False
            if peer.next is None or 0 < (ack - peer.next) & WRAP <= _HALF:
                if peer.next is None or peer.seen:
                    return False
                if distance(ack, peer.next) <= _FARTHEST:
                    self._skip(peer, ack, time, frame)  # only this direction was captured: nothing to wait for
            if not side.acknowledged:
                side.acknowledged = True
                if side is self.client and peer.begin is not None and side.begin is not None:
                    self._say(side, "ack", time, frame)
        if not tells:
            return True
        if flags & RST and (peer.held.first or (side.next is None and side.held.first)):
            return False  # it ends the connection, so what still waits comes first
        if side.next is None:
            return flags & (RST | ACK) == RST | ACK and self._reset(side, time, frame)
        known = (side.next - seq) & WRAP
        if known >= _HALF:
            return False
        if known and payload:
            self._compare(side, seg, known, time, frame)
        if known < len(payload) and not side.closed:
            fresh = payload[known:] if known else payload
            side.next = (seq + len(payload)) & WRAP
            side.reset = False
            self._say(side, "data", time, frame, fresh)
        if missing and not side.closed:
            self._skip(side, (seq + len(payload) + missing) & WRAP, time, frame)
        if flags & RST:
            return self._reset(side, time, frame)
        if flags & FIN and not side.closed:
            side.closed = True
            side.next = (side.next + 1) & WRAP
            self._say(side, "fin", time, frame)
            self.over = peer.closed
        return True

    def _compare(self, side: TCPSide, seg: Segment, known: int, time: int, frame: int) -> None:
        """Record a chunk of kind ``again`` if the first `known` bytes of a segment differ from those sent before."""
        behind = known - side.closed  # a FIN has a number of its own
        before = self.conversation.last(side.name, behind)
        start = behind - len(before)
        again = seg.payload[start:behind]
        is_probe = len(seg.payload) == 1  # the byte of a keep-alive means nothing (RFC 9293 §3.8.4)
        if again != before[: len(again)] and not is_probe:
            self._say(side, "again", time, frame, again)

    def _stray(self, side: TCPSide, seg: Segment) -> bool:
        """Whether a reset or the answer to a SYN belongs to another connection and has to be ignored.

        A reset has to be inside the window of the side that gets it (RFC 5961 §3.2). Before that side has got anything,
        a reset and a SYN have to acknowledge its own SYN (RFC 9293 §3.10.7.3).
        """
        peer = side.peer
        if side.next is None:
            own = peer.begin
            return own is not None and bool(seg.flags & ACK) and not 0 < distance(seg.ack, own) <= _FARTHEST
        if not seg.flags & RST:
            return False
        edge = peer.has_acknowledged
        earliest = -_FARTHEST if side.begin is None else distance(side.begin, side.next)
        if edge is None or not earliest <= distance(edge, side.next) <= 0:
            edge = side.next
        return distance(seg.seq, edge) < 0 or distance(seg.seq, side.next) > _FARTHEST

    def _reset(self, side: TCPSide, time: int, frame: int) -> bool:
        if not side.reset:
            side.reset = True
            self._say(side, "rst", time, frame)
        return True

    def _hold(self, side: TCPSide, seg: Segment, time: int, frame: int) -> None:
        side.held.add(Waiting(seg, time, frame), side.next)
        self._has_held = True
        self._bytes += len(seg.payload)
        while len(self.client.held) + len(self.server.held) > _HELD_SEGMENTS or self._bytes > _HELD_BYTES:
            self._force()

    def _release(self, time: int, frame: int) -> None:
        """Take all held segments whose turn has come."""
        progress = True
        while progress and not self.over:
            progress = False
            for side in (self.client, self.server):
                resets, side.held.resets = side.held.resets, []
                for waiting in (*side.held.due(side.next), *resets):
                    progress |= self._retry(side, waiting, time, frame)
        if self.over:
            self.client.held.clear()
            self.server.held.clear()
            self._bytes = 0

    def _retry(self, side: TCPSide, waiting: Waiting, time: int, frame: int) -> bool:
        """Take a held segment if its turn has come by this frame; otherwise keep holding it."""
        at = waiting[1:] if waiting.frame > frame else (time, frame)
        if not self.over and self._deliver(side, waiting.segment, *at):
            self._bytes -= len(waiting.segment.payload)
            return True
        side.held.add(waiting, side.next)
        return False

    def _skip_acknowledged(self, side: TCPSide) -> None:
        """Add gaps for bytes that the other side acknowledged at the end and that were not captured."""
        got = side.peer.has_acknowledged
        if got is None or side.next is None or side.reset or side.peer.reset or not self.conversation.said:
            return
        if 1 < distance(got, side.next) <= _FARTHEST:  # a single one is most likely a FIN (RFC 9293 §3.4)
            time, frame, *_ = self.conversation.said[-1]
            self._skip(side, got, time, frame)

    def _force(self) -> None:
        """Stop waiting for the bytes before a held segment: they become a gap."""
        side, waiting = self._foremost()
        seg, time, frame = waiting
        if seg.flags & RST and self._is_outrun(side, frame):
            side.held.discard(waiting)
            return
        if self._acknowledges_nothing(side, seg):
            self._take_without_ack(side, waiting)
            return
        self._skip(side, first_byte(seg), time, frame)
        self._release(time, frame)
        if seg.flags & ACK and not self.over:
            self._skip(side.peer, seg.ack, time, frame)
            self._release(time, frame)

    def _is_outrun(self, side: TCPSide, frame: int) -> bool:
        """Whether a side has gone on, or ended, behind its reset in this frame, so that it was not accepted."""
        since = takewhile(lambda chunk: chunk[1] > frame, reversed(self.conversation.said))
        return side.closed or any((chunk[2], chunk[3]) == (side.name, "data") for chunk in since)

    def _acknowledges_nothing(self, side: TCPSide, seg: Segment) -> bool:
        """Whether it acknowledges bytes that the other side cannot have sent."""
        peer = side.peer
        if not seg.flags & ACK or peer.next is None or not peer.seen:
            return False
        reached = first_byte(peer.held.first.segment) if peer.held.first else peer.next
        return distance(seg.ack, peer.next) > _FARTHEST < abs(distance(seg.ack, reached))

    def _take_without_ack(self, side: TCPSide, waiting: Waiting) -> None:
        """Take a segment's bytes if they continue its side; otherwise it is of another connection (RFC 9293 §3.5)."""
        seg, time, frame = waiting
        side.held.discard(waiting)
        self._bytes -= len(seg.payload)
        place = first_byte(seg)
        if seg.flags & SYN or (side.next is not None and abs(distance(place, side.next)) > _FARTHEST):
            return
        self._skip(side, place, time, frame)
        self._deliver(side, seg._replace(flags=seg.flags & ~ACK), time, frame)
        self._release(time, frame)

    def _foremost(self) -> tuple[TCPSide, Waiting]:
        """The held segment to take next: the older of the two sides' first, but not before what it acknowledges."""
        both = self.client, self.server
        firsts = [(side, side.held.first) for side in both if side.held.first]
        if not firsts:
            return min(((side, reset) for side in both for reset in side.held.resets), key=lambda one: one[1].frame)
        side, first = min(firsts, key=lambda one: one[1].frame)
        awaited, seg = side.peer.held.first, first.segment
        if not awaited or not seg.flags & ACK or self._acknowledges_nothing(side, seg):
            return side, first
        before = distance(first_byte(awaited.segment), seg.ack) < 0
        return (side.peer, awaited) if before else (side, first)

    def _skip(self, side: TCPSide, to: int, time: int, frame: int) -> None:
        """Add a gap of `side` up to `to`, or up to the first held segment before it."""
        to = side.held.before(to, side.next)
        if side.next is None:
            side.next = to
            return
        missing = distance(to, side.next)
        if missing > 0:
            self._say(side, "gap", time, frame, size=missing)
            side.next = to
