"""What an LDAP message discloses: logins, passwords, searches and entries (RFC 4511 §4, RFC 3062).

A message whose end was never seen is read as far as it goes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from labkit.dialects.base import CHALLENGE, MECHANISM, RESPONSE, Disclosed

_INTEGER = 0x02
_SIMPLE, _SASL, _SERVER_CREDENTIALS = 0x80, 0xA3, 0x87
_SICILY = (0x89, 0x8A, 0x8B)
"""NTLM without SASL: discovery, negotiate and response ([MS-ADTS] §5.1.1.1.3); the NTLM message as it is."""
_GOES_ON = b"\x0e"
"""saslBindInProgress (RFC 4511 §4.1.9)."""
_PASSWORD_MODIFY = b"1.3.6.1.4.1.4203.1.11.1"
_DEEPEST = 20
"""Filters within filters that are read."""
_PASSWORDS = (b"userpassword", b"unicodepwd")
"""Attributes that hold a password; the second one in UTF-16 and in quotes ([MS-ADTS] §3.1.1.3.1.5)."""


class _Span(NamedTuple):
    """Where a BER element lies in a message."""

    tag: int
    start: int
    """Offset of its content."""
    end: int
    """Offset after its content, or the end of the data if the content is cut off."""


_Found = Iterator[Disclosed]


def reveals(_: str, data: bytes) -> _Found:
    """What a message discloses."""
    message = next(_inside(data, 0, len(data)), None)
    operation = next((one for one in _inside(data, *message[1:]) if one.tag != _INTEGER), None) if message else None
    if operation and operation.tag in _OPERATIONS:
        yield from _OPERATIONS[operation.tag](data, list(_inside(data, *operation[1:])))
    elif operation and operation.tag == _DELETE:
        yield from _told("entry", data, operation)


def _told(what: str, data: bytes, span: _Span) -> _Found:
    """The content of an element, unless it is empty."""
    if span.start < span.end:
        yield Disclosed(what, data[span.start : span.end], span.start, span.end)


# ---- logins (RFC 4511 §4.2)


def _bind(data: bytes, parts: Sequence[_Span]) -> _Found:
    how = parts[2] if len(parts) > 2 else None
    if len(parts) > 1 and not (how and how.tag in _SICILY):
        yield from _told("user name", data, parts[1])
    if how is None:
        return
    if how.tag == _SIMPLE:
        yield from _told("password", data, how)
    elif how.tag == _SASL:
        steps = zip((MECHANISM, RESPONSE), _inside(data, how.start, how.end), strict=False)
        yield from (Disclosed(what, data[one.start : one.end], *one[1:]) for what, one in steps)
    elif how.tag in _SICILY:
        yield Disclosed(MECHANISM, b"NTLM", how.start, how.start)
        yield from _told(RESPONSE, data, how)


def _bound(data: bytes, parts: Sequence[_Span]) -> _Found:
    """The next challenge; the one of NTLM without SASL stands in the place of a name (matchedDN)."""
    goes_on = bool(parts) and data[parts[0].start : parts[0].end] == _GOES_ON
    for number, one in enumerate(parts):
        if (goes_on and one.tag == _SERVER_CREDENTIALS) or (number == 1 and data.startswith(b"NTLMSSP\0", one.start)):
            yield Disclosed(CHALLENGE, data[one.start : one.end], one.start, one.end)


# ---- searches and entries (RFC 4511 §4.5 to §4.10)


def _search(data: bytes, parts: Sequence[_Span]) -> _Found:
    """The base and the filter of a search. A search for the root DSE, which any client may make, discloses nothing."""
    if len(parts) < 7 or (parts[0].start == parts[0].end and parts[6].tag == _PRESENT):
        return
    yield from _told("search base", data, parts[0])
    if parts[6].start < parts[6].end:
        yield Disclosed("search", _filter(data, parts[6], 0), parts[6].start, parts[6].end)


_PRESENT = 0x87
_COMPARISONS = {0xA3: b"=", 0xA5: b">=", 0xA6: b"<=", 0xA8: b"~="}
_COMBINED = {0xA0: b"&", 0xA1: b"|", 0xA2: b"!"}


def _filter(data: bytes, span: _Span, depth: int) -> bytes:
    """A filter as RFC 4515 writes it."""
    inner = list(_inside(data, span.start, span.end)) if depth < _DEEPEST and span.tag & 0x20 else []
    words = [data[one.start : one.end] for one in inner]
    if span.tag in _COMBINED:
        return b"(" + _COMBINED[span.tag] + b"".join(_filter(data, one, depth + 1) for one in inner) + b")"
    if span.tag in _COMPARISONS:
        return b"(" + _COMPARISONS[span.tag].join(words) + b")"
    if span.tag == _PRESENT:
        return b"(" + data[span.start : span.end] + b"=*)"
    if span.tag == 0xA4 and len(inner) > 1:  # substrings: of the beginning, of the middle, of the end
        pieces = [(one.tag, data[one.start : one.end]) for one in _inside(data, *inner[1][1:])]
        first = b"" if pieces and pieces[0][0] == 0x80 else b"*"
        last = b"" if pieces and pieces[-1][0] == 0x82 else b"*"
        return b"(" + words[0] + b"=" + first + b"*".join(value for _, value in pieces) + last + b")"
    return b"(" + b" ".join(words) + b")"  # an extensible match


def _attributes(data: bytes, attributes: Iterator[_Span], password: str) -> _Found:
    """The values of attributes, each called by the attribute's name; a password is called as the caller says."""
    for attribute in attributes:
        name, values, *_ = [*_inside(data, attribute.start, attribute.end), None, None]
        if name and values:
            kind = data[name.start : name.end]
            for value in _inside(data, values.start, values.end):
                yield from _value(kind, data, value, password)


def _value(kind: bytes, data: bytes, value: _Span, password: str) -> _Found:
    if kind.lower() not in _PASSWORDS:
        yield from _told(_NAMES.get(kind.lower()) or kind.decode("utf-8", "backslashreplace"), data, value)
        return
    said = data[value.start : value.end]
    if kind.lower() == b"unicodepwd":
        said = said.decode("utf-16-le", "replace").strip('"').encode("utf-8", "backslashreplace")
    yield Disclosed(password, said, value.start, value.end)


_NAMES = {b"description": "message"}
"""What holds free text."""
_NEW, _STORED = "new password", "stored password"


def _entry(data: bytes, parts: Sequence[_Span]) -> _Found:
    """A found entry. The root DSE, whose name is empty, only describes the server."""
    if len(parts) > 1 and parts[0].start < parts[0].end:
        yield from _told("entry", data, parts[0])
        yield from _attributes(data, _inside(data, *parts[1][1:]), _STORED)


def _add(data: bytes, parts: Sequence[_Span]) -> _Found:
    for name in parts[:1]:
        yield from _told("entry", data, name)
    for attributes in parts[1:2]:
        yield from _attributes(data, _inside(data, *attributes[1:]), _NEW)


def _modify(data: bytes, parts: Sequence[_Span]) -> _Found:
    for name in parts[:1]:
        yield from _told("entry", data, name)
    for change in _inside(data, *parts[1][1:]) if len(parts) > 1 else ():
        attribute = (one for one in _inside(data, *change[1:]) if one.tag == _SEQUENCE)
        yield from _attributes(data, attribute, _NEW)


def _rename(data: bytes, parts: Sequence[_Span]) -> _Found:
    for what, one in zip(("entry", "new name", "", "new superior"), parts, strict=False):
        if what:
            yield from _told(what, data, one)


def _compare(data: bytes, parts: Sequence[_Span]) -> _Found:
    for name in parts[:1]:
        yield from _told("entry", data, name)
    words = list(_inside(data, *parts[1][1:])) if len(parts) > 1 else []
    if len(words) > 1:
        yield from _value(data[words[0].start : words[0].end], data, words[1], _STORED)


# ---- extended operations (RFC 4511 §4.12)


def _extended(data: bytes, parts: Sequence[_Span]) -> _Found:
    """Password Modify (RFC 3062 §2): whose password, the old one, the new one."""
    names = {0x80: "account", 0x81: "old password", 0x82: _NEW}
    if len(parts) > 1 and data[parts[0].start : parts[0].end] == _PASSWORD_MODIFY:
        for one in _inside_both(data, parts[1]):
            yield from _told(names.get(one.tag, "value"), data, one)


def _answered(data: bytes, parts: Sequence[_Span]) -> _Found:
    """The client's identity (RFC 4532), or a password that the server generated (RFC 3062 §2)."""
    for answer in parts:
        if answer.tag == 0x8B and data.startswith((b"dn:", b"u:"), answer.start):
            yield from _told("account", data, answer)
        elif answer.tag == 0x8B and data.startswith(b"\x30", answer.start):
            for one in _inside_both(data, answer):
                yield from _told(_NEW, data, one)


_SEQUENCE = 0x30
_DELETE = 0x4A
_OPERATIONS: Mapping[int, Callable[[bytes, Sequence[_Span]], _Found]] = {
    0x60: _bind,
    0x61: _bound,
    0x63: _search,
    0x64: _entry,
    0x66: _modify,
    0x68: _add,
    0x6C: _rename,
    0x6E: _compare,
    0x77: _extended,
    0x78: _answered,
}
"""Tag of an operation -> what it discloses; DelRequest, which has no parts, is its entry's name."""


def _inside_both(data: bytes, outer: _Span) -> Iterator[_Span]:
    """The elements of a sequence inside an octet string."""
    for sequence in _inside(data, *outer[1:]):
        yield from _inside(data, *sequence[1:])


def _inside(data: bytes, start: int, end: int) -> Iterator[_Span]:
    """The elements that follow each other in these bytes; the last may be cut."""
    while start + 2 <= end:
        tag, size, start = data[start], data[start + 1], start + 2
        if size & 0x80:
            width = size & 0x7F
            if not 1 <= width <= 4 or start + width > end:
                return
            size, start = int.from_bytes(data[start : start + width], "big"), start + width
        yield _Span(tag, start, min(start + size, end))
        start += size
