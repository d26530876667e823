"""Both directions of one TLS session: records in, messages out, decrypted where the secrets are there.

RFC 8446 (TLS 1.3) and RFC 5246 (TLS 1.2). What becomes of a record is decided here, and which keys are in use at it;
which secret they are made of is `secrets_of`, how a record is opened `protection` and `macs`, what a message means
`meanings`, and its fields are `messages`.
"""

from collections.abc import Callable, Collection

from labkit.decode.event import CLIENT, SERVER, Event, Field
from labkit.decode.tls import problems, ssl2
from labkit.decode.tls.ciphers import AEAD, NULL, CipherSpec, cipher_of
from labkit.decode.tls.cursor import Setting
from labkit.decode.tls.direction import APPLICATION, EARLY, HANDSHAKE, LABELS, Direction
from labkit.decode.tls.hello import ClientHello, ServerHello, client_hello, server_hello
from labkit.decode.tls.macs import Inflating, NullOpener, NullOpener13, Opener
from labkit.decode.tls.meanings import meaning_of
from labkit.decode.tls.messages import ciphertext_fields, handshake_fields, record_fields
from labkit.decode.tls.older import MASTER, OlderSecrets, openers
from labkit.decode.tls.protection import Opener13
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
from labkit.decode.tls.registry import COMPRESSIONS, DEFLATE, version_name
from labkit.decode.tls.suites import SUITES
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
from labkit.trust.keylog import Secrets, premasters_alone

TLS13 = "TLS 1.3"

(_CLIENT_HELLO, _SERVER_HELLO, _TICKET, _END_OF_EARLY_DATA) = (1, 2, 4, 5)
(_SERVER_HELLO_DONE, _CLIENT_KEY_EXCHANGE, _FINISHED, _KEY_UPDATE) = (14, 16, 20, 24)
_TICKET_START = 4 + 4 + 2
"""Of a NewSessionTicket: behind header, lifetime, and length (RFC 5077 §3.3)."""
_FIRST_DRAFT_WITH_HEADER = 25
"""Of TLS 1.3: from this draft on, the header of a record is authenticated."""


Message = tuple[str, str, str, bytes, bool, bool, int]
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


class Stream:
    """Follows one TLS session; is the `labkit.decode.event.Origin` of its events.

    `secrets` is a parsed key log; None gives the eavesdropper's view. Nothing that is fed raises: what cannot be read
    becomes a message that says so, what cannot be opened stays ciphertext and `problem` says why.
    """

    def __init__(self, secrets: Secrets | None) -> None:
        self.version = ""
        self.cipher = ""
        self.server_name = ""
        self.resumed = False
        self.opened = False
        self.problem = "" if secrets is not None else problems.NO_SECRETS
        self.older = OlderSecrets({} if secrets is None else secrets)
        """The secrets of a session up to TLS 1.2, and how it can be resumed."""
        self._secrets = self.older.log
        self._client_hello: ClientHello | None = None
        self._server_hello: ServerHello | None = None
        self._full_handshake = False
        self._pair: dict[str, Opener] = {}
        self._tls13 = False
        self._encrypts = True
        """Whether the cipher suite encrypts at all."""
        self._ssl2 = ssl2.Handshake()
        self._directions = {CLIENT: Direction(CLIENT), SERVER: Direction(SERVER)}

    # ---- bytes in, messages out

    def feed(self, sender: str, data: bytes) -> list[Message]:
        """Take bytes of one side, split anywhere, and return the messages that they complete."""
        side = self._directions[sender]
        messages: list[Message] = []
        for kind, header, content in side.cutter.feed(data):
            side.wire += len(header) + len(content)
            if kind < 0:
                self._other_record(messages, side, kind, content)
                continue
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

    def lose(self, sender: str) -> list[Message]:
        """Bytes of one side are missing here: what follows in this direction stays closed.

        Returns the messages that `finish` gives.
        """
        side = self._directions[sender]
        messages = self.finish(sender)
        side.cutter.lose()
        side.finishing = False
        self._seal(side, problems.bytes_missing(sender))
        return messages

    def finish(self, sender: str) -> list[Message]:
        """What one side has begun and not ended, with the bytes that there are: a record, and a handshake message."""
        side = self._directions[sender]
        messages: list[Message] = []
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

    def rest(self, sender: str) -> int:
        """Bytes of one side that belong to no message yet."""
        side = self._directions[sender]
        return side.wire + side.cutter.rest

    def _add(
        self,
        messages: list[Message],
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

    def _other_record(self, messages: list[Message], side: Direction, kind: int, content: bytes) -> None:
        self._drop_fragment(messages, side, False)
        if kind == SSL2:
            self._read_ssl2(messages, side, content)
            return
        encrypted = kind == AFTER_GAP and (side.changed or self._tls13)
        self._add(messages, side, kind, TITLES[kind], content, encrypted, False)

    def _stay_closed(self, messages: list[Message], side: Direction, kind: int, content: bytes) -> None:
        if kind == HANDSHAKE_RECORD and self._repeats_hello(side, content):
            self._read(messages, side, kind, content, False)
            return
        if side.opener:
            self._seal(side, self._misfit(side))
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

        A client sends it in clear behind a ChangeCipherSpec without meaning (§D.4).
        """
        first = self._client_hello
        whole = content[:1] == b"\1" and int.from_bytes(content[1:4]) + 4 == len(content)
        return whole and side.sender == CLIENT and first is not None and client_hello(content).random == first.random

    def _read_ssl2(self, messages: list[Message], side: Direction, content: bytes) -> None:
        kind, title, encrypted = self._ssl2.read(side.sender, content)
        messages.append((side.sender, kind, title, content, encrypted, False, side.wire))
        side.wire = 0
        self._client_hello = self._ssl2.hello
        if self._ssl2.version:
            self.version, self.cipher = self._ssl2.version, self._ssl2.cipher
            self._say(problems.cannot_open(self.version, 0))

    # ---- what can be said about an event

    def meaning(self, event: Event) -> str:
        """One sentence on what it is."""
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

    def fields_in(self, event: Event, groups: Collection[str]) -> tuple[Field, ...]:
        """The same, with only these groups taken apart: a ClientHello costs a tenth when only its name is wanted."""
        if event.title in ssl2.TITLES:
            return ssl2.fields(event.title, event.data)
        return handshake_fields(event.data, self._setting(event.title), groups)

    def _setting(self, title: str) -> Setting:
        return Setting(title, TLS13 if self._tls13 else self.version, self.cipher)

    # ---- what is inside a record

    def _read(self, messages: list[Message], side: Direction, kind: int, content: bytes, encrypted: bool) -> None:
        if kind == HANDSHAKE_RECORD:
            for data in side.messages(content):
                self._add(messages, side, kind, handshake_title(data), data, encrypted, encrypted)
                self.older.heard(data)
                if react := _REACTIONS.get((side.sender, data[0])):
                    react(self, side, data)
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

    def _drop_fragment(self, messages: list[Message], side: Direction, encrypted: bool) -> None:
        if side.fragment:
            self._add(messages, side, NOT_TLS, "broken handshake message", side.take_fragment(), encrypted, encrypted)

    def _client_says_hello(self, side: Direction, data: bytes) -> None:
        hello = self._client_hello = client_hello(data)
        self.older.client_says_hello(hello, data)
        self.server_name = hello.server_name or self.server_name
        if (self._tls13 or not self.version) and side.epoch != APPLICATION:
            side.enter(EARLY if hello.early_data else HANDSHAKE)

    def _server_says_hello(self, side: Direction, data: bytes) -> None:
        hello = server_hello(data)
        self.version = version_name(hello.version)
        self._tls13 = self.version.startswith(TLS13)
        self.cipher = SUITES.get(hello.suite) or f"cipher suite 0x{hello.suite:04X}"
        if hello.retry:
            return
        self._server_hello = hello
        self._pair = {}
        self._full_handshake = False
        self._use_cipher(side)
        self.resumed = self._tls13 and hello.resumed
        self.older.server_says_hello(hello)
        if not self._tls13:
            self._directions[CLIENT].epoch = HANDSHAKE

    def _use_cipher(self, side: Direction) -> None:
        """Whether the suite encrypts; of SSL 3.0 that is known, too, although the lab does not open it."""
        cipher = cipher_of(self._server_hello.suite)
        self._encrypts = cipher is None or cipher.way != NULL
        if not self._encrypts:
            self.problem = problems.not_encrypted(self.cipher)  # more than that no secrets were used
            if self._tls13:
                self._directions[CLIENT].epoch = side.epoch = HANDSHAKE

    def _server_issues_ticket(self, _: Direction, data: bytes) -> None:
        if not self._tls13:
            self.older.issued(data[_TICKET_START:])

    def _client_sends_key(self, _: Direction, data: bytes) -> None:
        self.older.client_sends_key(data)

    @property
    def _compression(self) -> str:
        """How records are compressed; empty where they are not."""
        method = self._server_hello.compression if self._server_hello and not self._tls13 else 0
        return COMPRESSIONS.get(method, f"method {method}") if method else ""

    def _server_is_done(self, _side: Direction, _data: bytes) -> None:
        self._full_handshake = True

    def _change_cipher(self, side: Direction) -> None:
        """RFC 5246 §7.1; in TLS 1.3 it means nothing (RFC 8446 §5)."""
        if self._tls13:
            return
        side.changed = side.finishing = True
        side.opener = None
        if side.sender == SERVER and self._server_hello and not self._full_handshake:
            self.resumed = self.older.resumed = True

    def _end_early_data(self, side: Direction, _: bytes) -> None:
        if side.epoch == EARLY and side.opened:
            side.enter(HANDSHAKE)

    def _finish(self, side: Direction, _: bytes) -> None:
        if self._tls13 and side.opened and side.epoch == HANDSHAKE:
            side.enter(APPLICATION)

    def _update_key(self, side: Direction, _: bytes) -> None:
        if side.epoch == APPLICATION and isinstance(side.opener, Opener13):
            side.opener = side.opener.updated()

    # ---- which keys

    def _open_first(self, side: Direction, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        """Open the first record under new keys; those after it are opened by `side.opener`."""
        if side.sealed:
            return None
        if side.epoch == EARLY:
            return self._open_early(side, header, body)
        self._choose_opener(side)
        opened = side.opener.open(header, body) if side.opener else None
        side.finishing &= opened is None
        self.opened |= opened is not None and self._encrypts and (side.epoch == APPLICATION or not self._tls13)
        return opened

    def _open_early(self, side: Direction, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        """Early data, or what follows it: a server that refuses it never says so in clear (RFC 8446 §4.2.10)."""
        for opener in side.early or self._early_openers():
            if opened := opener.open(header, body):
                side.early = [opener]
                self.opened = True
                return opened
        secret = self._secret(LABELS[CLIENT][HANDSHAKE])
        if self._server_hello and secret and (cipher := cipher_of(self._server_hello.suite)):
            opener = self._opener13(cipher, secret)
            if opened := opener.open(header, body):
                side.enter(HANDSHAKE)
                side.opener = opener
                return opened
        self._say(self._misfit(side))
        return None

    def _early_openers(self) -> list[Opener13]:
        """What may open early data: its cipher suite is the ticket's, which is one of those that the client offers."""
        label = LABELS[CLIENT][EARLY]
        secret = self._secret(label)
        if not secret:
            self._say(self._missing(label))
        offered = self._client_hello.suites
        ciphers = (cipher_of(int.from_bytes(offered[at : at + 2])) for at in range(0, len(offered), 2))
        fitting = dict.fromkeys(
            cipher for cipher in ciphers if cipher and cipher.way == AEAD and cipher.hash_length == len(secret)
        )
        return [Opener13(cipher, secret) for cipher in fitting]

    def _choose_opener(self, side: Direction) -> None:
        unreadable = self._compression and self._server_hello.compression != DEFLATE
        if not self._encrypts and not unreadable:
            side.opener = self._null_opener()
        elif problem := self._obstacle():
            self._seal(side, problem)
        elif self._tls13:
            self._open_with(side, LABELS[side.sender][side.epoch])
        elif master := self.older.master():
            self._pair = self._pair or dict(
                zip((CLIENT, SERVER), openers(self.version, self.older, master), strict=True)
            )
            side.opener = self._pair[side.sender]
        else:
            self._seal(side, self._missing(MASTER))

    def _null_opener(self) -> Opener:
        cipher = cipher_of(self._server_hello.suite)
        if self._tls13:
            return NullOpener13(cipher.tag)
        opener = NullOpener(self.older.mac_length(cipher))
        return Inflating(opener) if self._compression else opener

    def _open_with(self, side: Direction, label: str) -> None:
        """Open what follows with this secret of TLS 1.3."""
        if secret := self._secret(label):
            side.opener = self._opener13(cipher_of(self._server_hello.suite), secret)
        else:
            self._seal(side, self._missing(label))

    def _opener13(self, cipher: CipherSpec, secret: bytes) -> Opener13:
        draft = self.version.rpartition(" ")[2]
        return Opener13(cipher, secret, not draft.isdecimal() or int(draft) >= _FIRST_DRAFT_WITH_HEADER)

    @property
    def _client_random(self) -> bytes:
        return self._client_hello.random if self._client_hello else b""

    def _secret(self, label: str) -> bytes:
        return self._secrets.get(self._client_random, {}).get(label, b"")

    # ---- why not

    def _obstacle(self) -> str:
        """Why no record at all can be opened; empty when nothing stands against it."""
        if self._client_hello is None:
            return problems.no_hello("ClientHello")
        if self._server_hello is None:
            return problems.no_hello("ServerHello")
        if (method := self._compression) and self._server_hello.compression != DEFLATE:
            return problems.compressed(method)
        return problems.cannot_open(self.version, self._server_hello.suite)

    def _missing(self, label: str) -> str:
        if premasters_alone(self._secrets):
            return problems.premasters_alone(self.cipher)
        if self._client_random not in self._secrets:
            return problems.not_in_key_log(self._client_random)
        return problems.label_missing(label, self._client_random)

    def _misfit(self, side: Direction) -> str:
        if any(direction.opened for direction in self._directions.values()):
            return problems.record_does_not_open(side.sender, side.opened + 1)
        return problems.secrets_do_not_fit(side.sender)

    def _seal(self, side: Direction, problem: str) -> None:
        side.sealed = True
        side.opener = None
        self._say(problem)

    def _say(self, problem: str) -> None:
        self.problem = self.problem or problem


_REACTIONS: dict[tuple[str, int], Callable[[Stream, Direction, bytes], None]] = {
    (CLIENT, _CLIENT_HELLO): Stream._client_says_hello,
    (SERVER, _SERVER_HELLO): Stream._server_says_hello,
    (SERVER, _SERVER_HELLO_DONE): Stream._server_is_done,
    (SERVER, _TICKET): Stream._server_issues_ticket,
    (CLIENT, _CLIENT_KEY_EXCHANGE): Stream._client_sends_key,
    (CLIENT, _END_OF_EARLY_DATA): Stream._end_early_data,
    (CLIENT, _FINISHED): Stream._finish,
    (SERVER, _FINISHED): Stream._finish,
    (CLIENT, _KEY_UPDATE): Stream._update_key,
    (SERVER, _KEY_UPDATE): Stream._update_key,
}
"""What a handshake message changes, by its sender and type."""
