"""Open a protected record: AEAD in TLS 1.3 (RFC 8446 §5.2) and in TLS 1.2 (AES-GCM: RFC 5288, ChaCha20: RFC 7905).

Which record is protected, and with which secret, is decided in `stream`. `cryptography` is loaded with the first key.
"""

import re
from functools import cache
from typing import Any, NamedTuple

from labkit.decode.tls.keys import key_block, next_secret, traffic_keys
from labkit.decode.tls.suites import SUITES

TAG = 16
"""Bytes that each of these ciphers adds to prove that nothing was changed."""


class Cipher(NamedTuple):
    """What a cipher suite decides about records."""

    algorithm: str
    """The name of its class in `cryptography`."""
    key_length: int
    iv_length: int
    """Bytes of nonce that TLS 1.2 takes from the key block."""
    explicit: int
    """Bytes of nonce that TLS 1.2 puts before each ciphertext."""
    hash_name: str
    """The hash of the key schedule."""
    hash_length: int


_ALGORITHMS = {
    "AES_128_GCM": ("AESGCM", 16, 4, 8),
    "AES_256_GCM": ("AESGCM", 32, 4, 8),
    "CHACHA20_POLY1305": ("ChaCha20Poly1305", 32, 12, 0),
}
_HASHES = {"SHA256": ("sha256", 32), "SHA384": ("sha384", 48)}
_NAME = re.compile(rf"_({'|'.join(_ALGORITHMS)})_({'|'.join(_HASHES)})$")


@cache
def cipher_of(suite: int) -> Cipher | None:
    """How records are protected under this cipher suite; None where the lab cannot open them."""
    match = _NAME.search(SUITES.get(suite, ""))
    return Cipher(*_ALGORITHMS[match[1]], *_HASHES[match[2]]) if match else None


@cache
def _library() -> tuple[Any, tuple[type[Exception], ...]]:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import aead

    return aead, (InvalidTag, ValueError, OverflowError)


class Opener13:
    """Opens the records of one direction in one epoch of TLS 1.3, in order."""

    def __init__(self, cipher: Cipher, secret: bytes) -> None:
        self._cipher = cipher
        self._secret = secret
        key, iv = traffic_keys(secret, cipher.key_length, cipher.hash_name)
        library, self._failures = _library()
        self._decrypt = getattr(library, cipher.algorithm)(key).decrypt
        self._iv = int.from_bytes(iv)
        self._sequence = 0

    def open(self, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        """The content type and the content without padding; None where key, order or bytes do not fit."""
        nonce = (self._iv ^ self._sequence).to_bytes(12)
        try:
            inner = self._decrypt(nonce, body, header).rstrip(b"\0")
        except self._failures:
            return None
        self._sequence += 1
        return (inner[-1], inner[:-1]) if inner else None

    def updated(self) -> "Opener13":
        """What opens the records after a KeyUpdate."""
        return Opener13(self._cipher, next_secret(self._secret, self._cipher.hash_name))


class Opener12:
    """Opens the records of one direction of TLS 1.2 after its ChangeCipherSpec, in order."""

    def __init__(self, cipher: Cipher, key: bytes, iv: bytes) -> None:
        library, self._failures = _library()
        self._decrypt = getattr(library, cipher.algorithm)(key).decrypt
        self._explicit = cipher.explicit
        self._overhead = cipher.explicit + TAG
        self._iv = iv
        self._sequence = 0

    def open(self, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        """The content type and the content; None where key, order or bytes do not fit."""
        length = len(body) - self._overhead
        if length < 0:
            return None
        data = b"".join((self._sequence.to_bytes(8), header[:3], length.to_bytes(2)))
        try:
            content = self._decrypt(self._nonce(body), body[self._explicit :], data)
        except self._failures:
            return None
        self._sequence += 1
        return header[0], content

    def _nonce(self, body: bytes) -> bytes:
        """Its second part comes with the record (RFC 5288 §3), or the record's number is mixed in (RFC 7905 §2)."""
        if self._explicit:
            return self._iv + body[: self._explicit]
        return (int.from_bytes(self._iv) ^ self._sequence).to_bytes(len(self._iv))


def openers12(cipher: Cipher, master: bytes, client_random: bytes, server_random: bytes) -> tuple[Opener12, Opener12]:
    """What opens the client's and the server's records of a TLS 1.2 session."""
    pairs = key_block(master, client_random, server_random, cipher.key_length, cipher.iv_length, cipher.hash_name)
    client, server = (Opener12(cipher, key, iv) for key, iv in pairs)
    return client, server
