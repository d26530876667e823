"""A question to a name server with nothing else in the message, read without a DNS library."""

import re
from struct import Struct

_TYPE_AND_CLASS = Struct("!HH")
_ALONE = re.compile(rb"..[\x00-\x07].\x00\x01\x00{6}", re.DOTALL)
"""The header of a query with one question and nothing else (RFC 1035 §4.1.1)."""
_HEADER = 12
_IN = 1
_PLAIN_LABEL = re.compile(rb"[\w-]{1,63}")
_LONGEST_NAME = 255
"""Bytes (RFC 1035 §2.3.4)."""
# fmt: off
_TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 43: "DS",
    46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 52: "TLSA", 64: "SVCB", 65: "HTTPS", 255: "ANY", 257: "CAA",
}
# fmt: on
"""The types that are asked for most, by their number (IANA, DNS parameters)."""


def plain_question(message: bytes) -> tuple[str, str] | None:
    """The name, in lower case, and the type that a query is about, if that is all that is in it.

    None for any other message, for a name with a character that zone files would escape, and for a type that is rarely
    asked for. dnspython takes ten times as long, and a capture may have thousands.
    """
    if not _ALONE.match(message):
        return None
    labels, at, size = [], _HEADER, len(message)
    while at < size and (length := message[at]):
        label = message[at + 1 : at + 1 + length]
        if len(label) < length or not _PLAIN_LABEL.fullmatch(label):
            return None
        labels.append(label)
        at += 1 + length
    if not labels or size < at + 5 or at + 1 - _HEADER > _LONGEST_NAME:
        return None
    type, class_ = _TYPE_AND_CLASS.unpack_from(message, at + 1)
    return (b".".join(labels).decode().lower(), _TYPES[type]) if class_ == _IN and type in _TYPES else None
