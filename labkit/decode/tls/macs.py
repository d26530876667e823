"""Open a record that has a MAC of its own: CBC, RC4 and suites without encryption, TLS 1.0 to 1.2.

RFC 5246 §6.2.3.1 and §6.2.3.2 (the MAC is encrypted too), RFC 7366 (encrypt-then-MAC), RFC 2246 §6.2.3.2 (TLS 1.0
takes its initialization vectors from the records before), RFC 3749 (compression before it). AEAD is `protection`.
"""

import zlib
from abc import ABC, abstractmethod
from functools import cache
from hmac import compare_digest, digest
from typing import Any, NamedTuple, Protocol

from labkit.decode.tls.ciphers import BLOCK, CipherSpec
from labkit.decode.tls_start import is_text

_LARGEST = 1 << 16
"""Bytes that a record may have when inflated; RFC 5246 §6.2.1 allows a quarter of it."""


class Opener(Protocol):
    """Decrypts the records of one direction, in order."""

    def open(self, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        """The content type and the content; None where key, order or bytes do not fit."""


class DirectionKeys(NamedTuple):
    """The keys of one direction (RFC 5246 §6.3)."""

    mac: bytes
    key: bytes
    iv: bytes


@cache
def _library() -> Any:
    from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
    from cryptography.hazmat.primitives import ciphers

    return ciphers, decrepit


def _algorithm(cipher: CipherSpec, key: bytes) -> Any:
    ciphers, decrepit = _library()
    make = getattr(decrepit, cipher.algorithm, None) or getattr(ciphers.algorithms, cipher.algorithm)
    return make(key * 3 if len(key) == 8 else key)  # DES is triple DES with one key three times


class MacOpener(ABC):
    """The common part: numbers the records and checks their MAC."""

    def __init__(self, cipher: CipherSpec, keys: DirectionKeys, mac_length: int) -> None:
        self._hash = cipher.mac
        self._mac_key = keys.mac
        self._mac_length = mac_length
        self._sequence = 0

    def open(self, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        content = self._content(header, body)
        if content is None:
            return None
        self._sequence += 1
        return header[0], content

    @abstractmethod
    def _content(self, header: bytes, body: bytes) -> bytes | None:
        """The content of the record; None if its MAC or its padding does not fit."""

    def _checked(self, header: bytes, data: bytes) -> bytes | None:
        """These bytes without the MAC at their end; None if it does not fit."""
        end = len(data) - self._mac_length
        if end < 0:
            return None
        content = data[:end]
        covered = b"".join((self._sequence.to_bytes(8), header[:3], end.to_bytes(2), content))
        mac = digest(self._mac_key, covered, self._hash)[: self._mac_length]
        return content if compare_digest(mac, data[end:]) else None


class BlockOpener(MacOpener):
    """CBC, in which the MAC and the padding are encrypted, too."""

    def __init__(self, cipher: CipherSpec, keys: DirectionKeys, mac_length: int, chained: bool) -> None:
        super().__init__(cipher, keys, mac_length)
        self._block = cipher.iv_length
        self._algorithm = _algorithm(cipher, keys.key)
        self._iv = keys.iv if chained else b""
        """The last block of the record before, in TLS 1.0; empty where each record brings its own."""

    def _content(self, header: bytes, body: bytes) -> bytes | None:
        plain = self._decrypted(body)
        return None if plain is None else self._checked(header, plain)

    def _decrypted(self, body: bytes) -> bytes | None:
        """Without the padding (RFC 5246 §6.2.3.2)."""
        iv, blocks = (self._iv, body) if self._iv else (body[: self._block], body[self._block :])
        if not blocks or len(blocks) % self._block:
            return None
        modes = _library()[0].modes
        plain = _library()[0].Cipher(self._algorithm, modes.CBC(iv)).decryptor().update(blocks)
        if self._iv:
            self._iv = blocks[-self._block :]
        padding = plain[-1] + 1
        return plain[:-padding] if plain.endswith(bytes([padding - 1]) * padding) else None


class EncryptThenMacOpener(BlockOpener):
    """CBC with the MAC around the ciphertext (RFC 7366)."""

    def _content(self, header: bytes, body: bytes) -> bytes | None:
        sealed = self._checked(header, body)
        return None if sealed is None else self._decrypted(sealed)


class StreamOpener(MacOpener):
    """RC4: one key stream over all records."""

    def __init__(self, cipher: CipherSpec, keys: DirectionKeys, mac_length: int) -> None:
        super().__init__(cipher, keys, mac_length)
        self._decrypt = _library()[0].Cipher(_algorithm(cipher, keys.key), mode=None).decryptor().update

    def _content(self, header: bytes, body: bytes) -> bytes | None:
        return self._checked(header, self._decrypt(body))


class NullOpener:
    """Suites without encryption up to TLS 1.2: the MAC is cut off, and not checked, because that needs no secret."""

    def __init__(self, mac_length: int) -> None:
        self._mac_length = mac_length

    def open(self, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        end = len(body) - self._mac_length
        return (header[0], body[:end]) if end >= 0 else None


def mac_in_clear(body: bytes) -> int:
    """How many bytes of MAC stand behind a Finished in clear or a line of text; 0 where the record holds neither."""
    if body.startswith(_FINISHED):
        return max(len(body) - len(_FINISHED) - _FINISHED[-1], 0)
    lines = (size for size in _MAC_LENGTHS if body[_LEAST_TEXT - 1 : -size][-1:] == b"\n")
    return next((size for size in lines if is_text(body[:-size])), 0)


_FINISHED = b"\x14\0\0\x0c"
"""Its type and its length (RFC 5246 §7.4.9)."""
_MAC_LENGTHS = (16, 20, 32, 48)
_LEAST_TEXT = 12
"""Bytes of text, with its line end, that ciphertext hardly ever is."""


class NullOpener13:
    """TLS 1.3 without encryption (RFC 9150 §6): the content's type stands after it."""

    def __init__(self, mac_length: int) -> None:
        self._mac_length = mac_length

    def open(self, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        inner = body[: max(len(body) - self._mac_length, 0)].rstrip(b"\0")
        return (inner[-1], inner[:-1]) if inner else None


class Inflating:
    """Records that were compressed before they were protected (RFC 3749): one DEFLATE stream a direction."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._stream = zlib.decompressobj()

    def open(self, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        opened = self._opener.open(header, body)
        if opened is None:
            return None
        kind, content = opened
        try:
            inflated = self._stream.decompress(content, _LARGEST)
        except zlib.error:
            return None
        return None if self._stream.unconsumed_tail else (kind, inflated)


def mac_opener(
    cipher: CipherSpec, keys: DirectionKeys, version: str, encrypt_then_mac: bool, mac_length: int
) -> MacOpener:
    """The opener of one direction of a suite with a MAC, in ``TLS 1.0`` to ``TLS 1.2``."""
    if cipher.way != BLOCK:
        return StreamOpener(cipher, keys, mac_length)
    make = EncryptThenMacOpener if encrypt_then_mac else BlockOpener
    return make(cipher, keys, mac_length, chained=version == "TLS 1.0")
