"""Attacks on identity and version, C1 to C7: the attacker speaks TLS herself, with what certificates she can get.

What a client should compare is RFC 9525; RFC 8314 §5.3 makes mail clients do it, RFC 7435 says what it means not to.
"""

from labkit.attacks.actions import Answer, Close, Replace
from labkit.attacks.vector import Answered, Record, Vector
from labkit.attacks.vectors.architecture import FullInterception
from labkit.decode.event import fields_named
from labkit.decode.tls.cursor import Setting
from labkit.decode.tls.hello import client_hello
from labkit.decode.tls.messages import handshake_fields
from labkit.decode.tls.records import HANDSHAKE, HEADER
from labkit.dialects.base import CLIENT

_CLIENT_HELLO = b"\x01"
_TLS13_SUITES = (b"\x13\x01", b"\x13\x02", b"\x13\x03")
"""Cipher suites that only TLS 1.3 has (RFC 8446 §B.4)."""
_TLS12 = b"\x03\x03"
_PROTOCOL_VERSION = b"\x15\x03\x01\x00\x02\x02\x46"
"""A record with the fatal alert protocol_version (RFC 8446 §6.2)."""


class SelfSigned(FullInterception):
    """Is the server, with a certificate that she has signed herself."""

    id = "C1"
    certificate = "self-signed"


class UnknownRoot(FullInterception):
    """Is the server, with a certificate from an authority that clients do not trust."""

    id = "C2"
    certificate = "unknown root"


class WrongName(FullInterception):
    """Is the server, with a good certificate for a name of her own."""

    id = "C3"
    certificate = "wrong name"


class Expired(FullInterception):
    """Is the server, with its own certificate of last year, whose key was stolen."""

    id = "C4"
    certificate = "expired"


class NothingVerified(FullInterception):
    """Is the server, with any certificate at all: a library that verifies nothing unless it is told to takes each.

    In Python, that is ``starttls()`` without a context; the victims include it.
    """

    id = "C5"
    source = "CVE-2026-41016 (Airflow)"
    certificate = "self-signed"


class MisIssued(FullInterception):
    """Is the server, with a certificate for its name that a trusted authority should not have issued to her."""

    source = "RFC 8461 §10.1"
    certificate = "mis-issued"


class OldVersion(Vector):
    """Answers a ClientHello that offers TLS 1.3 as if the server were too old: will the client try again with less?

    A ClientHello that was rewritten instead would be noticed at the Finished (RFC 8446 §4.4.4).
    """

    id = "C6"
    source = "tls-downgrade; RFC 7507"

    def on_record(self, record: Record) -> Answered:
        message = record.data[HEADER:]
        if record.sender != CLIENT or record.kind != HANDSHAKE or message[:1] != _CLIENT_HELLO:
            return None
        return (Answer(_PROTOCOL_VERSION), Close()) if offers_tls13(message) else None


def offers_tls13(hello: bytes) -> bool:
    """Whether a ClientHello, with its handshake header, has a cipher suite that only TLS 1.3 has."""
    suites = client_hello(hello).suites
    return any(suites[at : at + 2] in _TLS13_SUITES for at in range(0, len(suites), 2))


class RewrittenHello(Vector):
    """Takes TLS 1.3 out of the ClientHello, so that the server agrees on less, and touches nothing else.

    It does not work: the server marks its random (RFC 8446 §4.1.3), and both ends hash what they said and heard.
    """

    id = "C7"
    source = "RFC 8446 §4.1.3 and §4.4.4"

    def on_record(self, record: Record) -> Answered:
        if record.sender != CLIENT or record.kind != HANDSHAKE or record.earlier:
            return None
        offers = fields_named(handshake_fields(record.data[HEADER:], Setting("ClientHello", "", "")), "version")
        at = next((field.start + HEADER for field in offers if field.value.startswith("TLS 1.3 ")), None)
        return Replace(record.data[:at] + _TLS12 + record.data[at + 2 :]) if at is not None else None
