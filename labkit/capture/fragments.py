"""IP datagrams put together from their fragments (RFC 791 §3.2, RFC 8200 §4.5), with bounded memory.

Fragments may come in any order, twice, and overlapping; of overlapping bytes those of the fragment with the lower
offset count, as in tshark. What is in a datagram is not known here.
"""

from typing import NamedTuple

_HELD_BYTES = 4 << 20
_HEAD = 8
_UNIT = 8
"""Bytes: offsets of fragments are multiples of it."""
_OVERHEAD = 512
"""Bytes of memory that a datagram takes besides its fragments."""
_LARGEST = 65535
"""Bytes of the largest datagram."""

DatagramKey = tuple[bytes, int, int]
"""Both addresses, identification, and protocol (of IPv6: 0)."""


class Fragment(NamedTuple):
    """One fragment without its IP header."""

    key: DatagramKey
    protocol: int
    """What the datagram carries, as IP numbers it; in IPv6 only that of the first fragment counts."""
    offset: int
    """Bytes of the datagram before it."""
    more: bool
    """Whether others follow it."""
    data: bytes


class _Datagram:
    """The fragments of one datagram so far; once whole, its bytes."""

    __slots__ = ("_covered", "_pieces", "frames", "head", "held", "protocol", "size", "whole")

    def __init__(self, protocol: int) -> None:
        self.protocol = protocol
        self.head = b""
        """The first bytes of its content."""
        self.frames = 0
        self.held = _OVERHEAD
        self.size = 0
        """Bytes of the datagram; 0 until its last fragment came."""
        self.whole = b""
        self._pieces: list[tuple[int, bytes]] = []
        self._covered = bytearray()
        """A byte for each unit of the datagram: 1 if the unit has arrived."""

    def add(self, piece: Fragment) -> None:
        """Take one fragment; `whole` is set when the last missing one came."""
        self.frames += 1
        end = piece.offset + len(piece.data)
        if piece.offset == 0:
            self.protocol, self.head = piece.protocol, piece.data[:_HEAD]
        start, stop = piece.offset // _UNIT, -(-end // _UNIT)
        grown = max(stop - len(self._covered), 0)
        self._covered.extend(bytes(grown))
        if self._covered.find(0, start, stop) >= 0 or not (piece.more or self.size):
            self._covered[start:stop] = b"\1" * (stop - start)
            self._pieces.append((piece.offset, piece.data))
            self.held += len(piece.data) + grown
        if not piece.more:
            self.size = end
        if self.size and self._covered.find(0, 0, -(-self.size // _UNIT)) < 0:
            self.whole = self._joined()
            self.held = len(self.whole) + _OVERHEAD
            self._pieces.clear()
            self._covered.clear()

    def repeats(self, piece: Fragment) -> bool:
        """Whether this fragment is one of the whole datagram's, captured twice."""
        return self.whole.startswith(piece.data, piece.offset) and bool(self.whole)

    def _joined(self) -> bytes:
        joined = bytearray()
        for offset, data in sorted(self._pieces, key=lambda piece: piece[0]):
            joined += data[max(len(joined) - offset, 0) :]
        return bytes(joined[: self.size])


class Fragments:
    """The incomplete datagrams, and the last completed ones."""

    def __init__(self) -> None:
        self._datagrams: dict[DatagramKey, _Datagram] = {}
        self._held = 0
        self.given_up: list[tuple[int, int, bytes]] = []
        """Incomplete datagrams that were dropped: (protocol, frames, first bytes); the caller empties the list."""

    def add(self, piece: Fragment) -> tuple[int, bytes] | None:
        """Take a fragment. Returns the datagram's protocol and bytes if that completes it, else None."""
        size = len(piece.data)
        if not size or piece.offset + size > _LARGEST or (piece.more and size % _UNIT):
            self.given_up.append((piece.protocol, 1, piece.data[:_HEAD]))
            return None
        datagram = self._datagrams.get(piece.key)
        if datagram and datagram.whole:
            if datagram.repeats(piece):
                return None
            self._forget(piece.key)
            datagram = None
        if datagram is None:
            datagram = self._datagrams[piece.key] = _Datagram(piece.protocol)
            self._held += datagram.held
        self._held -= datagram.held
        datagram.add(piece)
        self._held += datagram.held
        while self._held > _HELD_BYTES:
            self._forget(next(iter(self._datagrams)))
        return (datagram.protocol, datagram.whole) if datagram.whole else None

    def finish(self) -> None:
        """Drop all incomplete datagrams: no more fragments will come."""
        for key in list(self._datagrams):
            self._forget(key)

    def _forget(self, key: DatagramKey) -> None:
        datagram = self._datagrams.pop(key)
        self._held -= datagram.held
        if not datagram.whole:
            self.given_up.append((datagram.protocol, datagram.frames, datagram.head))
