"""The messages of TLS as fields: every byte of a handshake message, alert or record has a name, a value and a sentence.

RFC 8446 §4 (TLS 1.3), RFC 5246 §7 (TLS 1.2), what differs before it (RFC 4346, RFC 2246, RFC 6101), RFC 5077
(tickets). Key exchanges are `key_exchanges`, extensions `extensions`, certificates `certificate`, messages of SSL 2.0
`ssl2`; what a message is for as a whole is `meanings`.
"""

from collections.abc import Collection
from functools import lru_cache

from labkit.decode.event import Field
from labkit.decode.tls.certificate import certificate
from labkit.decode.tls.ciphers import AEAD, BLOCK, cipher_of
from labkit.decode.tls.cursor import (
    FieldCursor,
    Layout,
    Setting,
    count,
    every,
    named,
    nothing,
    numbers,
    opaque,
    shown_bytes,
    shown_text,
)
from labkit.decode.tls.extensions import authorities, extensions, stapled
from labkit.decode.tls.key_exchanges import client_key_exchange, server_key_exchange, signed
from labkit.decode.tls.registry import (
    ALERT_LEVELS,
    ALERTS,
    CERTIFICATE_COMPRESSIONS,
    CERTIFICATE_TYPES,
    COMPRESSIONS,
    HANDSHAKES,
    HEARTBEATS,
    KEY_UPDATES,
    SIGNATURES,
    VERSIONS,
    version_name,
)
from labkit.decode.tls.suites import SUITES


def handshake_fields(data: bytes, setting: Setting, groups: Collection[str] | None = None) -> tuple[Field, ...]:
    """The fields of a handshake message with its header of 4 bytes. Never raises.

    With `groups`, only groups of fields with these names are taken apart; the others are one field each, without a
    value.
    """
    return _fields(data, setting, _handshake, groups)


certificate_fields = lru_cache(64)(handshake_fields)
"""The same of a Certificate, kept: up to TLS 1.2 a server sends the same bytes in each session."""


def record_fields(kind: str, data: bytes, setting: Setting) -> tuple[Field, ...]:
    """The fields of readable content: change-cipher-spec, alert, application-data, heartbeat, unknown."""
    return _fields(data, setting, _CONTENTS.get(kind, _foreign))


def ciphertext_fields(data: bytes, setting: Setting) -> tuple[Field, ...]:
    """The fields of a protected record that stays closed."""
    return _fields(data, setting, _ciphertext)


def _fields(data: bytes, setting: Setting, layout: Layout, groups: Collection[str] | None = None) -> tuple[Field, ...]:
    cursor = FieldCursor(data, setting, groups=groups)
    cursor.fill(layout)
    return tuple(cursor.fields)


# ---- the content of records


def _alert(cursor: FieldCursor) -> str:
    cursor.number("level", 1, "How bad it is; TLS 1.3 looks only at the description.", named(ALERT_LEVELS, 1))
    cursor.number("description", 1, "What happened (RFC 8446 §6).", named(ALERTS, 1))
    return ""


def _heartbeat(cursor: FieldCursor) -> str:
    cursor.number("type", 1, "Question or answer (RFC 6520).", named(HEARTBEATS, 1))
    cursor.vector("payload", 2, opaque("payload", "The answer brings it back."), "Anything.")
    return cursor.rest("padding", "Random bytes that are ignored.")


_foreign = opaque("bytes", "Bytes that are not TLS, or no longer to be understood as TLS.")

_CONTENTS: dict[str, Layout] = {
    "change-cipher-spec": opaque("change_cipher_spec", "Always 1; it carries nothing else (RFC 5246 §7.1)."),
    "alert": _alert,
    "application-data": opaque("content", "What the application sent.", lambda data: shown_text(data[:80])),
    "heartbeat": _heartbeat,
}


def _ciphertext(cursor: FieldCursor) -> str:
    suite = next((number for number, name in SUITES.items() if name == cursor.setting.cipher), -1)
    cipher = cipher_of(suite)
    if cipher is None or cipher.way != AEAD:
        if cipher and cipher.way == BLOCK and cursor.setting.version in ("TLS 1.1", "TLS 1.2"):
            vector = "What the first block is mixed with; different in each record (RFC 5246 §6.2.3.2)."
            cursor.opaque("IV", min(cipher.iv_length, cursor.left), vector)
        return cursor.rest("ciphertext", "Encrypted; how it is divided depends on the cipher suite.")
    if cursor.setting.version == "TLS 1.2":
        cursor.opaque(
            "nonce_explicit", cipher.explicit, "The part of the nonce that is sent; never used twice (RFC 5288 §3)."
        )
    meaning = "As long as the text in it, but unreadable without the key."
    cursor.opaque(
        "ciphertext",
        max(cursor.left - cipher.tag, 0),
        meaning,
        lambda data: f"{count(len(data))}: {shown_bytes(data)}",
    )
    return cursor.rest("authentication_tag", "Fits only when key, order and every byte are right (AEAD, RFC 5116).")


# ---- handshake messages


def _handshake(cursor: FieldCursor) -> str:
    cursor.number("msg_type", 1, "Which handshake message this is.", named(HANDSHAKES, 1))
    cursor.number("length", 3, "How many bytes follow.", count)
    title = cursor.setting.title
    special = _IN_TLS13.get(title) if cursor.setting.version == "TLS 1.3" else None
    if title == "ServerHello" and cursor.left and cursor.peek(1) == b"\x7f":
        special = _server_hello_of_draft
    return (special or _LAYOUTS.get(title) or opaque("content", "A message that the lab does not take apart."))(cursor)


def _client_hello(cursor: FieldCursor) -> str:
    _version_and_random(
        cursor,
        "The highest version that the client speaks up to TLS 1.2; for TLS 1.3 see supported_versions (RFC 8446).",
        "32 fresh random bytes of the client; the key log names the session by them.",
    )
    cursor.vector(
        "cipher_suites",
        2,
        numbers(
            "cipher_suite", 2, "A suite that the client offers, or by a name in SCSV a signal (RFC 5746 §3.3).", SUITES
        ),
        "What the client can encrypt with, best first; the server takes one.",
    )
    cursor.vector(
        "legacy_compression_methods",
        1,
        numbers("compression_method", 1, "Only null is in use.", COMPRESSIONS),
        "Compression before encryption gives secrets away, so there is none.",
    )
    return _optional_extensions(cursor)


def _server_hello(cursor: FieldCursor) -> str:
    _version_and_random(
        cursor,
        "The version that the server chose; TLS 1.3 says so in supported_versions and writes TLS 1.2 here.",
        "32 bytes of the server: random, or a fixed value that makes this a HelloRetryRequest; "
        "the last 8 warn when an older version than possible was chosen (RFC 8446 §4.1.3).",
    )
    cursor.number("cipher_suite", 2, "The suite that the server took from the client's list.", named(SUITES, 2))
    cursor.number("legacy_compression_method", 1, "Null: no compression.", named(COMPRESSIONS, 1))
    return _optional_extensions(cursor)


def _server_hello_of_draft(cursor: FieldCursor) -> str:
    cursor.number("version", 2, "A draft of TLS 1.3, by its number.", version_name)
    cursor.opaque("random", 32, "32 random bytes of the server.")
    cursor.number("cipher_suite", 2, "The suite that the server took from the client's list.", named(SUITES, 2))
    return _optional_extensions(cursor)


def _version_and_random(cursor: FieldCursor, version: str, random: str) -> None:
    cursor.number("legacy_version", 2, version, named(VERSIONS, 2))
    cursor.opaque("random", 32, random)
    cursor.vector(
        "legacy_session_id",
        1,
        opaque("session_id", "The name of a session."),
        "Up to TLS 1.2 the name under which to resume; in TLS 1.3 made up by the client and echoed, "
        "so that the handshake looks like a resumed one (RFC 8446 §D.4).",
    )


def _optional_extensions(cursor: FieldCursor) -> str:
    return extensions(cursor) if cursor.left else ""


def _certificate12(cursor: FieldCursor) -> str:
    return cursor.vector(
        "certificate_list", 3, every(_one_certificate, 1), "The server's certificate, then those of its issuers."
    )


def _certificate13(cursor: FieldCursor) -> str:
    _request_context(cursor)
    return cursor.vector(
        "certificate_list", 3, every(_certificate_entry, 1), "The sender's certificate, then those of its issuers."
    )


def _request_context(cursor: FieldCursor) -> None:
    cursor.vector(
        "certificate_request_context",
        1,
        opaque("context", "Given by the request."),
        "Tells requests after the handshake apart; empty in the handshake.",
    )


def _one_certificate(cursor: FieldCursor) -> str:
    return cursor.vector("certificate", 3, certificate, "A certificate in DER (RFC 5280).")


def _certificate_entry(cursor: FieldCursor) -> str:
    size = 3 + int.from_bytes(cursor.peek(3))
    beyond = cursor.peek(size + 2)[size:]

    def layout(inner: FieldCursor) -> str:
        value = _one_certificate(inner)
        extensions(inner)
        return value

    meaning = "A certificate with what is said about it."
    return cursor.group("certificate_entry", size + 2 + int.from_bytes(beyond), layout, meaning)


def _certificate_request12(cursor: FieldCursor) -> str:
    cursor.vector(
        "certificate_types",
        1,
        numbers("certificate_type", 1, "A kind of key.", CERTIFICATE_TYPES),
        "The kinds of certificates that the server takes.",
    )
    if cursor.setting.version == "TLS 1.2":
        schemes = numbers("scheme", 2, "A signature scheme.", SIGNATURES)
        cursor.vector("supported_signature_algorithms", 2, schemes, "The signatures that it can check.")
    return cursor.vector("certificate_authorities", 2, authorities, "Whom it trusts; empty: it does not say.")


def _certificate_request13(cursor: FieldCursor) -> str:
    _request_context(cursor)
    return extensions(cursor)


def _ticket12(cursor: FieldCursor) -> str:
    cursor.number("ticket_lifetime_hint", 4, "How long the server will take it back.", _seconds)
    return _ticket(cursor)


def _ticket13(cursor: FieldCursor) -> str:
    cursor.number("ticket_lifetime", 4, "How long the server will take it back; at most seven days.", _seconds)
    cursor.number("ticket_age_add", 4, "Is added to the ticket's age, so that the age does not link two sessions.")
    nonce = opaque("nonce", "Different for each ticket of a session.")
    cursor.vector("ticket_nonce", 1, nonce, "Makes a secret of its own for this ticket.")
    _ticket(cursor)
    return extensions(cursor)


def _ticket(cursor: FieldCursor) -> str:
    ticket = opaque("ticket", "Sealed by the server for itself.")
    return cursor.vector("ticket", 2, ticket, "What the client shows to resume; the server usually keeps nothing.")


def _seconds(number: int) -> str:
    return f"{number:,} seconds"


def _finished(cursor: FieldCursor) -> str:
    return cursor.rest("verify_data", "A keyed hash of all messages before: none was changed.")


def _key_update(cursor: FieldCursor) -> str:
    shown = named(KEY_UPDATES, 1)
    return shown(cursor.number("request_update", 1, "Whether the other side shall renew its keys too.", shown))


def _compressed_certificate(cursor: FieldCursor) -> str:
    cursor.number("algorithm", 2, "How it was compressed.", named(CERTIFICATE_COMPRESSIONS, 2))
    cursor.number("uncompressed_length", 3, "Its size when unpacked.", count)
    packed = opaque("compressed", "A Certificate message, compressed.")
    return cursor.vector("compressed_certificate_message", 3, packed, "The certificate chain, compressed (RFC 8879).")


_LAYOUTS: dict[str, Layout] = {
    "HelloRequest": nothing,
    "ClientHello": _client_hello,
    "ServerHello": _server_hello,
    "HelloRetryRequest": _server_hello,
    "EncryptedExtensions": extensions,
    "Certificate": _certificate12,
    "CertificateRequest": _certificate_request12,
    "CertificateStatus": stapled,
    "CertificateVerify": signed,
    "ServerKeyExchange": server_key_exchange,
    "ServerHelloDone": nothing,
    "ClientKeyExchange": client_key_exchange,
    "Finished": _finished,
    "NewSessionTicket": _ticket12,
    "KeyUpdate": _key_update,
    "EndOfEarlyData": nothing,
    "CompressedCertificate": _compressed_certificate,
}

_IN_TLS13: dict[str, Layout] = {
    "Certificate": _certificate13,
    "CertificateRequest": _certificate_request13,
    "NewSessionTicket": _ticket13,
}
"""What is laid out differently in TLS 1.3."""
