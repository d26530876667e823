"""The extensions of hellos, certificates and tickets: what each is for, and how its bytes are laid out.

RFC 8446 §4.2, RFC 6066 and what each sentence names. One extension can look different in another message, so a layout
may be given for one message alone. Messages themselves are `messages`.
"""

from functools import cache

from labkit.decode.tls.certificate import distinguished_name
from labkit.decode.tls.cursor import (
    FieldCursor,
    Layout,
    count,
    every,
    named,
    nothing,
    number,
    numbers,
    opaque,
    shown_text,
    vector,
)
from labkit.decode.tls.registry import (
    CERTIFICATE_COMPRESSIONS,
    EXTENSIONS,
    FRAGMENT_LENGTHS,
    GROUPS,
    NAME_TYPES,
    POINT_FORMATS,
    PSK_MODES,
    SIGNATURES,
    STATUS_TYPES,
    VERSIONS,
    is_grease,
)

_show_type = named(EXTENSIONS, 2)
_SERVER_HELLO, _RETRY, _TICKET = "ServerHello", "HelloRetryRequest", "NewSessionTicket"


def extensions(cursor: FieldCursor) -> str:
    """All extensions of a message, after their common length."""
    meaning = "What the sides tell each other beyond the fixed fields (RFC 8446 §4.2)."
    return cursor.vector("extensions", 2, every(_extension, 40), meaning)


def _extension(cursor: FieldCursor) -> str:
    """One extension: its type, its length, and its data in the layout of this message."""
    kind = int.from_bytes(cursor.peek(2))
    size = 4 + int.from_bytes(cursor.peek(4)[2:])
    name, meaning = _name(kind), _meaning(kind)

    def layout(inner: FieldCursor) -> str:
        inner.number("extension_type", 2, "Which extension this is.", _show_type)
        inner.number("length", 2, "How many bytes of data follow.", count)
        return _layout_of(kind, inner)(inner)

    cursor.group(name, size, layout, meaning)
    return name


@cache
def _name(kind: int) -> str:
    return EXTENSIONS.get(kind) or ("GREASE" if is_grease(kind) else f"extension {kind}")


@cache
def _meaning(kind: int) -> str:
    if is_grease(kind):
        return "Means nothing: it is sent so that servers keep ignoring what they do not know (RFC 8701)."
    return _MEANINGS.get(EXTENSIONS.get(kind, ""), "An extension that the lab does not take apart.")


def _layout_of(kind: int, cursor: FieldCursor) -> Layout:
    name = EXTENSIONS.get(kind, "")
    special = _IN_MESSAGE.get((name, cursor.setting.title))
    if special or name in _LAYOUTS:
        return special or (_LAYOUTS[name] if cursor.left else nothing)
    return opaque("extension_data", "Its content, not taken apart.")


_MEANINGS = {
    "server_name": (
        "The server that the client wants, in clear so that a host of many names can choose its certificate; "
        "an eavesdropper reads it too (RFC 6066 §3)."
    ),
    "max_fragment_length": "Asks for smaller records, for devices with little memory (RFC 6066 §4).",
    "status_request": (
        "Asks the server to send proof that its certificate is not revoked along with it: OCSP stapling (RFC 6066 §8)."
    ),
    "supported_groups": "The groups for the key exchange that the sender can use, best first (RFC 8446 §4.2.7).",
    "ec_point_formats": "How points on elliptic curves may be written; only one way is still in use (RFC 8422 §5.1.2).",
    "signature_algorithms": (
        "The signatures that the sender can check, best first; in TLS 1.3 for CertificateVerify (RFC 8446 §4.2.3)."
    ),
    "signature_algorithms_cert": "The signatures that the sender can check inside certificates (RFC 8446 §4.2.3).",
    "application_layer_protocol_negotiation": (
        "Which protocol shall be spoken inside TLS: the client lists, the server picks one (ALPN, RFC 7301)."
    ),
    "signed_certificate_timestamp": "Proof that the certificate was entered in a public log (RFC 6962 §3.3).",
    "padding": "Zeros that only make the message longer, around servers that fail on certain lengths (RFC 7685).",
    "encrypt_then_mac": (
        "Offers to encrypt first and authenticate then in CBC suites, which closes a class of attacks (RFC 7366)."
    ),
    "extended_master_secret": (
        "Binds the master secret to the whole handshake, so that no two sessions share it (RFC 7627); 1.3 always does."
    ),
    "compress_certificate": "How the sender can unpack compressed certificates (RFC 8879).",
    "record_size_limit": "The largest record that the sender wants to get (RFC 8449).",
    "session_ticket": (
        "Empty: the client takes tickets, or the server will send one. Otherwise a ticket to resume an earlier session "
        "without a full handshake (RFC 5077)."
    ),
    "pre_shared_key": (
        "Tickets of earlier sessions, with proof that the client knows their secrets; the server picks one to resume "
        "(RFC 8446 §4.2.11)."
    ),
    "early_data": (
        "Data sent along with the first flight, before the server has answered; it can be replayed (RFC 8446 §4.2.10)."
    ),
    "supported_versions": (
        "Where TLS 1.3 is negotiated: the client lists its versions, the server names the one chosen (RFC 8446 §4.2.1)."
    ),
    "cookie": "Something that the server gave away and the client has to bring back (RFC 8446 §4.2.2).",
    "psk_key_exchange_modes": "Whether a resumed session shall also have a fresh key exchange (RFC 8446 §4.2.9).",
    "certificate_authorities": "The authorities that the sender trusts (RFC 8446 §4.2.4).",
    "post_handshake_auth": "The client may be asked for a certificate later on (RFC 8446 §4.2.6).",
    "key_share": (
        "The public half of a key exchange; with both halves, each side computes the same secret (RFC 8446 §4.2.8)."
    ),
    "renegotiation_info": "Ties a renegotiation to the handshake before it; empty in the first handshake (RFC 5746).",
    "heartbeat": "Whether the sender answers heartbeats (RFC 6520).",
    "next_protocol_negotiation": "A forerunner of ALPN.",
    "encrypted_client_hello": (
        "The true ClientHello, encrypted for the server so that its name stays private; or a decoy (RFC 9849)."
    ),
}


# ---- layouts


def _server_name(cursor: FieldCursor) -> str:
    def entry(inner: FieldCursor) -> str:
        inner.number("name_type", 1, "What kind of name; host_name is the only one.", named(NAME_TYPES, 1))
        return inner.vector(
            "host_name", 2, opaque("name", "The name, without a final dot.", shown_text), "The host's name."
        )

    return cursor.vector("server_name_list", 2, every(entry), "A list by design, of one name in practice.")


def _status_request(cursor: FieldCursor) -> str:
    kind = cursor.number("status_type", 1, "What kind of proof.", named(STATUS_TYPES, 1))
    cursor.vector("responder_id_list", 2, opaque("responder_ids", "Names or keys."), "Trusted responders; empty: any.")
    cursor.vector("request_extensions", 2, opaque("extensions", "OCSP extensions."), "Wishes to the responder.")
    return STATUS_TYPES.get(kind, "unknown")


def stapled(cursor: FieldCursor) -> str:
    """The layout of a proof of non-revocation: in TLS 1.3 an extension, before it a message (RFC 6066 §8)."""
    kind = cursor.number("status_type", 1, "What kind of proof.", named(STATUS_TYPES, 1))
    response = opaque("ocsp_response", "Signed by the authority, good for some days (RFC 6960).")
    cursor.vector("response", 3, response, "The stapled proof that the certificate is not revoked.")
    return STATUS_TYPES.get(kind, "unknown")


def _protocol(cursor: FieldCursor) -> str:
    return cursor.vector("protocol", 1, opaque("name", "As registered with IANA.", shown_text), "One protocol.")


def _timestamp(cursor: FieldCursor) -> str:
    return cursor.vector("sct", 2, opaque("timestamp", "Version, log, time and signature."), "One signed timestamp.")


def _share(cursor: FieldCursor) -> str:
    group = int.from_bytes(cursor.peek(2))
    size = 4 + int.from_bytes(cursor.peek(4)[2:])

    def layout(inner: FieldCursor) -> str:
        inner.number("group", 2, "The group in which it was computed.", named(GROUPS, 2))
        inner.vector(
            "key_exchange", 2, opaque("public_key", "The public key; seeing it does not help."), "The public half."
        )
        return named(GROUPS, 2)(group)

    return cursor.group("key_share_entry", size, layout, "The public half of one key exchange.")


def _identity(cursor: FieldCursor) -> str:
    size = 6 + int.from_bytes(cursor.peek(2))

    def layout(inner: FieldCursor) -> str:
        external = inner.peek(size)[-4:] == bytes(4)
        named = opaque("external_identity", "As both sides call the key.", shown_text)
        key = inner.vector(
            "identity",
            2,
            named if external else opaque("ticket", "As the server gave it out."),
            "Which key. Its age of 0 says that it is no earlier session's (RFC 8446 §4.2.11)."
            if external
            else "Which earlier session.",
        )
        inner.number("obfuscated_ticket_age", 4, "Its age in milliseconds plus a number that only the two sides know.")
        return key

    return cursor.group(
        "psk_identity",
        size,
        layout,
        "A key that both sides may have: an earlier session's, or one that they were given.",
    )


def _binder(cursor: FieldCursor) -> str:
    return cursor.vector("binder", 1, opaque("hmac", "Over this hello up to here."), "Proof of knowing that secret.")


def _offered_keys(cursor: FieldCursor) -> str:
    cursor.vector("identities", 2, every(_identity), "The keys that both sides may have, best first.")
    binders = len(cursor.fields)
    cursor.vector("binders", 2, every(_binder), "One proof for each identity, in the same order.")
    offered = len(cursor.fields[binders - 1].children) - 1
    return f"{offered} offered"


authorities = every(vector("certificate_authority", 2, distinguished_name, "One authority."))
"""The layout of the names of authorities, in this extension and in the CertificateRequest before TLS 1.3."""
_SCHEMES = vector(
    "supported_signature_algorithms", 2, numbers("scheme", 2, "A signature scheme.", SIGNATURES), "Best first."
)
_CHOSEN_VERSION = number("selected_version", 2, "The version that the server chose.", named(VERSIONS, 2))

_LAYOUTS: dict[str, Layout] = {
    "server_name": _server_name,
    "max_fragment_length": number("max_fragment_length", 1, "The largest record.", named(FRAGMENT_LENGTHS, 1)),
    "status_request": _status_request,
    "supported_groups": vector(
        "named_group_list", 2, numbers("named_group", 2, "A group.", GROUPS), "The groups, best first."
    ),
    "ec_point_formats": vector(
        "ec_point_format_list",
        1,
        numbers("ec_point_format", 1, "A way to write points.", POINT_FORMATS),
        "The formats.",
    ),
    "signature_algorithms": _SCHEMES,
    "signature_algorithms_cert": _SCHEMES,
    "application_layer_protocol_negotiation": vector("protocol_name_list", 2, every(_protocol), "The protocols."),
    "signed_certificate_timestamp": vector("sct_list", 2, every(_timestamp), "From one or more logs."),
    "padding": opaque("zeros", "No content.", lambda data: count(len(data))),
    "encrypt_then_mac": nothing,
    "extended_master_secret": nothing,
    "compress_certificate": vector(
        "algorithms", 1, numbers("algorithm", 2, "A way to compress.", CERTIFICATE_COMPRESSIONS), "Best first."
    ),
    "record_size_limit": number("record_size_limit", 2, "In bytes of content.", count),
    "srp": vector("srp_I", 1, opaque("user_name", "Who logs in.", shown_text), "In clear."),
    "session_ticket": opaque("ticket", "Encrypted by the server for itself (RFC 5077 §4)."),
    "pre_shared_key": _offered_keys,
    "early_data": nothing,
    "supported_versions": vector(
        "versions", 1, numbers("version", 2, "A version that the client speaks.", VERSIONS), "Best first."
    ),
    "cookie": vector("cookie", 2, opaque("cookie", "Of meaning to the server only."), "The cookie."),
    "psk_key_exchange_modes": vector(
        "ke_modes", 1, numbers("mode", 1, "psk_dhe_ke: with a fresh key exchange.", PSK_MODES), "The modes."
    ),
    "certificate_authorities": vector("authorities", 2, authorities, "Their distinguished names."),
    "post_handshake_auth": nothing,
    "key_share": vector("client_shares", 2, every(_share), "The client's guesses of what the server will take."),
    "renegotiation_info": vector(
        "renegotiated_connection", 1, opaque("verify_data", "Of the Finished messages before."), "Empty at first."
    ),
}
"""How an extension's data is laid out where it is not empty, by the extension's name."""

_IN_MESSAGE: dict[tuple[str, str], Layout] = {
    ("supported_versions", _SERVER_HELLO): _CHOSEN_VERSION,
    ("supported_versions", _RETRY): _CHOSEN_VERSION,
    ("key_share", _SERVER_HELLO): _share,
    ("key_share", _RETRY): number("selected_group", 2, "The group that the server wants instead.", named(GROUPS, 2)),
    ("pre_shared_key", _SERVER_HELLO): number("selected_identity", 2, "Which of the offered ones, counted from 0."),
    ("early_data", _TICKET): number("max_early_data_size", 4, "How much early data the server takes.", count),
    ("status_request", "Certificate"): stapled,
}
"""(extension, message) -> its layout where that differs."""
