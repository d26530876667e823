"""The shapes of a picture: arrows whose line and head tell how something crossed the wire, locks, and text that fits.

All measures are points; y grows downwards. What a picture says is not decided here.
"""

from collections.abc import Sequence
from math import cos, pi, sin
from typing import TYPE_CHECKING, NamedTuple

from labkit.show.forms import Form
from labkit.show.picture import WIDTH, ink, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEAD = 9.0
"""Length of an arrow head."""
LOCK = 15.0
"""Room that a lock takes at the tail of an arrow."""
_LEGEND_STEP = 17.0
"""From a row of a legend to the next."""


class Stroke(NamedTuple):
    """Style of the arrow of one form: its line and its head."""

    dash: str | tuple[int, tuple[float, ...]]
    width: float
    offsets: tuple[float, ...]
    """One line at each of these distances from the middle."""
    head: str
    """open (two strokes), filled or hollow."""


STROKES: dict[str, Stroke] = {
    "tcp": Stroke((0, (4, 3)), 1.1, (0.0,), "open"),
    "clear": Stroke("solid", 2.0, (0.0,), "filled"),
    "tls": Stroke((0, (9, 2.5, 1.5, 2.5)), 1.4, (0.0,), "hollow"),
    "opened": Stroke("solid", 1.1, (-1.7, 1.7), "filled"),
    "sealed": Stroke("solid", 1.1, (-1.7, 1.7), "filled"),
}
"""`Form.name` -> its arrow."""


def page(figure: "Figure") -> "Axes":
    """Axes over the whole figure in which one unit is one point and y grows downwards."""
    width, height = (72 * inches for inches in figure.get_size_inches())
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def write(axes: "Axes", x: float, y: float, text: str, role: str = "ink", size: float = 9.0, **style: object) -> None:
    """Write text with its baseline at `y`; a dollar sign does not start mathematics."""
    axes.text(x, y, text, color=ink(role), fontsize=size, parse_math=False, clip_on=False, **style)


def width_of(text: str, size: float = 9.0, weight: str = "normal") -> float:
    """The width of the text in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    with quiet():
        return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]


def fitted(text: str, room: float, size: float = 9.0, weight: str = "normal") -> str:
    """The text, cut with an ellipsis where it is wider than `room` points."""
    if width_of(text, size, weight) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width_of(text[:middle] + "…", size, weight) <= room else (low, middle - 1)
    return text[:low].rstrip() + "…"


def arrow(axes: "Axes", start: float, end: float, y: float, form: Form) -> None:
    """Draw a horizontal arrow in the style of a form, with a lock at its tail for ciphertext."""
    ahead = 1.0 if end > start else -1.0
    stroke = STROKES[form.name]
    if form.locked:
        lock(axes, start + ahead * LOCK / 2, y, form)
        start += ahead * LOCK
    stop = end if stroke.head == "open" else end - ahead * _HEAD
    for offset in stroke.offsets:
        line(axes, (start, stop), (y + offset, y + offset), form.colour, stroke.width, stroke.dash)
    _head(axes, end, y, ahead, stroke, form.colour)


def legend(axes: "Axes", forms: Sequence[Form], top: float) -> None:
    """Draw the legend of the forms in two columns; the middle of the first row is at `top`."""
    for number, form in enumerate(forms):
        x, y = 10 + (number % 2) * (WIDTH / 2 - 40), top + _LEGEND_STEP * (number // 2)
        arrow(axes, x, x + 46, y, form)
        write(axes, x + 54, y, form.legend, "soft", va="center")


def legend_height(forms: Sequence[Form]) -> float:
    """The height of the legend of these forms in points."""
    return _LEGEND_STEP * ((len(forms) + 1) // 2)


def line(
    axes: "Axes", xs: tuple[float, ...], ys: tuple[float, ...], role: str, width: float, dash: object = "solid"
) -> None:
    """Draw a line through these points."""
    axes.plot(xs, ys, color=ink(role), linewidth=width, linestyle=dash, dash_capstyle="butt", solid_capstyle="butt")


def _head(axes: "Axes", tip: float, y: float, ahead: float, stroke: Stroke, role: str) -> None:
    back, half = tip - ahead * _HEAD, 4.2
    if stroke.head == "open":
        line(axes, (back, tip, back), (y - half, y, y + half), role, 1.3)
        return
    face = ink(role) if stroke.head == "filled" else "none"
    axes.fill((back, tip, back), (y - half, y, y + half), facecolor=face, edgecolor=ink(role), linewidth=1.3)


def cross(axes: "Axes", x: float, y: float, role: str) -> None:
    """Draw a cross: the connection was cut, or bytes are missing."""
    for slope in (-1, 1):
        line(axes, (x - 4.5, x + 4.5), (y - 4.5 * slope, y + 4.5 * slope), role, 1.6)


def lock(axes: "Axes", x: float, y: float, form: Form) -> None:
    """Draw a padlock, closed, or open where the ciphertext was decrypted."""
    hinge = -3.0 if form.name == "opened" else 0.0
    lift = 1.2 if form.name == "opened" else 0.0
    angles = [pi * step / 12 for step in range(13)]
    xs = (x + hinge - 2.6, *(x + hinge - 2.6 * cos(a) for a in angles), x + hinge + 2.6)
    ys = (y - 0.8 - lift, *(y - 2.8 - lift - 2.6 * sin(a) for a in angles), y - 0.8)
    line(axes, xs, ys, form.colour, 1.5)
    axes.fill((x - 4, x + 4, x + 4, x - 4), (y - 1, y - 1, y + 5, y + 5), facecolor=ink(form.colour), linewidth=0)
