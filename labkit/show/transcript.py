"""The annotated transcript: one row for each event, with its time, its sender and receiver, how it crossed the wire,
and what it means.

A page for notebooks and aligned plain text for everything else. What an eavesdropper can read is highlighted with its
name. Nothing is decided here: events come from `labkit.decode`, exposures from `labkit.decode.privacy`.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby

from labkit.decode.event import TLS, Dialogue, Event, Field
from labkit.decode.privacy import Exposure
from labkit.show import html
from labkit.show.forms import Form, form_of, tag
from labkit.show.lines import ShownLine, label, labels, lines_of, pieces
from labkit.show.page import Page
from labkit.show.readings import (
    Reading,
    direction,
    heading,
    left_out,
    milliseconds,
    more_events,
    plural,
    shown,
    summary,
)
from labkit.show.table import Column, build
from labkit.show.terminal import plain_text

DIALOGUES_SHOWN = 6
_RECORD = "encrypted record"
_UNOPENED = (_RECORD, "application data")
Shown = tuple[Event, list[Exposure]]
"""An event, and what it gives away."""


def transcript(readings: Sequence[Reading], how: str = "", total: int = 0) -> Page:
    """The transcript of these dialogues.

    `how` says in a sentence how they were captured; `total` is the number of dialogues where more exist than are given.
    """
    more = _more_dialogues(len(readings), max(total, len(readings)))
    text = "\n\n".join(plain_text(reading, how) for reading in readings)
    return Page(partial(_sections, readings, how, more), f"{text}\n\n{more}" if more else text)


def _more_dialogues(shown: int, total: int) -> str:
    rest = total - shown
    return (
        f"{rest:,} more {plural(rest, 'conversation')} in this capture; .dialogues holds all {total:,}." if rest else ""
    )


# ---- HTML


_COLUMNS = (
    Column("ms", "lk-ms"),
    Column("from → to", "lk-who"),
    Column("how", "lk-how"),
    Column("what, and what it means"),
)


def _sections(readings: Sequence[Reading], how: str, more: str) -> html.Node:
    return [*(html.section[_section(reading, how)] for reading in readings), _paragraph(more)]


def _section(reading: Reading, how: str) -> html.Node:
    dialogue = reading.dialogue
    head = [html.b[heading(dialogue)], html.br, summary(dialogue), [html.br, html.small[how]] if how else None]
    runs = [list(run) for _, run in groupby(enumerate(shown(reading)), _sealed_or_alone)]
    rows = [_runs(dialogue, run, means) for run, means in zip(runs, _meanings(runs), strict=True)]
    table = build(_COLUMNS, rows, label=f"Transcript: {heading(dialogue)}")
    return html.div("lk-head")[head], table, _paragraph(more_events(dialogue))


def _sealed_or_alone(numbered: tuple[int, Shown]) -> tuple[str, int]:
    """The key by which unopened records of one sender share a row; every other event has its own."""
    number, (event, exposures) = numbered
    alike = event.title == _RECORD and not exposures
    return (event.sender, -1) if alike else (event.sender, number)


def _meanings(runs: Iterable[list[tuple[int, Shown]]]) -> Iterator[str]:
    """The meaning of the first event of each run; a run of unopened records has one meaning."""
    said = set()
    for (_, (event, exposures)), *_ in runs:
        alike = event.title in _UNOPENED and not exposures
        yield "" if alike and event.title in said else event.meaning
        said |= {event.title} if alike else set()


def _runs(dialogue: Dialogue, run: list[tuple[int, Shown]], means: str) -> tuple[html.Node, ...]:
    """Group events into rows: one event, or several records that differ only in size and time."""
    events = [event for _, (event, _) in run]
    if len(run) == 1:
        return _row(dialogue, *run[0][1], means)
    form = form_of(events[0])
    sizes = html.small[f"{sum(event.wire for event in events):,} bytes on the wire"]
    said = html.span("lk-said")[html.code[f"{len(run)} encrypted records"], " ", sizes], _meaning(means)
    each = [html.div[f"{milliseconds(dialogue, event)} ms: {event.wire:,} bytes"] for event in events]
    content = html.details[html.summary(f"lk-line lk-{form.name}")[said], html.div("lk-inside")[each]]
    return milliseconds(dialogue, events[0]), direction(dialogue, events[0].sender), tag(form), content


def _paragraph(said: str) -> html.Node:
    return html.p[said] if said else None


def _meaning(said: str) -> html.Node:
    return html.small[said] if said else None


def _row(dialogue: Dialogue, event: Event, exposures: list[Exposure], means: str) -> tuple[html.Node, ...]:
    form = form_of(event)
    content = _tls_content(event, exposures, form, means) if event.layer == TLS else _lines(event, exposures, form)
    return milliseconds(dialogue, event), direction(dialogue, event.sender), tag(form), content


def _lines(event: Event, exposures: list[Exposure], form: Form) -> html.Node:
    lines, rest = lines_of(event)
    body = [_line(line, exposures, form) for line in lines]
    return [*body, html.span(f"lk-line lk-{form.name}")[html.small[left_out(rest)]]] if rest else body


def _line(line: ShownLine, exposures: Sequence[Exposure], form: Form) -> html.Node:
    code = html.code[(_marked(piece.text, piece.labels) for piece in pieces(line, exposures))]
    said = html.span("lk-said")[code, _chips(labels(line, exposures))]
    return html.span(f"lk-line lk-{form.name}")[said, _meaning(line.meaning)]


def _marked(text: str, labels: Sequence[str]) -> html.Node:
    return html.mark(title="; ".join(labels))[text] if labels else text


def _chips(labels: Sequence[str]) -> Iterator[html.Node]:
    """One small box for each thing that an eavesdropper can read here."""
    return ((" ", html.span("lk-what")[text]) for text in labels)


def _tls_content(event: Event, exposures: list[Exposure], form: Form, means: str) -> html.Node:
    size = html.small[f"{event.wire:,} bytes on the wire"]
    readable = _chips([label(exposure) for exposure in exposures])
    said = html.span("lk-said")[html.code[event.title], " ", size, readable], _meaning(means)
    inside = [_item(field) for field in event.fields] if form.tag != "ciphertext" else []
    if not inside:
        return html.span(f"lk-line lk-{form.name}")[said]
    return html.details[html.summary(f"lk-line lk-{form.name}")[said], html.div("lk-inside")[inside]]


def _item(field: Field) -> html.Node:
    """A field of a TLS message with its nested fields."""
    children = [html.div[html.small[child.name], " ", html.code[_short(child.value)]] for child in field.children]
    inside = html.div("lk-inside")[children] if children else None
    return html.div[field.name, " ", html.code[_short(field.value)], inside]


def _short(value: str) -> str:
    return value if len(value) <= 120 else f"{value[:117]}…"
