"""What the readers of all dialects share: the buffered bytes of each side, and whose turn it is.

How a stream is cut into phrases is `labkit.dialects.framing`. No protocol's word is known here.
"""

import re
from abc import ABC, abstractmethod
from typing import ClassVar

from labkit.dialects.base import CLIENT, SERVER, Phrase

LARGEST = 16 << 20
"""Bytes of one phrase that are held; a phrase with more of them comes out in pieces."""

MOST_UNANSWERED = 1 << 16
"""How many unanswered commands are remembered."""

COMMAND = "command"
"""The state in which the client says a command next: every reader begins with it."""
WAIT = "wait"
"""The state in which the client's next phrase depends on the server's answer."""

HANDSHAKE = 0x16
"""The first byte of the record of a ClientHello (RFC 8446 §5.1)."""
_TLS_HANDSHAKE = b"\x16\x03"
_DOT = b"\r\n.\r\n"
_BARE_DOT = re.compile(rb"(?:[\r\n]|\A)\0?\.(?:\r?\n|\r)")
_NOWHERE = range(0)


_LAST_DOT = re.compile(rb"(?:\A|(?<=[\r\n]))\0?\.(?:\r?\n|\r)\Z")
"""The line with a single dot, whatever the ends of its lines are, at the end of a message."""


def text_end(data: bytes) -> int:
    """Where the lines of a message end: before the line with a single dot, where there is one."""
    last = _LAST_DOT.search(data, max(0, len(data) - 5))
    return last.start() if last else len(data)


def begins_hello(data: bytes) -> bool | None:
    """Whether these bytes begin with the record of a ClientHello (RFC 8446 §4.1.2, §5.1); None if too few to tell."""
    if not all(low <= data[at] <= high for at, low, high in _HELLO if at < len(data)):
        return False
    if len(data) <= _HELLO[-1][0]:
        return None
    record, message = int.from_bytes(data[3:5], "big"), int.from_bytes(data[6:9], "big")
    return message >= _LEAST_HELLO and 4 < record <= message + 4


_HELLO = ((0, 0x16, 0x16), (1, 3, 3), (2, 0, 4), (5, 1, 1), (6, 0, 0), (9, 3, 3), (10, 0, 4))
"""(place, least, most) of the bytes that every ClientHello begins with: handshake, a version, a length, its type."""
_LEAST_HELLO = 38
"""Bytes of a ClientHello with one suite, one compression method, no session and no extension."""


def handshake_start(data: bytes) -> int:
    """The offset at which a TLS handshake record begins, or may begin; the length of the data if none can."""
    start = data.find(_TLS_HANDSHAKE)
    return start if start >= 0 else len(data) - data.endswith(_TLS_HANDSHAKE[:1])


class Buffer(bytearray):
    """The bytes of one side that no phrase has taken yet. Methods return the offset after a phrase; 0 for none yet."""

    def __init__(self, longest: int) -> None:
        super().__init__()
        self._longest = longest  # bytes after which a line without an end is cut
        self._no_line = _NOWHERE
        """The range of offsets in which no line ends."""
        self._no_dot = 0
        """Up to which offset there is no line with a single dot."""
        self._no_bare_dot = 0
        """Up to which of all bytes received there is no such line that ends in a bare CR or LF."""
        self.taken = 0
        """Bytes that were taken out of it so far."""

    @property
    def full(self) -> bool:
        """Whether it holds more than a phrase may have."""
        return len(self) >= LARGEST

    def line(self, start: int = 0) -> int:
        """The offset after the line that begins at `start`, which is cut if it is too long; 0 while it has no end."""
        limit = start + self._longest
        known = self._no_line
        end = self.find(b"\n", known.stop if known and start in known else start, limit) + 1
        if end:
            return end
        if len(self) >= limit:
            return limit
        self._no_line = range(start, len(self))
        return 0

    def text(self, start: int = 0) -> int:
        """The offset after the line with a single dot that ends a text (RFC 5321 §4.1.1.4); 0 while there is none."""
        if self.startswith(_DOT[2:], start):
            return start + 3
        end = self.find(_DOT, max(start, self._no_dot)) + len(_DOT)
        if end >= len(_DOT):
            return end
        self._no_dot = max(start, len(self) - len(_DOT) + 1)
        return 0

    def bare_text(self) -> int:
        """The end of the lines for a server that accepts a bare CR or LF as the end of a line."""
        found = _BARE_DOT.search(self, max(0, self._no_bare_dot - self.taken - len(_DOT)))
        self._no_bare_dot = self.taken + (found.end() if found else len(self))
        return found.end() if found else 0

    def last_line(self) -> int:
        """The offset after the last complete line of a full buffer; without one, the most that it may hold."""
        return self.rfind(b"\n", 0, LARGEST) + 1 or LARGEST

    def take(self, end: int) -> bytes:
        """Return the first bytes and remove them."""
        if not end:
            return b""
        self._no_line, self._no_dot = _NOWHERE, 0
        self.taken += end
        if end < len(self):
            taken = bytes(self[:end])
            del self[:end]
        else:
            taken = bytes(self)
            self.clear()
        return taken


class BufferedReader(ABC):
    """Follows one conversation. See `labkit.dialects.base.Reader`.

    What the client says next is a state, a name in `_next`. `_client` reads it, except in WAIT, and `_server` reads
    what the server says next; each returns None while the phrase is not whole. A phrase of kind go-ahead, and a
    ClientHello where a phrase would begin, end the clear text.
    """

    _longest: ClassVar[int]
    """Bytes after which a line without an end is cut."""

    def __init__(self) -> None:
        self.upgraded = False
        self.compressed = False
        self._over = False
        """Whether what follows is not text: it is TLS, or compressed."""
        self._buffers = {CLIENT: Buffer(self._longest), SERVER: Buffer(self._longest)}
        self._next = COMMAND

    @property
    def waits(self) -> bool:
        return self._next == WAIT

    def feed(self, sender: str, data: bytes) -> list[Phrase]:
        if self.compressed:
            return [Phrase(sender, "unknown", "compressed", bytes(data))] if data else []
        buffers = self._buffers
        if not (buffers[SERVER] or buffers[CLIENT] or self._over) and (phrase := self._at_once(sender, data)):
            phrases = [phrase]
            if self.compressed or phrase[1] == "go-ahead":
                self._end_text(phrases)
            return phrases
        buffers[sender].extend(data)
        phrases = []
        if sender == SERVER:
            self._read_server(phrases)
        else:
            if self._next == WAIT and data:
                self._speaks_again()
            self._read_client(phrases)
        return phrases

    def holds(self, sender: str) -> int:
        return len(self._buffers[sender])

    def rest(self, sender: str) -> bytes:
        return self._buffers[sender].take(len(self._buffers[sender]))

    def begin_in_text(self) -> None:  # noqa: B027
        """Most dialects have no message that ends with a dot."""

    def resume(self) -> None:
        self.upgraded = self.compressed = self._over = False

    def _read_client(self, phrases: list[Phrase]) -> None:
        buffer = self._buffers[CLIENT]
        while buffer and not self._over:
            if buffer[0] == HANDSHAKE and self._tls_begins(buffer):
                return
            phrase = self._wait() if self._next == WAIT else self._client()
            if phrase is None:
                return
            phrases.append(phrase)

    def _read_server(self, phrases: list[Phrase]) -> None:
        buffer, client = self._buffers[SERVER], self._buffers[CLIENT]
        while buffer and not self._over:
            if buffer[0] == HANDSHAKE and self._tls_begins(buffer):
                return
            phrase = self._server()
            if phrase is None:
                return
            phrases.append(phrase)
            if self.compressed or phrase[1] == "go-ahead":
                self._end_text(phrases)
            elif client:
                self._read_client(phrases)

    def _end_text(self, phrases: list[Phrase]) -> None:
        """The last of these phrases allows TLS, or compression: what is held was sent before that was known."""
        self._over = True
        if phrases[-1][1] == "go-ahead":
            self.upgraded = True
            phrases += self._injected()
        else:
            phrases += [self._compressed(side) for side, held in self._buffers.items() if held]

    def _at_once(self, sender: str, data: bytes) -> Phrase | None:
        """The phrase that these bytes are, when nothing else is held and no more is needed to tell; otherwise None.

        A framing defines it where nearly every phrase comes so: holding bytes takes most of the time.
        """
        return None

    def _speaks_again(self) -> None:  # noqa: B027
        """The client has sent more while the reader waits for the answer to its last phrase."""

    def _tls_begins(self, buffer: Buffer) -> bool:
        """Whether a ClientHello begins here, or may: nothing more is read as text then."""
        hello = begins_hello(buffer)
        if hello:
            self.upgraded = self._over = True
        return hello is not False

    def _compressed(self, side: str) -> Phrase:
        return Phrase(side, "unknown", "compressed", self.rest(side))

    def _injected(self) -> list[Phrase]:
        """What stood after the upgrade command or the go-ahead in clear text: RFC 3207 §4.2 says to discard it."""
        early = ((side, buffer.take(handshake_start(buffer))) for side, buffer in self._buffers.items())
        return [Phrase(side, "injected", "injected", data) for side, data in early if data]

    @abstractmethod
    def begun(self, sender: str) -> tuple[str, str]: ...

    @abstractmethod
    def _client(self) -> Phrase | None:
        """The client's next phrase; None while it is incomplete."""

    @abstractmethod
    def _server(self) -> Phrase | None:
        """The server's next phrase; None while it is incomplete."""

    def _wait(self) -> Phrase | None:
        """None, until the client has sent so much without an answer that reading must go on."""
        buffer = self._buffers[CLIENT]
        return Phrase(CLIENT, "unknown", "unknown", buffer.take(LARGEST)) if buffer.full else None

    def _take_line(self) -> bytes:
        """The client's next line; empty while it is incomplete."""
        buffer = self._buffers[CLIENT]
        return buffer.take(buffer.line())
