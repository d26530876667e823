"""The ladder of a dialogue: two lifelines, an arrow for each event, the phases beside them; as a picture and as text.

TCP signals, clear text, TLS messages and ciphertext differ by line and arrow head as well as by colour, so the picture
reads in grey too. What the arrows say comes from `rungs`, how they look from `shapes`.
"""

from collections.abc import Mapping
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING

from labkit.decode.event import CLIENT, Dialogue
from labkit.show.forms import Form, explained
from labkit.show.picture import WIDTH, Picture, canvas, ink
from labkit.show.printed import printable
from labkit.show.rungs import ENCRYPTED, SHOWN, Rung, rungs, sentence
from labkit.show.shapes import arrow, cross, fitted, legend, legend_height, line, page, width_of, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT, _RIGHT = 64.0, WIDTH - 112.0
"""The lifelines, in points from the left edge."""
_TOP = 52.0
"""Where the first rung begins."""
_STEP = 26.0
_NOTE = 13.0
_PAUSE = 6.0
"""Points that a rung takes, a note under it, and the end of a phase."""
_ROOM = _RIGHT - _LEFT - 24.0


def ladder(dialogue: Dialogue, notes: Mapping[int, str] | None = None) -> Picture:
    """The ladder diagram of a dialogue; `notes` are remarks to write under events, by their index in `dialogue.events`.

    At most `rungs.SHOWN` rungs are drawn; a line says how many more there are.
    """
    every = rungs(dialogue)
    shown = every[:SHOWN]
    more = _more(sum(rung.count for rung in every[SHOWN:]))
    remarks = _remarks(shown, notes or {})
    label = f"Ladder diagram: {sum(rung.count for rung in every)} events between {_ends(dialogue)}."
    words = "\n".join([_sentence(dialogue, rung, remarks) for rung in shown] + [more] * bool(more))
    return Picture(_drawn(dialogue, shown, remarks, more), _text(dialogue, shown, remarks, more), label, words)


def _ends(dialogue: Dialogue) -> str:
    return printable(f"{dialogue.client_name} ({dialogue.client}) and {dialogue.server_name} ({dialogue.server})")


def _more(count: int) -> str:
    return f"… {count:,} more {'event' if count == 1 else 'events'}" if count else ""


def _remarks(shown: list[Rung], notes: Mapping[int, str]) -> dict[int, str]:
    """Index of a rung's first event -> the notes of all its events."""
    found = {r.index: " ".join(notes[i] for i in range(r.index, r.index + r.count) if i in notes) for r in shown}
    return {index: printable(note) for index, note in found.items() if note}


def _sentence(dialogue: Dialogue, rung: Rung, remarks: Mapping[int, str]) -> str:
    note = remarks.get(rung.index)
    return f"{sentence(dialogue, rung)}. {note}" if note else f"{sentence(dialogue, rung)}."


def _clock(milliseconds: float) -> str:
    return f"{milliseconds:,.1f}" if milliseconds < 100_000 else f"{milliseconds:,.0f}"


def _forms(shown: list[Rung]) -> list[Form]:
    """The forms that the legend explains."""
    return explained({rung.form.name for rung in shown})


# ---- the picture


def _drawn(dialogue: Dialogue, shown: list[Rung], remarks: Mapping[int, str], more: str) -> "Figure":
    forms = _forms(shown)
    heights = [
        _STEP + _NOTE * (rung.index in remarks) + _PAUSE * (after is None or after.phase != rung.phase)
        for rung, after in zip_longest(shown, shown[1:])
    ]
    bottom = _TOP + sum(heights) + 8 + 18 * bool(more)
    figure = canvas(bottom + 14 + legend_height(forms))
    axes = page(figure)
    tops = [_TOP + sum(heights[:number]) for number in range(len(shown) + 1)]
    _phases(axes, shown, tops)
    _lifelines(axes, dialogue, bottom)
    for rung, top in zip(shown, tops, strict=False):
        _rung(axes, rung, top, remarks.get(rung.index, ""))
    if more:
        write(axes, (_LEFT + _RIGHT) / 2, tops[-1] + 16, more, "soft", 9.5, ha="center")
    legend(axes, forms, bottom + 16)
    return figure


def _lifelines(axes: "Axes", dialogue: Dialogue, bottom: float) -> None:
    ends = ((_LEFT, dialogue.client_name, dialogue.client), (_RIGHT, dialogue.server_name, dialogue.server))
    for x, name, endpoint in ends:
        line(axes, (x, x), (_TOP - 14, bottom), "soft", 1.3)
        name, address = fitted(printable(name), 200, 11, "bold"), fitted(str(endpoint), 230)
        half = max(width_of(name, 11, "bold"), width_of(address)) / 2 + 9
        middle = max(x, half + 2)
        box = {"facecolor": ink("raised"), "edgecolor": ink("soft"), "linewidth": 1.2}
        axes.fill((middle - half, middle + half, middle + half, middle - half), (3, 3, 36, 36), **box)
        write(axes, middle, 17, name, size=11, weight="bold", ha="center")
        write(axes, middle, 30, address, "soft", ha="center")
    write(axes, _LEFT - 14, _TOP - 1, "ms", "soft", ha="right")


def _phases(axes: "Axes", shown: list[Rung], tops: list[float]) -> None:
    number = 0
    for phase, group in groupby(shown, lambda rung: rung.phase):
        first, number = number, number + len(list(group))
        top, bottom, middle = tops[first], tops[number], (tops[first] + tops[number]) / 2
        role = shown[first].form.colour
        if phase == ENCRYPTED:
            axes.fill((_LEFT, _RIGHT, _RIGHT, _LEFT), (top, top, bottom, bottom), facecolor=ink("raised"), linewidth=0)
        x = _RIGHT + 20
        line(axes, (x - 5, x, x, x - 5), (top + 3, top + 3, bottom - 3, bottom - 3), role, 1.6)
        write(axes, x + 7, middle, phase, role, 9.5, weight="bold", va="center")
        if first:
            line(axes, (8, WIDTH - 4), (top, top), "rule", 0.8)


def _rung(axes: "Axes", rung: Rung, top: float, note: str) -> None:
    y = top + _STEP - 6
    start, end = (_LEFT + 3, _RIGHT - 3) if rung.sender == CLIENT else (_RIGHT - 3, _LEFT + 3)
    write(axes, _LEFT - 14, y, _clock(rung.milliseconds), "soft", va="center", ha="right")
    if rung.kind == "gap":
        line(axes, (_LEFT + 3, _RIGHT - 3), (y, y), rung.form.colour, 1.4, (0, (1.2, 4)))
        cross(axes, _LEFT + 36, y, rung.form.colour)
        cross(axes, _RIGHT - 36, y, rung.form.colour)
    else:
        arrow(axes, start, end, y, rung.form)
    if rung.kind == "rst":
        cross(axes, end + (start - end) * 0.07, y, rung.form.colour)
    _label(axes, rung, y - 6.5)
    if note:
        write(axes, (_LEFT + _RIGHT) / 2, y + 13, fitted(note, _ROOM), "ink", ha="center", style="italic")


def _label(axes: "Axes", rung: Rung, y: float) -> None:
    title = fitted(rung.title, _ROOM * 0.6, 9.5, "bold")
    used = width_of(title, 9.5, "bold")
    detail = fitted(rung.detail, _ROOM - used - 6) if rung.detail else ""
    total = used + (6 + width_of(detail) if detail else 0)
    joint = (_LEFT + _RIGHT - total) / 2 + used
    write(axes, joint, y, title, rung.form.colour, 9.5, weight="bold", ha="right")
    if detail:
        write(axes, joint + 6, y, detail, "ink")


# ---- plain text

_FIELD = 88
"""Columns between the two lifelines in plain text."""
_MARKS = {
    "tcp": ("- ", ">", "<"),
    "clear": ("─", "▶", "◀"),
    "tls": ("─·", "▷", "◁"),
    "opened": ("═", "▶", "◀"),
    "sealed": ("▒", "▶", "◀"),
}
"""`Form.name` -> its line, and its head in each direction."""


def _text(dialogue: Dialogue, shown: list[Rung], remarks: Mapping[int, str], more: str) -> str:
    names = [
        printable(f"{n} ({e})")
        for n, e in ((dialogue.client_name, dialogue.client), (dialogue.server_name, dialogue.server))
    ]
    left, right = (_cut(name, (_FIELD + 4) // 2) for name in names)
    lines = [f"{'ms':>8} {left}{right.rjust(_FIELD + 2 - len(left))}"]
    before = ""
    for rung in shown:
        phase, before = "" if rung.phase == before else rung.phase, rung.phase
        lines.append(f"{_clock(rung.milliseconds):>8} │{_arrow(rung)}│ {phase}".rstrip())
        if note := remarks.get(rung.index):
            lines.append(f"{'':>8} │{_cut(note, _FIELD - 4).center(_FIELD)}│")
    lines += [f"{'':>8} {more}"] * bool(more)
    return "\n".join([*lines, "", *(f"{'':>8} {_sample(form)}  {form.legend}" for form in _forms(shown))])


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _sample(form: Form) -> str:
    dash, right, _ = _MARKS[form.name]
    return f"{_dashes(dash, 6)}{right}"


def _dashes(dash: str, room: int) -> str:
    return (dash * room)[:room]


def _arrow(rung: Rung) -> str:
    dash, right, left = _MARKS[rung.form.name]
    said = _cut(f"{rung.title} {rung.detail}".rstrip(), _FIELD - 7)
    if rung.kind == "gap":
        return f" {said} ".center(_FIELD, "·")
    room = _FIELD - len(said) - 3
    before, after = _dashes(dash, 3), _dashes(dash, room - 3)
    return f"{before} {said} {after}{right}" if rung.sender == CLIENT else f"{left}{before} {said} {after}"
