"""What an LDAP bind tells: the name and password of a simple one, the steps of a SASL login (RFC 4511 §4.2); and the
names of the entries that a search finds.

Active Directory has a third kind of bind, called Sicily, whose steps are those of NTLM ([MS-ADTS] §5.1.1.1.3): the
server's challenge stands where a distinguished name would. A message whose end was never seen is read as far as it
goes.
"""

from collections.abc import Iterator
from typing import NamedTuple

from labkit.dialects.base import CHALLENGE, MECHANISM, RESPONSE, Disclosed

_BIND_REQUEST, _BIND_RESPONSE, _FOUND = 0x60, 0x61, 0x64
_SIMPLE, _SASL, _SERVER_CREDENTIALS = 0x80, 0xA3, 0x87
_SICILY = (0x89, 0x8A, 0x8B)
"""Discovery of packages, negotiation, and response."""
_SUCCESS = b"\x00"
_GOES_ON = b"\x0e"
"""saslBindInProgress (RFC 4511 §4.1.9)."""


class _Span(NamedTuple):
    """Where a BER element lies in a message."""

    tag: int
    start: int
    """Offset of its content."""
    end: int
    """Offset behind its content, or the end of the bytes that there are."""


def reveals(_: str, data: bytes) -> Iterator[Disclosed]:
    """What a message tells; nothing for one that is no bind and no entry."""
    message = next(_inside(data, 0, len(data)), None)
    operation = next((one for one in _inside(data, *message[1:]) if one.tag != 0x02), None) if message else None
    parts = list(_inside(data, *operation[1:])) if operation else []
    if operation and operation.tag == _BIND_REQUEST and len(parts) > 1:
        yield from _request(data, *parts[1:3])
    elif operation and operation.tag == _BIND_RESPONSE and parts and data[parts[0].start : parts[0].end] == _GOES_ON:
        yield from (_disclosed(CHALLENGE, data, one) for one in parts if one.tag == _SERVER_CREDENTIALS)
    elif operation and operation.tag == _FOUND and parts and parts[0].start < parts[0].end:
        yield _disclosed("entry", data, parts[0])
    elif goes_on_as_sicily(data):
        yield _disclosed(CHALLENGE, data, parts[1])


def goes_on_as_sicily(data: bytes) -> bool:
    """Whether a message is a bind response that reports success and has something in the place of a name, which is
    empty in every other success (RFC 4511 §4.1.9)."""
    message = next(_inside(data, 0, len(data)), None)
    operation = (
        next((one for one in _inside(data, *message[1:]) if one.tag == _BIND_RESPONSE), None) if message else None
    )
    code, name, *_ = (*_inside(data, *operation[1:]), None, None) if operation else (None, None)
    return bool(code and name and data[code.start : code.end] == _SUCCESS and name.start < name.end)


def _request(data: bytes, name: _Span, how: _Span | None = None) -> Iterator[Disclosed]:
    if how is not None and how.tag in _SICILY:
        yield Disclosed(MECHANISM, b"NTLM", name.start, name.end)
        yield _disclosed(RESPONSE, data, how)
        return
    if name.start < name.end:
        yield _disclosed("user name", data, name)
    if how is not None and how.tag == _SIMPLE and how.start < how.end:
        yield _disclosed("password", data, how)
    elif how is not None and how.tag == _SASL:
        steps = zip((MECHANISM, RESPONSE), _inside(data, how.start, how.end), strict=False)
        yield from (_disclosed(what, data, one) for what, one in steps)


def _disclosed(what: str, data: bytes, span: _Span) -> Disclosed:
    return Disclosed(what, data[span.start : span.end], span.start, span.end)


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
