"""What someone on the path can read in a dialogue: addresses, passwords, names, and where each of them stands.

Only what crossed the wire in clear counts, whatever the reader's own secrets opened. What a dialect's commands tell is
stated by the dialect; logins are SASL PLAIN (RFC 4616) and LOGIN; names in TLS are SNI (RFC 6066 §3) and, up to TLS
1.2, the certificate.
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import NamedTuple

from labkit.decode.event import TEXT, Dialogue, Event, Field

_LOGIN = re.compile(rb"AUTH +(\w+)(?: +(\S+))?", re.IGNORECASE)
_HEADER_FIELD = re.compile(rb"^(Subject|From|To):[ \t]*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


class Exposure(NamedTuple):
    """One thing that can be read on the way."""

    what: str
    """password, user name, sender, recipient, subject, message, server name, …"""
    value: str
    """What an eavesdropper learns, decoded."""
    event_index: int
    """Which event of the dialogue, from 0."""
    start: int
    """Offset in bytes in that event's data."""
    end: int


def visible(dialogue: Dialogue) -> list[Exposure]:
    """Everything that someone on the path can read, in the order in which it was sent."""
    login = _Login()
    found: list[Exposure] = []
    for index, event in enumerate(dialogue.events):
        if not event.encrypted:
            seen = _text(dialogue, event, login) if event.layer == TEXT else _handshake(event)
            found += (Exposure(what, value, index, start, end) for what, value, start, end in seen)
    return found


_Seen = tuple[str, str, int, int]


def _text(dialogue: Dialogue, event: Event, login: "_Login") -> list[_Seen]:
    message = _message(event) if event.kind == "message" else ()
    return [*_commands(dialogue, event), *login.read(event), *message]


def _commands(dialogue: Dialogue, event: Event) -> list[_Seen]:
    pattern = dialogue.dialect.discloses.get(event.title) if dialogue.dialect and event.kind == "command" else None
    match = re.match(pattern, event.data.decode("latin-1"), re.IGNORECASE) if pattern else None
    if not match:
        return []
    return [(name.replace("_", " "), value, *match.span(name)) for name, value in match.groupdict().items() if value]


class _Login:
    """Follows a login over several lines."""

    def __init__(self) -> None:
        self._expected: tuple[str, ...] = ()

    def read(self, event: Event) -> list[_Seen]:
        if event.kind == "command":
            return self._begin(event)
        if event.kind == "credential":
            return self._part(event.data.rstrip(b"\r\n"), 0)
        return []

    def _begin(self, event: Event) -> list[_Seen]:
        match = _LOGIN.match(event.data)
        if not match:
            return []
        self._expected = _PARTS.get(match[1].upper(), ())
        return self._part(match[2], match.start(2)) if match[2] else []

    def _part(self, coded: bytes, start: int) -> list[_Seen]:
        if not self._expected:
            return []
        what, *rest = self._expected
        self._expected = tuple(rest)
        plain = _decoded(coded)
        values = plain.split("\0")[-2:] if what == "user name and password" else [plain]
        names = what.split(" and ") if len(values) == 2 else [what]
        return [(name, value, start, start + len(coded)) for name, value in zip(names, values, strict=False) if value]


_PARTS = {b"PLAIN": ("user name and password",), b"LOGIN": ("user name", "password")}
"""Login mechanism -> what its client lines hold, in order."""


def _decoded(coded: bytes) -> str:
    try:
        return b64decode(coded).decode("utf-8", "backslashreplace")
    except ValueError:
        return ""


def _message(event: Event) -> Iterator[_Seen]:
    head, blank, body = event.data.partition(b"\r\n\r\n")
    for match in _HEADER_FIELD.finditer(head):
        yield match[1].decode().lower(), match[2].decode("utf-8", "backslashreplace"), *match.span(2)
    text = body.removesuffix(b".\r\n").rstrip(b"\r\n")
    if text:
        start = len(head) + len(blank)
        yield "message", text.decode("utf-8", "backslashreplace"), start, start + len(text)


def _handshake(event: Event) -> Iterator[_Seen]:
    for name, what in _TOLD.get(event.title, ()):
        for field in _named(event.fields, name):
            yield what, field.value, field.start, field.end


def _named(fields: tuple[Field, ...], name: str) -> Iterator[Field]:
    for field in fields:
        if field.name == name:
            yield field
        yield from _named(field.children, name)


_TOLD = {
    "ClientHello": (("host_name", "server name"),),
    "ServerHello": (("cipher_suite", "cipher suite"),),
    "Certificate": (("subject", "certificate of"),),
}
"""Handshake message -> (field, what it gives away)."""
