"""From a conversation to a dialogue: what proxies say first, its phrases, its TLS, and what was said inside, in order.

Which dialect is spoken, and by whom, the `beginning` tells. Text is read by that dialect, TLS by `labkit.decode.tls`.
TLS begins where its bytes are: at the go-ahead (RFC 3207 §4.2), and at any ClientHello where a phrase would begin. What
is not TLS is text, wherever it stands. What comes out of TLS goes to a fresh reader of the same dialect.
"""

from collections.abc import Mapping

from labkit.capture.conversation import CLIENT, SERVER, ChunkFields, Conversation, Endpoint
from labkit.decode.beginning import heard_alone, is_begun, is_begun_in_record, is_in_text, recognised, with_roles
from labkit.decode.event import TCP, TEXT, TLS, Dialogue, Event, TLSSession
from labkit.decode.greeting import doubted
from labkit.decode.preface import PREFACES, Part
from labkit.decode.text_layer import TextLayer, words
from labkit.decode.tls import Stream, StreamMessage
from labkit.decode.tls_start import AHEAD, HANDSHAKE, Handshakes, begins, is_text, may_begin
from labkit.decode.words import SIGNALS, Signals
from labkit.dialects import inside_tls_at
from labkit.dialects.base import OTHER, Dialect, Phrase
from labkit.dialects.reader import begins_hello
from labkit.trust.keylog import Secrets

_SIGNALS = Signals()
_new = tuple.__new__
"""Makes `Event` of a tuple: 0.17 µs less than `Event(…)`, 1 % of the time of decoding."""
_BOTH = (CLIENT, SERVER)
_MAY_ALLOW = {True: ("reply",), False: ("reply", "greeting")}
"""Whether the beginning was captured -> the kinds of phrases for which the go-ahead may be taken."""


def read(
    conversation: Conversation,
    secrets: Secrets | None = None,
    names: Mapping[str, str] | None = None,
    usual: Dialect | None = None,
) -> Dialogue:
    """The dialogue in a conversation.

    `secrets` open its TLS; None gives what an eavesdropper sees. `names` says what ``ip:port`` or ``ip`` is called,
    and whom the client at ``ip:port>`` talks to. Where the first bytes do not tell which dialect is spoken, it is
    `usual`, and without that the one of the server's port.
    """
    conversation = with_roles(conversation)
    before, dialect = recognised(conversation.said, 0 if usual else conversation.server.port)
    dialect = dialect or usual
    walk = _Walk(conversation, secrets, dialect, before)
    if dialect is None and (inside := recognised(walk.texts(), 0)[1]):
        walk = _Walk(conversation, secrets, inside, before)
    if walk.dialect is None and walk.session() is not None and not walk.texts():
        walk.dialect = inside_tls_at(conversation.server.port)
    names = names or {}
    return Dialogue(
        conversation.client,
        conversation.server,
        _name(names, conversation.client) or CLIENT,
        names.get(f"{_end(conversation.client)}>") or _name(names, conversation.server) or SERVER,
        walk.dialect,
        tuple(doubted(walk.events, walk.dialect, is_begun(conversation))),
        walk.session(),
    )


def _name(names: Mapping[str, str], end: Endpoint) -> str:
    return names.get(_end(end)) or names.get(end.host, "")


def _end(end: Endpoint) -> str:
    return f"{end.host}:{end.port}"


class _Walk:
    """One pass over a conversation's chunks."""

    def __init__(
        self, conversation: Conversation, secrets: Secrets | None, dialect: Dialect | None, before: list[Part]
    ) -> None:
        self.events: list[Event] = []
        self.dialect = dialect
        self._conversation = conversation
        self._secrets = secrets
        self._text: TextLayer | None = None
        self._streams: list[Stream] = []
        """The TLS sessions in order; nearly always one."""
        self._stream: Stream
        """The last of them."""
        self._inside: TextLayer | None = None
        """What is said inside the last of them."""
        self._in_tls: set[str] = set()
        """The sides whose next bytes are records."""
        self._broken: set[str] = set()
        """The sides whose TLS has ended in bytes that are neither records nor text."""
        self._agreed = False
        """Whether the go-ahead was read, so that TLS is due on both sides."""
        self._started = "implicit"
        self._turned = False
        """Whether the TCP server has sent the ClientHello."""
        self._handshakes = Handshakes(conversation.said, dialect.upgrades if dialect else ())
        self._before = {side: [part for part in before if part.sender == side] for side in _BOTH} if before else {}
        self._before_data = {CLIENT: b"", SERVER: b""}
        self._holes: set[str] = set() if is_begun(conversation) else set(_BOTH)
        """The sides of which something is missing."""
        self._gaps = (number for number, chunk in enumerate(conversation.said) if chunk[3] == "gap")
        self._alone = heard_alone(conversation.said)
        """The side that alone was captured, if one was."""
        self._position = {CLIENT: 0, SERVER: 0}
        """Bytes of each side up to the end of the chunk."""
        self._time, self._frame = 0.0, 0
        """Those of the chunk."""
        self._take(conversation.said)
        self._finish()

    def _take(self, said: list[ChunkFields]) -> None:
        position, in_tls = self._position, self._in_tls
        for time, self._frame, sender, kind, data, size in said:
            self._time = time / 1e9
            if kind != "data":
                self._signal(sender, kind, data, size)
                continue
            position[sender] += size
            if sender in in_tls:
                if data[:1] == HANDSHAKE and self._stream.is_over(self._role(sender), data):
                    self._restart()
                    self._begin(sender, data)
                else:
                    self._record(sender, data)
            elif not self._before or (data := self._after_preface(sender, data)):
                self._outside(sender, data)

    def texts(self) -> list[ChunkFields]:
        """What was said, in clear and inside TLS, as if it were all that crossed the wire."""
        said = (event for event in self.events if event.layer == TEXT and event.kind != "preface")
        return [(0, event.frame, event.sender, "data", event.data, len(event.data)) for event in said]

    def _signal(self, sender: str, kind: str, data: bytes, size: int) -> None:
        if kind == "gap":
            self._unfinished(sender)
            self._holes.add(sender)
            behind = next(self._gaps) + 1
            if sender == CLIENT and self._text is not None and is_in_text(self._conversation.said, behind):
                self._text.reader.begin_in_text()
            if sender in self._in_tls:
                self._add_tls(sender, self._stream.lose(self._role(sender)))
        sealed = kind == "again" and sender in self._in_tls
        self._add(sender, TCP, kind, SIGNALS[kind][0], data, sealed, size, _SIGNALS)

    def _finish(self) -> None:
        for side, data in self._before_data.items():
            if data:
                self._outside(side, data)
        if any(layer.reader.holds(side) for layer in (self._text, self._inside) if layer for side in _BOTH):
            self._unfinished(*_BOTH)
        for side in _BOTH if self._streams else ():
            self._add_tls(side, self._stream.finish(self._role(side)))

    def _add_tls(self, sender: str, messages: list[StreamMessage]) -> None:
        for _, kind, title, content, encrypted, _, wire in messages:
            self._add(sender, TLS, kind, title, content, encrypted, wire, self._stream)

    def _after_preface(self, sender: str, data: bytes) -> bytes:
        """Take what proxies say first; return what is after it."""
        data, self._before_data[sender] = self._before_data[sender] + data, b""
        parts = self._before[sender]
        while parts and len(data) >= parts[0].size:
            _, title, size = parts.pop(0)
            self._add(sender, TEXT, "preface", title, data[:size], False, size, PREFACES)
            data = data[size:]
        if parts:
            data, self._before_data[sender] = b"", data
        elif not self._before[OTHER[sender]]:
            self._before = {}
        return data

    # ---- clear text

    def _outside(self, sender: str, data: bytes) -> None:
        """Bytes of a side that is not in TLS: text, unless TLS begins here."""
        if self._agreed or self._in_tls:
            self._until_handshake(sender, data)
        elif self._breaks_off(sender, data) or (self._may_begin_midway and self._is_midway(sender, data)):
            self._begin(sender, data)
        else:
            self._say(sender, data)

    @property
    def _may_begin_midway(self) -> bool:
        """Whether TLS may begin without a ClientHello: nothing was said before, or something of it is missing."""
        return self._text is None or bool(self._holes or self._alone)

    def _breaks_off(self, sender: str, data: bytes) -> bool:
        """Whether TLS begins here in the place of the rest of a phrase: with a ClientHello that is answered in TLS."""
        if data[:1] != HANDSHAKE or self._text is None or not self._text.reader.holds(sender):
            return False
        hello = self._handshakes.ahead(sender, self._position[sender] - len(data))
        answer = self._handshakes.ahead(OTHER[sender], self._position[OTHER[sender]])
        return begins_hello(hello) is True and begins(answer)

    def _is_midway(self, sender: str, data: bytes) -> bool:
        """Whether these bytes begin a record, or are the rest of one in the middle of which the capture begins."""
        talk = self._conversation
        if self._begins(sender, data):
            return True
        unread = self._text is None and not is_begun(talk) and not self._is_said(sender, data)
        return unread and is_begun_in_record(talk.said)

    def _begins(self, sender: str, data: bytes) -> bool:
        """Whether TLS begins with this end of a chunk and what follows."""
        if not may_begin(data):
            return False
        enough = len(data) >= AHEAD
        return begins(data if enough else self._handshakes.ahead(sender, self._position[sender] - len(data)))

    def _is_said(self, sender: str, data: bytes) -> bool:
        """Whether these bytes look like something that is said in clear."""
        begins_phrase = self.dialect and self.dialect.begins_phrase
        return is_text(data) or bool(begins_phrase and begins_phrase(sender, data))

    def _until_handshake(self, sender: str, data: bytes) -> None:
        """TLS is due, or the other side is in it: what stands before the handshake of this side was injected."""
        if self._begins(sender, data) or (sender in self._holes and not self._is_said(sender, data)):
            self._begin(sender, data)
            return
        start = self._position[sender] - len(data)
        handshake = self._handshakes.behind(sender, start)
        if handshake is None:
            self._agreed = False
            self._say(sender, data)
            return
        self._say_injected(sender, data[: handshake - start])
        if tls := data[handshake - start :]:
            self._begin(sender, tls)

    def _say_injected(self, sender: str, data: bytes) -> None:
        if data:
            self._add(sender, TEXT, "injected", "injected", data, False, len(data), words(self.dialect))

    def _say(self, sender: str, data: bytes) -> None:
        if self._text is None:
            self._text = TextLayer(self.dialect, self.events, encrypted=False)
            if not is_begun(self._conversation) and is_in_text(self._conversation.said, 0):
                self._text.reader.begin_in_text()
        phrases = self._text.feed(sender, data, len(data), self._time, self._frame)
        reader = self._text.reader
        while sender in self._alone and reader.waits and (held := reader.holds(sender)):
            reader.rest(OTHER[sender])  # its answers are not in the capture
            phrases += self._text.feed(sender, b"", 0, self._time, self._frame)
            if reader.holds(sender) == held:
                break
        if reader.upgraded:
            self._upgrade(sender, phrases)

    def _upgrade(self, sender: str, phrases: list[Phrase]) -> None:
        """The reader has come to the go-ahead, or to a ClientHello."""
        reader = self._text.reader
        reader.resume()
        if not any(phrase.kind == "go-ahead" for phrase in phrases):
            self._begin(sender, reader.rest(sender))
            return
        self._agreed, self._started = True, "explicit"
        self._holes.clear()  # what was missing before has not hidden the upgrade
        injected = {phrase.sender: phrase.data for phrase in phrases if phrase.kind == "injected"}
        if injected:  # whether it was is known from what follows
            del self.events[-len(injected) :]
        for side in _BOTH:
            if early := injected.get(side, b"") + reader.rest(side):
                self._until_handshake(side, early)

    def _unfinished(self, *senders: str) -> None:
        """What was begun and never completed is still part of the story."""
        for layer in (self._text, self._inside):
            if layer is not None:
                layer.unfinished(senders, self._time, self._frame)

    # ---- TLS

    def _begin(self, sender: str, data: bytes) -> None:
        """TLS begins on one side."""
        if not self._in_tls:
            self._open(sender, data)
        if self._text is not None and self._text.reader.holds(sender):
            self._text.unfinished((sender,), self._time, self._frame)
        if sender in self._holes and not begins(data):
            self._stream.lose(self._role(sender))
        self._in_tls.add(sender)
        self._record(sender, data)

    def _restart(self) -> None:
        """Another session begins: the other side is in it, too, from its next bytes on."""
        self._inside.unfinished(_BOTH, self._time, self._frame)
        for side in _BOTH:
            self._add_tls(side, self._stream.finish(self._role(side)))
        self._in_tls.clear()
        self._broken.clear()

    def _open(self, sender: str, data: bytes) -> None:
        """A session begins with these bytes."""
        if not self._agreed and self._is_asked_for():
            self._started = "explicit"
            self._name_go_ahead()
        elif not self._agreed and self._holes and not inside_tls_at(self._conversation.server.port):
            self._started = ""
        self._turned = sender == SERVER and begins_hello(data) is True
        self._stream = Stream(self._secrets)
        self._streams.append(self._stream)
        self._inside = TextLayer(self.dialect, self.events, encrypted=True)

    def _is_asked_for(self) -> bool:
        """Whether TLS follows an upgrade, though no go-ahead was read."""
        if self.dialect is None:
            return self._text is not None
        if (self._holes or self._is_server_alone) and self._conversation.server.port in self.dialect.explicit_ports:
            return True  # the upgrade may be missing
        return any(event.title in self.dialect.upgrades and event.sender == CLIENT for event in self.events)

    @property
    def _is_server_alone(self) -> bool:
        """Whether the server has said something in clear, and nothing of the client was captured."""
        return self._text is not None and self._alone == {SERVER}

    def _name_go_ahead(self) -> None:
        """A reply that was taken for another's, or for the greeting, was the go-ahead, because TLS follows it."""
        kinds = _MAY_ALLOW[is_begun(self._conversation)]
        for number in range(len(self.events) - 1, -1, -1):
            event = self.events[number]
            if event.sender == CLIENT and event.layer == TEXT:
                return
            if event.kind == "gap":
                kinds = _MAY_ALLOW[True]  # the greeting is no go-ahead if something stood between
            if event.kind in kinds and event.title == (self.dialect and self.dialect.go_ahead):
                self.events[number] = event._replace(kind="go-ahead")
                return

    def _record(self, sender: str, data: bytes) -> None:
        stream = self._stream
        role = OTHER[sender] if self._turned else sender
        for _, kind, title, content, encrypted, opened, wire in stream.feed(role, data):
            if kind == "application-data" and (opened or not encrypted):
                self._inside.encrypted = encrypted  # not under a suite without encryption
                self._inside.feed(sender, content, wire, self._time, self._frame)
            elif title == "not TLS" and sender not in self._broken and self._is_said(sender, content):
                self._leave(sender, content)
            else:
                if title == "not TLS":
                    self._broken.add(sender)
                self._add(sender, TLS, kind, title, content, encrypted, wire, stream)
                if encrypted and not opened and self._inside.heard:
                    self._inside.unfinished((sender,), self._time, self._frame)  # it went on, unheard

    def _leave(self, sender: str, data: bytes) -> None:
        """A side goes on in clear text where a record would begin."""
        self._inside.unfinished((sender,), self._time, self._frame)
        self._in_tls.discard(sender)
        self._agreed = False
        self._outside(sender, data)

    def _role(self, sender: str) -> str:
        return OTHER[sender] if self._turned else sender

    def session(self) -> TLSSession | None:
        """What is known of the TLS: of the last session that was agreed, or else the last that was tried."""
        if not self._streams:
            return None
        tls = next((stream for stream in reversed(self._streams) if stream.version), self._streams[-1])
        problem = tls.problem if tls.version else self._mismatch() or tls.problem
        known = tls.version, tls.cipher, tls.server_name, tls.resumed, tls.opened
        return TLSSession(self._started, *known, problem, tls.pre_shared_key, tls.outer_name)

    def _mismatch(self) -> str:
        """Why no TLS was agreed, where one side speaks clear text."""
        spoken = [event.sender for event in self.events if event.layer == TLS]
        first = next((number for number, event in enumerate(self.events) if event.title == "ClientHello"), None)
        if first is None or OTHER[self.events[first].sender] in spoken:
            return ""
        answers = OTHER[self.events[first].sender]
        behind = any(event.layer == TEXT and event.sender == answers for event in self.events[first:])
        before = any(event.layer == TEXT and event.sender == answers for event in self.events[:first])
        if behind:
            return f"The {answers} answered the ClientHello in clear text, so no TLS was agreed."
        if not before:
            return ""
        said = (
            ""
            if any(event.kind == "go-ahead" for event in self.events[:first])
            else f"The {answers} speaks clear text. "
        )
        return f"{said}No answer to the ClientHello is in this capture."

    def _add(
        self, sender: str, layer: str, kind: str, title: str, data: bytes, encrypted: bool, wire: int, origin: object
    ) -> None:
        self.events.append(
            _new(Event, (self._time, self._frame, sender, layer, kind, title, data, encrypted, wire, origin))
        )
