"""What a cipher suite decides about records, read from its IANA name.

AEAD suites are RFC 5288 (GCM), RFC 6655 (CCM), RFC 7905 (ChaCha20) and all of RFC 8446; the others, with a MAC of
their own, are RFC 5246 §6.2.3.1 and §6.2.3.2; suites that only authenticate are RFC 5246 §A.5 and RFC 9150.
"""

import re
from functools import cache
from typing import NamedTuple

from labkit.decode.tls.suites import SUITES

AEAD, BLOCK, STREAM, NULL = "AEAD", "block", "stream", "null"
"""How a suite protects a record."""


class CipherSpec(NamedTuple):
    """What a cipher suite decides about records. All lengths are in bytes."""

    way: str
    """`AEAD`, `BLOCK` (CBC with a MAC), `STREAM` (RC4 with a MAC) or `NULL` (a MAC alone)."""
    algorithm: str
    """The name of its class in `cryptography`; empty for `NULL`."""
    key_length: int
    iv_length: int
    """Of AEAD: what TLS 1.2 takes of the nonce from the key block. Of `BLOCK`: the size of a block."""
    explicit: int
    """Bytes of nonce that TLS 1.2 puts before each ciphertext of AEAD."""
    tag: int
    """Bytes that prove that nothing was changed: the tag of AEAD, the MAC of the others."""
    hash_name: str
    """The hash of the key schedule from TLS 1.2 on."""
    hash_length: int
    mac: str
    """The hash of the MAC; empty for AEAD."""


_AEAD = {
    "AES_128_GCM": ("AESGCM", 16, 4, 8, 16),
    "AES_256_GCM": ("AESGCM", 32, 4, 8, 16),
    "AES_128_CCM": ("AESCCM", 16, 4, 8, 16),
    "AES_256_CCM": ("AESCCM", 32, 4, 8, 16),
    "AES_128_CCM_8": ("AESCCM", 16, 4, 8, 8),
    "AES_256_CCM_8": ("AESCCM", 32, 4, 8, 8),
    "CHACHA20_POLY1305": ("ChaCha20Poly1305", 32, 12, 0, 16),
}
_WITH_MAC = {
    "AES_128_CBC": (BLOCK, "AES", 16, 16),
    "AES_256_CBC": (BLOCK, "AES", 32, 16),
    "CAMELLIA_128_CBC": (BLOCK, "Camellia", 16, 16),
    "CAMELLIA_256_CBC": (BLOCK, "Camellia", 32, 16),
    "SEED_CBC": (BLOCK, "SEED", 16, 16),
    "IDEA_CBC": (BLOCK, "IDEA", 16, 8),
    "3DES_EDE_CBC": (BLOCK, "TripleDES", 24, 8),
    "DES_CBC": (BLOCK, "TripleDES", 8, 8),
    "RC4_128": (STREAM, "ARC4", 16, 0),
    "NULL": (NULL, "", 0, 0),
}
_HASHES = {"MD5": ("md5", 16), "SHA": ("sha1", 20), "SHA256": ("sha256", 32), "SHA384": ("sha384", 48)}
_AEAD_NAME = re.compile(rf"_({'|'.join(sorted(_AEAD, reverse=True))})(?:_(SHA256|SHA384))?$")
_MAC_NAME = re.compile(rf"_({'|'.join(_WITH_MAC)})_({'|'.join(_HASHES)})$")
_INTEGRITY_ALONE = re.compile(r"^TLS_(SHA256|SHA384)_(?:SHA256|SHA384)$")
_NO_PROTECTION = "TLS_NULL_WITH_NULL_NULL"


@cache
def cipher_of(suite: int) -> CipherSpec | None:
    """How records are protected under this cipher suite; None where the lab cannot open them."""
    name = SUITES.get(suite, "")
    if match := _AEAD_NAME.search(name):
        return CipherSpec(AEAD, *_AEAD[match[1]], *_HASHES[match[2] or "SHA256"], "")
    if match := _MAC_NAME.search(name):
        mac, size = _HASHES[match[2]]
        schedule = _HASHES["SHA384" if match[2] == "SHA384" else "SHA256"]
        way, algorithm, key_length, block = _WITH_MAC[match[1]]
        return CipherSpec(way, algorithm, key_length, block, 0, size, *schedule, mac)
    if match := _INTEGRITY_ALONE.match(name):
        mac, size = _HASHES[match[1]]
        return CipherSpec(NULL, "", 0, 0, 0, size, mac, size, mac)
    return CipherSpec(NULL, "", 0, 0, 0, 0, *_HASHES["SHA256"], "") if name == _NO_PROTECTION else None
