"""What someone on the path can read in a dialogue: addresses, passwords, names, and where each of them stands.

Only what crossed the wire in clear counts, whatever the reader's own secrets opened. What a dialect's phrases tell, and
where mail lies in them, is stated by the dialect; logins are SASL PLAIN (RFC 4616) and LOGIN; mail is RFC 5322 with the
encodings of MIME, which hide nothing (RFC 2045 §6, RFC 2047); names in TLS are SNI (RFC 6066 §3) and, up to TLS 1.2,
the certificate.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate
from quopri import decodestring
from typing import NamedTuple

from labkit.decode.event import TEXT, Dialogue, Event, fields_named
from labkit.dialects.base import Dialect

_LONGEST = 2048
"""Bytes of a command or reply that are searched; what it tells stands at its beginning."""
_HEADER = re.compile(rb"[!-9;-~]+:")
_HEADER_FIELD = re.compile(rb"^(Subject|From|To):[ \t]*([^\r\n]+(?:\r\n[ \t][^\r\n]+)*)", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_ENCODING = re.compile(rb"^Content-Transfer-Encoding:[ \t]*([\w-]+)", re.IGNORECASE | re.MULTILINE)
_CHARSET = re.compile(
    rb"^Content-Type:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*?charset=\"?([\w-]+)", re.IGNORECASE | re.MULTILINE
)


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
    clear = [(index, event) for index, event in enumerate(dialogue.events) if not event.encrypted]
    texts = [(index, event) for index, event in clear if event.layer == TEXT]
    found = [Exposure(what, value, index, *span) for index, event in clear for what, value, *span in _handshake(event)]
    if dialogue.dialect:
        found += _said(dialogue.dialect, texts)
    return sorted(found, key=lambda exposure: (exposure.event_index, exposure.start))


_Seen = tuple[str, str, int, int]
_Numbered = tuple[int, Event]


def _said(dialect: Dialect, events: list[_Numbered]) -> Iterator[Exposure]:
    login = _Login(dialect.sasl)
    for index, event in events:
        for what, value, *span in (*login.read(event), *_mail(dialect, event)):
            yield Exposure(what, value, index, *span)
    for phrases in _with_continuations(events):
        if pattern := dialect.discloses.get(phrases[0][1].title):
            yield from _told(pattern, phrases)


def _with_continuations(events: list[_Numbered]) -> list[list[_Numbered]]:
    """Each phrase; a command together with what the client added to it later."""
    found: list[list[_Numbered]] = []
    command: list[_Numbered] = []
    for index, event in events:
        if event.kind == "continuation" and command:
            command.append((index, event))
        else:
            found.append([(index, event)])
        if event.kind == "command":
            command = found[-1]
    return found


def _told(pattern: str, phrases: list[_Numbered]) -> Iterator[Exposure]:
    starts = list(accumulate((len(event.data) for _, event in phrases), initial=0))
    match = _compiled(pattern).match(b"".join(event.data for _, event in phrases)[:_LONGEST])
    for name, value in match.groupdict().items() if match else ():
        if value:
            start, end = match.span(name)
            piece = max(number for number in range(len(phrases)) if starts[number] <= start)
            quoted = match.string[start - 1 : start] == b'"'
            shown = _text(re.sub(rb"\\(.)", rb"\1", value) if quoted else value)
            yield Exposure(name.replace("_", " "), shown, phrases[piece][0], start - starts[piece], end - starts[piece])


@cache
def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode(), re.IGNORECASE)


def _text(data: bytes, charset: str = "utf-8") -> str:
    try:
        return data.decode(charset, "backslashreplace")
    except LookupError:  # a charset that nobody knows
        return data.decode("utf-8", "backslashreplace")


class _Login:
    """Follows a SASL login over several lines."""

    def __init__(self, pattern: str) -> None:
        self._begins = _compiled(pattern)
        self._expected: tuple[str, ...] = ()

    def read(self, event: Event) -> list[_Seen]:
        if event.kind == "command":
            return self._begin(event)
        if event.kind == "credential":
            return self._part(event.data.rstrip(b"\r\n"), 0)
        return []

    def _begin(self, event: Event) -> list[_Seen]:
        match = self._begins.match(event.data)
        if not match:
            return []
        self._expected = _PARTS.get(match["mechanism"].upper(), ())
        return self._part(match["initial"], match.start("initial")) if match["initial"] else []

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


_NO_LOGIN = (b"*", b"=")
"""What calls a login off, and what is an answer of no bytes (RFC 4954 §4)."""


def _decoded(coded: bytes) -> str:
    """What a client says in base64; as it stands, when the client forgot to encode it."""
    try:
        return "" if coded in _NO_LOGIN else _text(b64decode(coded, validate=True))
    except ValueError:
        return _text(coded)


def _mail(dialect: Dialect, event: Event) -> Iterator[_Seen]:
    for start, end in dialect.messages(event.data) if event.kind == "message" else ():
        part = event.data[start:end]
        head, blank, body = part.partition(b"\r\n\r\n") if _HEADER.match(part) else (b"", b"", part)
        for match in _HEADER_FIELD.finditer(head):
            yield match[1].decode().lower(), _header(match[2]), start + match.start(2), start + match.end(2)
        before = start + len(head) + len(blank)
        if text := body.rstrip(b"\r\n"):
            yield "message", _body(head, text), before, before + len(text)


def _header(value: bytes) -> str:
    """A header's value on one line, its encoded words (RFC 2047) in letters."""
    text = _text(_FOLD.sub(b"", value))
    if "=?" not in text:
        return text
    from email.errors import MessageError
    from email.header import decode_header, make_header

    try:
        return str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):
        return text


def _body(head: bytes, body: bytes) -> str:
    """The text of a body, without its transfer encoding (RFC 2045 §6)."""
    encoding, charset = _ENCODING.search(head), _CHARSET.search(head)
    decode = _ENCODINGS.get(encoding[1].lower()) if encoding else None
    try:
        plain = decode(body) if decode else body
    except ValueError:
        plain = body
    return _text(plain, charset[1].decode() if charset else "utf-8").rstrip("\r\n")


_ENCODINGS: dict[bytes, Callable[[bytes], bytes]] = {b"base64": b64decode, b"quoted-printable": decodestring}


def _handshake(event: Event) -> Iterator[_Seen]:
    for name, what in _TOLD.get(event.title, ()):
        for field in fields_named(event.fields, name):
            yield what, field.value, field.start, field.end


_TOLD = {
    "ClientHello": (("host_name", "server name"),),
    "ServerHello": (("cipher_suite", "cipher suite"),),
    "Certificate": (("subject", "certificate of"),),
    "SERVER-HELLO": (("subject", "certificate of"),),
    "CLIENT-MASTER-KEY": (("cipher_kind", "cipher suite"),),
}
"""Handshake message -> (field, what it gives away)."""
