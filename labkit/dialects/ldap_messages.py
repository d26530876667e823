"""LDAP messages as bytes: BER elements (X.690) as far as LDAP needs them (RFC 4511 §5.1), read and written.

What a conversation of messages means is in `labkit.dialects.ldap`.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

BOOLEAN, INTEGER, STRING, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31
"""Tag bytes of BER (X.690 §8)."""
OPERATIONS = {
    0x60: "BindRequest",
    0x61: "BindResponse",
    0x42: "UnbindRequest",
    0x63: "SearchRequest",
    0x64: "SearchResultEntry",
    0x65: "SearchResultDone",
    0x73: "SearchResultReference",
    0x66: "ModifyRequest",
    0x67: "ModifyResponse",
    0x68: "AddRequest",
    0x69: "AddResponse",
    0x4A: "DelRequest",
    0x6B: "DelResponse",
    0x6C: "ModifyDNRequest",
    0x6D: "ModifyDNResponse",
    0x6E: "CompareRequest",
    0x6F: "CompareResponse",
    0x50: "AbandonRequest",
    0x77: "ExtendedRequest",
    0x78: "ExtendedResponse",
    0x79: "IntermediateResponse",
}
"""Tag of the operation -> its name (RFC 4511 §4.2 to §4.13)."""
_DELETES = 0x4A
_CONSTRUCTED = 0x20
"""The bit of a tag whose content is elements (X.690 §8.1.2.5)."""
_DEEPEST = 20
"""Levels of elements inside each other that are read; LDAP nests less."""


class Element(NamedTuple):
    """One BER element."""

    tag: int
    content: bytes


def element(tag: int, *content: bytes) -> bytes:
    """An element with definite length."""
    body = b"".join(content)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def number(value: int, tag: int = INTEGER) -> bytes:
    """An integer or enumerated value that is not negative."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def elements(data: bytes) -> Iterator[Element]:
    """The elements that follow each other in `data`; what is cut off or malformed ends them."""
    at = 0
    while at + 2 <= len(data):
        tag, first = data[at], data[at + 1]
        at += 2
        if first & 0x80:
            width = first & 0x7F
            if not 1 <= width <= 4 or at + width > len(data):
                return
            first, at = int.from_bytes(data[at : at + width], "big"), at + width
        if at + first > len(data):
            return
        yield Element(tag, data[at : at + first])
        at += first


class LDAPMessage(NamedTuple):
    """An LDAPMessage (RFC 4511 §4.1.1)."""

    number: int
    operation: int
    """The tag of the operation."""
    parts: list[Element]
    """The elements in the operation; of a DelRequest itself, which is the name of an entry (RFC 4511 §4.8)."""


def message(data: bytes) -> LDAPMessage | None:
    """The message in these bytes; None for other bytes."""
    outer = next(elements(data), None)
    inner = list(islice(elements(outer.content), 2)) if outer and outer.tag == SEQUENCE else []
    if len(inner) < 2 or inner[0].tag != INTEGER or inner[1].tag not in OPERATIONS:
        return None
    operation = inner[1]
    parts = [operation] if operation.tag == _DELETES else list(elements(operation.content))
    return LDAPMessage(int.from_bytes(inner[0].content, "big"), operation.tag, parts)


def envelope(identifier: int, operation: int, *parts: bytes) -> bytes:
    """An LDAPMessage."""
    return element(SEQUENCE, number(identifier), element(operation, *parts))


def result(identifier: int, operation: int, code: int, text: str = "", *more: bytes) -> bytes:
    """A response with an LDAPResult (RFC 4511 §4.1.9)."""
    parts = number(code, ENUMERATED), element(STRING), element(STRING, text.encode("utf-8", "replace"))
    return envelope(identifier, operation, *parts, *more)


def entry(identifier: int, name: str, attributes: dict[str, tuple[str, ...]]) -> bytes:
    """A SearchResultEntry (RFC 4511 §4.5.2); a character of its texts is a byte (Latin-1)."""
    listed = (
        element(SEQUENCE, _string(kind), element(SET, *map(_string, values))) for kind, values in attributes.items()
    )
    return envelope(identifier, 0x64, _string(name), element(SEQUENCE, *listed))


def _string(text: str) -> bytes:
    return element(STRING, text.encode("latin-1"))


def extended(identifier: int, name: str) -> bytes:
    """An ExtendedRequest (RFC 4511 §4.12)."""
    return envelope(identifier, 0x77, element(0x80, name.encode()))


def result_code(read: LDAPMessage) -> int | None:
    """The result code of a response."""
    first = read.parts[0] if read.parts else Element(0, b"")
    return int.from_bytes(first.content, "big") if first.tag == ENUMERATED else None


def texts(part: Element, depth: int = 0) -> Iterator[str]:
    """The strings in an element and in those inside it; what is nested deeper than LDAP nests is left out."""
    if part.tag & _CONSTRUCTED and depth < _DEEPEST:
        for inner in elements(part.content):
            yield from texts(inner, depth + 1)
    elif part.tag not in (INTEGER, ENUMERATED, BOOLEAN) and part.content:
        text = part.content.decode("utf-8", "replace")
        if text.isprintable():
            yield text
