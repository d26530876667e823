"""Both directions of one TLS session: records in, messages out, decrypted where the secrets are there.

RFC 8446 (TLS 1.3) and RFC 5246 (TLS 1.2). What becomes of a record is decided here; which keys are in use at it is
`connection_state`, how a record is opened `protection` and `macs`, what a message means `meanings`, and its fields are
`messages`.
"""

from labkit.decode.event import CLIENT, Event, Field
from labkit.decode.tls import problems, ssl2
from labkit.decode.tls.connection_state import TLS13, ConnectionState
from labkit.decode.tls.cursor import Setting
from labkit.decode.tls.direction import Direction
from labkit.decode.tls.hello import client_hello
from labkit.decode.tls.meanings import NO_CERTIFICATE, meaning_of
from labkit.decode.tls.messages import certificate_fields, ciphertext_fields, handshake_fields, record_fields
from labkit.decode.tls.records import (
    AFTER_GAP,
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HEADER,
    NOT_TLS,
    SSL2,
)
from labkit.decode.tls.records import HANDSHAKE as HANDSHAKE_RECORD
from labkit.decode.tls.registry import HANDSHAKES
from labkit.decode.tls.titles import (
    ALERT_LENGTH,
    CLOSED,
    CLOSED_FINISHED,
    DATA,
    KINDS,
    RECORD,
    SEALED,
    TITLES,
    UNFINISHED,
    UNFINISHED_RECORD,
    content_title,
    handshake_title,
)
from labkit.dialects.reader import begins_hello
from labkit.trust.keylog import Secrets

StreamMessage = tuple[str, str, str, bytes, bool, bool, int]
"""A handshake message, or a record of another kind:

- its sender, `CLIENT` or `SERVER`;
- its kind: handshake, change-cipher-spec, alert, application-data, heartbeat or unknown;
- its title: ClientHello, …, ChangeCipherSpec, ``Alert: close_notify``, application data, encrypted record, …;
- its data: a handshake message with its own header of 4 bytes; else the payload of a record, in clear where opened;
- whether it crossed the wire as ciphertext;
- whether it did, and was decrypted here;
- bytes of records, headers included, since the previous message of that side; 0 for the second in one record.

A bare tuple, because there are many and each lives for a moment.
"""

_MESSAGE_HEADER = 4
"""Bytes: type and length."""
_USUAL_CERTIFICATES = 16 << 10
"""Bytes of a Certificate message whose fields are kept."""


class Stream(ConnectionState):
    """Follows one TLS session; is the `labkit.decode.event.Origin` of its events.

    `secrets` is a parsed key log; None gives the eavesdropper's view. Nothing that is fed raises: what cannot be read
    becomes a message that says so, what cannot be opened stays ciphertext and `problem` says why.
    """

    def __init__(self, secrets: Secrets | None) -> None:
        super().__init__(secrets)
        self._ssl2 = ssl2.Handshake()

    # ---- bytes in, messages out

    def feed(self, sender: str, data: bytes) -> list[StreamMessage]:
        """Take bytes of one side, split anywhere, and return the messages that they complete."""
        side = self._directions[sender]
        messages: list[StreamMessage] = []
        for kind, header, content in side.cutter.feed(data):
            side.wire += len(header) + len(content)
            if kind < 0:
                self._other_record(messages, side, kind, content)
                continue
            if side.lost and not (side.changed or self._tls13) and _is_sealed(kind, content):
                side.changed = side.finishing = True  # its ChangeCipherSpec is among the missing bytes
            protected = kind == APPLICATION_DATA or (side.changed and not self._tls13)
            if protected:
                opener = side.opener
                opened = opener.open(header, content) if opener else self._open_first(side, header, content)
                if opened is None:
                    self._stay_closed(messages, side, kind, content)
                    continue
                kind, content = opened
                side.opened += 1
                if kind == APPLICATION_DATA and not side.fragment:
                    encrypts = self._encrypts
                    messages.append((sender, "application-data", DATA, content, encrypts, encrypts, side.wire))
                    side.wire = 0
                    continue
            self._read(messages, side, kind, content, protected and self._encrypts)
        return messages

    def lose(self, sender: str) -> list[StreamMessage]:
        """Bytes of one side are missing here: what follows in this direction stays closed.

        Returns the messages that `finish` gives.
        """
        side = self._directions[sender]
        messages = self.finish(sender)
        side.cutter.lose()
        side.finishing, side.lost = False, True
        self._seal(side, problems.bytes_missing(sender))
        return messages

    def finish(self, sender: str) -> list[StreamMessage]:
        """What one side has begun and not ended, with the bytes that there are: a record, and a handshake message."""
        side = self._directions[sender]
        messages: list[StreamMessage] = []
        held = side.cutter.release()
        side.wire += len(held)
        kind, content = (held[0], held[HEADER:]) if len(held) > HEADER and held[0] in KINDS else (NOT_TLS, held)
        protected = kind == APPLICATION_DATA or (side.changed and not self._tls13 and kind in KINDS)
        if kind == HANDSHAKE_RECORD and not protected:
            self._read(messages, side, kind, content, False)
        elif content:
            self._drop_fragment(messages, side, False)
            self._add(messages, side, kind, UNFINISHED_RECORD, content, protected and self._encrypts, False)
        if side.fragment:
            data = side.take_fragment()
            title = f"{UNFINISHED} {handshake_title(data)}"
            opened = side.opener is not None and self._encrypts
            self._add(messages, side, HANDSHAKE_RECORD, title, data, opened, opened)
        return messages

    def is_over(self, sender: str, data: bytes) -> bool:
        """Whether these bytes begin another session: a ClientHello in clear, where this one would encrypt it."""
        side = self._directions[sender]
        protects = side.changed if not self._tls13 else self._server_hello is not None
        return (
            protects
            and not side.cutter.rest
            and begins_hello(data) is True
            and not self._repeats_hello(side, data[HEADER:])
        )

    def rest(self, sender: str) -> int:
        """Bytes of one side that belong to no message yet."""
        side = self._directions[sender]
        return side.wire + side.cutter.rest

    def _add(
        self,
        messages: list[StreamMessage],
        side: Direction,
        kind: int,
        title: str,
        data: bytes,
        encrypted: bool,
        opened: bool,
    ) -> None:
        kind_name = KINDS.get(kind, "unknown")
        messages.append((side.sender, kind_name, title, data, encrypted, opened, side.wire))
        side.wire = 0

    def _other_record(self, messages: list[StreamMessage], side: Direction, kind: int, content: bytes) -> None:
        self._drop_fragment(messages, side, False)
        if kind == SSL2:
            self._read_ssl2(messages, side, content)
            return
        encrypted = kind == AFTER_GAP and (side.changed or self._tls13)
        self._say(side.sealed if encrypted else "")
        self._add(messages, side, kind, TITLES[kind], content, encrypted, False)

    def _stay_closed(self, messages: list[StreamMessage], side: Direction, kind: int, content: bytes) -> None:
        if kind == HANDSHAKE_RECORD and self._repeats_hello(side, content):
            self._read(messages, side, kind, content, False)
            return
        if side.opener:
            self._seal(side, self._misfit(side))
        self._say(side.sealed)
        self._drop_fragment(messages, side, False)
        title = CLOSED[kind]
        if kind == APPLICATION_DATA and (self._tls13 or not self.version):
            title = RECORD
        elif kind == HANDSHAKE_RECORD and side.finishing:
            title = CLOSED_FINISHED
        side.finishing = False
        self._add(messages, side, kind, title, content, True, False)

    def _repeats_hello(self, side: Direction, content: bytes) -> bool:
        """Whether it is the answer to a HelloRetryRequest that was not captured (RFC 8446 §4.1.2).

        A client sends it in clear text, after a ChangeCipherSpec that has no effect (§D.4). The first ClientHello may
        be missing, too.
        """
        first = self._client_hello
        whole = content[:1] == b"\1" and int.from_bytes(content[1:4]) + 4 == len(content)
        if not whole or side.sender != CLIENT:
            return False
        return client_hello(content).random == first.random if first else content[4:6] == _TLS12

    def _read_ssl2(self, messages: list[StreamMessage], side: Direction, content: bytes) -> None:
        kind, title, encrypted = self._ssl2.read(side.sender, content)
        messages.append((side.sender, kind, title, content, encrypted, False, side.wire))
        side.wire = 0
        self._begin(self._ssl2.hello)
        if self._ssl2.version:
            self.version, self.cipher = self._ssl2.version, self._ssl2.cipher
            self._say(problems.cannot_open(self.version, 0))

    # ---- what can be said about an event

    def meaning(self, event: Event) -> str:
        """One sentence on what it is."""
        if event.title == "Certificate" and _is_without_certificate(event.data, self._tls13):
            return NO_CERTIFICATE
        said = meaning_of(event.title, TLS13 if self._tls13 else self.version)
        if event.title == "ServerHello" and (method := self._compression):
            return f"{said} What follows is compressed with {method}, which gives secrets away (CRIME; RFC 3749)."
        return said

    def lines(self, event: Event) -> list[tuple[str, str]]:
        """Its title and its meaning: a message of TLS has no lines."""
        return [(event.title, self.meaning(event))]

    def fields(self, event: Event) -> tuple[Field, ...]:
        """Every byte of it as a tree of named fields."""
        if event.title in ssl2.TITLES:
            return ssl2.fields(event.title, event.data)
        title = event.title.removeprefix(f"{UNFINISHED} ") if event.kind == "handshake" else event.title
        setting = self._setting(title)
        if event.encrypted and event.title in SEALED:
            return ciphertext_fields(event.data, setting)
        if event.kind == "handshake":
            return handshake_fields(event.data, setting)
        return record_fields(event.kind, event.data, setting)

    def fields_in(self, event: Event, groups: tuple[str, ...]) -> tuple[Field, ...]:
        """The same, with only these groups taken apart: a ClientHello costs a tenth when only its name is wanted."""
        if event.title in ssl2.TITLES:
            return ssl2.fields(event.title, event.data)
        kept = event.title == "Certificate" and len(event.data) <= _USUAL_CERTIFICATES
        return (certificate_fields if kept else handshake_fields)(event.data, self._setting(event.title), groups)

    def _setting(self, title: str) -> Setting:
        return Setting(title, TLS13 if self._tls13 else self.version, self.cipher)

    # ---- what is inside a record

    def _read(self, messages: list[StreamMessage], side: Direction, kind: int, content: bytes, encrypted: bool) -> None:
        if kind == HANDSHAKE_RECORD:
            for data in side.messages(content):
                messages.append(
                    (side.sender, "handshake", handshake_title(data), data, encrypted, encrypted, side.wire)
                )
                side.wire = 0
                self._heard(side, data)
            if side.garbled:
                self._drop_fragment(messages, side, encrypted)
            return
        if kind == ALERT and len(content) > ALERT_LENGTH and self._client_hello is None and self._server_hello is None:
            # Only encryption makes an alert longer, and the session was in the middle of it when the capture began.
            self._say(self._obstacle())
            self._stay_closed(messages, side, kind, content)
            return
        self._drop_fragment(messages, side, encrypted)
        self._add(messages, side, kind, content_title(kind, content), content, encrypted, encrypted)
        if kind == CHANGE_CIPHER_SPEC:
            self._change_cipher(side)

    def _drop_fragment(self, messages: list[StreamMessage], side: Direction, encrypted: bool) -> None:
        if side.fragment:
            self._add(messages, side, NOT_TLS, "broken handshake message", side.take_fragment(), encrypted, encrypted)


def _is_sealed(kind: int, content: bytes) -> bool:
    """Whether a record that follows missing bytes can only be ciphertext: an alert, or Finished, of another form."""
    if kind == HANDSHAKE_RECORD:
        whole = content[:1] in _CLEAR_MESSAGES and int.from_bytes(content[1:4]) + 4 <= len(content)
        return _LEAST_SEALED <= len(content) <= _MOST_SEALED and not whole
    return kind == ALERT and len(content) > ALERT_LENGTH


_TLS12 = b"\3\3"
"""The version in a ClientHello of TLS 1.3 (RFC 8446 §4.1.2)."""
_CLEAR_MESSAGES = {bytes([kind]) for kind in HANDSHAKES}
_LEAST_SEALED, _MOST_SEALED = 32, 96
"""Bytes of a Finished up to TLS 1.2 that is protected: 16, or 40 in SSL 3.0, with what each kind of suite adds."""


def _is_without_certificate(message: bytes, tls13: bool) -> bool:
    """Whether a Certificate message has an empty list, after the context that it has in TLS 1.3 (RFC 8446 §4.4.2)."""
    start = _MESSAGE_HEADER + (1 + message[_MESSAGE_HEADER] if tls13 and len(message) > _MESSAGE_HEADER else 0)
    return message[start:] == bytes(3)
