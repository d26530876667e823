"""Split an event into the lines that a transcript prints, each with its bytes, its meaning and what it discloses.

Offsets are in bytes of the event's data. How lines look is for `transcript` and `ladder`.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from labkit.decode.event import TEXT, Event
from labkit.decode.privacy import Exposure
from labkit.show.printed import decoded, printable

LABEL_SHOWN = 90
"""Characters of what a phrase gives away that are printed."""


class _Limit(NamedTuple):
    """The number of lines and bytes of a long phrase that are printed."""

    lines: int
    bytes: int


_WHOLE = _Limit(20, 1200)
_EXPLAINED = _Limit(200, 20_000)
"""For a phrase each of whose lines has its own meaning: longer than any honest one."""
_SAMPLE = _Limit(20, 160)
"""For bytes that are no text: pictures, for example."""
_ALIKE = ("message", "injected", "unknown", "again")
"""Kinds of phrases whose lines all have the same meaning."""


class ShownLine(NamedTuple):
    """One line of a phrase."""

    data: bytes
    """Without its line ending."""
    start: int
    """Offset of its first byte in the event's data."""
    meaning: str
    """Its own meaning; empty where only the whole phrase has one."""


class Run(NamedTuple):
    """A part of a line: plain when `labels` is empty, otherwise it discloses what they name."""

    text: str
    labels: tuple[str, ...]


def lines_of(event: Event) -> tuple[list[ShownLine], int]:
    """The lines to print, and the number of bytes of a long phrase that are left out."""
    if event.layer != TEXT and event.kind != "again":
        return [ShownLine(event.title.encode(), 0, event.meaning)], 0
    data = event.data
    if event.kind in _ALIKE:
        limit = _SAMPLE if event.kind in ("unknown", "again") and not _is_text(data[: _WHOLE.bytes]) else _WHOLE
        return _with_one_meaning(event, limit)
    if len(data) <= _EXPLAINED.bytes and data.find(b"\n") in (-1, len(data) - 1):
        return [ShownLine(data.rstrip(b"\r\n"), 0, event.meaning)], 0  # nearly all phrases are one line
    known = event.lines
    split = _split(data)
    if len(known) != len(split):
        return _with_one_meaning(event, _WHOLE)
    lines = [
        ShownLine(line.rstrip(b"\r\n"), start, meaning)
        for (start, line), (_, meaning) in zip(split[: _EXPLAINED.lines], known, strict=False)
    ]
    return _shortened(lines, data, _EXPLAINED)


def _with_one_meaning(event: Event, limit: _Limit) -> tuple[list[ShownLine], int]:
    """The lines of a phrase with one meaning, which is printed beside the first line."""
    split = _split(event.data[: limit.bytes + 1])[: limit.lines]
    lines = [ShownLine(line.rstrip(b"\r\n"), start, "") for start, line in split]
    lines[0] = lines[0]._replace(meaning=event.meaning)
    return _shortened(lines, event.data, limit)


def _is_text(data: bytes) -> bool:
    """Whether these bytes are text: no NUL, and at least 80 % is valid UTF-8 (old mail mixes in other encodings)."""
    return b"\0" not in data and 5 * len(data.decode("utf-8", "ignore").encode()) >= 4 * len(data)


def _split(data: bytes) -> list[tuple[int, bytes]]:
    found, start = [], 0
    for line in data.split(b"\n"):
        end = min(start + len(line) + 1, len(data))
        found.append((start, data[start:end]))
        start = end
    return found[:-1] if len(found) > 1 and not found[-1][1] else found


def _shortened(lines: list[ShownLine], data: bytes, limit: _Limit) -> tuple[list[ShownLine], int]:
    kept = [line for line in lines if line.start < limit.bytes]
    last = kept[-1]
    if last.start + len(last.data) > limit.bytes:
        last = kept[-1] = last._replace(data=last.data[: limit.bytes - last.start])
    shown = last.start + len(last.data)
    return kept, len(data) - shown if data[shown:].lstrip(b"\r").removeprefix(b"\n") else 0


def label(exposure: Exposure) -> str:
    """The disclosed thing with its value: ``password: hunter2``."""
    value = exposure.value[:LABEL_SHOWN]
    said = printable(f"{exposure.what}: {value}" if value else exposure.what)
    return said if len(said) <= LABEL_SHOWN else f"{said[: LABEL_SHOWN - 1]}…"


def pieces(line: ShownLine, exposures: Sequence[Exposure]) -> list[Run]:
    """Cut the line where a disclosed value begins or ends; joined, the pieces are the line."""
    return [Run(text := decoded(data), tuple(_new(e, text) for e in told)) for data, told in _cut(line, exposures)]


def labels(line: ShownLine, exposures: Sequence[Exposure]) -> list[str]:
    """The things that a line discloses, without repetition."""
    telling = ((decoded(data), told) for data, told in _cut(line, exposures) if told)
    return list(dict.fromkeys(_new(e, text) for text, told in telling for e in told))


def _cut(line: ShownLine, exposures: Sequence[Exposure]) -> Iterator[tuple[bytes, list[Exposure]]]:
    """The pieces of a line, each with what discloses something in all of it."""
    data, start, _ = line
    end = start + len(data)
    inside = [e for e in exposures if e.start < end and e.end > start]
    cuts = sorted({start, end, *(min(max(edge, start), end) for e in inside for edge in (e.start, e.end))})
    for left, right in pairwise(cuts):
        yield data[left - start : right - start], [e for e in inside if e.start <= left and e.end >= right]


def _new(exposure: Exposure, text: str) -> str:
    """The label; its value is left out where the piece itself shows it."""
    value = exposure.value
    # The value may be a whole message: where it is longer than the piece, the piece cannot contain it.
    shown = (len(value) <= len(text) and printable(value) in text) or text in value
    return printable(exposure.what) if shown else label(exposure)
