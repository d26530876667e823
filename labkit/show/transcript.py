"""The annotated transcript: one row for each event, with when, who to whom, how it crossed the wire, and what it means.

A page for notebooks and aligned plain text for everything else. What someone on the path can read is lit up with its
name. Nothing is decided here: events come from `labkit.decode`, exposures from `labkit.decode.privacy`.
"""

from collections.abc import Sequence

from labkit.decode.event import TLS, Dialogue, Event, Field
from labkit.decode.privacy import Exposure
from labkit.show.forms import Form, form_of, tag
from labkit.show.lines import Line, label, labels, lines_of, pieces
from labkit.show.page import Page, markup
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
from labkit.show.terminal import plain_text

DIALOGUES_SHOWN = 6


def transcript(readings: Sequence[Reading], how: str = "", total: int = 0) -> Page:
    """The transcript of these dialogues.

    `how` says in a sentence how they were captured; `total` is the number of dialogues where more exist than are given.
    """
    more = _more_dialogues(len(readings), max(total, len(readings)))
    body = "".join(f"<section>{_section(reading, how)}</section>" for reading in readings)
    text = "\n\n".join(plain_text(reading, how) for reading in readings)
    return Page(body + (f"<p>{markup(more)}</p>" if more else ""), f"{text}\n\n{more}" if more else text)


def _more_dialogues(shown: int, total: int) -> str:
    rest = total - shown
    return (
        f"{rest:,} more {plural(rest, 'conversation')} in this capture; .dialogues holds all {total:,}." if rest else ""
    )


# ---- HTML


def _section(reading: Reading, how: str) -> str:
    dialogue = reading.dialogue
    rows = "".join(_row(dialogue, event, exposures) for event, exposures in shown(reading))
    more = more_events(dialogue)
    head = f"<b>{markup(heading(dialogue))}</b><br>{markup(summary(dialogue))}"
    captured = f"<br><small>{markup(how)}</small>" if how else ""
    return (
        f'<div class="lk-head">{head}{captured}</div><table><thead><tr><th scope="col" class="lk-ms">ms</th>'
        '<th scope="col">from → to</th><th scope="col">how</th>'
        '<th scope="col">what, and what it means</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>" + (f"<p>{markup(more)}</p>" if more else "")
    )


def _row(dialogue: Dialogue, event: Event, exposures: list[Exposure]) -> str:
    form = form_of(event)
    content = _tls_content(event, exposures, form) if event.layer == TLS else _lines(event, exposures, form)
    return (
        f'<tr><td class="lk-ms">{milliseconds(dialogue, event)}</td>'
        f'<td class="lk-who">{markup(direction(dialogue, event.sender))}</td>'
        f'<td class="lk-how">{tag(form)}</td><td>{content}</td></tr>'
    )


def _lines(event: Event, exposures: list[Exposure], form: Form) -> str:
    lines, rest = lines_of(event)
    body = "".join(_line(line, exposures, form) for line in lines)
    return body + (f'<span class="lk-line lk-{form.name}"><small>{left_out(rest)}</small></span>' if rest else "")


def _line(line: Line, exposures: Sequence[Exposure], form: Form) -> str:
    code = "".join(_marked(piece.text, piece.labels) for piece in pieces(line, exposures))
    meaning = f"<small>{markup(line.meaning)}</small>" if line.meaning else ""
    said = f'<span class="lk-said"><code>{code}</code>{_chips(labels(line, exposures))}</span>'
    return f'<span class="lk-line lk-{form.name}">{said}{meaning}</span>'


def _marked(text: str, labels: Sequence[str]) -> str:
    return f'<mark title="{markup("; ".join(labels))}">{markup(text)}</mark>' if labels else markup(text)


def _chips(labels: Sequence[str]) -> str:
    """What someone on the path can read here, each thing in its own small box."""
    return "".join(f' <span class="lk-what">{markup(text)}</span>' for text in labels)


def _tls_content(event: Event, exposures: list[Exposure], form: Form) -> str:
    readable = _chips([label(exposure) for exposure in exposures])
    opening = f"<code>{markup(event.title)}</code> <small>{event.wire:,} bytes on the wire</small>{readable}"
    said = f'<span class="lk-said">{opening}</span><small>{markup(event.meaning)}</small>'
    inside = _fields_table(event)
    if not inside:
        return f'<span class="lk-line lk-{form.name}">{said}</span>'
    return f'<details><summary class="lk-line lk-{form.name}">{said}</summary>{inside}</details>'


def _fields_table(event: Event) -> str:
    """The fields of a TLS message down to two levels, as nested lists; empty for ciphertext."""
    if form_of(event).tag == "ciphertext":
        return ""
    items = "".join(_item(field) for field in event.fields)
    return f'<div class="lk-inside">{items}</div>' if items else ""


def _item(field: Field) -> str:
    children = "".join(
        f"<div><small>{markup(child.name)}</small> <code>{markup(_short(child.value))}</code></div>"
        for child in field.children
    )
    inside = f'<div class="lk-inside">{children}</div>' if children else ""
    return f"<div>{markup(field.name)} <code>{markup(_short(field.value))}</code>{inside}</div>"


def _short(value: str) -> str:
    return value if len(value) <= 120 else f"{value[:117]}…"
