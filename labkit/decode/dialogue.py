"""From a conversation to a dialogue: its phrases, its TLS, and what was said inside, in order.

Text is read by a dialect, TLS by `labkit.decode.tls`; here one is handed to the other at the upgrade (RFC 3207 §4.2),
and what comes out of TLS goes to a fresh reader of the same dialect.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from labkit.capture.conversation import CLIENT, SERVER, Chunk, Conversation, Endpoint
from labkit.decode.event import TCP, TEXT, TLS, Dialogue, Event, Session
from labkit.decode.tls import Stream, starts
from labkit.decode.words import SIGNALS, Signals, Words
from labkit.dialects import for_port, recognise
from labkit.dialects.base import Dialect, Phrase, Reader
from labkit.keylog import Secrets

_SIGNALS = Signals()
_words = cache(Words)


def read(
    conversation: Conversation, secrets: Secrets | None = None, names: Mapping[str, str] | None = None
) -> Dialogue:
    """The dialogue in a conversation.

    `secrets` open its TLS; None gives what an eavesdropper sees. `names` says what ``ip:port`` or ``ip`` is called,
    and whom the client at ``ip:port>`` talks to.
    """
    walk = _Walk(conversation, secrets)
    for chunk in conversation.chunks:
        walk.take(chunk)
    walk.finish()
    names = names or {}
    return Dialogue(
        conversation.client,
        conversation.server,
        _name(names, conversation.client) or CLIENT,
        names.get(f"{_end(conversation.client)}>") or _name(names, conversation.server) or SERVER,
        walk.dialect,
        tuple(walk.events),
        walk.session(),
    )


def read_all(
    conversations: Iterable[Conversation], secrets: Secrets | None = None, names: Mapping[str, str] | None = None
) -> Iterator[Dialogue]:
    """The dialogues in these conversations, one at a time."""
    return (read(conversation, secrets, names) for conversation in conversations)


def _name(names: Mapping[str, str], end: Endpoint) -> str:
    return names.get(_end(end)) or names.get(end.host, "")


def _end(end: Endpoint) -> str:
    return f"{end.host}:{end.port}"


class _Walk:
    """One pass over a conversation's chunks."""

    def __init__(self, conversation: Conversation, secrets: Secrets | None) -> None:
        self.events: list[Event] = []
        self.dialect: Dialect | None = for_port(conversation.server.port)
        self._secrets = secrets
        self._text: Reader | None = None
        self._tls: Stream | None = None
        self._in_tls: set[str] = set()
        """The sides that have sent their first record."""
        self._started = "implicit"
        self._inside: Reader | None = None
        self._carried = {CLIENT: 0, SERVER: 0}
        """Bytes on the wire that carried decrypted text since the last whole phrase."""
        self._chunk = conversation.chunks[0] if conversation.chunks else None

    def take(self, chunk: Chunk) -> None:
        self._chunk = chunk
        if chunk.kind != "data":
            self._signal(chunk)
        elif self._tls is None:
            self._clear(chunk.sender, chunk.data)
        else:
            self._record(chunk.sender, chunk.data)

    def finish(self) -> None:
        for sender in (CLIENT, SERVER):
            self._unfinished(sender)

    def session(self) -> Session | None:
        tls = self._tls
        if tls is None:
            return None
        return Session(self._started, tls.version, tls.cipher, tls.server_name, tls.resumed, tls.opened, tls.problem)

    def _signal(self, chunk: Chunk) -> None:
        if chunk.kind == "gap":
            self._unfinished(chunk.sender)
            if self._tls is not None:
                self._tls.lose(chunk.sender)
        title = SIGNALS[chunk.kind][0]
        self._add(chunk.sender, TCP, chunk.kind, title, b"", False, chunk.size, _SIGNALS)

    # ---- clear text

    def _clear(self, sender: str, data: bytes) -> None:
        if self._text is None:
            if starts(data):
                self._tls = Stream(self._secrets)
                return self._record(sender, data)
            self._text = self._reader(sender, data)
        for phrase in self._text.feed(sender, data):
            self._phrase(phrase, False, len(phrase.data))
        if self._text.upgraded:
            self._started = "explicit"
            self._tls = Stream(self._secrets)
            for side in (CLIENT, SERVER):
                if early := self._text.rest(side):
                    self._record(side, early)

    def _reader(self, sender: str, data: bytes) -> Reader:
        if sender == SERVER and self.dialect is None:
            self.dialect = recognise(data)
        return self.dialect.reader() if self.dialect else _Plain()

    def _phrase(self, phrase: Phrase, encrypted: bool, wire: int) -> None:
        self._add(phrase.sender, TEXT, phrase.kind, phrase.title, phrase.data, encrypted, wire, _words(self.dialect))

    def _unfinished(self, sender: str) -> None:
        """What was begun and never completed is still part of the story."""
        for reader, encrypted in ((self._text, False), (self._inside, True)):
            if reader is not None and (data := reader.rest(sender)):
                self._phrase(Phrase(sender, "unknown", "unfinished", data), encrypted, len(data))

    # ---- TLS

    def _record(self, sender: str, data: bytes) -> None:
        if sender not in self._in_tls:
            if self._started == "explicit" and not starts(data):
                return self._phrase(Phrase(sender, "injected", "injected", data), False, len(data))
            self._in_tls.add(sender)
        for message in self._tls.feed(sender, data):
            if message.opened and message.kind == "application-data":
                self._say(message.sender, message.data, message.wire)
            else:
                _, kind, title, data, encrypted, _, wire = message
                self._add(sender, TLS, kind, title, data, encrypted, wire, self._tls)

    def _say(self, sender: str, data: bytes, wire: int) -> None:
        if self._inside is None:
            self._inside = self._reader(sender, data)
        self._carried[sender] += wire
        for phrase in self._inside.feed(sender, data):
            self._phrase(phrase, True, self._carried[phrase.sender])
            self._carried[phrase.sender] = 0

    def _add(
        self, sender: str, layer: str, kind: str, title: str, data: bytes, encrypted: bool, wire: int, origin: object
    ) -> None:
        chunk = self._chunk
        self.events.append(
            Event(chunk.time / 1e9, chunk.frame, sender, layer, kind, title, data, encrypted, wire, origin)
        )


class _Plain:
    """The reader of text in no dialect: each piece as it came."""

    upgraded = False

    def feed(self, sender: str, data: bytes) -> list[Phrase]:
        return [Phrase(sender, "unknown", "data", data)]

    def rest(self, sender: str) -> bytes:
        return b""
