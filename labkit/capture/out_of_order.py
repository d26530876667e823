"""The held segments of one direction, in the order of their bytes (RFC 9293 §3.4).

`connection` decides when their turn has come. Sequence numbers wrap, so they are compared relative to the stream's
current position.
"""

from bisect import bisect_right, insort
from typing import NamedTuple

from labkit.capture.frames import RST, SYN, Segment

_HALF, _WRAP = 1 << 31, 0xFFFFFFFF


class Waiting(NamedTuple):
    """A segment and the frame that it came in."""

    segment: Segment
    time: int
    frame: int


class OutOfOrder:
    """The held segments. The place of a byte is its sequence number without wrapping."""

    __slots__ = ("_ack", "_entries", "_here", "_place", "resets")

    def __init__(self) -> None:
        self.resets: list[Waiting] = []
        """Segments with RST, which have no place among the bytes."""
        self._entries: list[tuple[int, bool, int, int, Waiting]] = []
        """Sorted by place; at one place a SYN before data, and of copies the lowest acknowledgment number first."""
        self._here = self._place = self._ack = 0

    def __len__(self) -> int:
        return len(self._entries) + len(self.resets)

    @property
    def first(self) -> Waiting | None:
        """The waiting segment with the first bytes; None when only resets wait."""
        return self._entries[0][-1] if self._entries else None

    def add(self, waiting: Waiting, here: int | None) -> None:
        """Hold one; `here` is the stream's next sequence number, None if that is unknown."""
        seg = waiting.segment
        if seg.flags & RST:
            self.resets.append(waiting)
            return
        seq = first_byte(seg)
        if not self._entries:
            self._here, self._place, self._ack = seq if here is None else here, 0, seg.ack
        place = self._place + distance(seq, self._here)
        insort(self._entries, (place, not seg.flags & SYN, distance(seg.ack, self._ack), waiting.frame, waiting))

    def discard(self, waiting: Waiting) -> None:
        """Forget the first, or a reset."""
        if self.first is waiting:
            del self._entries[0]
        else:
            self.resets.remove(waiting)

    def due(self, here: int | None) -> list[Waiting]:
        """Remove and return those that begin no later than `here`; if that is unknown, the first one."""
        end = 1 if here is None else self._behind(here)
        found = [entry[-1] for entry in self._entries[:end]]
        del self._entries[:end]
        return found

    def before(self, to: int, here: int | None) -> int:
        """The sequence number of the first bytes that are held after `here` and before `to`; `to` where none are."""
        start = 0 if here is None else self._behind(here)
        seqs = [to, *(first_byte(entry[-1].segment) for entry in self._entries[start : start + 1])]
        return min(seqs, key=lambda seq: distance(seq, to))

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self.resets.clear()

    def _behind(self, here: int) -> int:
        """The index of the first entry that begins after `here`."""
        self._place += distance(here, self._here)
        self._here = here
        return bisect_right(self._entries, self._place, key=lambda entry: entry[0])


def first_byte(seg: Segment) -> int:
    """The sequence number of its first byte, which in a SYN (TCP Fast Open, RFC 7413) stands after the SYN's own."""
    return (seg.seq + 1) & _WRAP if seg.flags & SYN else seg.seq


def distance(seq: int, base: int) -> int:
    """How far `seq` lies after `base`, across the wrap; negative when before it. Half way round counts as after."""
    return _HALF - ((base - seq + _HALF) & _WRAP)
