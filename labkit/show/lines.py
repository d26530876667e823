"""An event as the lines that a transcript prints: their bytes, their meaning, and which of them give something away.

Offsets are in bytes of the event's data. How lines look is for `transcript` and `ladder`.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from labkit.decode.event import TEXT, Event
from labkit.decode.privacy import Exposure
from labkit.show.page import decoded, printable

LABEL_SHOWN = 90
"""Characters of what a phrase gives away that are printed."""


class _Limit(NamedTuple):
    """How much of a long phrase is printed."""

    lines: int
    bytes: int


_WHOLE = _Limit(20, 1200)
_EXPLAINED = _Limit(200, 20_000)
"""For a phrase each of whose lines has its own meaning: longer than any honest one."""


class Line(NamedTuple):
    """One line of a phrase."""

    data: bytes
    """Without its line ending."""
    start: int
    """Offset of its first byte in the event's data."""
    meaning: str
    """Its own meaning; empty where only the whole phrase has one."""


class Piece(NamedTuple):
    """A run of a line that is either plain or gives away the things named in `labels`."""

    text: str
    labels: tuple[str, ...]


def lines_of(event: Event) -> tuple[list[Line], int]:
    """The lines to print, and how many bytes of a long phrase are left out."""
    if event.layer != TEXT:
        return [Line(event.title.encode(), 0, event.meaning)], 0
    split = _split(event.data)
    known = event.lines
    whole = len(known) != len(split)
    meanings = [event.meaning, *[""] * len(split)] if whole else [meaning for _, meaning in known]
    lines = [
        Line(data.rstrip(b"\r\n"), start, meaning) for (start, data), meaning in zip(split, meanings, strict=False)
    ]
    return _shortened(lines, len(event.data), _WHOLE if whole else _EXPLAINED)


def _split(data: bytes) -> list[tuple[int, bytes]]:
    found, start = [], 0
    for line in data.split(b"\n"):
        end = min(start + len(line) + 1, len(data))
        found.append((start, data[start:end]))
        start = end
    return found[:-1] if len(found) > 1 and not found[-1][1] else found


def _shortened(lines: list[Line], size: int, limit: _Limit) -> tuple[list[Line], int]:
    kept: list[Line] = []
    for line in lines[: limit.lines]:
        if line.start >= limit.bytes:
            break
        kept.append(line._replace(data=line.data[: limit.bytes - line.start]))
    shown_all = len(kept) == len(lines) and len(kept[-1].data) == len(lines[-1].data)
    return kept, 0 if shown_all else size - (kept[-1].start + len(kept[-1].data))


def label(exposure: Exposure) -> str:
    """What is given away, with its value; ``password: hunter2``."""
    said = printable(f"{exposure.what}: {exposure.value}" if exposure.value else exposure.what)
    return said if len(said) <= LABEL_SHOWN else f"{said[: LABEL_SHOWN - 1]}…"


def pieces(line: Line, exposures: Sequence[Exposure]) -> list[Piece]:
    """The line cut where something readable begins or ends; the pieces together are the whole line."""
    end = line.start + len(line.data)
    inside = [e for e in exposures if e.start < end and e.end > line.start]
    cuts = sorted({line.start, end, *(min(max(edge, line.start), end) for e in inside for edge in (e.start, e.end))})
    return [_piece(line, left, right, inside) for left, right in pairwise(cuts)]


def _piece(line: Line, left: int, right: int, exposures: Sequence[Exposure]) -> Piece:
    text = decoded(line.data[left - line.start : right - line.start])
    return Piece(text, tuple(_new(e, text) for e in exposures if e.start <= left and e.end >= right))


def _new(exposure: Exposure, text: str) -> str:
    """The label without a value that the piece itself already shows."""
    return printable(exposure.what) if printable(exposure.value) in text or text in exposure.value else label(exposure)
