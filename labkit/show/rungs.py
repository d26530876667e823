"""The rungs of a ladder: the events of a dialogue in order, each with a short label, its form and its phase.

Ciphertext that repeats itself is folded into one rung. How rungs are drawn is `ladder`.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from labkit.decode.event import CLIENT, TCP, TEXT, TLS, Dialogue, Event
from labkit.show.forms import CONTENT, Form, form_of
from labkit.show.printed import printable
from labkit.show.readable import as_text

SHOWN = 80

SIGNALS = "TCP"
OPEN = "clear text"
SHAKING = "TLS handshake"
ENCRYPTED = "encrypted"

_LONGEST = 2000
"""Bytes of a phrase of which a label is made."""
_ROOM = 78
"""Characters that a label has beside its title."""


class Rung(NamedTuple):
    """One arrow of the ladder."""

    index: int
    """Of its first event in the dialogue."""
    count: int
    """How many events it stands for; they follow each other."""
    milliseconds: float
    """Since the first event of the dialogue."""
    sender: str
    kind: str
    """The kind of its first event."""
    form: Form
    phase: str
    """One of `SIGNALS`, `OPEN`, `SHAKING`, `ENCRYPTED`."""
    title: str
    detail: str
    """The rest of the label; may be empty."""


def rungs(dialogue: Dialogue) -> list[Rung]:
    """All rungs of a dialogue."""
    phases = _phases(dialogue.events)
    numbered = list(enumerate(zip(dialogue.events, phases, strict=True)))
    found = []
    for _, group in groupby(numbered, lambda item: _fold(item[0], *item[1])):
        members = list(group)
        index, (_, phase) = members[0]
        found.append(_rung(dialogue, index, phase, [event for _, (event, _) in members]))
    return found


def _fold(index: int, event: Event, phase: str) -> tuple[object, ...]:
    """The key by which neighbours share a rung: TLS messages of one kind from one side have equal keys."""
    return (event.sender, event.kind, event.title, event.encrypted, phase) if event.layer == TLS else (index,)


def _rung(dialogue: Dialogue, index: int, phase: str, events: list[Event]) -> Rung:
    events = [as_text(dialogue.dialect, event) for event in events]
    first = events[0]
    times = f" × {len(events)}" if len(events) > 1 else ""  # noqa: RUF001
    milliseconds = (first.time - dialogue.events[0].time) * 1000
    title = printable(_title(first)) + times
    token = dialogue.dialect.token if dialogue.dialect else ""
    return Rung(
        index,
        len(events),
        milliseconds,
        first.sender,
        first.kind,
        form_of(first),
        phase,
        title,
        _detail(events, token),
    )


def _phases(events: Sequence[Event]) -> list[str]:
    found: list[str] = []
    finished: set[str] = set()
    sealed = False
    for event in events:
        # Tickets of TLS 1.3 follow the handshake (RFC 8446 §4.6.1), and may come before anything that is said.
        sealed = sealed or len(finished) == 2 or (event.encrypted and (event.layer == TEXT or event.kind in CONTENT))
        found.append(_phase(event, sealed, found))
        if event.title == "Finished":
            finished.add(event.sender)
    return found


def _phase(event: Event, sealed: bool, before: Sequence[str]) -> str:
    if event.layer == TCP:
        return before[-1] if event.kind in _SIZES and before else SIGNALS
    if sealed and (event.encrypted or event.layer == TLS):
        return ENCRYPTED
    return OPEN if event.layer == TEXT else SHAKING


_SIZES = {"gap": "({:,} bytes are missing)", "again": "({:,} bytes)"}
"""Kind of a TCP signal -> what is said of its size."""


def _detail(events: list[Event], token: str) -> str:
    first = events[0]
    if first.layer == TCP:
        return _SIZES.get(first.kind, "").format(first.wire)
    if first.layer == TLS:
        return f"({sum(event.wire for event in events):,} bytes)"
    if first.kind == "message":
        return f"({len(first.data.splitlines()):,} lines, {len(first.data):,} bytes)"
    return printable(" · ".join(_shortened(_said(first), token)))


def _title(event: Event) -> str:
    """The label of an arrow, with its IMAP tag or ``*`` where it has one (RFC 9051 §2.2)."""
    before, _, behind = event.data[:_LONGEST].decode("utf-8", "backslashreplace").partition(" ")
    tagged = event.layer == TEXT and behind.upper().startswith(event.title.upper()) and before.strip()
    return f"{before} {event.title}" if tagged else event.title


def _said(event: Event) -> list[str]:
    """The lines of a phrase without the title with which each begins."""
    repeated = re.compile(rf"{re.escape(_title(event))}(?:: |[ -]|$)", re.IGNORECASE)
    lines = event.data[:_LONGEST].decode("utf-8", "backslashreplace").split("\n")
    return [said for line in lines if (said := repeated.sub("", line.strip("\r"), count=1))]


def _shortened(said: list[str], token: str) -> list[str]:
    """The first lines that fit; the line that offers the upgrade is always kept."""
    kept = list(said)
    while sum(map(len, kept)) + 3 * len(kept) - 3 > _ROOM:
        spare = [n for n in range(1, len(kept)) if kept[n] != "…" and (not token or not kept[n].startswith(token))]
        if not spare:
            return kept
        kept[spare[-1] : spare[-1] + 1] = ["…"]
        kept = [line for n, line in enumerate(kept) if line != "…" or n == 0 or kept[n - 1] != "…"]
    return kept


def sentence(dialogue: Dialogue, rung: Rung) -> str:
    """The rung in words, as its text alternative."""
    ends = (dialogue.client_name, dialogue.server_name)
    left, right = ends if rung.sender == CLIENT else ends[::-1]
    return printable(
        f"{rung.milliseconds:.1f} ms, {left} to {right}, {rung.form.tag}: {rung.title} {rung.detail}".rstrip()
    )
