"""Cut a byte stream into TLS records: a type, a version, a length and at most 16 KiB with what protection adds.

RFC 8446 §5.1 and RFC 5246 §6.2. What is inside a record, and whether it is ciphertext, is not known here.
"""

import struct

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = range(20, 25)
NOT_TLS, AFTER_GAP = -1, -2
"""The types of bytes that are no record: all behind a header that cannot be one, and what a gap left of a record."""

HEADER = 5
LARGEST = (1 << 14) + 2048
"""Bytes of payload; RFC 5246 §6.2.3 allows the most, TLS 1.3 only 256 above 16 KiB."""


Record = tuple[int, bytes, bytes]
"""Its type (see above), its five bytes of header (none where it is no record), its payload.

A bare tuple, because there are many and each lives for a moment.
"""


def starts(data: bytes) -> bool:
    """Whether these first bytes look like a TLS record; a beginning of one byte is enough, nothing is not."""
    head = data[:HEADER]
    kind, version, length = _LAYOUT.unpack(head + _EXAMPLE[len(head) :])
    return len(head) > 0 and kind in _KINDS and version in _VERSIONS and length <= LARGEST


_LAYOUT = struct.Struct(">BHH")
_EXAMPLE = b"\x16\x03\x01\0\0"
_KINDS = frozenset(range(CHANGE_CIPHER_SPEC, HEARTBEAT + 1))
_VERSIONS = frozenset(range(0x0300, 0x0305))


class Cutter:
    """Takes the bytes of one direction, split anywhere, and gives whole records; holds at most one unfinished."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._wanted = HEADER  # bytes that must be held before anything can be said
        self._lost = False
        self._foreign = False

    @property
    def rest(self) -> int:
        """Bytes of an unfinished record."""
        return len(self._held)

    def lose(self) -> None:
        """Bytes are missing here: forget the unfinished record and look for the next that starts where bytes start."""
        self._restart()
        self._lost = True

    def release(self) -> bytes:
        """Hand over the bytes of an unfinished record, and forget them."""
        held = bytes(self._held)
        self._restart()
        return held

    def feed(self, data: bytes) -> list[Record]:
        """The records that these bytes complete. Never raises: what is no record comes out as such."""
        if self._foreign or (self._lost and not starts(data)):
            return [(NOT_TLS if self._foreign else AFTER_GAP, b"", bytes(data))] if data else []
        self._lost = False
        if not self._held:
            return self._cut(data)
        self._held += data
        if len(self._held) < self._wanted:
            return []
        held = bytes(self._held)
        self._restart()
        return self._cut(held)

    def _restart(self) -> None:
        self._held.clear()
        self._wanted = HEADER

    def _cut(self, data: bytes) -> list[Record]:
        records: list[Record] = []
        position, size = 0, len(data)
        while size - position >= HEADER:
            kind, version, length = _LAYOUT.unpack_from(data, position)
            if kind not in _KINDS or version not in _VERSIONS or length > LARGEST:
                break
            body = position + HEADER
            end = body + length
            if end > size:
                self._wanted = end - position
                break
            records.append((kind, data[position:body], data[body:end]))
            position = end
        if position < size:
            self._keep(data[position:], records)
        return records

    def _keep(self, data: bytes, records: list[Record]) -> None:
        if starts(data):
            self._held += data
        else:
            self._foreign = True
            records.append((NOT_TLS, b"", data))
