"""Cut a byte stream into TLS records: a type, a version, a length and at most 16 KiB with what protection adds.

RFC 8446 §5.1 and RFC 5246 §6.2; records of SSL 2.0 are told apart by `ssl2`. What is inside a record, and whether it
is ciphertext, is not known here.
"""

import struct

from labkit.decode.tls import ssl2

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = range(20, 25)
NOT_TLS, AFTER_GAP, SSL2 = -1, -2, -3
"""The types of bytes that are no record: all after a header that cannot be one, and what a gap left of a record; and
of a record of SSL 2.0, which has no type.
"""

HEADER = 5
LARGEST = (1 << 14) + 2048
"""Bytes of payload; RFC 5246 §6.2.3 allows the most, TLS 1.3 only 256 above 16 KiB."""


TLSRecord = tuple[int, bytes, bytes]
"""Its type (see above), its header (five bytes; two or three in SSL 2.0; empty for bytes that are not a record), its
payload.

A bare tuple, because there are many and each lives for a moment.
"""


def starts(data: bytes) -> bool:
    """Whether these first bytes of a side look like TLS or SSL: as far as they go, each is one of a first record.

    A beginning of one byte is enough, nothing is not.
    """
    return (_continues(data) and _first_fits(data)) or ssl2.starts(data)


def _continues(data: bytes) -> bool:
    head = data[:HEADER]
    kind, version, length = _LAYOUT.unpack(head + _EXAMPLE[len(head) :])
    return len(head) > 0 and kind in _KINDS and version in _VERSIONS and length <= LARGEST


def _first_fits(data: bytes) -> bool:
    """Whether the length of a first record, and its first bytes, are those of its type, in clear or encrypted."""
    if len(data) < HEADER:
        return True
    length, content = int.from_bytes(data[3:HEADER]), data[HEADER:]
    kind = data[0]
    if kind == HANDSHAKE:
        return length >= _HANDSHAKE_HEADER and (length >= _SEALED or content[:1] in _FIRST_MESSAGES)
    if kind == APPLICATION_DATA:
        return length > 0
    clear = _CLEAR_LENGTHS.get(kind, 0)
    return length >= _SEALED or (length == clear and content[:1] in (b"", b"\1", b"\2"))


_LAYOUT = struct.Struct(">BHH")
_EXAMPLE = b"\x16\x03\x01\0\0"
_KINDS = frozenset(range(CHANGE_CIPHER_SPEC, HEARTBEAT + 1))
_VERSIONS = frozenset(range(0x0300, 0x0305))
_HANDSHAKE_HEADER = 4
_SEALED = 16
"""Bytes: no encrypted record is shorter, because of its tag, MAC or block."""
_CLEAR_LENGTHS = {CHANGE_CIPHER_SPEC: 1, ALERT: 2}
_FIRST_MESSAGES = frozenset((b"", *(bytes([kind]) for kind in (0, 1, 2, 4, 11, 14, 16, 20))))
"""The types of handshake messages that may be the first of a short record; none where it is not there yet."""


class Cutter:
    """Takes the bytes of one direction, split anywhere, and returns whole records; holds at most one incomplete one."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._wanted = HEADER  # bytes that must be held before anything can be said
        self._lost = False
        self._foreign = False
        self._newer = False  # whether a record came that is not of SSL 2.0
        self._older = False

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

    def feed(self, data: bytes) -> list[TLSRecord]:
        """The records that these bytes complete. Never raises: bytes that are not a record have a type that says so."""
        if self._foreign:
            return [(NOT_TLS, b"", bytes(data))] if data else []
        if self._lost:
            if not _continues(data):
                return [(AFTER_GAP, b"", bytes(data))] if data else []
            self._lost = False
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return []
            data = bytes(self._held)
            self._restart()
        return self._cut(data)

    def _restart(self) -> None:
        self._held.clear()
        self._wanted = HEADER

    def _cut(self, data: bytes) -> list[TLSRecord]:
        records: list[TLSRecord] = []
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
        self._newer |= position > 0
        if position < size:
            self._keep(data[position:], records)
        return records

    def _keep(self, data: bytes, records: list[TLSRecord]) -> None:
        if _continues(data):
            self._held += data
        elif not self._newer and (self._older or ssl2.starts(data)):
            self._keep_older(data, records)
        else:
            self._foreign = True
            records.append((NOT_TLS, b"", data))

    def _keep_older(self, data: bytes, records: list[TLSRecord]) -> None:
        """Records of SSL 2.0, and what follows them: the client may go on in TLS (RFC 5246 §E.2)."""
        self._older, self._wanted = True, ssl2.HEADER
        position, size = 0, len(data)
        while size - position >= ssl2.HEADER and not _continues(data[position : position + HEADER]):
            body, end = ssl2.cut(data, position)
            if end > size:
                self._wanted = end - position
                break
            records.append((SSL2, data[position:body], data[body:end]))
            position = end
        rest = data[position:]
        if _continues(rest):
            records += self._cut(rest)
        else:
            self._held += rest
