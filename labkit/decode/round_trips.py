"""How many round trips the sessions of a capture took, read from TCP's acknowledgment numbers (RFC 9293 §3.4).

A segment says with its acknowledgment number what its sender had received when it was sent, so what a server says
belongs to one round trip more than what it acknowledges. No time is looked at. A capture on a way that takes no time
may show more than were needed: there a segment arrives before the client has sent what it would have sent without it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from labkit.capture.encapsulation import segment
from labkit.capture.frames import ACK, FIN, SYN, Segment, address
from labkit.capture.pcap import Frame

_WRAP, _HALF = 0xFFFFFFFF, 1 << 31
_FIRST_WORDS = 2
"""The round trip of a server's first bytes at the earliest: it may speak when the third segment of TCP's handshake has
come, which leaves no trace in its acknowledgment number."""


class RoundTrips(NamedTuple):
    """One connection."""

    client: tuple[str, int]
    """(IP address, port in host order)."""
    server: tuple[str, int]
    count: int
    """From the SYN to the last bytes of the server that did not wait for the client's FIN."""


def round_trips(frames: Iterable[Frame]) -> list[RoundTrips]:
    """The round trips of each TCP connection whose SYN is in the frames, in the order of these."""
    found: list[_Connection] = []
    current: dict[bytes, _Connection] = {}
    """The client's direction -> its connection; a later one may have the same ends."""
    for frame in frames:
        seg = segment(frame.link, frame.data)
        if seg is None:
            continue
        if seg.flags & (SYN | ACK) == SYN:
            current[seg.ends] = _Connection(seg)
            found.append(current[seg.ends])
        for connection in (current.get(seg.ends), current.get(_turned(seg.ends))):
            if connection:
                connection.take(seg)
    return [RoundTrips(each.client, each.server, each.count) for each in found]


class _Connection:
    """What is known of one connection: where each segment ends, and the round trip in which it was sent."""

    def __init__(self, syn: Segment) -> None:
        self.client, self.server = ((address(end[0]), end[1]) for end in (syn.source, syn.target))
        self.count = 0
        self._client = syn.ends
        self._sent: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        """Whether by the client -> (sequence number after it, round trip) of each segment, in order."""
        self._last = -1
        """The sequence number after the client's FIN, once that was seen."""

    def take(self, seg: Segment) -> None:
        """The next segment of either side."""
        by_client = seg.ends == self._client
        size = len(seg.payload) + bool(seg.flags & SYN) + bool(seg.flags & FIN)
        end = (seg.seq + size) & _WRAP
        sent = self._sent[by_client]
        if not size or (sent and not _behind(end, sent[-1][0])):
            return
        number = self._known(seg, not by_client)
        if not by_client:
            number = max(number + 1, _FIRST_WORDS if seg.payload else 0)
            if seg.payload and not (self._last >= 0 and not _behind(self._last, seg.ack)):
                self.count = max(self.count, number)
        elif seg.flags & FIN:
            self._last = end
        sent.append((end, number))

    def _known(self, seg: Segment, of_client: bool) -> int:
        """The latest round trip in which the other side sent something that this segment acknowledges."""
        if not seg.flags & ACK:
            return 0
        return max((number for end, number in self._sent[of_client] if not _behind(end, seg.ack)), default=0)


def _behind(number: int, other: int) -> bool:
    """Whether one sequence number comes after another, modulo 2**32."""
    return 0 < (number - other) & _WRAP < _HALF


def _turned(ends: bytes) -> bytes:
    """The key of the other direction."""
    size = len(ends) // 2 - 2
    return ends[size : 2 * size] + ends[:size] + ends[-2:] + ends[-4:-2]
