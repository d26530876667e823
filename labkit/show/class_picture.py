"""A class at a glance: a row for each student, a column for each lesson, and in each field how much is solved.

The number says it, and a bar below it shows it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labkit.show.picture import WIDTH, Picture, canvas, ink
from labkit.show.printed import printable
from labkit.show.shapes import fitted, page, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT = 120.0
"""Points for the names."""
_TOP, _ROW = 34.0, 19.0
_BAR = 3.0


def class_picture(
    lessons: Sequence[str],
    of: Sequence[int],
    solved: Sequence[tuple[str, Sequence[int | None]]],
    label: str,
    words: str,
) -> Picture:
    """The picture of a class: a student's name, and how many exercises of each lesson are solved, `of` so many.

    None stands for a number that is unknown, and is drawn as a question mark.
    """
    figure = canvas(_TOP + _ROW * len(solved) + 10)
    axes = page(figure)
    step = (WIDTH - _LEFT - 8) / max(len(lessons), 1)
    for column, lesson in enumerate(lessons):
        write(axes, _LEFT + (column + 0.5) * step, 20, fitted(printable(lesson), step - 4), weight="bold", ha="center")
    for row, (name, numbers) in enumerate(solved):
        bottom = _TOP + _ROW * row + 12
        write(axes, _LEFT - 10, bottom, fitted(printable(name), _LEFT - 16), ha="right")
        for column, (number, every) in enumerate(zip(numbers, of, strict=True)):
            _field(axes, _LEFT + column * step, bottom, step, number, every)
    return Picture(figure, words, label)


def _field(axes: "Axes", x: float, bottom: float, step: float, right: int | None, of: int) -> None:
    said = "?" if right is None else f"{right}/{of}"
    write(axes, x + step / 2, bottom, said, "ink" if right else "soft", 8.0, ha="center")
    width = step - 6
    for role, share in (("rule", 1.0), ("right", (right or 0) / of if of else 0.0)):
        left, end, top, foot = x + 3, x + 3 + width * share, bottom + 2, bottom + 2 + _BAR
        axes.fill((left, end, end, left), (top, top, foot, foot), facecolor=ink(role), linewidth=0)
