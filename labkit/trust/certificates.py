"""The certificates of the lab: an authority made afresh for every lab, and the ways a certificate can be wrong.

RFC 5280 says what a certificate is, RFC 9525 how a client compares it with the name that it wanted (the *reference
identifier*). They are what a public authority would issue, so that strict programs too find nothing wrong with the
right one. The keys are ECDSA P-256, live in memory, and end with the lab. TLS versions are chosen in `contexts`.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from labkit.errors import LabError
from labkit.interrupts import uninterrupted
from labkit.scratch import ScratchFile

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as PrivateKey

DOMAIN = "lab.test"
"""The domain of the hosts; RFC 6761 keeps ``test`` for this."""
SERVER_NAME = f"mail.{DOMAIN}"
"""The reference identifier: the name that a client of the lab wants to talk to."""
WRONG_NAME = f"www.{DOMAIN}"
MIS_ISSUED = "mis-issued"
"""The kind of a certificate that an attacker got by mistake: it is right, but its key is not the server's."""

_ORGANIZATION = "Mail lab"
"""Without a word of a protocol: a certificate of TLS 1.2 crosses in clear text, which students search for such
words."""
_ROOT_LASTS = timedelta(days=730)
_LEAF_LASTS = timedelta(days=365)
"""Browsers and strict verifiers take no more than 398 days (CA/Browser Forum, Baseline Requirements §6.3.2)."""
_BEGAN = timedelta(days=1)
"""How long ago a certificate became valid: clocks differ."""


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, as PEM bytes."""

    kind: str
    """How good it is: one of `KINDS`."""
    pem: bytes
    key: bytes = field(repr=False)
    name: str = SERVER_NAME
    """The name that a client wants; it is in the certificate unless the kind is ``wrong name``."""

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let a server's context present this certificate."""
        with uninterrupted(), ScratchFile(self.key + self.pem) as file:
            context.load_cert_chain(file.path)


class Authority:
    """A certificate authority; a client that trusts it accepts what it issued for the right name and time."""

    def __init__(self) -> None:
        self._issued: dict[tuple[str, str], Certificate] = {}

    @property
    def pem(self) -> bytes:
        """The authority's own certificate, for ``curl --cacert`` and the like."""
        return _pem(self._root.certificate)

    def trust(self, context: ssl.SSLContext) -> None:
        """Let a client's context accept what this authority issued."""
        context.load_verify_locations(cadata=self.pem.decode("ascii"))

    def certificate(self, kind: str = "right", name: str = SERVER_NAME) -> Certificate:
        """The certificate of that kind for a name, made once: one of `KINDS`, or `MIS_ISSUED`. Raises `LabError`."""
        if kind not in _EVERY:
            raise LabError(f"There is no certificate {kind!r}: use one of {', '.join(map(repr, KINDS))}.")
        if (kind, name) not in self._issued:
            self._issued[kind, name] = _written(kind, _EVERY[kind](self._root, name), name)
        return self._issued[kind, name]

    def renewed(self, kind: str = "right", name: str = SERVER_NAME) -> Certificate:
        """A certificate with a new key, which replaces the one before. Raises `LabError` as `certificate`."""
        self._issued.pop((kind, name), None)
        return self.certificate(kind, name)

    def with_rsa_key(self) -> Certificate:
        """The right certificate, but with an RSA key: SSL 2.0 and 3.0 know no elliptic curves (RFC 4492 §1)."""
        from cryptography.hazmat.primitives.asymmetric import rsa

        return _written("right", _leaf(self._root, SERVER_NAME, rsa.generate_private_key(65537, 2048)))

    @cached_property
    def _root(self) -> "_Signed":
        return _new_root("Root of trust")


# ---- how a certificate is made


class _Signed(NamedTuple):
    """A certificate and its private key."""

    certificate: "x509.Certificate"
    key: "PrivateKey"


def _pem(certificate: "x509.Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _written(kind: str, signed: _Signed, name: str = SERVER_NAME) -> Certificate:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = signed.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certificate(kind, _pem(signed.certificate), key, name)


def _new_key() -> "PrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _new_root(unit: str) -> _Signed:
    """The self-signed certificate of an authority (RFC 5280 §4.2.1.9)."""
    from cryptography import x509

    key, now = _new_key(), datetime.now(UTC)
    builder = _builder(_subject(unit), now - _BEGAN, now - _BEGAN + _ROOT_LASTS, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    return _signed_by(None, builder, key)


def _leaf(
    issuer: _Signed | None, name: str, key: "PrivateKey | None" = None, expires: datetime | None = None
) -> _Signed:
    """The certificate of a mail server, for one name or IP address.

    An `issuer` of None signs with the server's own key.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = key or _new_key()
    expires = expires or datetime.now(UTC) - _BEGAN + _LEAF_LASTS
    # TLS without forward secrecy, which the oldest versions need, encrypts with an RSA key (RFC 5246 §7.4.7.1).
    uses = ("digital_signature", "key_encipherment") if isinstance(key, rsa.RSAPrivateKey) else ("digital_signature",)
    builder = _builder(_subject("Mail server", name), expires - _LEAF_LASTS, expires, key)
    builder = builder.add_extension(x509.SubjectAlternativeName([_identifier(name)]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(*uses), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([x509.OID_SERVER_AUTH]), critical=False)
    return _signed_by(issuer, builder, key)


def _identifier(name: str) -> "x509.GeneralName":
    """What a certificate says of its owner: a name, or an IP address (RFC 5280 §4.2.1.6)."""
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(unit: str, name: str = "") -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    facts = {
        NameOID.ORGANIZATION_NAME: _ORGANIZATION,
        NameOID.ORGANIZATIONAL_UNIT_NAME: unit,
        NameOID.COMMON_NAME: name,
    }
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in facts.items() if value])


def _builder(subject: "x509.Name", begins: datetime, expires: datetime, key: "PrivateKey") -> "x509.CertificateBuilder":
    from cryptography import x509

    return (
        x509.CertificateBuilder(subject_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(expires)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*uses: str) -> "x509.KeyUsage":
    """Only these of the uses of a key (RFC 5280 §4.2.1.3)."""
    from cryptography import x509

    every = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{use: use in uses for use in every})


def _signed_by(issuer: _Signed | None, builder: "x509.CertificateBuilder", key: "PrivateKey") -> _Signed:
    """The certificate, signed by `issuer`, or by the key that it holds."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    signer = issuer.key if issuer else key
    name = issuer.certificate.subject if issuer else builder._subject_name
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.issuer_name(name).add_extension(authority, critical=False)
    return _Signed(builder.sign(signer, hashes.SHA256()), key)


# ---- the kinds


def _right(root: _Signed, name: str) -> _Signed:
    return _leaf(root, name)


def _wrong_name(root: _Signed, _: str) -> _Signed:
    return _leaf(root, WRONG_NAME)


def _expired(root: _Signed, name: str) -> _Signed:
    return _leaf(root, name, expires=datetime.now(UTC) - _BEGAN)


def _self_signed(_: _Signed, name: str) -> _Signed:
    return _leaf(None, name)


def _unknown_root(_: _Signed, name: str) -> _Signed:
    return _leaf(_new_root("Another root"), name)


KINDS: dict[str, Callable[[_Signed, str], _Signed]] = {
    "right": _right,
    "wrong name": _wrong_name,
    "expired": _expired,
    "self-signed": _self_signed,
    "unknown root": _unknown_root,
}
"""What a certificate may be like -> how it is made from the lab's authority, for a name."""

_EVERY = {**KINDS, MIS_ISSUED: _right}
