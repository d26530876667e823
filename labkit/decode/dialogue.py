"""From a conversation to a dialogue: its phrases, its TLS, and what was said inside, in order.

Text is read by a dialect, TLS by `labkit.decode.tls`; here one is handed to the other at the upgrade (RFC 3207 §4.2),
and what comes out of TLS goes to a fresh reader of the same dialect.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from labkit.capture.conversation import CLIENT, SERVER, Conversation, Endpoint, Said
from labkit.decode.event import TCP, TEXT, TLS, Dialogue, Event, TLSSession
from labkit.decode.tls import Stream, starts
from labkit.decode.words import SIGNALS, Signals, Words
from labkit.dialects import recognise
from labkit.dialects.base import OTHER, Dialect, Phrase, Reader
from labkit.dialects.reader import handshake_start
from labkit.trust.keylog import Secrets

_SIGNALS = Signals()
_words = cache(Words)
_new = tuple.__new__
"""Makes `Event` of a tuple, in half the time of `Event(…)`; there are many."""
_GREETING = 512
"""Bytes that a side says first and that tell the dialect (RFC 5321 §4.5.3.1.5)."""


def read(
    conversation: Conversation, secrets: Secrets | None = None, names: Mapping[str, str] | None = None
) -> Dialogue:
    """The dialogue in a conversation.

    `secrets` open its TLS; None gives what an eavesdropper sees. `names` says what ``ip:port`` or ``ip`` is called,
    and whom the client at ``ip:port>`` talks to.
    """
    dialect = recognise(*_first_words((said[2], said[4]) for said in conversation.said), conversation.server.port)
    walk = _Walk(conversation, secrets, dialect)
    if dialect is None and (inside := recognise(*_first_words(walk.texts()))):
        walk = _Walk(conversation, secrets, inside)
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


def _first_words(said: Iterable[tuple[str, bytes]]) -> tuple[bytes, bytes]:
    """The first bytes of the server and of the client, in what was said by whom."""
    words = {SERVER: b"", CLIENT: b""}
    for sender, data in said:
        if len(words[sender]) < _GREETING:
            words[sender] += data
        elif len(words[OTHER[sender]]) >= _GREETING:
            break
    return words[SERVER], words[CLIENT]


def _name(names: Mapping[str, str], end: Endpoint) -> str:
    return names.get(_end(end)) or names.get(end.host, "")


def _end(end: Endpoint) -> str:
    return f"{end.host}:{end.port}"


class _Walk:
    """One pass over a conversation's chunks."""

    def __init__(self, conversation: Conversation, secrets: Secrets | None, dialect: Dialect | None) -> None:
        self.events: list[Event] = []
        self.dialect = dialect
        self._words = _words(dialect)
        self._secrets = secrets
        self._text: Reader | None = None
        self._tls: Stream | None = None
        self._inside: Reader | None = None
        """Reads what is said inside TLS."""
        self._in_tls: set[str] = set()
        """The sides that have sent their first record."""
        self._whole = bool(conversation.said) and conversation.said[0][3] in ("syn", "syn-ack")
        """Whether the connection's beginning was captured."""
        self._holes: set[str] = set() if self._whole else {CLIENT, SERVER}
        """The sides of which something is missing."""
        self._port = conversation.server.port
        self._started = "implicit"
        self._carried = {CLIENT: 0, SERVER: 0}
        """Bytes on the wire that carried decrypted text since the last whole phrase."""
        self._time, self._frame = 0.0, 0
        """Those of the chunk."""
        for chunk in conversation.said:
            self._take(chunk)
        for sender in (CLIENT, SERVER):
            self._unfinished(sender)

    def _take(self, chunk: Said) -> None:
        time, self._frame, sender, kind, data, size = chunk
        self._time = time / 1e9
        if kind != "data":
            self._signal(sender, kind, size)
        elif sender in self._in_tls:
            self._record(sender, data)
        elif self._tls is None:
            self._clear(sender, data)
        else:
            self._first_record(sender, data)

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """What was said by whom, in clear and inside TLS."""
        return ((event.sender, event.data) for event in self.events if event.layer == TEXT)

    def session(self) -> TLSSession | None:
        tls = self._tls
        if tls is None:
            return None
        return TLSSession(self._started, tls.version, tls.cipher, tls.server_name, tls.resumed, tls.opened, tls.problem)

    def _signal(self, sender: str, kind: str, size: int) -> None:
        if kind == "gap":
            self._unfinished(sender)
            self._holes.add(sender)
            if self._tls is not None:
                self._in_tls.add(sender)
                self._tls.lose(sender)
        self._add(sender, TCP, kind, SIGNALS[kind][0], b"", False, size, _SIGNALS)

    # ---- clear text

    def _clear(self, sender: str, data: bytes) -> None:
        # Where text cannot tell that TLS is due, its first record does.
        if (self._text is None or self._holes or self.dialect is None) and starts(data):
            self._begin_tls(sender, data)
            return
        if self._text is None:
            self._text = self._reader()
        self._feed(sender, data)

    def _begin_tls(self, sender: str, data: bytes) -> None:
        in_the_middle = not self._whole and self.dialect is not None and self._port in self.dialect.explicit_ports
        if self._text is not None or in_the_middle:
            self._started = "explicit"
        for side in (CLIENT, SERVER):
            self._unfinished(side)
        self._await_tls()
        self._first_record(sender, data)

    def _feed(self, sender: str, data: bytes) -> None:
        for by, kind, title, said in self._text.feed(sender, data):
            self._phrase(by, kind, title, said)
        if self._text.upgraded:
            self._started = "explicit"
            self._await_tls()
            self._holes.clear()  # what was missing before has not hidden the upgrade
            for side in (CLIENT, SERVER):
                if early := self._text.rest(side):
                    self._first_record(side, early)

    def _await_tls(self) -> None:
        self._tls = Stream(self._secrets)
        self._inside = self._reader()

    def _reader(self) -> Reader:
        return self.dialect.reader() if self.dialect else _Plain()

    def _unfinished(self, sender: str) -> None:
        """What was begun and never completed is still part of the story."""
        if self._text is not None and (data := self._text.rest(sender)):
            self._phrase(sender, "unknown", "unfinished", data)
        if self._inside is not None and (data := self._inside.rest(sender)):
            carried, self._carried[sender] = self._carried[sender], 0
            self._add(sender, TEXT, "unknown", "unfinished", data, True, carried, self._words)

    def _phrase(self, sender: str, kind: str, title: str, data: bytes) -> None:
        """Something in clear text."""
        self._add(sender, TEXT, kind, title, data, False, len(data), self._words)

    # ---- TLS

    def _first_record(self, sender: str, data: bytes) -> None:
        if self._started == "explicit" and not starts(data):
            if sender in self._holes:
                self._tls.lose(sender)
            elif early := handshake_start(data):
                self._phrase(sender, "injected", "injected", data[:early])
                data = data[early:]
        if data:
            self._in_tls.add(sender)
            self._record(sender, data)

    def _record(self, sender: str, data: bytes) -> None:
        for _, kind, title, content, encrypted, opened, wire in self._tls.feed(sender, data):
            if opened and kind == "application-data":
                self._say(sender, content, wire)
            else:
                self._add(sender, TLS, kind, title, content, encrypted, wire, self._tls)
                if encrypted and not opened:
                    self._unfinished(sender)  # it went on, unheard

    def _say(self, sender: str, data: bytes, wire: int) -> None:
        carried = self._carried
        carried[sender] += wire
        for by, kind, title, said in self._inside.feed(sender, data):
            self._add(by, TEXT, kind, title, said, True, carried[by], self._words)
            carried[by] = 0

    def _add(
        self, sender: str, layer: str, kind: str, title: str, data: bytes, encrypted: bool, wire: int, origin: object
    ) -> None:
        self.events.append(
            _new(Event, (self._time, self._frame, sender, layer, kind, title, data, encrypted, wire, origin))
        )


class _Plain:
    """The reader of text in no dialect: each piece as it came."""

    upgraded = False

    def feed(self, sender: str, data: bytes) -> list[Phrase]:
        return [Phrase(sender, "unknown", "data", data)]

    def rest(self, sender: str) -> bytes:
        return b""
