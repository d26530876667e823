"""From frames to conversations: TCP streams put together again (RFC 9293 §3.4, §3.10), one pass, bounded memory.

Segments are assigned to connections here, and connections begin and end; `connection` orders the segments of one. A
connection that was reset is kept for `_AFTER_RESET` frames: what is still sent was on the wire, and data that continues
shows that the reset was not accepted. A SYN after a reset begins another connection; one in an open connection does
if it is answered, because anyone can send it (RFC 5961 §4).
"""

from collections.abc import Iterable, Iterator
from operator import attrgetter

from labkit.capture.connection import WRAP, Connection, TCPSide
from labkit.capture.conversation import Conversation
from labkit.capture.encapsulation import Unwrapper
from labkit.capture.frames import ACK, ALL, FIN, RST, SYN, Segment, Share, find
from labkit.capture.out_of_order import Waiting, first_byte
from labkit.capture.passed_over import PassedOver
from labkit.capture.pcap import FrameRecord
from labkit.dialects import for_port

_REMEMBERED = 4096
_AFTER_RESET = 10_000
"""How many frames a connection is kept after a reset."""
_SIGNALS = SYN | FIN | RST


def conversations(
    frames: Iterable[FrameRecord | None], share: Share = ALL, passed_over: PassedOver | None = None
) -> Iterator[Conversation]:
    """The TCP conversations in the frames, each as soon as it has ended, the unfinished ones last.

    Only those of one `share`, and None counts as a frame of another. Frames without a TCP segment are counted in
    `passed_over`, and questions to a name server are kept there.
    """
    connections = _Connections()
    sides = connections.sides
    unwrap = Unwrapper(passed_over)
    number = 0
    for number, record in enumerate(frames, 1):
        if record is None:
            continue
        time, link_type, data, length = record
        found = find(link_type, data) or unwrap.find(link_type, data, time)
        if found is None:
            continue
        key, seq, ack, flags, payload, missing = found
        if missing:  # cut by the capture, unless its header says more than was on the wire
            missing = min(missing, max(length - len(data), 0))
            found = key, seq, ack, flags, payload, missing
        side = sides.get(key)
        if side is not None and side.steady and not flags & _SIGNALS:
            # Nearly all segments come here, and `_Connections.take` would do the same.
            side.has_acknowledged = ack
            if not (payload or missing):
                continue
            if seq == side.next and ack == side.peer.next and not missing:
                side.next = (seq + len(payload)) & WRAP
                side.said.append((time, number, side.name, "data", payload, len(payload)))
                continue
        if side is not None or share.has(key):
            yield from connections.take(Segment(*found), time, number)
    unwrap.finish()
    yield from connections.unfinished(number)


class _Connections:
    """The connections of a capture: those that are open, and what has to be known of those that have ended."""

    def __init__(self) -> None:
        self.sides: dict[bytes, TCPSide] = {}
        """`Segment.ends` -> the side that sends from there, of each open connection."""
        self._ended: dict[bytes, int | None] = {}
        """`Segment.ends` -> the first sequence number of a side of a connection that has ended."""
        self._reset: dict[Connection, int] = {}
        """Connection -> the number of the frame at which it ends unless data continues; in the order of these
        numbers."""
        self._asked: dict[Connection, Waiting] = {}
        """Open connection -> a SYN in it, which begins another one if that is answered, and else may be forged."""

    def take(self, seg: Segment, time: int, number: int) -> Iterator[Conversation]:
        """Give a segment, in the frame of this number, to its connection; yields the conversations that end with it."""
        if self._reset:
            yield from self._over_by(number)
        key, flags = seg.ends, seg.flags
        side = self.sides.get(key)
        if side is not None and (asked := self._asked.get(side.connection)) and _answers(seg, asked.segment):
            yield from side.connection.finish(asked.frame)
            self._begin_asked(side.connection)
            side = self.sides[key]
        if flags & (SYN | ACK) == SYN and (self._ended.get(key) != seg.seq if side is None else side.reused(seg)):
            if side is not None and side.connection.is_agreed:
                self._asks(side.connection, Waiting(seg, time, number))
                return
            if side is not None:
                self._reset.pop(side.connection, None)
                self._asked.pop(side.connection, None)
                yield from side.connection.finish(number)
            self._ended.pop(key, None)
            side = self._open(seg)
        if side is None:
            # What follows the end of a connection, or only acknowledges, is not a conversation of its own.
            if key in self._ended or not (seg.payload or seg.missing or flags & _SIGNALS):
                return
            side = self._open(seg)
        connection = side.connection
        connection.take(side, seg, time, number)
        self._reset.pop(connection, None)
        if connection.over:
            yield from connection.finish(number)
            self._forget(side)
            self._begin_asked(connection)
        elif connection.reset:
            self._reset[connection] = number + _AFTER_RESET

    def unfinished(self, last: int) -> Iterator[Conversation]:
        """The conversations that are open after the last frame, in the order in which they began."""
        yield from self._over_by(last)
        open_yet = dict.fromkeys(side.connection for side in self.sides.values())
        for connection in list(self._asked):
            open_yet[self._begin_asked(connection)] = None
        left = (conversation for connection in open_yet for conversation in connection.finish(last + 1))
        yield from sorted(left, key=attrgetter("began"))

    def _over_by(self, number: int) -> Iterator[Conversation]:
        """The reset connections in which no data has continued up to this frame."""
        while self._reset and (over := next(iter(self._reset.values()))) <= number:
            connection = next(iter(self._reset))
            del self._reset[connection]
            for gone in {connection.client.ends, connection.server.ends}:
                del self.sides[gone]
            yield from connection.finish(over)
            self._begin_asked(connection)
            connection.let_go()

    def _open(self, seg: Segment) -> TCPSide:
        source, target = seg.source, seg.target
        client, server = (source, target) if _from_client(seg.flags, source[1], target[1]) else (target, source)
        connection = Connection(client, server)
        self.sides[connection.client.ends] = connection.client
        self.sides[connection.server.ends] = connection.server
        return self.sides[seg.ends]

    def _asks(self, connection: Connection, syn: Waiting) -> None:
        """Keep a SYN in an open connection; of one that is sent again, the first."""
        if connection not in self._asked or self._asked[connection].segment.seq != syn.segment.seq:
            self._asked[connection] = syn

    def _begin_asked(self, connection: Connection) -> Connection | None:
        """Begin the connection that a SYN in this one, which is over, has asked for; None where there was none."""
        asked = self._asked.pop(connection, None)
        if asked is None:
            return None
        side = self._open(asked.segment)
        side.connection.take(side, *asked)
        return side.connection

    def _forget(self, side: TCPSide) -> None:
        for gone in {side.ends, side.peer.ends}:  # one, where a socket is connected to itself
            self._ended[gone] = self.sides.pop(gone).begin
        side.connection.let_go()
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]


def _answers(seg: Segment, syn: Segment) -> bool:
    """Whether a segment shows that this SYN was accepted or refused: its answer, or what its sender says behind it."""
    first, behind = first_byte(syn), (first_byte(syn) + len(syn.payload)) & WRAP
    if seg.ends == syn.ends:
        return not seg.flags & SYN and seg.seq in (first, behind)
    return bool(seg.flags & ACK and seg.flags & (SYN | RST)) and seg.ack in (first, behind)


def _from_client(flags: int, source: int, target: int) -> bool:
    """Whether a segment from port `source` to port `target` comes from the client."""
    if flags & SYN:
        return not flags & ACK
    by_port = for_port(target) is not None, for_port(source) is not None
    return by_port[0] if by_port[0] != by_port[1] else target <= source
