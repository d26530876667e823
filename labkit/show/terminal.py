"""The transcript of a dialogue for a terminal: plain text in five columns.

The command ``decode`` writes hundreds of thousands of these lines, so what is the same for all events of a dialogue is
made once, and a line that needs no wrapping is one format.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat
from textwrap import wrap

from labkit.decode.event import CLIENT, SERVER, TLS, Event, Origin
from labkit.decode.privacy import Exposure
from labkit.show.forms import FORMS, form_of
from labkit.show.lines import label, labels, lines_of
from labkit.show.printed import decoded, printable
from labkit.show.readings import (
    Reading,
    direction,
    heading,
    left_out,
    more_events,
    shown,
    summary,
)

WIDTH = 110
"""Characters of a line."""
_MS, _HOW, _WIDEST_NAMES = 8, 13, 24
"""Characters of the columns "ms" and "how", and the most that "from → to" takes."""
_GAP = "  "
_BLANK = ("", "\n")
"""How an empty line begins."""
_SHORT = 512
"""Bytes of a phrase that may come again, so that its lines are kept."""

_TAGS = {form.tag: f"  {form.tag:<{_HOW}}  " for form in FORMS}
"""The word for how an event crossed the wire -> its column."""
_ROW = f"%{_MS}.1f%s"
"""The column "ms", and all that is right of it."""


@dataclass(frozen=True, eq=False, slots=True)
class _Columns:
    """The column widths of one dialogue, and the parts that are equal in all its lines."""

    titles: str
    """The line above all events."""
    content: int
    meaning: int
    right: int
    """Characters of "what" and "meaning" together."""
    names: dict[str, tuple[str, list[str]]]
    """Sender -> the column "from → to": its first line, and those below it."""
    margin: str
    """What stands left of a line that continues another."""


def plain_text(reading: Reading, how: str = "") -> str:
    """The transcript of one dialogue; `how` says in a sentence how it was captured."""
    dialogue = reading.dialogue
    columns = _columns(direction(dialogue, CLIENT), direction(dialogue, SERVER))
    rows = [line for said in (heading(dialogue), summary(dialogue), printable(how)) for line in _wrap(said, WIDTH)]
    rows += ["", columns.titles]
    began = dialogue.events[0].time if dialogue.events else 0.0
    rows += [_ROW % ((event.time - began) * 1000, _told(event, exposed, columns)) for event, exposed in shown(reading)]
    rows += filter(None, [more_events(dialogue)])
    return "\n".join(rows)


@lru_cache(64)
def _columns(from_client: str, from_server: str) -> _Columns:
    """The columns for two hosts with these names; cached, because most dialogues of a large capture share them."""
    who = min(len(from_client), _WIDEST_NAMES)
    room = WIDTH - (_MS + who + _HOW) - 4 * len(_GAP)
    content = room * 43 // 100
    titles = f"{'ms':>{_MS}}  {'from → to':<{who}}  {'how':<{_HOW}}  {'what':<{content}}  meaning"
    names = {CLIENT: _names(_wrap(from_client, who), who), SERVER: _names(_wrap(from_server, who), who)}
    return _Columns(titles, content, room - content, room + len(_GAP), names, " " * (WIDTH - room - len(_GAP)))


def _names(lines: list[str], who: int) -> tuple[str, list[str]]:
    first, *more = lines
    return f"  {first:<{who}}", [f"{'':{_MS}}  {each:<{who}}  {'':{_HOW}}  " for each in more]


def _told(event: Event, exposures: Sequence[Exposure], columns: _Columns) -> str:
    """The lines of an event without its time."""
    _, _, sender, layer, kind, title, data, encrypted, _, origin = event
    if layer == TLS:
        return _message(sender, form_of(event).tag, title, event.meaning, tuple(map(label, exposures)), columns)
    if len(data) > _SHORT:
        return _phrase(event, exposures, columns)
    return _again(sender, layer, kind, title, data, encrypted, origin, tuple(exposures), columns)


@lru_cache(4096)
def _again(
    sender: str,
    layer: str,
    kind: str,
    title: str,
    data: bytes,
    encrypted: bool,
    origin: Origin,
    exposures: tuple[Exposure, ...],
    columns: _Columns,
) -> str:
    """The same of a short event, whenever it happened; cached, because most of them repeat."""
    return _phrase(Event(0.0, 0, sender, layer, kind, title, data, encrypted, 0, origin), exposures, columns)


@lru_cache(4096)
def _message(sender: str, tag: str, title: str, meaning: str, readable: tuple[str, ...], columns: _Columns) -> str:
    """The same of a message of TLS, of which its title stands there."""
    said, (_, below) = _line(title.encode(), meaning, readable, columns), columns.names[sender]
    return _joined(sender, tag, said + [""] * (1 + len(below) - len(said)), columns)


def _phrase(event: Event, exposures: Sequence[Exposure], columns: _Columns) -> str:
    """The same of any event but a message of TLS."""
    lines, rest = lines_of(event)
    _, below = columns.names[event.sender]
    said: list[str] = []
    for line in lines:
        readable = tuple(labels(line, exposures)) if exposures else ()
        said += _line(line.data, line.meaning, readable, columns)
        if len(said) <= len(below):
            said += [""] * (1 + len(below) - len(said))
    if rest:
        said.append(left_out(rest))
    return _joined(event.sender, form_of(event).tag, said, columns)


def _joined(sender: str, tag: str, said: list[str], columns: _Columns) -> str:
    """Put the columns "from → to" and "how" before these lines."""
    names, below = columns.names[sender]
    left, (first, *more) = names + _TAGS[tag], said
    first = left + first if first else left.rstrip()
    if not below and all(more):
        return f"\n{columns.margin}".join((first, *more))
    margins = zip(chain(below, repeat(columns.margin)), more, strict=False)
    return "\n".join((first, *(margin + words if words else margin.rstrip() for margin, words in margins)))


def _line(data: bytes, meaning: str, readable: tuple[str, ...], columns: _Columns) -> list[str]:
    """Write a line of a phrase, across both columns where there is nothing to write beside it."""
    if meaning or readable:
        return _beside(data, meaning, readable, columns)
    return [words.rstrip() for words in chopped(decoded(data), columns.right)]


@lru_cache(4096)
def _beside(data: bytes, meaning: str, readable: tuple[str, ...], columns: _Columns) -> list[str]:
    """Write a line of a phrase in the column "what" and its meaning beside it."""
    width = columns.content
    said, explained = chopped(decoded(data), width), _explained(meaning, readable, columns)
    both = [(words.ljust(width) + line[width:]).rstrip() for words, line in zip(said, explained, strict=False)]
    return both + explained[len(said) :] + [words.rstrip() for words in said[len(explained) :]]


@lru_cache(4096)
def _explained(meaning: str, readable: tuple[str, ...], columns: _Columns) -> list[str]:
    """Write a meaning, and what can be read, in the column "meaning"; the column "what" is blank."""
    lines = _wrap(printable(meaning), columns.meaning)
    lines = lines + [part for each in readable for part in _wrap(f"» readable: {each}", columns.meaning, "  ")]
    return [f"{'':{columns.content}}{_GAP}{line}".rstrip() for line in lines]


@lru_cache(4096)
def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Wrap a sentence, indented from its second line on; cached, because sentences repeat."""
    short = 0 < len(text) <= width and text.strip() == text
    return [text] if short else wrap(text, width, subsequent_indent=indent)


def chopped(text: str, width: int) -> list[str]:
    """Break a printable text at spaces into lines of at most `width` characters; no character is lost.

    As ``textwrap.wrap(text, width, drop_whitespace=False, break_on_hyphens=False)``, without its regular expressions.
    """
    lines, start, size = [], 0, len(text)
    while size - start > width:
        end = start + width
        if (text[end] == " ") == (text[end - 1] == " "):
            end = _before_word(text, start, end) or end
        lines.append(text[start:end])
        start = end
    return [*lines, text[start:]]


def _before_word(text: str, start: int, end: int) -> int:
    """The start of the word or run of spaces that crosses `end`; 0 where it is longer than a line."""
    width = end - start
    if text[end] == " ":
        begin = start + len(text[start:end].rstrip(" "))
        beyond = text[begin : begin + width + 1].strip(" ")
    else:
        begin = text.rfind(" ", start, end) + 1
        if not begin:
            return 0
        beyond = " " in text[begin : begin + width + 1]
    return begin if beyond or len(text) - begin <= width else 0
