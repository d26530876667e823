"""The certificate that a server shows, as far as it can be judged by itself: names, dates, key and signature.

RFC 9525 says how names are compared, RFC 5280 what the fields are. Whether an authority that counts has issued it is
seen in a handshake that verifies, by OpenSSL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from labkit.network.outside import is_address


@dataclass(frozen=True)
class ShownCertificate:
    """The fields of a certificate that the checks need, and what is weak in it."""

    names: tuple[str, ...]
    """The DNS names, and IP addresses, in subjectAltName."""
    begins: datetime
    expires: datetime
    key: str
    """Kind and size: ``RSA 2048``, ``EC secp256r1``."""
    weak_key: str
    """Why the key is too weak; empty where it is not."""
    weak_signature: str
    """Why the signature is; empty where it is not."""
    subject: str
    issuer: str
    self_signed: bool
    chain: int
    """Certificates that were shown, this one included."""
    fingerprint: str
    """SHA-256, in hexadecimal."""

    def names_fit(self, name: str) -> bool:
        """Whether it is for this reference identifier (RFC 9525 §6.3)."""
        return any(fits(shown, name) for shown in self.names)

    def days_left(self, now: datetime | None = None) -> int:
        """Whole days until it expires; negative once it has."""
        return (self.expires - (now or datetime.now(UTC))).days

    def not_yet_valid(self, now: datetime | None = None) -> bool:
        """Whether its time has not begun."""
        return (now or datetime.now(UTC)) < self.begins


def fits(presented: str, wanted: str) -> bool:
    """Whether a name in a certificate matches the wanted one: ``*.`` stands for one whole label on the left."""
    presented, wanted = presented.lower().rstrip("."), wanted.lower().rstrip(".")
    if is_address(wanted):
        return is_address(presented) and ip_address(presented) == ip_address(wanted)
    wanted = _ascii(wanted)
    if not presented.startswith("*."):
        return presented == wanted
    first, _, rest = wanted.partition(".")
    return bool(first) and "." in rest and rest == presented[2:]


def _ascii(name: str) -> str:
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def read_certificate(chain: Sequence[bytes]) -> ShownCertificate | None:
    """The first certificate of a chain in DER; None where it cannot be read."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _read(x509.load_der_x509_certificate(chain[0]), len(chain)) if chain else None
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension):
        return None


def _read(certificate: "x509.Certificate", shown: int) -> ShownCertificate:  # noqa: F821 (heavy to load)
    from cryptography.hazmat.primitives.hashes import SHA256

    key, weak_key = _key(certificate.public_key())
    return ShownCertificate(
        names=_names(certificate),
        begins=certificate.not_valid_before_utc,
        expires=certificate.not_valid_after_utc,
        key=key,
        weak_key=weak_key,
        weak_signature=_weak_signature(certificate),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        self_signed=certificate.subject == certificate.issuer,
        chain=shown,
        fingerprint=certificate.fingerprint(SHA256()).hex(),
    )


def _names(certificate: "x509.Certificate") -> tuple[str, ...]:  # noqa: F821
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.UnsupportedGeneralNameType, ValueError):
        return ()
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


_LEAST_RSA, _LEAST_CURVE = 2048, 224
"""Bits (RFC 9325 §4.5)."""


def _key(key: object) -> tuple[str, str]:
    """A public key in words, and why it is weak."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, rsa.RSAPublicKey):
        weak = f"RSA with {key.key_size} bits, and {_LEAST_RSA} are the least" if key.key_size < _LEAST_RSA else ""
        return f"RSA {key.key_size}", weak
    if isinstance(key, ec.EllipticCurvePublicKey):
        size = key.curve.key_size
        return f"EC {key.curve.name}", f"a curve of {size} bits" if size < _LEAST_CURVE else ""
    return type(key).__name__.removesuffix("PublicKey").strip("_"), ""


def _weak_signature(certificate: "x509.Certificate") -> str:  # noqa: F821
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    name = algorithm.name if algorithm else ""
    return f"signed with {name.upper()}" if name in ("md5", "sha1") else ""
