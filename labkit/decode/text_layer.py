"""Text in clear or inside TLS: a dialect's reader, and the compression that a dialect may start.

COMPRESS is RFC 4978 for IMAP and RFC 8054 for NNTP: raw DEFLATE in both directions, after the server's agreement.
A message that a server may read as two (SMTP smuggling) is split if the server sent more than one reply.
"""

import zlib
from collections.abc import Sequence
from functools import cache

from labkit.decode.event import CLIENT, SERVER, TEXT, Event
from labkit.decode.security_layer import INSIDE_LAYER, LENGTH, LayerStart
from labkit.decode.words import Words
from labkit.dialects.base import Dialect, Phrase, Reader
from labkit.dialects.reader import begins_hello

MOST_INFLATED = 64 << 20
"""Bytes of one side that are inflated: a compressed megabyte may stand for a gigabyte."""
_STEP = 1 << 16
_UNREADABLE = "compressed, not readable"
"""The title of bytes that cannot be inflated: damaged ones, and all after a gap."""
_RAW = -15
"""zlib's name for a DEFLATE stream without a header, and its largest window."""

words = cache(Words)
_new = tuple.__new__
"""As in `labkit.decode.dialogue`."""


class TextLayer:
    """Appends what two sides say in text to `events`. `encrypted` is whether it crosses the wire inside TLS."""

    def __init__(self, dialect: Dialect | None, events: list[Event], encrypted: bool) -> None:
        self.reader: Reader = dialect.reader() if dialect else _Plain()
        self.heard = False
        """Whether either side has sent anything."""
        self._dialect = dialect
        self._words = words(dialect)
        self._events = events
        self.encrypted = encrypted
        self._carrier = {CLIENT: 0, SERVER: 0} if encrypted else {}
        """Bytes on the wire since the last phrase of each side, where they are not its own: those of the records of
        TLS, also where these do not encrypt, and of compression. Otherwise empty."""
        self._inflaters: dict[str, _Inflater] = {}
        self._smuggled = dialect.smuggled if dialect else None
        self._layer_start: LayerStart | None = None
        self._layered = False
        self._sent: _Sent | None = None
        """The client's last message, as long as only the server has spoken since; None otherwise."""

    def feed(self, sender: str, data: bytes, wire: int, time: float, frame: int) -> list[Phrase]:
        """Take bytes that came as `wire` bytes of TCP payload; return the phrases that are events now."""
        self.heard = True
        if self._sent is not None:
            self._look_back(sender, data)
        if self._layered or (data[:1] == LENGTH and self._enters_layer(sender)):
            phrases = [Phrase(sender, "unknown", INSIDE_LAYER, data)]
        elif self._inflaters:
            phrases = self._inflated(sender, data)
        else:
            phrases = self.reader.feed(sender, data)
            if self.reader.compressed:
                phrases = self._inflate(phrases)
        carrier = self._carrier
        if carrier:
            carrier[sender] += wire
        for by, kind, title, said in phrases:
            size = carrier[by] if carrier else len(said)
            event = (time, frame, by, TEXT, kind, title, said, self.encrypted, size, self._words)
            self._events.append(_new(Event, event))
            if carrier:
                carrier[by] = 0
        if phrases and phrases[-1][1] == "message" and self._smuggled:
            sent = phrases[-1].sender == CLIENT and not self.reader.holds(CLIENT)
            self._sent = _Sent(len(self._events) - 1) if sent else None
        return phrases

    def _enters_layer(self, sender: str) -> bool:
        """Whether a SASL security layer begins here, in which both sides stay once one has begun."""
        if self._dialect is not None and not self.reader.holds(sender):
            self._layer_start = self._layer_start or LayerStart(self._dialect)
            self._layered = self._layer_start.is_agreed(self._events)
        return self._layered

    def _look_back(self, sender: str, data: bytes) -> None:
        """More than one reply shows that the server has read commands in the message (SMTP smuggling)."""
        sent = self._sent
        if sender == CLIENT:
            self._sent = None
            return
        sent.replies += data
        sent.lines += data.count(b"\n")
        if sent.lines < 2:
            return
        if sent.reader is None:
            if not self._smuggled(self._events[sent.number].data):
                self._sent = None
                return
            sent.reader = self._dialect.reader()
        sent.read += len(sent.reader.feed(SERVER, bytes(sent.replies)))
        sent.replies.clear()
        if sent.read > 1:
            self._sent = None
            self._divide(sent.number)

    def _divide(self, number: int) -> None:
        """Split the event at this index: its message ends earlier for the server, and commands follow."""
        message = self._events[number]
        end = self._smuggled(message.data)
        behind = self._events[number + 1 :]
        del self._events[number:]
        clear = not self._carrier
        self._events.append(message._replace(data=message.data[:end], wire=end if clear else message.wire))
        for by, kind, title, said in self.reader.feed(CLIENT, message.data[end:]):
            wire = len(said) if clear else 0
            self._events.append(
                message._replace(sender=by, kind=kind, title=title, data=said, wire=wire, origin=self._words)
            )
        self._events += behind

    def unfinished(self, senders: Sequence[str], time: float, frame: int) -> None:
        """Make events of the incomplete phrases of these sides; what they send next does not complete them."""
        # The phrase that one side began depends on what the other said: ask for both before either is forgotten.
        reader = self.reader
        begun = {sender: words(self._dialect, reader.begun(sender)) for sender in senders if reader.holds(sender)}
        for sender in senders:
            data = reader.rest(sender)
            wire = len(data)
            if self._carrier:
                wire, self._carrier[sender] = self._carrier[sender], 0
            if data:
                event = (time, frame, sender, TEXT, "unknown", "unfinished", data, self.encrypted, wire, begun[sender])
                self._events.append(_new(Event, event))
            if self._inflaters:
                self._inflaters[sender].problem = _UNREADABLE

    # ---- compression

    def _inflate(self, phrases: list[Phrase]) -> list[Phrase]:
        """Compression has begun: what the reader has not read is compressed."""
        self.reader.resume()
        self._inflaters = {CLIENT: _Inflater(), SERVER: _Inflater()}
        self._carrier = self._carrier or {CLIENT: 0, SERVER: 0}
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


class _Sent:
    """A message that the client has sent, and what the server has sent since."""

    __slots__ = ("lines", "number", "read", "reader", "replies")

    def __init__(self, number: int) -> None:
        self.number = number
        """The index of its event."""
        self.lines = 0
        """How many lines the server has sent since."""
        self.reader: Reader | None = None
        """A reader for these lines alone; None before the second line."""
        self.replies = bytearray()
        """The server's bytes that this reader has not been given yet."""
        self.read = 0
        """How many replies it has returned."""


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
                self.problem, self.unread = "compressed, after the end of the stream", self._stream.unused_data
                break
        return [piece for piece in found if piece]


class _Plain:
    """The reader of text in an unknown protocol: each piece as it came, up to one that begins with a ClientHello."""

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

    def begin_in_text(self) -> None:
        """No message is known."""

    def resume(self) -> None:
        self.upgraded = False
