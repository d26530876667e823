"""Where TLS begins in what a side says: at a whole record that can be its first, and nowhere else.

RFC 8446 §5.1 and §4 for records and handshake messages; the hellos of SSL 2.0 are those of RFC 5246 §E.2. What is
inside a record is read by `labkit.decode.tls`.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from labkit.capture.conversation import CLIENT, SERVER, ChunkFields

AHEAD = 64
"""Bytes that tell whether TLS begins."""
_HEADER = 5
HANDSHAKE = b"\x16"
"""The first byte of a record with handshake messages."""
_LEAST_SEALED = 32
"""Bytes of a handshake message under encryption: Finished of TLS 1.2 has 12, and what protects it."""
_LONGEST_LETTER = 4
"""Bytes of a letter in UTF-8."""
_FEW = 12
"""Bytes of ciphertext that are hardly ever all printable."""
_LARGEST = (1 << 14) + 2048
"""Bytes of payload of a record (RFC 5246 §6.2.3)."""
_HANDSHAKES = frozenset((0, 1, 2, 4, 5, 6, 8, 11, 12, 13, 14, 15, 16, 20, 21, 22, 24, 25))
"""Types of handshake messages that are in use (IANA, TLS HandshakeType)."""
_CANDIDATES = frozenset((*range(0x14, 0x19), *range(0x80, 0x90)))
"""First bytes of a record of TLS, and of a hello of SSL 2.0."""
_SSL2_SPEC = 3
"""Bytes of a cipher kind."""
_SSL2_OTHERS = re.compile(
    rb"[\x80-\x8f].\x04[\x00\x01][\x00\x01]\x00\x02|\x80\x03\x00\x00[\x01\x02\x04\x06]", re.DOTALL
)
"""SERVER-HELLO and ERROR."""
_TEXT = re.compile(
    rb"(?:[\t\r\n\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
    rb"|(?<=\w)[\xa0-\xff](?=[\w\s]))+(?:[\xc2-\xf4][\x80-\xbf]{0,2}\Z)?"
)
"""ASCII, UTF-8, whose last letter may be cut, and a letter of Latin-1 between those of ASCII."""


def may_begin(data: bytes) -> bool:
    """Whether these bytes have the first byte of TLS."""
    return bool(data) and data[0] in _CANDIDATES


def begins(data: bytes) -> bool:
    """Whether TLS begins with these bytes, `AHEAD` or all that there are; the middle of a session counts, too."""
    if not may_begin(data):
        return False
    return _is_ssl2(data) if data[0] & 0x80 else _is_record(data)


def is_text(data: bytes) -> bool:
    """Whether these bytes look like text."""
    found = _TEXT.match(data[: AHEAD + _LONGEST_LETTER])
    return found is not None and found.end() >= min(len(data), AHEAD)


def _is_record(data: bytes) -> bool:
    """Whether a record begins here, and another after it, as far as these bytes go."""
    behind = _record_end(data, 0)
    if not behind or (data[0] == HANDSHAKE[0] and not _is_message(data[_HEADER:], behind)):
        return False
    return behind >= len(data) or _record_end(data, behind) > 0


def _record_end(data: bytes, start: int) -> int:
    """Where the record ends that may begin here; 0 where none can."""
    head = data[start : start + _HEADER]
    if head[0] not in _LENGTHS or (len(head) > 1 and head[1] != 3) or (len(head) > 2 and head[2] > 4):
        return 0
    if len(head) < _HEADER:
        return len(data)
    length = head[3] << 8 | head[4]
    return start + _HEADER + length if _LENGTHS[head[0]](length) else 0


def _is_message(payload: bytes, size: int) -> bool:
    """Whether a record of this size, whose payload begins so, holds a handshake message: in clear, or as ciphertext."""
    if not payload or payload[0] in _HANDSHAKES:
        return True
    return size >= _HEADER + _LEAST_SEALED and not is_text(payload[:_FEW])


_LENGTHS = {
    20: lambda length: length == 1 or 17 <= length <= 80,
    21: lambda length: length == 2 or 18 <= length <= 100,
    22: lambda length: 4 <= length <= _LARGEST,
    23: lambda length: length <= _LARGEST,
    24: lambda length: 3 <= length <= _LARGEST,
}
"""Type of a record -> (size of a payload in bytes) -> whether it may have that, in clear or as ciphertext."""


def _is_ssl2(data: bytes) -> bool:
    if _SSL2_OTHERS.match(data):
        return True
    if len(data) < 11 or data[2] != 1 or data[3:5] not in _SSL2_VERSIONS:
        return False
    specs, session, challenge = (int.from_bytes(data[at : at + 2], "big") for at in (5, 7, 9))
    size = int.from_bytes(data[:2], "big") & 0x7FFF
    whole = size == 9 + specs + session + challenge
    return whole and specs > 0 and specs % _SSL2_SPEC == 0 and session in (0, 16) and 16 <= challenge <= 32


_SSL2_VERSIONS = {b"\x00\x02", *(bytes((3, minor)) for minor in range(5))}

_HELLO = rb"\x16(?:\x03(?:[\x00-\x04](?:.(?:.(?:[\x01\x02]|\Z)|\Z)|\Z)|\Z)|\Z)"
_ALERT = rb"\x15\x03[\x00-\x04]\x00\x02[\x01\x02]"
_START = re.compile(_HELLO + b"|" + _ALERT, re.DOTALL)
"""A hello, or as much of one as there is before the end, and an alert in clear: what a side's TLS begins with."""


class Handshakes:
    """Where in the bytes of each side of a conversation TLS begins; looks only when asked.

    `upgrades` are the commands with which its client asks to start TLS.
    """

    def __init__(self, said: Sequence[ChunkFields], upgrades: Sequence[str]) -> None:
        self._said = said
        self._upgrades = upgrades
        self._streams: dict[str, bytes] = {}
        self._ends: dict[str, list[int]] = {}
        self._starts: dict[str, list[int]] = {}
        self._asks: re.Pattern[bytes]
        """One of these commands, up to the end of its line."""
        self._asked: list[int] = []
        """Where the client says one of them behind a line feed or a space."""

    def ahead(self, sender: str, start: int, size: int = AHEAD) -> bytes:
        """The bytes of a side from offset `start` on, `size` at most."""
        self._look()
        return self._streams[sender][start : start + size]

    def behind(self, sender: str, start: int) -> int | None:
        """The offset of the next handshake of a side; None without one before the client asks to start TLS again."""
        self._look()
        starts = self._starts[sender]
        number = bisect_left(starts, start)
        if number == len(starts):
            return None
        found = starts[number]
        return None if self._is_asked(self._at(sender, start), self._at(sender, found)) else found

    def _is_asked(self, start: int, end: int) -> bool:
        """Whether the client asks between these offsets of its bytes, the first of which begins a phrase."""
        number = bisect_right(self._asked, start)
        places = (start, *self._asked[number : number + 1])
        return any(self._asks.match(self._streams[CLIENT], place, end) for place in places)

    def _at(self, sender: str, offset: int) -> int:
        """How many bytes the client had sent by the chunk that holds this byte of a side, or up to its own byte."""
        if sender == CLIENT:
            return offset
        number = bisect_left(self._ends[sender], offset + 1)
        return self._ends[CLIENT][min(number, len(self._said) - 1)]

    def _look(self) -> None:
        if self._streams:
            return
        for side in (CLIENT, SERVER):
            said = [chunk[4] if chunk[2] == side and chunk[3] == "data" else b"" for chunk in self._said]
            stream = self._streams[side] = b"".join(said)
            self._ends[side] = list(accumulate(map(len, said)))
            self._starts[side] = [found.start() for found in _START.finditer(stream)]
        upgrades = b"|".join(re.escape(upgrade.encode()) for upgrade in self._upgrades) or rb"(?!)"
        self._asks = re.compile(rb"(?:%b)\s*?\n" % upgrades, re.IGNORECASE)
        behind = re.compile(rb"(?<=[\n ])" + self._asks.pattern, re.IGNORECASE)
        self._asked = [found.start() for found in behind.finditer(self._streams[CLIENT])]
