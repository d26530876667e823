"""What the handshake of a TLS session decides: version, cipher suite, and the keys for each record.

RFC 8446 (TLS 1.3) and RFC 5246 (TLS 1.2), which calls it the connection state (§6.1). Which secret the keys are made of
is `older`, how a record is opened `protection` and `macs`; records are read by `stream`.
"""

from collections.abc import Callable, Mapping

from labkit.decode.event import CLIENT, SERVER
from labkit.decode.tls import problems
from labkit.decode.tls.ciphers import AEAD, NULL, CipherSpec, cipher_of
from labkit.decode.tls.direction import APPLICATION, EARLY, HANDSHAKE, LABELS, Direction
from labkit.decode.tls.hello import ClientHello, ServerHello, client_hello, server_hello
from labkit.decode.tls.macs import Inflating, NullOpener, NullOpener13, Opener, mac_in_clear
from labkit.decode.tls.older import MASTER, OlderSecrets, openers
from labkit.decode.tls.protection import Opener13
from labkit.decode.tls.registry import COMPRESSIONS, DEFLATE, version_name
from labkit.decode.tls.suites import SUITES
from labkit.trust.keylog import Secrets, premasters_alone

TLS13 = "TLS 1.3"

_UNSEEN = "The cipher suite, which was not captured,"
"""Of a session whose records hold text."""

(_CLIENT_HELLO, _SERVER_HELLO, _TICKET, _END_OF_EARLY_DATA) = (1, 2, 4, 5)
(_SERVER_HELLO_DONE, _CLIENT_KEY_EXCHANGE, _FINISHED, _KEY_UPDATE) = (14, 16, 20, 24)
_TICKET_START = 4 + 4 + 2
"""Of a NewSessionTicket: after header, lifetime, and length (RFC 5077 §3.3)."""
_FIRST_DRAFT_WITH_HEADER = 25
"""Of TLS 1.3: from this draft on, the header of a record is authenticated."""


class ConnectionState:
    """The state of both directions of one TLS session, as far as its handshake was read.

    `secrets` is a parsed key log; None gives the eavesdropper's view. What cannot be opened stays ciphertext and
    `problem` says why.
    """

    def __init__(self, secrets: Secrets | None) -> None:
        self.version = ""
        self.cipher = ""
        self.server_name = ""
        self.resumed = False
        self.pre_shared_key = False
        self.opened = False
        self.problem = "" if secrets is not None else problems.NO_SECRETS
        self.older = OlderSecrets({} if secrets is None else secrets)
        """The secrets of a session up to TLS 1.2, and how it can be resumed."""
        self._secrets = self.older.log
        self._logged: Mapping[str, bytes] = {}
        """The secrets of this session in the key log, by their label."""
        self._client_hello: ClientHello | None = None
        self._server_hello: ServerHello | None = None
        self._spec: CipherSpec | None = None
        """How records are protected; None where that is not known here."""
        self._full_handshake = False
        self._pair: dict[str, Opener] = {}
        self._tls13 = False
        self._encrypts = True
        """Whether the cipher suite encrypts at all."""
        self._directions = {CLIENT: Direction(CLIENT), SERVER: Direction(SERVER)}

    # ---- what handshake messages change

    def _heard(self, side: Direction, data: bytes) -> None:
        """Take a handshake message, header included."""
        self.older.heard(data)
        if react := _REACTIONS.get((side.sender, data[0])):
            react(self, side, data)

    def _begin(self, hello: ClientHello | None) -> None:
        """A handshake begins with this ClientHello."""
        self._client_hello = hello
        self._logged = self._secrets.get(self._client_random, {})

    def _client_says_hello(self, side: Direction, data: bytes) -> None:
        hello = client_hello(data)
        self._begin(hello)
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
        self.pre_shared_key = self._tls13 and hello.key is not None
        ages = self._client_hello.key_ages if self._client_hello else ()
        self.resumed = self.pre_shared_key and hello.key < len(ages) and ages[hello.key] != 0
        self.older.server_says_hello(hello)
        if not self._tls13:
            self._directions[CLIENT].epoch = HANDSHAKE

    def _use_cipher(self, side: Direction) -> None:
        """Whether the suite encrypts; of SSL 3.0 that is known, too, although the lab does not open it."""
        cipher = self._spec = cipher_of(self._server_hello.suite)
        self._encrypts = cipher is None or cipher.way != NULL
        if not self._encrypts:
            self.problem = problems.not_encrypted(self.cipher)  # more than that no secrets were used
            if self._tls13:
                self._directions[CLIENT].epoch = side.epoch = HANDSHAKE

    def _server_issues_ticket(self, _: Direction, data: bytes) -> None:
        if not self._tls13:
            self.older.issued(data[_TICKET_START:])

    def _client_sends_key(self, _: Direction, data: bytes) -> None:
        self._full_handshake = True
        self.older.client_sends_key(data)

    @property
    def _compression(self) -> str:
        """The name of the compression; empty for none."""
        method = self._server_hello.compression if self._server_hello and not self._tls13 else 0
        return COMPRESSIONS.get(method, f"method {method}") if method else ""

    def _server_is_done(self, _side: Direction, _data: bytes) -> None:
        self._full_handshake = True

    def _change_cipher(self, side: Direction) -> None:
        """Change to new keys (RFC 5246 §7.1); in TLS 1.3 the message has no effect (RFC 8446 §5)."""
        if self._tls13:
            return
        side.changed = side.finishing = True
        side.opener, side.sealed = None, ""  # records are counted from 0 again (RFC 5246 §6.1)
        if side.sender == SERVER and self._server_hello and not self._full_handshake and not side.lost:
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
        """Decrypt the first record under new keys; `side.opener` decrypts the following ones."""
        if self._server_hello is None and (mac_length := mac_in_clear(body)):
            self._encrypts = False
            side.changed, side.opener = True, NullOpener(mac_length)
            self.problem = problems.not_encrypted(_UNSEEN)
            return side.opener.open(header, body)
        if side.sealed:
            return None
        if side.epoch == EARLY:
            return self._open_early(side, header, body)
        if self._skips_handshake(side):
            opened = self._open_behind_handshake(side, header, body)
        else:
            self._choose_opener(side)
            opened = side.opener.open(header, body) if side.opener else None
        side.finishing &= opened is None
        self.opened |= opened is not None and self._encrypts and (side.epoch == APPLICATION or not self._tls13)
        return opened

    def _skips_handshake(self, side: Direction) -> bool:
        """Whether the log has the secret after the handshake, and not the one of the handshake."""
        _, handshake, application = LABELS[side.sender]
        lacks = self._tls13 and side.epoch != APPLICATION and not self._secret(handshake)
        return lacks and bool(self._secret(application)) and self._encrypts and not self._obstacle()

    def _open_behind_handshake(self, side: Direction, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        """Open the first record after the handshake; no clear text shows where the handshake ends."""
        _, handshake, application = LABELS[side.sender]
        opener = self._opener13(self._secret(application))
        opened = opener.open(header, body)
        if opened:
            side.enter(APPLICATION)
            side.opener = opener
        else:
            self._say(self._missing(handshake))
        return opened

    def _open_early(self, side: Direction, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        """Decrypt early data, or the record after it: a server does not refuse it in clear text (RFC 8446 §4.2.10)."""
        for opener in side.early or self._early_openers():
            if opened := opener.open(header, body):
                side.early = [opener]
                self.opened = True
                return opened
        secret = self._secret(LABELS[CLIENT][HANDSHAKE])
        if secret and self._spec:
            opener = self._opener13(secret)
            if opened := opener.open(header, body):
                side.enter(HANDSHAKE)
                side.opener = opener
                return opened
        if self._skips_handshake(side):
            return self._open_behind_handshake(side, header, body)
        self._say(self._misfit(side))
        return None

    def _early_openers(self) -> list[Opener13]:
        """Openers that may fit early data: its cipher suite is the ticket's, one of those that the client offers."""
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
        if self._tls13:
            return NullOpener13(self._spec.tag)
        opener = NullOpener(self.older.mac_length(self._spec))
        return Inflating(opener) if self._compression else opener

    def _open_with(self, side: Direction, label: str) -> None:
        """Decrypt what follows with this secret of TLS 1.3."""
        if secret := self._secret(label):
            side.opener = self._opener13(secret)
        else:
            self._seal(side, self._missing(label))

    def _opener13(self, secret: bytes) -> Opener13:
        draft = self.version.rpartition(" ")[2]
        return Opener13(self._spec, secret, not draft.isdecimal() or int(draft) >= _FIRST_DRAFT_WITH_HEADER)

    @property
    def outer_name(self) -> bool:
        """Whether the server name is that of a ClientHello in which another may be encrypted."""
        return self._client_hello is not None and self._client_hello.outer

    @property
    def _client_random(self) -> bytes:
        return self._client_hello.random if self._client_hello else b""

    def _secret(self, label: str) -> bytes:
        return self._logged.get(label, b"")

    # ---- why a record cannot be decrypted

    def _obstacle(self) -> str:
        """Why no record can be decrypted; empty if some can."""
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
            return problems.not_in_key_log(self._client_random, self.outer_name)
        return problems.label_missing(label, self._client_random)

    def _misfit(self, side: Direction) -> str:
        if any(direction.opened for direction in self._directions.values()):
            return problems.record_does_not_open(side.sender, side.opened + 1)
        return problems.secrets_do_not_fit(side.sender)

    def _seal(self, side: Direction, problem: str) -> None:
        side.sealed = side.sealed or problem
        side.opener = None

    def _say(self, problem: str) -> None:
        self.problem = self.problem or problem


_REACTIONS: dict[tuple[str, int], Callable[[ConnectionState, Direction, bytes], None]] = {
    (CLIENT, _CLIENT_HELLO): ConnectionState._client_says_hello,
    (SERVER, _SERVER_HELLO): ConnectionState._server_says_hello,
    (SERVER, _SERVER_HELLO_DONE): ConnectionState._server_is_done,
    (SERVER, _TICKET): ConnectionState._server_issues_ticket,
    (CLIENT, _CLIENT_KEY_EXCHANGE): ConnectionState._client_sends_key,
    (CLIENT, _END_OF_EARLY_DATA): ConnectionState._end_early_data,
    (CLIENT, _FINISHED): ConnectionState._finish,
    (SERVER, _FINISHED): ConnectionState._finish,
    (CLIENT, _KEY_UPDATE): ConnectionState._update_key,
    (SERVER, _KEY_UPDATE): ConnectionState._update_key,
}
"""(sender, type of a handshake message) -> what it changes."""
