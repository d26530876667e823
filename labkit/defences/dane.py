"""DANE for SMTP (RFC 7672, with RFC 6698 and RFC 7671): the certificate is the one that the signed DNS names. Pure.

Which TLSA records count, and whether the certificates of a handshake match them. What follows is in `decision`.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from labkit.defences.resource_records import TLSA
from labkit.errors import LabError

DANE_TA, DANE_EE = 2, 3
FULL = 0
STRENGTH = (1, 2)
"""Digests by strength, the weakest first: SHA-256, SHA-512 (RFC 7671 §9)."""
_DIGESTS: dict[int, tuple[Callable[[bytes], bytes], int]] = {
    1: (lambda data: hashlib.sha256(data).digest(), 32),
    2: (lambda data: hashlib.sha512(data).digest(), 64),
}
_SELECTED: dict[int, Callable[[x509.Certificate], bytes]] = {
    0: lambda certificate: certificate.public_bytes(Encoding.DER),
    1: lambda certificate: certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
}
_DEEPEST = 10
"""How many certificates of a handshake are read."""


@dataclass(frozen=True)
class Match:
    """Whether a server's certificates match its TLSA records. True when they do."""

    matched: TLSA | None
    why: str
    result: str = ""
    """The result type of RFC 8460 §4.3.1 and §4.3.2; empty when it matches."""

    def __bool__(self) -> bool:
        return self.matched is not None


_NOTHING = Match(None, "the server showed no certificate that can be read", "validation-failure")
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises on bytes that are not a certificate."""


def usable(records: Iterable[TLSA]) -> tuple[TLSA, ...]:
    """The records that a mail server's client can use: DANE-TA and DANE-EE, well formed (RFC 7672 §3.1.3)."""
    return tuple(record for record in records if not unusable(record))


def unusable(record: TLSA) -> str:
    """Why a record cannot be used; empty for one that can."""
    if record.usage not in (DANE_TA, DANE_EE):
        return f"usage {record.usage} counts on public authorities, which mail servers do not share"
    if record.selector not in _SELECTED:
        return f"there is no selector {record.selector}"
    if record.matching == FULL:
        return "" if record.data else "it is empty"
    if record.matching not in _DIGESTS:
        return f"there is no matching type {record.matching}"
    size = _DIGESTS[record.matching][1]
    return "" if len(record.data) == size else f"a digest of that type has {size} bytes, not {len(record.data)}"


def strongest(records: Iterable[TLSA]) -> tuple[TLSA, ...]:
    """Of usable records those that count: for a usage and selector only the strongest digest, and all without a digest
    (digest agility, RFC 7671 §9)."""
    records = tuple(records)
    best: dict[tuple[int, int], int] = {}
    for record in records:
        if record.matching != FULL:
            key = record.usage, record.selector
            best[key] = max(best.get(key, 0), record.matching, key=(0, *STRENGTH).index)
    return tuple(record for record in records if record.matching in (FULL, best.get((record.usage, record.selector))))


def match(records: Sequence[TLSA], chain: Sequence[bytes], names: Sequence[str], now: float) -> Match:
    """Whether the certificates of a handshake, in DER and the server's own first, match one of the records.

    `names` are the reference identifiers for DANE-TA (RFC 7672 §3.2.2), `now` the seconds since 1970. DANE-EE looks
    at neither names nor dates (§3.1.1).
    """
    try:
        return _matched(records, [x509.load_der_x509_certificate(der) for der in chain[:_DEEPEST]], names, now)
    except _UNREADABLE:
        return _NOTHING


def _matched(records: Sequence[TLSA], certificates: list[x509.Certificate], names: Sequence[str], now: float) -> Match:
    if not certificates:
        return _NOTHING
    counted = strongest(usable(records))
    for record in counted:
        if record.usage == DANE_EE and _fits(record, certificates[0]):
            return Match(record, f"the certificate matches {record.usage} {record.selector} {record.matching}")
    best = Match(None, "the certificate matches no TLSA record", "validation-failure")
    for record in counted:
        if record.usage == DANE_TA:
            by_anchor = _by_anchor(record, certificates, names, now)
            if by_anchor:
                return by_anchor
            best = by_anchor if by_anchor is not None else best
    return best


def _by_anchor(record: TLSA, certificates: list[x509.Certificate], names: Sequence[str], now: float) -> Match | None:
    """Whether a path leads from the server's certificate to the trust anchor; nothing where the anchor is not there.

    The server has to send the anchor (RFC 7671 §5.2.2), unless the record holds all of it.
    """
    whole = record.selector == 0 and record.matching == FULL
    for path in _paths(certificates + _read(record.data) * whole):
        if _fits(record, path[-1]):
            fault = _unfit(path, names, now)
            at = f"{record.usage} {record.selector} {record.matching}"
            return Match(None, *fault) if fault else Match(record, f"a certificate above it matches {at}")
    return None


def _read(der: bytes) -> list[x509.Certificate]:
    try:
        return [x509.load_der_x509_certificate(der)]
    except _UNREADABLE:
        return []


def _paths(certificates: list[x509.Certificate]) -> list[list[x509.Certificate]]:
    """The paths from the server's certificate upwards, the shortest first; the server may send them in any order."""
    path, left = [certificates[0]], certificates[1:]
    found = [list(path)]
    while issuer := next((other for other in left if _issued(path[-1], other)), None):
        path.append(issuer)
        left.remove(issuer)
        found.append(list(path))
    return found


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (*_UNREADABLE, InvalidSignature, x509.ExtensionNotFound):
        return False


def _unfit(path: list[x509.Certificate], names: Sequence[str], now: float) -> tuple[str, str] | None:
    """What is wrong with a path to a trust anchor: (why, result type)."""
    then = datetime.fromtimestamp(now, UTC)
    if len(path) == 1:
        return "the server's own certificate is not issued by the trust anchor", "certificate-not-trusted"
    if any(not each.not_valid_before_utc <= then <= each.not_valid_after_utc for each in path):
        return "a certificate has expired, or is not valid yet", "certificate-expired"
    if not any(_named(path[0], name) for name in names):
        return f"the certificate is not for {' or '.join(names)}", "certificate-host-mismatch"
    return None


def _named(certificate: x509.Certificate, name: str) -> bool:
    """Whether a certificate is for this name; ``*.`` stands for one label (RFC 7672 §3.2.3)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        presented = names.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        presented = []
    if not presented:
        presented = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    wanted = name.lower().rstrip(".")
    wild = f"*.{wanted.partition('.')[2]}"
    return any(each.lower().rstrip(".") in (wanted, wild) for each in presented)


def _fits(record: TLSA, certificate: x509.Certificate) -> bool:
    selected = _SELECTED[record.selector](certificate)
    return record.data == (selected if record.matching == FULL else _DIGESTS[record.matching][0](selected))


def tlsa_for(pem: bytes, usage: int = DANE_EE, selector: int = 1, matching: int = 1) -> TLSA:
    """The record for a certificate (PEM, the first one in it). Raises `LabError` for what makes no usable record."""
    certificate = x509.load_pem_x509_certificate(pem)
    if selector not in _SELECTED or matching not in (FULL, *_DIGESTS) or usage not in range(4):
        raise LabError(
            f"A TLSA record has a usage of 0 to 3, a selector of 0 or 1 and a matching type of 0 to 2, "
            f"not {usage} {selector} {matching}."
        )
    selected = _SELECTED[selector](certificate)
    return TLSA(usage, selector, matching, selected if matching == FULL else _DIGESTS[matching][0](selected))
