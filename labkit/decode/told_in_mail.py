"""What mail discloses, and where: fields about people and programs, texts, and attachments.

Mail is read by `labkit.mail.mime`: its encodings hide nothing (RFC 2045 §6, RFC 2047). Where mail lies in a phrase is
stated by the dialect.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from labkit.decode.event import Event
from labkit.dialects.base import Dialect
from labkit.mail.charset import field_text, text
from labkit.mail.mime import Entity, as_read

ValueInEvent = tuple[str, str, int, int]
"""What it is, its value, and the offsets of its first byte and of the one after it."""

_HEADER_FIELD = re.compile(
    rb"^([!-9;-~]+)[ \t]*:(?:[ \t]|\r?\n(?=[ \t]))*([^\r\n]+(?:\r?\n[ \t]+[^\r\n]+)*)", re.MULTILINE
)
"""A field; its value may begin on the next line (RFC 5322 §2.2.3)."""
_TELLING = frozenset(
    b"""subject from sender reply-to to cc bcc message-id in-reply-to references comments keywords received return-path
    resent-from resent-sender resent-to resent-cc resent-bcc resent-message-id delivered-to x-original-to list-id
    disposition-notification-to newsgroups followup-to organization organisation user-agent x-mailer nntp-posting-host
    x-posting-host injection-info authentication-results""".split()
)
_TELLING_FAMILIES = (b"x-originating-", b"x-sender", b"x-forwarded-")
"""Fields that tell about people, their hosts and their programs, and how the names of some more begin."""


def in_phrase(dialect: Dialect, event: Event, counted: bool) -> Iterator[ValueInEvent]:
    """What a phrase of kind message tells; `counted` is whether its size was announced, so that all of it is mail."""
    for start, end in [(0, len(event.data))] if counted else dialect.messages(event.data):
        dotted = event.data[end:].strip() == b"."  # so each of its lines that begins with a dot has got another
        yield from in_message(as_read(event.data[start:end]), start, _without_dots if dotted else bytes)


def _without_dots(body: bytes) -> bytes:
    """The lines as they were before transparency was added (RFC 5321 §4.5.2)."""
    return re.sub(rb"\n\.(?=.)", b"\n", b"\n" + body)[1:]  # ``^`` would be tried at each byte


def in_message(message: Entity, start: int, lines: Callable[[bytes], bytes] = bytes) -> Iterator[ValueInEvent]:
    """The fields and the text of a message whose first byte stands at `start` of the event.

    `lines` undoes what was done to its lines for the transport.
    """
    at = message.start + start
    for match in _HEADER_FIELD.finditer(message.header):
        name = match[1].lower()
        if name in _TELLING or name.startswith(_TELLING_FAMILIES):
            yield text(name), field_text(match[2]), at + match.start(2), at + match.end(2)
    for part in (leaf.shown for leaf in message.leaves()):
        if part.inner and not part.is_encoded:
            yield from in_message(part.inner.shown, start, lines)
        elif size := len(part.body.rstrip(b"\r\n")):
            yield *_content(part, lines), start + part.body_start, start + part.body_start + size
            for name, first, behind in part.uuencoded if part.is_text else ():
                yield (
                    "attachment",
                    f"{name} (uuencoded)",
                    start + part.body_start + first,
                    start + part.body_start + behind,
                )


def _content(part: Entity, lines: Callable[[bytes], bytes]) -> tuple[str, str]:
    """The kind of a part and its text; for one that is not text, or encrypted, its name."""
    if part.encryption:
        return "encrypted content", " ".join(filter(None, (part.encryption, part.file_name)))
    if part.is_text or part.inner:
        return "message", replace(part, body=lines(part.body)).text
    return "attachment", _attachment(part)


def _attachment(part: Entity) -> str:
    """The name and type of an attachment, without its bytes."""
    kind = "/".join(part.type)
    return f"{part.file_name} ({kind})" if part.file_name else kind
