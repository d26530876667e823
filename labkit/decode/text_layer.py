"""What is said in text, in clear or inside TLS: a dialect's reader, and the compression that a dialect may switch on.

COMPRESS is RFC 4978 for IMAP and RFC 8054 for NNTP: raw DEFLATE in both directions, behind the server's agreement.
A message that may be two for the server is one, or two, by the number of the server's replies.
"""

import zlib
from collections.abc import Sequence
from functools import cache

from labkit.decode.event import CLIENT, SERVER, TEXT, Event
from labkit.decode.words import Words
from labkit.dialects.base import Dialect, Phrase, Reader
from labkit.dialects.reader import begins_hello

MOST_INFLATED = 64 << 20
"""Bytes of one side that are inflated: a compressed megabyte may stand for a gigabyte."""
_STEP = 1 << 16
_UNREADABLE = "compressed, not readable"
"""The title of bytes that cannot be inflated; without those before them, none can."""
_RAW = -15
"""zlib's name for a DEFLATE stream without a header, and its largest window."""

_SENT = (CLIENT, "message")

words = cache(Words)
_new = tuple.__new__
"""Makes `Event` of a tuple, in half the time of `Event(…)`; there are many."""


class TextLayer:
    """Appends what two sides say in text to `events`. `encrypted` is whether it crosses the wire inside TLS."""

    def __init__(self, dialect: Dialect | None, events: list[Event], encrypted: bool) -> None:
        self.reader: Reader = dialect.reader() if dialect else _Plain()
        self.heard = False
        """Whether anything was said."""
        self._dialect = dialect
        self._words = words(dialect)
        self._events = events
        self.encrypted = encrypted
        self._in_records = encrypted
        """Whether its bytes came in records of TLS, also where those do not encrypt."""
        self._wire = {CLIENT: 0, SERVER: 0}
        """Bytes on the wire since the last phrase, where they are not the phrase's own."""
        self._inflaters: dict[str, _Inflater] = {}
        self._smuggled = dialect.smuggled if dialect else None
        self._doubtful: tuple[Phrase, float, int] | None = None
        """A message that may be two, with its time and frame, until the server's replies tell."""
        self._held: list[tuple[str, bytes, int, float, int]] = []
        """What was said behind it."""

    def feed(self, sender: str, data: bytes, wire: int, time: float, frame: int) -> list[Phrase]:
        """Take bytes that came as `wire` bytes of TCP payload; return the phrases that are events now."""
        if self._doubtful is None:
            return self._take(sender, data, wire, time, frame)
        self._held.append((sender, data, wire, time, frame))
        if sender == CLIENT:
            return self.settle()
        replies = b"".join(held[1] for held in self._held)
        return self._as_two() if len(self._dialect.reader().feed(SERVER, replies)) > 1 else []

    def settle(self) -> list[Phrase]:
        """A message that may be two is one, since no second reply came before the client went on."""
        if self._doubtful is None:
            return []
        (message, time, frame), self._doubtful = self._doubtful, None
        self._add([message], time, frame)
        return [message, *self._release()]

    def _as_two(self) -> list[Phrase]:
        """The server has given more replies than one: it has read commands in what the client sent as one message."""
        (whole, time, frame), self._doubtful = self._doubtful, None
        end = self._smuggled(whole.data)
        message = whole._replace(data=whole.data[:end])
        self._add([message], time, frame)
        return [message, *self._take(CLIENT, whole.data[end:], 0, time, frame), *self._release()]

    def _release(self) -> list[Phrase]:
        held, self._held = self._held, []
        return [phrase for one in held for phrase in self.feed(*one)]

    def _take(self, sender: str, data: bytes, wire: int, time: float, frame: int) -> list[Phrase]:
        self.heard = True
        if self._inflaters:
            phrases = self._inflated(sender, data)
        else:
            phrases = self.reader.feed(sender, data)
            if self.reader.compressed:
                phrases = self._inflate(phrases)
        if self._in_records or self._inflaters:
            self._wire[sender] += wire
        last = phrases[-1] if phrases else None
        if last and self._smuggled and last[:2] == _SENT and not self.reader.holds(CLIENT) and self._smuggled(last[3]):
            self._doubtful = last, time, frame
            phrases = phrases[:-1]
        self._add(phrases, time, frame)
        return phrases

    def _add(self, phrases: list[Phrase], time: float, frame: int) -> None:
        if not (self._in_records or self._inflaters):
            for by, kind, title, said in phrases:
                event = (time, frame, by, TEXT, kind, title, said, False, len(said), self._words)
                self._events.append(_new(Event, event))
            return
        for by, kind, title, said in phrases:
            event = (time, frame, by, TEXT, kind, title, said, self.encrypted, self._wire[by], self._words)
            self._events.append(_new(Event, event))
            self._wire[by] = 0

    def unfinished(self, senders: Sequence[str], time: float, frame: int) -> None:
        """What these sides have begun and not completed is an event too; what they say next is not its end."""
        self.settle()
        # What one side said tells what the other has begun, so both are asked before either forgets.
        reader = self.reader
        begun = {sender: words(self._dialect, reader.begun(sender)) for sender in senders if reader.holds(sender)}
        for sender in senders:
            data = reader.rest(sender)
            wire, self._wire[sender] = self._wire[sender], 0
            if data:
                if not (self._in_records or self._inflaters):
                    wire = len(data)
                event = (time, frame, sender, TEXT, "unknown", "unfinished", data, self.encrypted, wire, begun[sender])
                self._events.append(_new(Event, event))
            if self._inflaters:
                self._inflaters[sender].problem = _UNREADABLE

    # ---- compression

    def _inflate(self, phrases: list[Phrase]) -> list[Phrase]:
        """Compression has begun: what the reader has not read is compressed."""
        self.reader.resume()
        self._inflaters = {CLIENT: _Inflater(), SERVER: _Inflater()}
        early = [phrase for phrase in phrases if phrase.title == "compressed"]
        read = [phrase for phrase in phrases if phrase.title != "compressed"]
        return read + [phrase for side, _, _, data in early for phrase in self._inflated(side, data)]

    def _inflated(self, sender: str, data: bytes) -> list[Phrase]:
        phrases: list[Phrase] = []
        inflater = self._inflaters[sender]
        for plain in inflater.pieces(data):
            phrases += self.reader.feed(sender, plain)
        if inflater.unread:
            phrases.append(Phrase(sender, "unknown", inflater.problem, inflater.unread))
        return phrases


class _Inflater:
    """One side's compressed bytes. What cannot be inflated is left in `unread`, and `problem` is its title."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_RAW)
        self._size = 0
        self.problem = ""
        self.unread = b""

    def pieces(self, data: bytes) -> "list[bytes]":
        found: list[bytes] = []
        self.unread = data if self.problem else b""
        while data and not self.problem:
            try:
                plain = self._stream.decompress(data, _STEP)
            except zlib.error:
                self.problem, self.unread = _UNREADABLE, data
                break
            found.append(plain)
            self._size += len(plain)
            data = self._stream.unconsumed_tail
            if self._size > MOST_INFLATED:
                self.problem, self.unread = "compressed, too large to inflate here", data
            elif self._stream.eof:
                self.problem, self.unread = "compressed, behind the end of the stream", self._stream.unused_data
                break
        return [piece for piece in found if piece]


class _Plain:
    """The reader of text in no dialect: each piece as it came, up to a ClientHello at the beginning of one."""

    compressed = waits = False

    def __init__(self) -> None:
        self.upgraded = False
        self._held = {CLIENT: b"", SERVER: b""}
        """What may be the beginning of a ClientHello."""

    def feed(self, sender: str, data: bytes) -> list[Phrase]:
        data = self._held[sender] + data
        hello = begins_hello(data) if data[:1] == b"\x16" else False
        self.upgraded = self.upgraded or hello is True
        self._held[sender] = b"" if hello is False else data
        return [Phrase(sender, "unknown", "data", data)] if hello is False and data else []

    def holds(self, sender: str) -> int:
        return len(self._held[sender])

    def begun(self, sender: str) -> tuple[str, str]:
        return "unknown", "unfinished"

    def rest(self, sender: str) -> bytes:
        held, self._held[sender] = self._held[sender], b""
        return held

    def resume(self) -> None:
        self.upgraded = False
