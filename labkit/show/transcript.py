"""The annotated transcript: one row for each event, with when, who to whom, how it crossed the wire, and what it means.

A page for notebooks and aligned plain text for everything else. What someone on the path can read is lit up with its
name. Nothing is decided here: events come from `labkit.decode`, exposures from `labkit.decode.privacy`.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import takewhile
from textwrap import wrap
from typing import NamedTuple

from labkit.decode.event import CLIENT, SERVER, TEXT, TLS, Dialogue, Event, Field
from labkit.decode.privacy import Exposure
from labkit.decode.tls_start import is_text
from labkit.show.forms import Form, form_of, tag
from labkit.show.lines import Line, label, lines_of, pieces
from labkit.show.page import Page, decoded, markup, printable

_wrap = lru_cache(4096)(wrap)
"""The same sentences come again and again, and where to break them takes half of the time."""

DIALOGUES_SHOWN = 6
EVENTS_SHOWN = 400
WIDTH = 110


class Reading(NamedTuple):
    """A dialogue with what someone on the path can read of it."""

    dialogue: Dialogue
    exposures: Sequence[Exposure]


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
        f"{rest:,} more {_plural(rest, 'conversation')} in this capture; .dialogues holds all {total:,}."
        if rest
        else ""
    )


def _plural(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"


# ---- what both forms say


def heading(dialogue: Dialogue) -> str:
    """Who with whom: ``alice (127.0.0.1:50412) → mail (127.0.0.1:587)``."""
    return printable(f"{dialogue.client_name} ({dialogue.client}) → {dialogue.server_name} ({dialogue.server})")


def summary(dialogue: Dialogue) -> str:
    """In which protocol, and what became of TLS, in a sentence or three."""
    protocol = dialogue.dialect.name if dialogue.dialect else "a protocol that the lab does not know"
    size = f"{len(dialogue.events):,} {_plural(len(dialogue.events), 'event')}"
    return printable(f"{protocol[0].upper()}{protocol[1:]}, {size}. {_tls(dialogue)}")


def _tls(dialogue: Dialogue) -> str:
    session = dialogue.session
    said = [event for event in dialogue.events if event.layer == TEXT]
    if session is None and not said:
        return "Nothing was said."
    if session is None:
        return _ALL_CLEAR if _is_all_read(dialogue, said) else "No TLS was seen in what was captured."
    start = _start(session.started, dialogue)
    facts = [session.version or "no version agreed", session.cipher]
    facts.append(f"server name {session.server_name}" if session.server_name else "no server name sent")
    facts.append("resumed session" if session.resumed else "")
    state = "Opened with the session's secrets." if session.opened else session.problem or "Not opened."
    return f"{start}: {', '.join(fact for fact in facts if fact)}. {state}"


_ALL_CLEAR = "No TLS: everything crossed the wire in clear text."


def _is_all_read(dialogue: Dialogue, said: Sequence[Event]) -> bool:
    """Whether all that crossed the wire was captured, from the first byte, and read as text of a known protocol."""
    begins = dialogue.events[0].kind in ("syn", "syn-ack")
    both = {event.sender for event in said} == {CLIENT, SERVER}
    missing = any(event.kind == "gap" for event in dialogue.events)
    unread = any(event.kind == "unknown" and not is_text(event.data) for event in said)
    return dialogue.dialect is not None and begins and both and not (missing or unread)


def _start(started: str, dialogue: Dialogue) -> str:
    """How the TLS began, as far as that was seen."""
    before = [event.kind for event in takewhile(lambda event: event.layer != TLS, dialogue.events)]
    if started == "implicit":
        spoken = any(event.layer == TEXT and event.kind != "preface" for event in dialogue.events[: len(before)])
        return "TLS that was not asked for" if spoken else "Implicit TLS, from the first byte"
    return "Explicit TLS, after an upgrade" if "go-ahead" in before else "Explicit TLS, whose go-ahead was not seen"


def _milliseconds(dialogue: Dialogue, event: Event) -> str:
    return f"{(event.time - dialogue.events[0].time) * 1000:.1f}"


def _who(dialogue: Dialogue, event: Event) -> tuple[str, str]:
    ends = (dialogue.client_name, dialogue.server_name)
    left, right = ends if event.sender == CLIENT else ends[::-1]
    return printable(left), printable(right)


def _numbered(reading: Reading) -> list[tuple[Event, list[Exposure]]]:
    by_event: dict[int, list[Exposure]] = {}
    for exposure in reading.exposures:
        by_event.setdefault(exposure.event_index, []).append(exposure)
    shown = reading.dialogue.events[:EVENTS_SHOWN]
    return [(event, by_event.get(index, [])) for index, event in enumerate(shown)]


def _more_events(dialogue: Dialogue) -> str:
    rest = len(dialogue.events) - EVENTS_SHOWN
    return f"… {rest:,} more {_plural(rest, 'event')}." if rest > 0 else ""


def _left_out(size: int) -> str:
    return f"… {size:,} {_plural(size, 'byte')} more"


# ---- plain text


def plain_text(reading: Reading, how: str = "") -> str:
    """The transcript of one dialogue for a terminal; `how` says in a sentence how it was captured."""
    dialogue = reading.dialogue
    names = [len(printable(name)) for name in (dialogue.client_name, dialogue.server_name)]
    who = min(sum(names) + 3, 24)
    columns = (8, who, 13)
    content = (WIDTH - sum(columns) - 4 * 2) * 43 // 100
    layout = (*columns, content, WIDTH - sum(columns) - 4 * 2 - content)
    head = [*_wrap(heading(dialogue), WIDTH), *_wrap(summary(dialogue), WIDTH), *_wrap(printable(how), WIDTH), ""]
    rows = [_columns(layout, [["ms"], ["from → to"], ["how"], ["what"], ["meaning"]])]
    for event, exposures in _numbered(reading):
        rows += _text_rows(layout, dialogue, event, exposures)
    return "\n".join([*head, *rows, *filter(None, [_more_events(dialogue)])])


def _text_rows(layout: tuple[int, ...], dialogue: Dialogue, event: Event, exposures: list[Exposure]) -> list[str]:
    lines, left_out = lines_of(event)
    first = [
        [_milliseconds(dialogue, event)],
        _wrap(" → ".join(_who(dialogue, event)), layout[1]),
        [form_of(event).tag],
    ]
    rows = []
    for line in lines:
        readable = _labels(line, exposures) if event.layer != TLS else [label(e) for e in exposures]
        meaning = _wrap(line.meaning, layout[4]) + [
            part for found in readable for part in _wrap(f"» readable: {found}", layout[4], subsequent_indent="  ")
        ]
        shape = layout if meaning else (*layout[:3], layout[3] + 2 + layout[4], 0)
        rows.append(_columns(shape, [*first, _chopped(decoded(line.data), shape[3]), meaning]))
        first = [[], [], []]
    return [*rows, _columns(layout, [[], [], [], [_left_out(left_out)], []])] if left_out else rows


def _labels(line: Line, exposures: Sequence[Exposure]) -> list[str]:
    found = [text for piece in pieces(line, exposures) for text in piece.labels]
    return list(dict.fromkeys(found))


def _chopped(text: str, width: int) -> list[str]:
    return _wrap(text, width, drop_whitespace=False, break_on_hyphens=False) or [""]


def _columns(layout: tuple[int, ...], cells: list[list[str]]) -> str:
    height = max(1, *map(len, cells))
    rows = []
    for number in range(height):
        row = [cell[number] if number < len(cell) else "" for cell in cells]
        aligned = [
            row[0].rjust(layout[0]),
            *(text.ljust(width) for text, width in zip(row[1:], layout[1:], strict=True)),
        ]
        rows.append("  ".join(aligned).rstrip())
    return "\n".join(rows)


# ---- HTML


def _section(reading: Reading, how: str) -> str:
    dialogue = reading.dialogue
    rows = "".join(_row(dialogue, event, exposures) for event, exposures in _numbered(reading))
    more = _more_events(dialogue)
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
    left, right = _who(dialogue, event)
    content = _tls_content(event, exposures, form) if event.layer == TLS else _lines(event, exposures, form)
    return (
        f'<tr><td class="lk-ms">{_milliseconds(dialogue, event)}</td>'
        f'<td class="lk-who">{markup(left)} → {markup(right)}</td>'
        f'<td class="lk-how">{tag(form)}</td><td>{content}</td></tr>'
    )


def _lines(event: Event, exposures: list[Exposure], form: Form) -> str:
    lines, left_out = lines_of(event)
    body = "".join(_line(line, exposures, form) for line in lines)
    return body + (
        f'<span class="lk-line lk-{form.name}"><small>{_left_out(left_out)}</small></span>' if left_out else ""
    )


def _line(line: Line, exposures: Sequence[Exposure], form: Form) -> str:
    code = "".join(_marked(piece.text, piece.labels) for piece in pieces(line, exposures))
    meaning = f"<small>{markup(line.meaning)}</small>" if line.meaning else ""
    said = f'<span class="lk-said"><code>{code}</code>{_chips(_labels(line, exposures))}</span>'
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
