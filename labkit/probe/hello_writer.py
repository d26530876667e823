"""The first message of a client, written by hand: a ClientHello with any versions and suites, also those that no
library offers any more (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2, RFC 6101 §5.6.1.2), and the CLIENT-HELLO of SSL 2.0.

It is followed by no key: only the server's answer to it is of interest. What is offered here is never spoken.
"""

import os
from collections.abc import Sequence

SSL3, TLS10, TLS12, TLS13 = 0x0300, 0x0301, 0x0303, 0x0304
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _GROUPS, _POINTS, _SIGNATURES, _EXTENDED_SECRET = 0, 10, 11, 13, 23
_VERSIONS, _EXCHANGES, _KEY_SHARE, _RENEGOTIATION = 43, 45, 51, 0xFF01
_X25519, _P256, _P384, _P521 = 29, 23, 24, 25
_CURVES = (_X25519, _P256, _P384, _P521, 30, 256, 257, 258, 22, 21, 19)
"""Groups that are offered, the usual ones first: elliptic curves, and the finite fields of RFC 7919."""
_SCHEMES = (
    *(0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B),
    *(0x0401, 0x0501, 0x0601, 0x0203, 0x0201, 0x0402, 0x0202),
)
"""Signatures that are offered (RFC 8446 §4.2.3), the oldest with SHA-1 included."""
_SSL2_KINDS = (0x010080, 0x020080, 0x030080, 0x040080, 0x050080, 0x060040, 0x0700C0)
"""The ciphers of SSL 2.0."""


def client_hello_record(version: int, suites: Sequence[int], name: str | None, compression: bool = False) -> bytes:
    """A record with a ClientHello that offers one version, from SSL 3.0 on, and these suites.

    `name` is the server's for SNI; with `compression` DEFLATE (RFC 3749) is offered, too.
    """
    methods = b"\x01\x00" if compression else b"\x00"
    offered = b"".join(suite.to_bytes(2, "big") for suite in suites)
    hello = min(version, TLS12).to_bytes(2, "big") + os.urandom(32)
    hello += _vector(1, os.urandom(32) if version == TLS13 else b"") + _vector(2, offered) + _vector(1, methods)
    if version > SSL3:
        hello += _vector(2, _extensions(version, name))
    message = bytes([_CLIENT_HELLO]) + _vector(3, hello)
    return bytes([_HANDSHAKE]) + min(version, TLS10).to_bytes(2, "big") + _vector(2, message)


def ssl2_hello() -> bytes:
    """A CLIENT-HELLO of SSL 2.0 (Hickman, 1995) with all of its ciphers."""
    kinds = b"".join(kind.to_bytes(3, "big") for kind in _SSL2_KINDS)
    lengths = b"".join(size.to_bytes(2, "big") for size in (len(kinds), 0, 16))
    body = b"\x01\x00\x02" + lengths + kinds + os.urandom(16)
    return (0x8000 | len(body)).to_bytes(2, "big") + body


def _extensions(version: int, name: str | None) -> bytes:
    encoded = _host_name(name)
    parts = [(_SERVER_NAME, _vector(2, b"\x00" + _vector(2, encoded)))] if encoded else []
    parts += [
        (_GROUPS, _vector(2, _numbers(_CURVES))),
        (_POINTS, b"\x01\x00"),
        (_EXTENDED_SECRET, b""),
        (_RENEGOTIATION, b"\x00"),
    ]
    if version >= TLS12:
        parts.append((_SIGNATURES, _vector(2, _numbers(_SCHEMES))))
    if version == TLS13:
        share = _X25519.to_bytes(2, "big") + _vector(2, os.urandom(32))
        parts += [
            (_VERSIONS, _vector(1, version.to_bytes(2, "big"))),
            (_EXCHANGES, b"\x01\x01"),
            (_KEY_SHARE, _vector(2, share)),
        ]
    return b"".join(kind.to_bytes(2, "big") + _vector(2, data) for kind, data in parts)


def _host_name(name: str | None) -> bytes:
    try:
        return (name or "").encode("idna")
    except UnicodeError:
        return b""


def _numbers(values: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def _vector(size: int, data: bytes) -> bytes:
    """The length of the data as `size` bytes, then the data (RFC 8446 §3.4)."""
    return len(data).to_bytes(size, "big") + data
