"""The master secret of a session up to TLS 1.2, wherever a key log has it, and the openers that are made of it.

It stands in the log under the client random; or it is computed from a premaster secret (RFC 5246 §8.1, RFC 7627); or it
is that of the session that is resumed, by identifier (RFC 5246 §F.1.4) or by ticket (RFC 5077).
"""

from labkit.decode.tls.ciphers import AEAD, CipherSpec, cipher_of
from labkit.decode.tls.hello import ClientHello, ServerHello
from labkit.decode.tls.keys import BEFORE_12, extended_master_secret, key_block, master_secret
from labkit.decode.tls.macs import DirectionKeys, Inflating, Opener, mac_opener
from labkit.decode.tls.protection import Opener12
from labkit.trust.keylog import RESUMED, RSA, Secrets

MASTER, _PREMASTER = "CLIENT_RANDOM", "PMS_CLIENT_RANDOM"
"""Labels of the key log: a master and a premaster secret."""
_TRUNCATED = 10
"""Bytes of a truncated MAC (RFC 6066 §7)."""


class OlderSecrets:
    """The secrets of one session, as far as they are known; `log` is a parsed key log."""

    def __init__(self, log: Secrets) -> None:
        self.log = log
        self.resumed = False
        self.names: list[bytes] = []
        """Identifiers and tickets with which it can be resumed."""
        self.client_hello: ClientHello | None = None
        self.server_hello: ServerHello | None = None
        self._handshake: list[bytes] = []
        """The handshake messages so far; nothing more once the client has sent its key."""
        self._key = b""
        """The first bytes of the encrypted premaster secret."""
        self._key_sent = False

    # ---- the handshake

    def heard(self, message: bytes) -> None:
        """Any handshake message, before what it changes."""
        if self.log and not self._key_sent:
            self._handshake.append(message)

    def client_says_hello(self, hello: ClientHello, message: bytes) -> None:
        """A handshake begins."""
        self.client_hello = hello
        self._handshake = [message] if self.log else []
        self._key, self._key_sent = b"", False

    def server_says_hello(self, hello: ServerHello) -> None:
        """The server chooses, and may name the session."""
        self.server_hello = hello
        self.resumed = False
        self.issued(hello.session)

    def client_sends_key(self, message: bytes) -> None:
        """ClientKeyExchange; with RSA it holds the premaster secret, encrypted (RFC 5246 §7.4.7.1)."""
        self._key = message[6:14]
        self._key_sent = True

    def issued(self, name: bytes) -> None:
        """An identifier or a ticket with which the session can be resumed."""
        if name:
            self.names.append(name)

    @property
    def resumes(self) -> tuple[bytes, ...]:
        """The identifiers and tickets that may name the session that it resumes; empty if it resumes none."""
        return self.client_hello.resumes if self.client_hello and self.resumed else ()

    # ---- its secret

    def master(self) -> bytes:
        """The master secret; empty where the log does not have it."""
        random = self.client_hello.random if self.client_hello else b""
        found = self.log.get(random, {})
        return found.get(MASTER) or self._earlier() or self._computed(found.get(_PREMASTER) or self._rsa())

    def _rsa(self) -> bytes:
        return self.log.get(self._key, {}).get(RSA, b"")

    def _earlier(self) -> bytes:
        """The master secret of the session that is resumed."""
        return next((self.log[name][RESUMED] for name in self.resumes if RESUMED in self.log.get(name, ())), b"")

    def _computed(self, premaster: bytes) -> bytes:
        if not premaster or not self.client_hello or not self.server_hello:
            return b""
        schedule = self.schedule()
        if self.server_hello.extended_master_secret:
            return extended_master_secret(premaster, b"".join(self._handshake), schedule)
        return master_secret(premaster, self.client_hello.random + self.server_hello.random, schedule)

    def schedule(self) -> str:
        """The hash of the key schedule."""
        cipher = cipher_of(self.server_hello.suite)
        return cipher.hash_name if cipher and self.server_hello.version >= _VERSION_12 else BEFORE_12

    def mac_length(self, cipher: CipherSpec) -> int:
        """Bytes of a record's MAC."""
        truncated = self.server_hello is not None and self.server_hello.truncated_mac
        return min(cipher.tag, _TRUNCATED) if truncated else cipher.tag


_VERSION_12 = 0x0303


def openers(version: str, session: OlderSecrets, master: bytes) -> list[Opener]:
    """The openers of the client's and the server's records of a session in ``TLS 1.0`` to ``TLS 1.2``."""
    server_hello, cipher = session.server_hello, cipher_of(session.server_hello.suite)
    mac_key = 0 if cipher.way == AEAD else cipher.tag
    iv = cipher.iv_length if cipher.way == AEAD or version == "TLS 1.0" else 0
    lengths = mac_key, cipher.key_length, iv
    blocks = key_block(master, session.client_hello.random, server_hello.random, lengths, session.schedule())
    found: list[Opener] = []
    for mac, key, vector in blocks:
        if cipher.way == AEAD:
            opener: Opener = Opener12(cipher, key, vector)
        else:
            keys, mac_length = DirectionKeys(mac, key, vector), session.mac_length(cipher)
            opener = mac_opener(cipher, keys, version, server_hello.encrypt_then_mac, mac_length)
        found.append(Inflating(opener) if server_hello.compression else opener)
    return found
