"""The sessions of a network: one mark each, in the row of its server, at the number of its first frame.

The shape of a mark says how much of the session can be read, so colour is never alone.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from labkit.decode.event import Dialogue
from labkit.decode.privacy import visible
from labkit.dialects import ALL, READ_ONLY
from labkit.show.picture import WIDTH, Picture, canvas, ink
from labkit.show.printed import printable
from labkit.show.shapes import fitted, line, page, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from labkit.show.capture import Capture

READ, CLEAR, EXPLICIT, IMPLICIT = "read", "clear", "explicit", "implicit"


class _Mark(NamedTuple):
    shape: str
    """A marker of matplotlib."""
    role: str
    size: float
    said: str
    """What it stands for."""


_MARKS = {
    READ: _Mark("X", "wrong", 7.5, "in which a password or a message can be read"),
    CLEAR: _Mark("o", "clear", 5.0, "in clear text, with no secret in it"),
    EXPLICIT: _Mark("^", "tls", 5.5, "with explicit TLS"),
    IMPLICIT: _Mark("s", "sealed", 4.5, "with TLS from the first byte"),
}
_SECRETS = ("password", "message")
_LEFT, _TOP, _ROW, _LEGEND = 96.0, 30.0, 44.0, 19.0
_LANE, _LANES = 11.0, 33.0
"""How far one protocol of a row is from the next, and the first from the last, at most."""


def timeline(capture: "Capture", servers: Sequence[str]) -> Picture:
    """Draw every session of these servers, named as given, in the order of the frames."""
    rows: dict[str, list[Dialogue]] = {name: [] for name in servers}
    for dialogue in capture.dialogues:
        rows.get(dialogue.server_name, []).append(dialogue)
    lanes = _lanes([one for dialogues in rows.values() for one in dialogues])
    marks = {
        name: [(_began(one), lanes.get(_protocol(one), 0.0), _how(one)) for one in dialogues]
        for name, dialogues in rows.items()
    }
    words = "\n".join(_words(name, [how for *_, how in row]) for name, row in marks.items())
    said = f"{sum(map(len, rows.values()))} sessions of {len(rows)} servers, by their frames."
    return Picture(_drawn(marks, list(lanes), len(capture.frames)), words, said)


def _began(dialogue: Dialogue) -> int:
    return dialogue.events[0].frame


def _protocol(dialogue: Dialogue) -> str:
    return dialogue.dialect.name if dialogue.dialect else ""


def _lanes(dialogues: list[Dialogue]) -> dict[str, float]:
    """Protocol -> how far its marks are below the middle of a row; other sessions are in the middle."""
    spoken = set(map(_protocol, dialogues))
    names = [dialect.name for dialect in (*ALL, *READ_ONLY) if dialect.name in spoken]
    step = min(_LANE, _LANES / max(len(names) - 1, 1))
    return {name: step * (number - (len(names) - 1) / 2) for number, name in enumerate(names)}


def _how(dialogue: Dialogue) -> str:
    if any(exposure.what in _SECRETS for exposure in visible(dialogue)):
        return READ
    if dialogue.session is None:
        return CLEAR
    return EXPLICIT if dialogue.session.started == "explicit" else IMPLICIT


def _words(name: str, hows: list[str]) -> str:
    counts = Counter(hows)
    told = [f"{counts[how]} {mark.said}" for how, mark in _MARKS.items() if counts[how]]
    return printable(f"{name}: {len(hows)} sessions{': ' if told else ''}{', '.join(told)}.")


def _drawn(rows: dict[str, list[tuple[int, float, str]]], lanes: list[str], frames: int) -> "Figure":
    bottom = _TOP + _ROW * len(rows)
    figure = canvas(bottom + 34 + _LEGEND * len(_MARKS))
    axes = page(figure)
    scale = (WIDTH - _LEFT - 24) / max(frames, 1)
    order = f"; in each row from above: {', '.join(lanes)}" if len(lanes) > 1 else ""
    write(axes, _LEFT, 16, f"sessions by their first frame{order}", "soft", 9.5)
    for number, (name, marks) in enumerate(rows.items()):
        middle = _TOP + _ROW * (number + 0.5)
        line(axes, (_LEFT, WIDTH - 20), (middle + _ROW / 2, middle + _ROW / 2), "rule", 0.8)
        label = fitted(printable(name), _LEFT - 18, 11, "bold")
        write(axes, _LEFT - 10, middle, label, size=11, weight="bold", va="center", ha="right")
        for frame, lane, how in marks:
            _mark(axes, _LEFT + 4 + frame * scale, middle + lane, how)
    write(axes, _LEFT, bottom + 14, "frame 1", "soft", 9.5)
    write(axes, WIDTH - 20, bottom + 14, f"frame {frames:,}", "soft", 9.5, ha="right")
    for number, (how, mark) in enumerate(_MARKS.items()):
        y = bottom + 32 + _LEGEND * number
        _mark(axes, _LEFT + 8, y, how)
        write(axes, _LEFT + 22, y, f"a session {mark.said}", "soft", 9.5, va="center")
    return figure


def _mark(axes: "Axes", x: float, y: float, how: str) -> None:
    mark = _MARKS[how]
    axes.plot(
        [x], [y], marker=mark.shape, markersize=mark.size, color=ink(mark.role), markeredgewidth=0, linestyle="none"
    )
