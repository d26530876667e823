"""The certificates of the lab: an authority made afresh for every lab, and the ways a certificate can be wrong.

RFC 5280 says what a certificate is, RFC 9525 how a client compares it with the name that it wanted (the *reference
identifier*). The keys are ECDSA P-256, live in memory, and end with the lab. Which TLS versions are spoken is not
said here: that is `contexts`.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from labkit.errors import LabError
from labkit.scratch import ScratchFile

DOMAIN = "lab.test"
SERVER_NAME = f"mail.{DOMAIN}"
"""The reference identifier: the name that a client of the lab wants to talk to."""
WRONG_NAME = f"www.{DOMAIN}"

_ORGANIZATION = "STARTTLS lab"


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, as PEM bytes."""

    kind: str
    """How good it is: one of `KINDS`."""
    pem: bytes
    key: bytes = field(repr=False)
    name: str = SERVER_NAME
    """Whom it stands for: the name that a client wants, which is in it unless it is of a wrong kind."""

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let a server's context present this certificate."""
        with ScratchFile(self.key + self.pem) as file:
            context.load_cert_chain(file.path)


class Authority:
    """A certificate authority; a client that trusts it accepts what it issued for the right name and time."""

    def __init__(self) -> None:
        self._issued: dict[tuple[str, str], Certificate] = {}

    @property
    def pem(self) -> bytes:
        """The authority's own certificate, for ``curl --cacert`` and the like."""
        return self._ca.cert_pem.bytes()

    def trust(self, context: ssl.SSLContext) -> None:
        """Let a client's context accept what this authority issued."""
        context.load_verify_locations(cadata=self.pem.decode("ascii"))

    def certificate(self, kind: str = "right", name: str = SERVER_NAME) -> Certificate:
        """The certificate of that kind for a name, made once. Raises `LabError` for a kind not in `KINDS`."""
        if kind not in KINDS:
            raise LabError(f"There is no certificate {kind!r}: use one of {', '.join(map(repr, KINDS))}.")
        if (kind, name) not in self._issued:
            self._issued[kind, name] = Certificate(kind, *KINDS[kind](self._ca, name), name)
        return self._issued[kind, name]

    def renewed(self, kind: str = "right", name: str = SERVER_NAME) -> Certificate:
        """A certificate in the place of the one that there was, with a new key. Raises `LabError` as `certificate`."""
        self._issued.pop((kind, name), None)
        return self.certificate(kind, name)

    def with_rsa_key(self) -> Certificate:
        """The right certificate, but with an RSA key: SSL 2.0 and 3.0 know no elliptic curves (RFC 4492 §1)."""
        from trustme import KeyType

        return Certificate("right", *_issue(self._ca, SERVER_NAME, key_type=KeyType.RSA))

    @cached_property
    def _ca(self) -> Any:
        return _new_authority("Root of trust")


def _new_authority(unit: str) -> Any:
    import trustme

    return trustme.CA(organization_name=_ORGANIZATION, organization_unit_name=unit)


def _issue(authority: Any, name: str, **how: Any) -> tuple[bytes, bytes]:
    leaf = authority.issue_cert(
        name, common_name=name, organization_name=_ORGANIZATION, organization_unit_name="Mail server", **how
    )
    return b"".join(blob.bytes() for blob in leaf.cert_chain_pems), leaf.private_key_pem.bytes()


def _right(authority: Any, name: str) -> tuple[bytes, bytes]:
    return _issue(authority, name)


def _wrong_name(authority: Any, _: str) -> tuple[bytes, bytes]:
    return _issue(authority, WRONG_NAME)


def _expired(authority: Any, name: str) -> tuple[bytes, bytes]:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return _issue(authority, name, not_before=yesterday - timedelta(days=90), not_after=yesterday)


def _unknown_root(_: Any, name: str) -> tuple[bytes, bytes]:
    return _issue(_new_authority("Somebody else's root"), name)


def _self_signed(_: Any, own_name: str) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, own_name),
        ]
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(own_name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return pem, key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


KINDS: dict[str, Callable[[Any, str], tuple[bytes, bytes]]] = {
    "right": _right,
    "wrong name": _wrong_name,
    "expired": _expired,
    "self-signed": _self_signed,
    "unknown root": _unknown_root,
    "mis-issued": _right,
}
"""What a certificate may be like -> how it is made from the lab's authority, for a name: (certificate PEM, key PEM).

One that was mis-issued is right in every respect, but its key is not the server's."""
