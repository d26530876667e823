"""The two messages of a key exchange up to TLS 1.2 as fields, by the exchange that the cipher suite names.

RFC 5246 §7.4.3 and §7.4.7, RFC 8422 §5.4 and §5.7 (elliptic curves), RFC 4279 §2 (pre-shared keys), RFC 6101 (SSL 3.0).
"""

import re

from labkit.decode.tls.cursor import FieldCursor, Layout, named, opaque, shown_text
from labkit.decode.tls.registry import CURVE_TYPES, GROUPS, SIGNATURES


def signed(cursor: FieldCursor) -> str:
    """The layout of a signature, after its algorithm from TLS 1.2 on; CertificateVerify has nothing else."""
    if cursor.setting.version not in ("SSL 3.0", "TLS 1.0", "TLS 1.1"):
        cursor.number("algorithm", 2, "How it was signed.", named(SIGNATURES, 2))
    signature = opaque("signature", "Made with the private key of the certificate.")
    return cursor.vector("signature", 2, signature, "Proves that the sender has the private key of its certificate.")


def server_key_exchange(cursor: FieldCursor) -> str:
    """The layout of a ServerKeyExchange after its header."""
    return _exchange(cursor, 0)


def client_key_exchange(cursor: FieldCursor) -> str:
    """The layout of a ClientKeyExchange after its header."""
    return _exchange(cursor, 1)


def _exchange(cursor: FieldCursor, side: int) -> str:
    layouts = (pair for word, *pair in _EXCHANGES if word in cursor.setting.cipher)
    return next(layouts, [_other_exchange] * 2)[side](cursor)


_NAMED_CURVE = 3


def _curve_and_point(cursor: FieldCursor) -> str:
    if cursor.number("curve_type", 1, "How the curve is given: by name.", named(CURVE_TYPES, 1)) != _NAMED_CURVE:
        return cursor.rest("curve", "A curve of the server's own making, which a client must refuse (RFC 8422 §5.4).")
    cursor.number("named_curve", 2, "The group of this key exchange.", named(GROUPS, 2))
    public = opaque("point", "A point on the curve.")
    cursor.vector("public", 1, public, "The server's public half, made for this session alone: forward secrecy.")
    return signed(cursor) if not _UNSIGNED.search(cursor.setting.cipher) else ""


def _client_point(cursor: FieldCursor) -> str:
    public = opaque("point", "A point on the curve.")
    return cursor.vector(
        "ecdh_Yc", 1, public, "The client's public half, made for this session alone: forward secrecy."
    )


def _prime_and_number(cursor: FieldCursor) -> str:
    cursor.vector("dh_p", 2, opaque("prime", "A large prime."), "The modulus; less than 2048 bits is weak (Logjam).")
    cursor.vector("dh_g", 2, opaque("generator", "A small number."), "The generator.")
    cursor.vector("dh_Ys", 2, opaque("public", "A large number."), "The server's public half.")
    return signed(cursor) if not _UNSIGNED.search(cursor.setting.cipher) else ""


def _client_number(cursor: FieldCursor) -> str:
    return cursor.vector("dh_Yc", 2, opaque("public", "A large number."), "The client's public half.")


def _sealed_premaster(cursor: FieldCursor) -> str:
    sealed = opaque("encrypted", "Readable with the server's private key.")
    meaning = "The secret, encrypted to the server's key: who gets that key later can read all (no forward secrecy)."
    if cursor.setting.version == "SSL 3.0":
        return cursor.rest("encrypted_pre_master_secret", f"{meaning} SSL 3.0 sends it without its length.")
    return cursor.vector("encrypted_pre_master_secret", 2, sealed, meaning)


_UNSIGNED = re.compile("_anon_|_PSK_")


def _hinted(behind: Layout) -> Layout:
    """The server's part with a pre-shared key (RFC 4279 §2)."""

    def layout(cursor: FieldCursor) -> str:
        hint = opaque("hint", "Of meaning to the two sides only.", shown_text)
        return cursor.vector("psk_identity_hint", 2, hint, "Which key the server means.") + behind(cursor)

    return layout


def _identified(behind: Layout) -> Layout:
    """The client's part with a pre-shared key (RFC 4279 §2)."""

    def layout(cursor: FieldCursor) -> str:
        identity = opaque("external_identity", "As both sides call the key.", shown_text)
        return cursor.vector("psk_identity", 2, identity, "Which key the client has, in clear.") + behind(cursor)

    return layout


def _nothing_more(_: FieldCursor) -> str:
    return ""


_other_exchange = opaque("exchange_keys", "The public part of a key exchange that the lab does not take apart.")

_EXCHANGES = (
    ("_ECDHE_PSK_", _hinted(_curve_and_point), _identified(_client_point)),
    ("_DHE_PSK_", _hinted(_prime_and_number), _identified(_client_number)),
    ("_RSA_PSK_", _hinted(_nothing_more), _identified(_sealed_premaster)),
    ("_PSK_", _hinted(_nothing_more), _identified(_nothing_more)),
    ("_ECDHE_", _curve_and_point, _client_point),
    ("_ECDH_anon_", _curve_and_point, _client_point),
    ("_DHE_", _prime_and_number, _client_number),
    ("_DH_anon_", _prime_and_number, _client_number),
    ("TLS_RSA_WITH_", _other_exchange, _sealed_premaster),
)
"""(part of the suite's name, ServerKeyExchange, ClientKeyExchange)."""
