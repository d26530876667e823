"""How an IMAP server writes its answers (RFC 3501 §7 and §9): strings, lists, dates."""

import re
from collections.abc import Iterable
from datetime import datetime

from labkit.servers.imap.syntax import MONTHS

_WORD = re.compile(r"[A-Za-z0-9._-]+")
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,500}")


class Refused(Exception):
    """A command that is understood but not done: the answer is NO."""


def quoted(text: str) -> bytes:
    """A quoted string; for text that the server makes itself."""
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text.encode("ascii", "replace")) + b'"'


def astring(text: str) -> bytes:
    """A word as it is, and anything else as a quoted string; for text that was read as one."""
    return text.encode() if _WORD.fullmatch(text) else quoted(text)


def string(data: bytes) -> bytes:
    """A string that may hold anything: quoted where that is possible, otherwise a literal."""
    if _QUOTABLE.fullmatch(data):
        return quoted(data.decode())
    return literal(data.replace(b"\0", b""))  # no string may hold that byte


def literal(data: bytes) -> bytes:
    """The size, and the bytes as they are."""
    return b"{%d}\r\n" % len(data) + data


def nstring(data: bytes | None) -> bytes:
    """A string, or NIL for nothing."""
    return b"NIL" if data is None else string(data)


def listed(items: Iterable[bytes | str]) -> bytes:
    """A list in parentheses."""
    return b"(" + b" ".join(item.encode() if isinstance(item, str) else item for item in items) + b")"


def date_time(moment: datetime) -> bytes:
    """A moment: ``"17-Jul-1996 02:44:25 -0700"``; without the names of months that a locale has."""
    return f'"{moment.day:2}-{MONTHS[moment.month - 1]}-{moment:%Y %H:%M:%S %z}"'.encode()
