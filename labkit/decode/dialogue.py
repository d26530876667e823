"""From a conversation to a dialogue: its phrases, its TLS, and what was said inside, in order.

Text is read by a dialect, TLS by `labkit.decode.tls`; here one is handed to the other at the upgrade (RFC 3207 §4.2),
and what comes out of TLS goes to a fresh reader of the same dialect.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial

from labkit.capture.conversation import CLIENT, SERVER, Chunk, Conversation, Endpoint
from labkit.decode.event import TCP, TEXT, TLS, Dialogue, Event, Session
from labkit.decode.tls import Stream, starts
from labkit.decode.words import SIGNALS, Signals, Words
from labkit.dialects import for_port, recognise
from labkit.dialects.base import Dialect, Phrase, Reader
from labkit.dialects.reader import handshake_start
from labkit.keylog import Secrets

_SIGNALS = Signals()
_words = cache(Words)
_event = partial(tuple.__new__, Event)
"""`Event` of a tuple, in half the time of `Event(…)`; there are many."""


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
        self._time = 0.0
        self._frame = 0

    def take(self, chunk: Chunk) -> None:
        time, self._frame, sender, kind, data, size = chunk
        self._time = time / 1e9
        if kind != "data":
            self._signal(sender, kind, size)
        elif self._tls is None:
            self._clear(sender, data)
        else:
            self._record(sender, data)

    def finish(self) -> None:
        for sender in (CLIENT, SERVER):
            self._unfinished(sender)

    def session(self) -> Session | None:
        tls = self._tls
        if tls is None:
            return None
        return Session(self._started, tls.version, tls.cipher, tls.server_name, tls.resumed, tls.opened, tls.problem)

    def _signal(self, sender: str, kind: str, size: int) -> None:
        if kind == "gap":
            self._unfinished(sender)
            if self._tls is not None:
                self._tls.lose(sender)
        self._add(sender, TCP, kind, SIGNALS[kind][0], b"", False, size, _SIGNALS)

    # ---- clear text

    def _clear(self, sender: str, data: bytes) -> None:
        if self._text is None:
            if starts(data):
                self._tls = Stream(self._secrets)
                return self._record(sender, data)
            self._text = self._reader(sender, data)
        for by, kind, title, said in self._text.feed(sender, data):
            self._add(by, TEXT, kind, title, said, False, len(said), _words(self.dialect))
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

    def _unfinished(self, sender: str) -> None:
        """What was begun and never completed is still part of the story."""
        for reader, encrypted in ((self._text, False), (self._inside, True)):
            if reader is not None and (data := reader.rest(sender)):
                self._odd(sender, "unknown", "unfinished", data, encrypted)

    def _odd(self, sender: str, kind: str, title: str, data: bytes, encrypted: bool) -> None:
        """Text that is no phrase."""
        self._add(sender, TEXT, kind, title, data, encrypted, len(data), _words(self.dialect))

    # ---- TLS

    def _record(self, sender: str, data: bytes) -> None:
        if sender not in self._in_tls:
            data = self._behind_injected(sender, data)
            if not data:
                return
            self._in_tls.add(sender)
        for _, kind, title, content, encrypted, opened, wire in self._tls.feed(sender, data):
            if opened and kind == "application-data":
                self._say(sender, content, wire)
            else:
                self._add(sender, TLS, kind, title, content, encrypted, wire, self._tls)

    def _behind_injected(self, sender: str, data: bytes) -> bytes:
        """The bytes without the clear text that stands before them although TLS is due."""
        early = 0 if self._started == "implicit" or starts(data) else handshake_start(data)
        if early:
            self._odd(sender, "injected", "injected", data[:early], False)
        return data[early:]

    def _say(self, sender: str, data: bytes, wire: int) -> None:
        if self._inside is None:
            self._inside = self._reader(sender, data)
        carried = self._carried
        carried[sender] += wire
        for by, kind, title, said in self._inside.feed(sender, data):
            self._add(by, TEXT, kind, title, said, True, carried[by], _words(self.dialect))
            carried[by] = 0

    def _add(
        self, sender: str, layer: str, kind: str, title: str, data: bytes, encrypted: bool, wire: int, origin: object
    ) -> None:
        self.events.append(_event((self._time, self._frame, sender, layer, kind, title, data, encrypted, wire, origin)))


class _Plain:
    """The reader of text in no dialect: each piece as it came."""

    upgraded = False

    def feed(self, sender: str, data: bytes) -> list[Phrase]:
        return [Phrase(sender, "unknown", "data", data)]

    def rest(self, sender: str) -> bytes:
        return b""
