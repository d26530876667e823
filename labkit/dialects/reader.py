"""What the readers of all dialects share: the bytes of each side that are no phrase yet, and whose turn it is.

How a stream is cut into phrases is `labkit.dialects.framing`. No protocol's word is known here.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from labkit.dialects.base import CLIENT, SERVER, Phrase

LARGEST = 16 << 20
"""Bytes of one phrase that are held; a phrase with more of them comes out in pieces."""

MOST_UNANSWERED = 1 << 16
"""Commands without an answer that are remembered."""

COMMAND = "command"
"""The state in which the client says a command next: every reader begins with it."""
WAIT = "wait"
"""The state in which only the server's answer tells what the client says next."""

_TLS_HANDSHAKE = b"\x16\x03"
_DOT = b"\r\n.\r\n"
_NOWHERE = range(0)


def text_end(data: bytes) -> int:
    """Where the lines of a message end: before the line with a single dot, where there is one."""
    whole = data == _DOT[2:] or data.endswith(_DOT)
    return len(data) - 3 if whole else len(data)


def handshake_start(data: bytes) -> int:
    """Where a TLS handshake record begins, or may begin, in bytes that should hold one; their end, where none does."""
    start = data.find(_TLS_HANDSHAKE)
    return start if start >= 0 else len(data) - data.endswith(_TLS_HANDSHAKE[:1])


class Buffer(bytearray):
    """What one side has said that belongs to no phrase yet. Where phrases end is an offset; 0 means not here."""

    def __init__(self, longest: int) -> None:
        super().__init__()
        self._longest = longest  # bytes after which a line without an end is cut
        self._no_line = _NOWHERE
        """Where there is no end of a line."""
        self._no_dot = 0
        """How far there is no line with a single dot."""

    @property
    def full(self) -> bool:
        """Whether it holds more than a phrase may have."""
        return len(self) >= LARGEST

    def line(self, start: int = 0) -> int:
        """Where the line that begins at `start` ends, behind its line feed."""
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
        """Where the lines that begin at `start` end: behind the one with a single dot (RFC 5321 §4.1.1.4)."""
        if self.startswith(_DOT[2:], start):
            return start + 3
        end = self.find(_DOT, max(start, self._no_dot)) + len(_DOT)
        if end >= len(_DOT):
            return end
        self._no_dot = max(start, len(self) - len(_DOT) + 1)
        return 0

    def last_line(self) -> int:
        """Where the last whole line of a full buffer ends; where nothing does, all that it may hold."""
        return self.rfind(b"\n", 0, LARGEST) + 1 or LARGEST

    def take(self, end: int) -> bytes:
        """Return the first bytes and remove them."""
        if not end:
            return b""
        self._no_line, self._no_dot = _NOWHERE, 0
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
    what the server says next; each returns None while the phrase is not whole. A phrase of kind go-ahead ends the clear
    text.
    """

    _longest: ClassVar[int]
    """Bytes after which a line without an end is cut."""

    def __init__(self) -> None:
        self.upgraded = False
        self._buffers = {CLIENT: Buffer(self._longest), SERVER: Buffer(self._longest)}
        self._next = COMMAND

    @property
    def waits(self) -> bool:
        return self._next == WAIT

    def feed(self, sender: str, data: bytes) -> list[Phrase]:
        self._buffers[sender].extend(data)
        phrases: list[Phrase] = []
        if sender == SERVER:
            self._read_server(phrases)
        else:
            self._read_client(phrases)
        return phrases

    def rest(self, sender: str) -> bytes:
        return self._buffers[sender].take(len(self._buffers[sender]))

    def _read_client(self, phrases: list[Phrase]) -> None:
        buffer = self._buffers[CLIENT]
        while buffer and not self.upgraded:
            phrase = self._wait() if self._next == WAIT else self._client()
            if phrase is None:
                return
            phrases.append(phrase)

    def _read_server(self, phrases: list[Phrase]) -> None:
        buffer = self._buffers[SERVER]
        while buffer and not self.upgraded:
            phrase = self._server()
            if phrase is None:
                return
            phrases.append(phrase)
            if phrase[1] == "go-ahead":
                self.upgraded = True
                phrases += self._injected()
            self._read_client(phrases)

    def _injected(self) -> list[Phrase]:
        """What stood behind the upgrade command or the go-ahead in clear text: RFC 3207 §4.2 says to discard it."""
        early = ((side, buffer.take(handshake_start(buffer))) for side, buffer in self._buffers.items())
        return [Phrase(side, "injected", "injected", data) for side, data in early if data]

    @abstractmethod
    def _client(self) -> Phrase | None:
        """What the client says next; None while it is not whole."""

    @abstractmethod
    def _server(self) -> Phrase | None:
        """What the server says next; None while it is not whole."""

    def _wait(self) -> Phrase | None:
        """None, unless the client says so much without an answer that it must be let go."""
        buffer = self._buffers[CLIENT]
        return Phrase(CLIENT, "unknown", "unknown", buffer.take(LARGEST)) if buffer.full else None

    def _take_line(self) -> bytes:
        """The client's next line; empty while it is not whole."""
        buffer = self._buffers[CLIENT]
        return buffer.take(buffer.line())
