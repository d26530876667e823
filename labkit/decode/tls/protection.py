"""Open a record that an AEAD cipher protects: TLS 1.3 (RFC 8446 §5.2) and TLS 1.2 (RFC 5288, RFC 6655, RFC 7905).

Which record is protected is decided in `stream`, with which secret in `connection_state`; suites with a MAC of their
own are `macs`. `cryptography` is loaded with the first key.
"""

from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Any

from labkit.decode.tls.ciphers import CipherSpec
from labkit.decode.tls.keys import next_secret, traffic_keys


@cache
def _library() -> tuple[Any, tuple[type[Exception], ...]]:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import aead

    return aead, (InvalidTag, ValueError, OverflowError)


def _decryptor(cipher: CipherSpec, key: bytes) -> Callable[[bytes, bytes, bytes], bytes]:
    make = getattr(_library()[0], cipher.algorithm)
    return (make(key, tag_length=cipher.tag) if cipher.algorithm == "AESCCM" else make(key)).decrypt


class Opener13:
    """Opens the records of one direction in one epoch of TLS 1.3, in order."""

    def __init__(self, cipher: CipherSpec, secret: bytes, header_counts: bool = True) -> None:
        self._cipher = cipher
        self._secret = secret
        self._header_counts = header_counts
        """Whether the header is authenticated, too; before draft 25 it was not."""
        key, iv = traffic_keys(secret, cipher.key_length, cipher.hash_name)
        self._failures = _library()[1]
        self._decrypt = _decryptor(cipher, key)
        self._iv = int.from_bytes(iv)
        self._sequence = 0

    def open(self, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        """The content type and the content without padding; None where key, order or bytes do not fit."""
        nonce = (self._iv ^ self._sequence).to_bytes(12)
        try:
            inner = self._decrypt(nonce, body, header if self._header_counts else b"").rstrip(b"\0")
        except self._failures:
            return None
        self._sequence += 1
        return (inner[-1], inner[:-1]) if inner else None

    def updated(self) -> "Opener13":
        """The opener of the records after a KeyUpdate."""
        return Opener13(self._cipher, next_secret(self._secret, self._cipher.hash_name), self._header_counts)


_DATA = Struct(">Q3sH").pack
"""What is authenticated with a record of TLS 1.2: its number, type and version, and the length of its content
(RFC 5246 §6.2.3.3)."""


class Opener12:
    """Opens the records of one direction of TLS 1.2 after its ChangeCipherSpec, in order."""

    def __init__(self, cipher: CipherSpec, key: bytes, iv: bytes) -> None:
        self._failures = _library()[1]
        self._decrypt = _decryptor(cipher, key)
        self._explicit = cipher.explicit
        self._overhead = cipher.explicit + cipher.tag
        self._iv = iv
        self._mask = int.from_bytes(iv)
        self._sequence = 0

    def open(self, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        """The content type and the content; None where key, order or bytes do not fit."""
        length, explicit = len(body) - self._overhead, self._explicit
        if length < 0:
            return None
        # Its second part comes with the record (RFC 5288 §3), or the record's number is mixed in (RFC 7905 §2).
        nonce = self._iv + body[:explicit] if explicit else (self._mask ^ self._sequence).to_bytes(12)
        try:
            content = self._decrypt(nonce, body[explicit:], _DATA(self._sequence, header, length))
        except self._failures:
            return None
        self._sequence += 1
        return header[0], content
