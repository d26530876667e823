"""From secrets to keys: the key schedules of TLS 1.3 (RFC 8446 §7) and TLS 1.2 (RFC 5246 §5, §6.3), for decrypting.

Secrets come from a key log, so what leads to them (key exchange, transcript hashes) is not here. Hashes are named as in
`hashlib`; all lengths are in bytes.
"""

from functools import cache
from hmac import digest


def expand_label(secret: bytes, label: bytes, length: int, hash_name: str) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446 §7.1), for a `length` of at most one hash."""
    return digest(secret, _info(label, length), hash_name)[:length]


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
    """The pseudorandom function of TLS 1.2 (RFC 5246 §5)."""
    seed = block = label + seed
    stream = b""
    while len(stream) < length:
        block = digest(secret, block, hash_name)
        stream += digest(secret, block + seed, hash_name)
    return stream[:length]


def key_block(
    master: bytes, client_random: bytes, server_random: bytes, key_length: int, iv_length: int, hash_name: str
) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """The key and the fixed part of the nonce of the client and of the server in TLS 1.2 with AEAD (RFC 5246 §6.3)."""
    block = prf(master, b"key expansion", server_random + client_random, 2 * (key_length + iv_length), hash_name)
    ivs = 2 * key_length
    client = block[:key_length], block[ivs : ivs + iv_length]
    return client, (block[key_length:ivs], block[ivs + iv_length :])
