"""From secrets to keys: the key schedules of TLS 1.3 (RFC 8446 §7) and of TLS 1.0 to 1.2 (RFC 5246 §5, §6.3).

Secrets come from a key log, so the key exchange is not here. Hashes are named as in `hashlib`; all lengths are in
bytes.
"""

import hashlib
from functools import cache
from hashlib import new as new_hash
from hmac import digest

_FUNCTIONS = {name: getattr(hashlib, name) for name in ("md5", "sha1", "sha256", "sha384")}
"""The hashes of the key schedules: `hmac.digest` takes half as long with the function as with its name."""


def expand_label(secret: bytes, label: bytes, length: int, hash_name: str) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446 §7.1), for a `length` of at most one hash."""
    return digest(secret, _info(label, length), _FUNCTIONS[hash_name])[:length]


@cache
def _info(label: bytes, length: int) -> bytes:
    name = b"tls13 " + label
    return b"".join((length.to_bytes(2), bytes([len(name)]), name, b"\0", b"\x01"))


def traffic_keys(secret: bytes, key_length: int, hash_name: str) -> tuple[bytes, bytes]:
    """The key and the 12-byte nonce base of one direction in one epoch of TLS 1.3 (RFC 8446 §7.3)."""
    return expand_label(secret, b"key", key_length, hash_name), expand_label(secret, b"iv", 12, hash_name)


def next_secret(secret: bytes, hash_name: str) -> bytes:
    """The traffic secret after a KeyUpdate (RFC 8446 §7.2)."""
    return expand_label(secret, b"traffic upd", len(secret), hash_name)


def prf(secret: bytes, label: bytes, seed: bytes, length: int, hash_name: str) -> bytes:
    """The pseudorandom function of TLS 1.2 (RFC 5246 §5); with `BEFORE_12` that of TLS 1.0 and 1.1 (RFC 2246 §5)."""
    if hash_name != BEFORE_12:
        return _expand(secret, label + seed, length, hash_name)
    half = (len(secret) + 1) // 2
    parts = (_expand(secret[:half], label + seed, length, "md5"), _expand(secret[-half:], label + seed, length, "sha1"))
    return bytes(one ^ other for one, other in zip(*parts, strict=True))


BEFORE_12 = "md5 and sha1"
"""Stands for the hash of the key schedule before TLS 1.2, which uses two."""


def _expand(secret: bytes, seed: bytes, length: int, hash_name: str) -> bytes:
    """P_hash (RFC 5246 §5)."""
    block = seed
    stream = b""
    function = _FUNCTIONS[hash_name]
    while len(stream) < length:
        block = digest(secret, block, function)
        stream += digest(secret, block + seed, function)
    return stream[:length]


def key_block(
    master: bytes, client_random: bytes, server_random: bytes, lengths: tuple[int, int, int], hash_name: str
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The MAC key, the key, and the fixed part of the nonce or vector, of the client and of the server (RFC 5246 §6.3).

    `lengths` are those of these three.
    """
    block = prf(master, b"key expansion", server_random + client_random, 2 * sum(lengths), hash_name)
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    position = 0
    for length in lengths:
        for side in sides:
            side.append(block[position : position + length])
            position += length
    return tuple(sides[0]), tuple(sides[1])


def master_secret(premaster: bytes, randoms: bytes, hash_name: str) -> bytes:
    """The master secret (RFC 5246 §8.1); `randoms` are the client's and the server's."""
    return prf(premaster, b"master secret", randoms, 48, hash_name)


def extended_master_secret(premaster: bytes, handshake: bytes, hash_name: str) -> bytes:
    """The master secret that depends on the handshake up to ClientKeyExchange (RFC 7627 §4)."""
    names = ("md5", "sha1") if hash_name == BEFORE_12 else (hash_name,)
    session_hash = b"".join(new_hash(name, handshake, usedforsecurity=False).digest() for name in names)
    return prf(premaster, b"extended master secret", session_hash, 48, hash_name)
