"""The items of FETCH (RFC 3501 §6.4.5): read from the command, and written for one message.

A `FetchItem` is made once for a command; it writes its answer for as many messages as the command names.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from labkit.mail.mime import Entity, divide
from labkit.servers.imap.opened import Listed
from labkit.servers.imap.responses import astring, date_time, literal
from labkit.servers.imap.structure import body_structure, envelope
from labkit.servers.imap.syntax import Malformed, Scanner


@dataclass(frozen=True)
class FetchItem:
    """One item of a FETCH command."""

    name: str
    """As it stands in the answer: ``BODY[HEADER]<0>``."""
    write: Callable[[Listed], bytes]
    reads: bool = False
    r"""Whether fetching it makes the message \Seen."""


def _whole(message: Listed) -> Entity:
    return divide(message.entry.message.data)


FLAGS = FetchItem("FLAGS", lambda message: message.flags)
UID = FetchItem("UID", lambda message: b"%d" % message.entry.uid)

_SIMPLE = {
    item.name: item
    for item in (
        FLAGS,
        UID,
        FetchItem("INTERNALDATE", lambda message: date_time(message.entry.message.arrived)),
        FetchItem("ENVELOPE", lambda message: envelope(_whole(message))),
        FetchItem("BODYSTRUCTURE", lambda message: body_structure(_whole(message), extended=True)),
        FetchItem("BODY", lambda message: body_structure(_whole(message), extended=False)),
        FetchItem("RFC822", lambda message: literal(message.entry.message.data), reads=True),
        FetchItem("RFC822.SIZE", lambda message: b"%d" % len(message.entry.message.data)),
        FetchItem("RFC822.HEADER", lambda message: literal(_whole(message).header)),
        FetchItem("RFC822.TEXT", lambda message: literal(_whole(message).body), reads=True),
    )
}
_FAST = ("FLAGS", "INTERNALDATE", "RFC822.SIZE")
_MACROS = {"FAST": _FAST, "ALL": (*_FAST, "ENVELOPE"), "FULL": (*_FAST, "ENVELOPE", "BODY")}


_NAME = re.compile(rb"[A-Za-z0-9.]+")
_SECTION = re.compile(
    rb"(?:(?P<numbers>\d{1,9}(?:\.\d{1,9})*)(?:\.(?=[A-Z])|(?=\])))?"
    rb"(?P<text>HEADER(?:\.FIELDS)?|TEXT|MIME)?",
    re.IGNORECASE,
)
_PARTIAL = re.compile(rb"<(\d{1,10})\.(\d{1,10})>")


def read_items(arguments: Scanner) -> list[FetchItem]:
    """The items of a FETCH command. Raises `Malformed`."""
    if arguments.sees(b"("):
        return arguments.listed(_item)
    name = _name(arguments)
    return [_SIMPLE[item] for item in _MACROS[name]] if name in _MACROS else [_named(name, arguments)]


def _item(arguments: Scanner) -> FetchItem:
    return _named(_name(arguments), arguments)


def _name(arguments: Scanner) -> str:
    return arguments.match(_NAME, "the name of something to fetch")[0].decode().upper()


def _named(name: str, arguments: Scanner) -> FetchItem:
    if name in ("BODY", "BODY.PEEK") and arguments.skips(b"["):
        return _section(arguments, reads=name == "BODY")
    if name not in _SIMPLE:
        raise Malformed(f"FETCH knows no {name}")
    return _SIMPLE[name]


def _section(arguments: Scanner, reads: bool) -> FetchItem:
    """The bytes of a part of the message, or of its header or text, whole or from the byte that is named."""
    found = arguments.match(_SECTION, "a section of a message")
    numbers, text = (found["numbers"] or b"").decode(), (found["text"] or b"").decode().upper()
    if text == "MIME" and not numbers:
        raise Malformed("MIME stands after the number of a part")
    name, names = ".".join(filter(None, (numbers, text))), []
    if "FIELDS" in text:
        arguments.space()
        names = arguments.listed(Scanner.text)
        name += f" ({' '.join(astring(field).decode() for field in names)})"
    arguments.word(b"]")
    partial = arguments.match(_PARTIAL, "a part such as <0.1000>") if arguments.sees(b"<") else None
    start, size = (int(partial[1]), int(partial[2])) if partial else (0, None)
    path = [int(number) for number in numbers.split(".")] if numbers else []

    def write(message: Listed) -> bytes:
        data = _text(_whole(message), path, text, names)
        return b"NIL" if data is None else literal(data[start:][:size])

    return FetchItem(f"BODY[{name}]" + (f"<{start}>" if partial else ""), write, reads)


def _text(message: Entity, path: list[int], text: str, names: list[str]) -> bytes | None:
    part = _find(message, path)
    if part is not None and path and text not in ("", "MIME"):
        part = part.inner  # only a part that is a message has a header and a text of its own
    if part is None:
        return None
    if not text:
        return part.body if path else part.header + part.body
    if "FIELDS" in text:
        return part.fields(names)
    return part.body if text == "TEXT" else part.header


def _find(message: Entity, path: list[int]) -> Entity | None:
    part, numbered = message, message.as_numbers()
    for number in path:
        if not 0 < number <= len(numbered):
            return None
        part = numbered[number - 1]
        numbered = part.numbered()
    return part
