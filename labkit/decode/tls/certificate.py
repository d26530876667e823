"""An X.509 certificate as fields: subject, issuer, validity, names.

RFC 5280 §4.1, in DER (ITU-T X.690): every element is a tag, a length and a content. Certificates are not verified
here.
"""

from collections.abc import Callable
from ipaddress import ip_address

from labkit.decode.tls.cursor import FieldCursor, Layout, Short, count, every, opaque, shown_bytes

_SEQUENCE, _SET, _INTEGER, _OBJECT, _BOOLEAN, _OCTETS = 0x30, 0x31, 0x02, 0x06, 0x01, 0x04
_UTC_TIME, _VERSION, _EXTENSIONS, _DNS_NAME, _IP_ADDRESS = 0x17, 0xA0, 0xA3, 0x82, 0x87

_LONGEST_OBJECT = 64
"""Bytes; object identifiers of certificates have a dozen."""

_TAGS = {
    _BOOLEAN: "BOOLEAN",
    _INTEGER: "INTEGER",
    0x03: "BIT STRING",
    _OCTETS: "OCTET STRING",
    0x05: "NULL",
    _OBJECT: "OBJECT IDENTIFIER",
    0x0C: "UTF8String",
    0x13: "PrintableString",
    0x16: "IA5String",
    _UTC_TIME: "UTCTime",
    0x18: "GeneralizedTime",
    _SEQUENCE: "SEQUENCE",
    _SET: "SET",
}

_OBJECTS = {
    "2.5.4.3": "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "2.5.29.14": "subjectKeyIdentifier",
    "2.5.29.15": "keyUsage",
    "2.5.29.17": "subjectAltName",
    "2.5.29.19": "basicConstraints",
    "2.5.29.30": "nameConstraints",
    "2.5.29.31": "cRLDistributionPoints",
    "2.5.29.32": "certificatePolicies",
    "2.5.29.35": "authorityKeyIdentifier",
    "2.5.29.37": "extKeyUsage",
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
    "1.3.6.1.5.5.7.1.24": "tlsFeature",
    "1.3.6.1.4.1.11129.2.4.2": "signedCertificateTimestampList",
    "1.2.840.10045.2.1": "ecPublicKey",
    "1.2.840.10045.3.1.7": "secp256r1",
    "1.3.132.0.34": "secp384r1",
    "1.3.132.0.35": "secp521r1",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.2.840.113549.1.1.1": "rsaEncryption",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.2.840.113549.1.1.10": "RSASSA-PSS",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}

_EXTENSION_MEANINGS = {
    "subjectAltName": "The names for which the certificate is good; a client looks here for its own (RFC 9525).",
    "basicConstraints": "Whether the subject is an authority that may issue certificates (RFC 5280 §4.2.1.9).",
    "keyUsage": "What the key may be used for (RFC 5280 §4.2.1.3).",
    "extKeyUsage": "For which purposes it may be used, such as a server in TLS (RFC 5280 §4.2.1.12).",
    "subjectKeyIdentifier": "A short name of the subject's key (RFC 5280 §4.2.1.2).",
    "authorityKeyIdentifier": "A short name of the issuer's key (RFC 5280 §4.2.1.1).",
}


def certificate(cursor: FieldCursor) -> str:
    """The layout of one certificate; shown as its subject, its issuer and its validity."""
    return _element(cursor, "Certificate", _certificate, "What is certified, and the issuer's signature over it.")


def distinguished_name(cursor: FieldCursor) -> str:
    """The layout of a Name: ``CN=mail.lab.test, O=Mail lab``."""
    return _element(cursor, "name", _relative_names, "The parts of the name.")


# ---- DER


def _header(cursor: FieldCursor) -> tuple[int, int, int]:
    """(tag, size of the header, size of the content) of the next element; all tags in certificates have one byte."""
    tag, first = cursor.peek(2)
    if first < 0x80:
        return tag, 2, first
    more = first & 0x7F
    if not 1 <= more <= 4:
        raise Short
    return tag, 2 + more, int.from_bytes(cursor.peek(2 + more)[2:])


def _tag(cursor: FieldCursor) -> int:
    return cursor.peek(1)[0] if cursor.left else -1


def _element(cursor: FieldCursor, name: str, layout: Layout, meaning: str) -> str:
    tag, header, content = _header(cursor)

    def behind_header(inner: FieldCursor) -> str:
        shown = f"{_TAGS.get(tag, f'[{tag & 0x1F}]')}, {count(content)}"
        inner.opaque("header", header, "The type of the element and its length.", lambda _: shown)
        return layout(inner)

    return cursor.group(name, header + content, behind_header, meaning)


def _value(name: str, meaning: str, show: Callable[[bytes], str] = shown_bytes) -> Layout:
    """One element whose content is one value."""
    return lambda cursor: _element(cursor, name, opaque("content", meaning, show), meaning)


def _oid(data: bytes) -> str:
    """The name of an object identifier, or its numbers."""
    if len(data) > _LONGEST_OBJECT:
        return shown_bytes(data)
    arcs, number = [], 0
    for byte in data:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            arcs.append(number)
            number = 0
    first = min(arcs[0] // 40, 2) if arcs else 0
    dotted = ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]])) if arcs else ""
    return _OBJECTS.get(dotted, dotted)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _time(data: bytes) -> str:
    """``2024-01-31 12:00:00 UTC``, from either form (RFC 5280 §4.1.2.5)."""
    text = data.decode("ascii", "backslashreplace")
    if len(text) == 13:
        text = ("19" if text[:2] >= "50" else "20") + text
    if len(text) != 15 or not text[:14].isdigit():
        return text
    return f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:12]}:{text[12:14]} UTC"


def _address(data: bytes) -> str:
    return str(ip_address(data)) if len(data) in (4, 16) else data.hex()


# ---- layouts


def _certificate(cursor: FieldCursor) -> str:
    summary = _element(cursor, "tbsCertificate", _to_be_signed, "What the issuer signed (RFC 5280 §4.1.2).")
    _element(cursor, "signatureAlgorithm", _algorithm, "How the issuer signed.")
    _value("signatureValue", "The issuer's signature; it can be checked with the issuer's key.")(cursor)
    return summary


def _to_be_signed(cursor: FieldCursor) -> str:
    if _tag(cursor) == _VERSION:
        _element(cursor, "version", _value("number", "2 stands for version 3.", _version), "Extensions need version 3.")
    _value("serialNumber", "Unique for its issuer; a revocation names it.")(cursor)
    _element(cursor, "signature", _algorithm, "How the issuer signs, once more, so that it is signed too.")
    issuer = _element(cursor, "issuer", _relative_names, "Who vouches for this certificate.")
    validity = _element(cursor, "validity", _validity, "From when and until when it is good.")
    subject = _element(cursor, "subject", _relative_names, "Who holds the private key; may be empty.")
    _element(cursor, "subjectPublicKeyInfo", _public_key, "The key that this certificate is about.")
    names = ""
    while cursor.left:
        if _tag(cursor) == _EXTENSIONS:
            names = _element(cursor, "extensions", _extension_list, "What was added in version 3 (RFC 5280 §4.2).")
        else:
            _value("uniqueID", "A relic of version 2.")(cursor)
    return f"{subject or 'no subject'}; issued by {issuer}; valid {validity}" + (f"; for {names}" if names else "")


def _version(data: bytes) -> str:
    return f"version {int.from_bytes(data) + 1}"


def _algorithm(cursor: FieldCursor) -> str:
    name = _value("algorithm", "Which algorithm.", _oid)(cursor)
    while cursor.left:
        named = _tag(cursor) == _OBJECT
        _value("parameters", "What the algorithm needs to know besides.", _oid if named else shown_bytes)(cursor)
    return name


def _relative_names(cursor: FieldCursor) -> str:
    return every(lambda c: _element(c, "relativeName", every(_attribute), "One step of the name."), 8)(cursor)


def _attribute(cursor: FieldCursor) -> str:
    def layout(inner: FieldCursor) -> str:
        kind = _value("type", "Which part of a name.", _oid)(inner)
        return f"{kind}={_value('value', 'The text of this part.', _text)(inner)}"

    return _element(cursor, "attribute", layout, "One part of the name.")


def _validity(cursor: FieldCursor) -> str:
    start = _value("notBefore", "Not good before this.", _time)(cursor)
    return f"{start} to {_value('notAfter', 'Not good after this.', _time)(cursor)}"


def _public_key(cursor: FieldCursor) -> str:
    name = _element(cursor, "algorithm", _algorithm, "What kind of key.")
    _value("subjectPublicKey", "The public key; the handshake proves that the sender has the private one.")(cursor)
    return name


def _extension_list(cursor: FieldCursor) -> str:
    """Shown as the names in subjectAltName, which are the only ones that count."""
    names: list[str] = []

    def entry(inner: FieldCursor) -> str:
        header = _header(inner)
        kind = _extension_kind(inner.peek(sum(header[1:]))[header[1] :])
        meaning = _EXTENSION_MEANINGS.get(kind, "An extension of the certificate.")
        value = _element(inner, kind or "extension", _extension, meaning)
        if kind == "subjectAltName":
            names.append(value)
        return kind

    _element(cursor, "list", every(entry, 40), "One after the other.")
    return ", ".join(names) or "no name"


def _extension_kind(data: bytes) -> str:
    return _oid(data[2 : 2 + data[1]]) if data[:1] == bytes([_OBJECT]) and len(data) > 1 else ""


def _extension(cursor: FieldCursor) -> str:
    kind = _value("extnID", "Which extension.", _oid)(cursor)
    if _tag(cursor) == _BOOLEAN:
        _value("critical", "Who does not know it must refuse.", lambda data: "yes" if any(data) else "no")(cursor)
    if kind == "subjectAltName":
        return _element(cursor, "extnValue", _alternative_names, "The names.")
    return _value("extnValue", "Its content.")(cursor)


def _alternative_names(cursor: FieldCursor) -> str:
    return _element(cursor, "names", every(_alternative_name, 8), "One after the other.")


def _alternative_name(cursor: FieldCursor) -> str:
    name, show = _NAMES.get(_tag(cursor), ("otherName", shown_bytes))
    return _value(name, "A name for which the certificate is good.", show)(cursor)


_NAMES: dict[int, tuple[str, Callable[[bytes], str]]] = {
    0x81: ("rfc822Name", _text),
    _DNS_NAME: ("dNSName", _text),
    0x86: ("uniformResourceIdentifier", _text),
    _IP_ADDRESS: ("iPAddress", _address),
}
