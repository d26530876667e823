"""What an eavesdropper can read in a TLS handshake: SNI (RFC 6066 §3), and up to TLS 1.2 the certificate."""

from collections.abc import Iterator

from labkit.decode.event import Event, all_fields
from labkit.decode.told_in_mail import ValueInEvent


def in_message(event: Event) -> Iterator[ValueInEvent]:
    """What a TLS message with a title of `TITLES` discloses."""
    names, groups = _TOLD[event.title]
    fields = all_fields(event.origin.fields_in(event, groups))
    found = [
        (what, field.value, field.start, field.end)
        for name, what in names.items()
        for field in fields
        if field.name == name and field.value
    ]
    if any(field.name == "encrypted_client_hello" for field in fields):
        found = [(_OUTER.get(what, what), *rest) for what, *rest in found]
    yield from found or [
        ("certificate of", field.value, field.start, field.end) for field in fields if field.name == "dNSName"
    ]


_OUTER = {"server name": "outer server name"}
"""What a field of a ClientHello is in which another may be encrypted (RFC 9849)."""
_CERTIFICATE = (
    {"subject": "certificate of", "rfc822Name": "mail address"},
    (
        *("certificate of", "certificate_list", "certificate_entry", "certificate", "Certificate"),
        *("tbsCertificate", "subject", "relativeName", "attribute", "type", "value"),
        *("extensions", "list", "subjectAltName", "extnID", "extnValue", "names", "rfc822Name", "dNSName"),
    ),
)
_TOLD: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "ClientHello": (
        {
            "host_name": "server name",
            "protocol": "application protocol",
            "external_identity": "key identity",
            "user_name": "user name",
        },
        (
            *("extensions", "server_name", "server_name_list", "host_name", "srp", "srp_I"),
            *("application_layer_protocol_negotiation", "protocol_name_list", "protocol"),
            *("pre_shared_key", "identities", "psk_identity", "identity"),
        ),
    ),
    "ServerHello": ({"cipher_suite": "cipher suite"}, ()),
    "Certificate": _CERTIFICATE,
    "ClientKeyExchange": ({"external_identity": "key identity"}, ("psk_identity",)),
    "SERVER-HELLO": _CERTIFICATE,
    "CLIENT-MASTER-KEY": ({"cipher_kind": "cipher suite"}, ()),
}
"""Handshake message -> the fields that disclose something, what it is, and the groups that hold them. A certificate
without a subject tells the names of hosts for which it is good."""
TITLES = frozenset(_TOLD)
"""The messages that disclose something."""
