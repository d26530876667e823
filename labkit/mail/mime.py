"""The parts of a message by their exact bytes (RFC 2045 and 2046), which FETCH BODY[1.2] hands out.

The standard library's email package reads what a part says, but no longer knows the bytes that said it; so parts
are cut here, and only their fields are read there.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from email.utils import collapse_rfc2231_value
from functools import cached_property

_DEEPEST = 20
"""Levels of parts within parts that are looked into."""
_BLANK_LINE = re.compile(rb"^\r?\n", re.MULTILINE)
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:((?:.*\n)(?:[ \t].*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """A message, or a part of one."""

    header: bytes
    """With the blank line at its end."""
    body: bytes
    depth: int = 0

    def field(self, name: str) -> bytes | None:
        """The first field of that name: what stands behind the colon, in one line."""
        for match in _FIELD.finditer(self.header):
            if match[1].lower() == name.lower().encode():
                return re.sub(rb"\r?\n", b"", match[2]).strip()
        return None

    def fields(self, names: Collection[str], without: bool) -> bytes:
        """The fields with these names, or all others, as they are in the header; the blank line is added."""
        wanted = {name.lower().encode() for name in names}
        chosen = (m[0] for m in _FIELD.finditer(self.header) if (m[1].lower() in wanted) is not without)
        return b"".join(chosen) + b"\r\n"

    @cached_property
    def read(self) -> Message:
        """The fields as the standard library reads them."""
        return HeaderParser().parsestr(self.header.decode("latin-1"))

    @property
    def type(self) -> tuple[str, str]:
        """Type and subtype: ``("text", "plain")``."""
        kind, _, sub = self.read.get_content_type().partition("/")
        return kind, sub

    def parameters(self, field: str) -> list[tuple[str, str]]:
        """The parameters of a field such as Content-Type, without the value before them."""
        found = self.read.get_params([], field, unquote=True)[1:]
        return [(name, collapse_rfc2231_value(value)) for name, value in found]

    @cached_property
    def parts(self) -> tuple["Part", ...]:
        """The parts of a multipart; none in anything else."""
        boundary = dict(self.parameters("content-type")).get("boundary")
        if self.type[0] != "multipart" or not boundary or self.depth >= _DEEPEST:
            return ()
        line = re.compile(
            rb"(?:^|\r?\n)--" + re.escape(boundary.encode("latin-1", "replace")) + rb"(--)?[ \t]*(?:\r?\n|$)"
        )
        found, start = [], -1
        for match in line.finditer(self.body):
            if start >= 0:
                found.append(divide(self.body[start : max(start, match.start())], self.depth + 1))
            start = match.end()
            if match[1]:
                return tuple(found)
        return (*found, divide(self.body[start:], self.depth + 1)) if start >= 0 else ()

    @cached_property
    def inner(self) -> "Part | None":
        """The message that a part of type message/rfc822 holds."""
        return (
            divide(self.body, self.depth + 1) if self.type == ("message", "rfc822") and self.depth < _DEEPEST else None
        )

    def numbered(self) -> tuple["Part", ...]:
        """What the numbers 1, 2, … below this part stand for (RFC 3501 §6.4.5)."""
        return self.parts or (self.inner.as_numbers() if self.inner else ())

    def as_numbers(self) -> tuple["Part", ...]:
        """What the numbers stand for in a whole message: its parts, or its body as part 1."""
        return self.parts or (self,)


def divide(data: bytes, depth: int = 0) -> Part:
    """A message or part in header and body; without a blank line, all of it is header."""
    blank = _BLANK_LINE.search(data)
    return Part(data[: blank.end()], data[blank.end() :], depth) if blank else Part(data, b"", depth)
