"""Align the two legs of an attacked conversation: each line is equal, changed, held back or forged by the attacker.

As a table and as a ladder with the attacker in the middle. The two dialogues are read as they were captured; what the
attacker meant to do is not asked.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import partial
from math import cos, pi, sin
from typing import TYPE_CHECKING, NamedTuple

from labkit.decode.event import CLIENT, TCP, TEXT, TLS, Dialogue, Event
from labkit.show import html
from labkit.show.forms import explained, form_of, tag
from labkit.show.page import Page
from labkit.show.picture import WIDTH, Picture, canvas, ink
from labkit.show.printed import printable
from labkit.show.shapes import LOCK, arrow, cross, fitted, legend, legend_height, line, page, width_of, write
from labkit.show.table import Column, build

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SAME, CHANGED, KEPT, MADE_UP, OWN, OTHERWISE = "same", "changed", "kept back", "made up", "own TLS", "read otherwise"
_MARKS = {SAME: "=", CHANGED: "≠", KEPT: "✘", MADE_UP: "+", OWN: "||", OTHERWISE: "≈"}
_SAYS = {
    SAME: "",
    CHANGED: "changed by {who}",
    KEPT: "kept back by {who}",
    MADE_UP: "made up by {who}",
    OWN: "TLS with {who}",
    OTHERWISE: "same bytes, read otherwise",
}
_LEGEND = "≠ changed · ✘ kept back · + made up · || a TLS session on each side · ≈ same bytes, read otherwise"
_SHOWN = 60
_LINES = 12
"""Rows of a picture or table, and lines of a phrase, that are shown."""


class Pair(NamedTuple):
    """One phrase as the victim's and as the server's end saw it; None where an end did not see it."""

    left: Event | None
    """On the victim's side."""
    right: Event | None
    """On the server's side."""
    what: str
    """`SAME`, `CHANGED`, `KEPT`, `MADE_UP`; `OWN`: a message of TLS where each side has a session of its own;
    `OTHERWISE`: what crossed as the same ciphertext, but is not the same thing to the other end.
    """

    @property
    def sender(self) -> str:
        """The apparent sender."""
        return (self.left or self.right).sender


class TwoSided(Page):
    """Two dialogues side by side; a table in a notebook."""

    def __init__(self, victim: Dialogue, server: Dialogue, attacker: str = "mallory") -> None:
        self.rows = aligned(victim, server)
        """Everything that was said, in order."""
        self._ends = (printable(victim.client_name), printable(attacker), printable(server.server_name))
        super().__init__(partial(_table, self.rows, self._ends), _text(self.rows, self._ends))

    @property
    def differences(self) -> list[Pair]:
        """The rows in which the two ends saw different phrases."""
        return [row for row in self.rows if row.what not in (SAME, OWN, OTHERWISE)]

    def ladder(self) -> Picture:
        """The ladder of both legs, with the attacker in the middle."""
        label = f"Ladder with {self._ends[1]} in the middle: {len(self.differences)} differences between the two sides."
        return Picture(_drawn(self.rows[:_SHOWN], self._ends), self.text, label)


def aligned(victim: Dialogue, server: Dialogue) -> list[Pair]:
    """Align two dialogues. Ciphertext is compared byte by byte, decrypted records by their content."""
    left, right = ([event for event in one.events if event.layer != TCP] for one in (victim, server))
    matcher = SequenceMatcher(a=list(map(_key, left)), b=list(map(_key, right)), autojunk=False)
    rows: list[Pair] = []
    for _, a, b, c, d in matcher.get_opcodes():
        rows += _paired(left[a:b], right[c:d])
    rows = _met(rows)
    if any(row.what == CHANGED and row.left.title == "ServerHello" for row in rows):
        return [_of_own(row) for row in rows]
    return [_sealed(row) for row in rows]


def _sealed(row: Pair) -> Pair:
    """Mark a row that differs inside an end-to-end TLS session as `OTHERWISE`: no attacker can change it."""
    different = (row.left or row.right).encrypted and row.what != SAME
    return row._replace(what=OTHERWISE) if different else row


def _met(rows: list[Pair]) -> list[Pair]:
    """Pair phrases that crossed: each end saw its own first, which is no difference."""
    met: list[Pair] = []
    for row in rows:
        twin = next((n for n, other in enumerate(met) if _same_apart(other, row)), None)
        if twin is None:
            met.append(row)
        else:
            met[twin] = Pair(met[twin].left or row.left, met[twin].right or row.right, SAME)
    return met


def _same_apart(one: Pair, other: Pair) -> bool:
    both = (one.left or other.left, one.right or other.right)
    apart = (one.left is None) != (other.left is None) and (one.right is None) != (other.right is None)
    return apart and None not in both and _key(both[0]) == _key(both[1])


def _of_own(row: Pair) -> Pair:
    """Mark a TLS message that differs as `OWN`, where each end has a TLS session with the attacker."""
    different = (row.left or row.right).layer == TLS and row.what != SAME
    return row._replace(what=OWN) if different else row


def _key(event: Event) -> tuple[str, str, bytes]:
    return event.sender, event.title, event.data


def _paired(left: list[Event], right: list[Event]) -> Iterator[Pair]:
    """Pair two runs of rows by sender and kind of phrase."""
    rest = list(right)
    for event in left:
        twin = next(
            (n for n, other in enumerate(rest) if (other.sender, other.title) == (event.sender, event.title)), None
        )
        if twin is None:
            yield Pair(event, None, KEPT if event.sender == CLIENT else MADE_UP)
            continue
        for early in rest[:twin]:
            yield _only_right(early)
        yield Pair(event, rest[twin], SAME if _key(event) == _key(rest[twin]) else CHANGED)
        del rest[: twin + 1]
    for event in rest:
        yield _only_right(event)


def _only_right(event: Event) -> Pair:
    return Pair(None, event, MADE_UP if event.sender == CLIENT else KEPT)


def _says(row: Pair, attacker: str) -> str:
    return _SAYS[row.what].format(who=attacker)


def _lines(event: Event | None) -> list[str]:
    if event is None:
        return []
    if event.layer != TEXT:
        return [printable(f"{event.title}, {event.wire:,} bytes")]
    lines = [printable(part) for part in event.text.splitlines()] or [""]
    return lines if len(lines) <= _LINES else [*lines[:_LINES], f"… {len(lines) - _LINES} more lines"]


# ---- the table


def _table(rows: list[Pair], ends: tuple[str, str, str]) -> html.Node:
    left, attacker, right = ends
    columns = (Column(f"what {left} sees"), Column(attacker, "lk-who"), Column(f"what {right} sees"))
    table = build(columns, (_row(row, attacker) for row in rows[:_SHOWN]), label=f"What {left} and {right} saw")
    return table, html.p[f"… {len(rows) - _SHOWN} more rows"] if len(rows) > _SHOWN else None


def _row(row: Pair, attacker: str) -> tuple[html.Node, ...]:
    direction = "→" if row.sender == CLIENT else "←"
    says = _says(row, attacker)
    middle = html.span("lk-what")[f"{_MARKS[row.what]} {says}"] if says else "="
    return _seen(row.left, row.right), [direction, " ", _tags(row), middle], _seen(row.right, row.left)


def _tags(row: Pair) -> list[html.Node]:
    """The form of the row on each leg; one tag where both are the same."""
    forms = dict.fromkeys(form_of(event) for event in (row.left, row.right) if event is not None)
    return [[tag(form), " "] for form in forms]


def _seen(event: Event | None, other: Event | None) -> html.Node:
    if event is None:
        return html.span("lk-soft")["(nothing)"]
    theirs = set(_lines(other))
    lines = [html.div[html.code[text if text in theirs else html.mark[text]]] for text in _lines(event)]
    return html.div(f"lk-line lk-{form_of(event).name}")[html.div[lines]]


def _text(rows: list[Pair], ends: tuple[str, str, str]) -> str:
    width = 52
    out = [f"{'what ' + ends[0] + ' sees':<{width}} {ends[1]:^24} what {ends[2]} sees"]
    for row in rows[:_SHOWN]:
        left, right = _lines(row.left) or ["(nothing)"], _lines(row.right) or ["(nothing)"]
        middle = f"{'→' if row.sender == CLIENT else '←'} {_MARKS[row.what]} {_says(row, ends[1])}"
        for number in range(max(len(left), len(right))):
            cells = [side[number] if number < len(side) else "" for side in (left, right)]
            out.append(f"{cells[0][:width]:<{width}} {middle if not number else '':^24} {cells[1]}".rstrip())
    return "\n".join(out)


# ---- the ladder

_LEFT, _MIDDLE, _RIGHT = 70.0, WIDTH / 2, WIDTH - 70.0
_TOP, _STEP = 52.0, 27.0
_DISC = 9.0
"""Radius of the disc with a mark, in the middle."""


def _drawn(rows: list[Pair], ends: tuple[str, str, str]) -> "Figure":
    forms = explained(_used(rows))
    bottom = _TOP + _STEP * len(rows) + 10
    figure = canvas(bottom + 34 + legend_height(forms))
    axes = page(figure)
    for x, name, role in zip((_LEFT, _MIDDLE, _RIGHT), ends, ("soft", "clear", "soft"), strict=True):
        _lifeline(axes, x, name, role, bottom)
    for number, row in enumerate(rows):
        _rung(axes, row, _TOP + _STEP * (number + 1) - 6)
    legend(axes, forms, bottom + 14)
    y = bottom + 14 + legend_height(forms)
    write(axes, 10, y, _LEGEND, "soft", va="center")
    return figure


def _used(rows: list[Pair]) -> set[str]:
    return {form_of(event).name for row in rows for event in (row.left, row.right) if event is not None}


def _lifeline(axes: "Axes", x: float, name: str, role: str, bottom: float) -> None:
    line(axes, (x, x), (_TOP - 16, bottom), role, 1.3, "solid" if role == "soft" else (0, (5, 3)))
    half = max(width_of(name, 11, "bold") / 2 + 10, 26)
    box = ((x - half, x + half, x + half, x - half), (6, 6, 32, 32))
    axes.fill(*box, facecolor=ink("raised"), edgecolor=ink(role), linewidth=1.2)
    write(axes, x, 23, name, size=11, weight="bold", ha="center")


def _rung(axes: "Axes", row: Pair, y: float) -> None:
    gap = 3 if row.what == SAME else _DISC + 3
    for event, near, far in ((row.left, _LEFT + 3, _MIDDLE - gap), (row.right, _MIDDLE + gap, _RIGHT - 3)):
        if event is not None:
            start, end = (near, far) if event.sender == CLIENT else (far, near)
            arrow(axes, start, end, y, form_of(event))
            _label(axes, event, (near + far) / 2, y - 6, far - near - 2 * LOCK)
    if row.what == KEPT:
        cross(axes, _MIDDLE, y, "wrong")
    elif row.what != SAME:
        axes.fill(*_disc(_MIDDLE, y), facecolor=ink("paper"), edgecolor=ink("wrong"), linewidth=1.6, zorder=5)
        write(axes, _MIDDLE, y, _MARKS[row.what], "wrong", 11, weight="bold", ha="center", va="center", zorder=6)


def _disc(x: float, y: float) -> tuple[list[float], list[float]]:
    angles = [pi * step / 12 for step in range(24)]
    return [x + _DISC * cos(a) for a in angles], [y + _DISC * sin(a) for a in angles]


def _label(axes: "Axes", event: Event, x: float, y: float, room: float) -> None:
    first = _lines(event)[0]
    more = f" … {len(_lines(event)) - 1} more" if event.layer == TEXT and len(_lines(event)) > 1 else ""
    write(axes, x, y, fitted(f"{first}{more}", room, 8.5), form_of(event).colour, 8.5, ha="center")
