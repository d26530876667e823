"""Show a published survey as a table, or as a picture with a table of its numbers below.

What is drawn follows from the figures (`labkit.surveys`): those of one date are bars, others are marks over time. A
line joins only figures that one author counted in the same way in the same population. A hollow shape is a figure that
was read in a text that quotes it; a bound is drawn as a bound.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil, floor, log10
from typing import TYPE_CHECKING, NamedTuple

from labkit import surveys
from labkit.errors import LabError
from labkit.show import html
from labkit.show.page import Page
from labkit.show.picture import WIDTH, Picture, canvas, ink
from labkit.show.printed import printable
from labkit.show.shapes import fitted, line, page, write
from labkit.show.table import Column, build, table
from labkit.surveys import AS_GIVEN, LOWER, PERCENT, SECONDARY, PublishedFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 6
"""Measures in one picture: with more, a reader would compare what cannot be compared."""
_FOLDED = 12
"""Rows of a table under a picture; a longer one is folded."""
_LABELLED = 4
"""Figures of a series that all have their number beside them; of a longer one, only the first and the last."""
_CSS = ("", "lk-who", "lk-who", "", "")
"""The class of each column of the table under a picture."""
_YEARS = 12
"""Years that have room below a picture; of more, every second or third has its number."""
_CROWDED = 22.0
"""Points above a mark in which there is no room for its number where another line passes."""
_SERIES = (("tls", "o"), ("clear", "s"), ("sealed", "D"), ("right", "^"), ("wrong", "v"), ("soft", "P"))
"""The colour and the mark of each series."""
_LEFT, _RIGHT, _TOP, _BAR, _ROW = 150.0, 110.0, 34.0, 16.0, 26.0
_PLOT, _MARGIN, _LEGEND = 250.0, 52.0, 16.0


class Series(NamedTuple):
    """Comparable figures: one author, one population, one way of counting."""

    rows: tuple[PublishedFigure, ...]
    role: str
    mark: str

    @property
    def name(self) -> str:
        """What the series measures, and its author."""
        first = self.rows[0]
        return f"{first.of}: {first.counted} ({first.citation.partition(',')[0]}{_quoted(first)})"

    def at(self, when: float) -> float | None:
        """The value of the line at that time (years); None outside its range."""
        for before, after in pairwise(self.rows):
            if before.when <= when <= after.when != before.when:
                passed = (when - before.when) / (after.when - before.when)
                return before.value + passed * (after.value - before.value)
        return self.rows[0].value if self.rows[0].when == when else None


class Published(Page):
    """A survey to look at, as a table of its figures. It is a sequence of `labkit.surveys.PublishedFigure`."""

    def __init__(self, name: str, rows: Sequence[PublishedFigure]) -> None:
        self.name = name
        self.rows = tuple(rows)
        columns = ("of", "when", "figure", "what was counted", "among", "who says so", "read in")
        shown = table(f"Published figures: {name}", columns, [_row(one) for one in self.rows])
        super().__init__(shown.body, shown.text)

    def picture(self) -> Picture:
        """The figures of the commonest unit as a picture, and all of them in a table below it.

        Raises `LabError` for a survey whose figures measure too many different things for that.
        """
        series = _series(self.rows)
        if len(series) > _MOST and len({one.date for one in self.rows}) > 1:
            raise LabError(f"{self.name} holds {len(series)} different measures: one picture cannot compare them.")
        return Chart(self.rows)

    def __getitem__(self, key: "str | int") -> PublishedFigure:
        """The figure with that key, or at that place. Raises `LabError` for a key that does not exist."""
        if isinstance(key, int):
            return self.rows[key]
        found = {one.key: one for one in self.rows}
        if key not in found:
            raise LabError(f"{self.name} has no figure {key!r}: there are {', '.join(found)}.")
        return found[key]

    def __iter__(self) -> Iterator[PublishedFigure]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def published(name: str) -> Published:
    """The published figures of that name in data/, for example ``stripping_by_country``.

    Raises `LabError` for one that does not exist; the error names those that do.
    """
    return Published(str(name).removesuffix(".csv"), surveys.survey(name))


class Chart(Picture):
    """A picture of published figures, with the numbers in a table below."""

    def __init__(self, rows: Sequence[PublishedFigure]) -> None:
        self.rows = tuple(rows)
        units = [one.unit for one in rows]
        drawn = [one for one in rows if one.unit == max(units, key=units.count)]
        one_date = len({one.date for one in drawn}) == 1
        words = "\n".join(_sentences(self.rows))
        label = f"{len(drawn)} published figures {'as bars' if one_date else 'over time'}: {drawn[0].counted}."
        super().__init__((_bars if one_date else _over_time)(drawn), words, label)

    def _figure(self) -> html.Node:
        return [super()._figure(), self._numbers()]

    def _numbers(self) -> html.Node:
        heads = ("of", "when", "figure", "among", "source")
        told = [(one.of, one.date, one.said, one.population, f"{one.citation} ({one.grade})") for one in self.rows]
        shared = [at for at in range(3, len(heads)) if len({row[at] for row in told}) == 1]
        columns = [Column(heads[at], _CSS[at], heads=not at) for at in range(len(heads)) if at not in shared]
        rows = [[cell for at, cell in enumerate(row) if at not in shared] for row in told]
        caption = "; ".join(["The numbers of this picture", *(f"{heads[at]}: {told[0][at]}" for at in shared)])
        numbers = build(columns, rows, caption)
        if len(rows) <= _FOLDED:
            return numbers
        return html.details[html.summary[html.small["The numbers of this picture in a table"]], numbers]


def _row(one: PublishedFigure) -> tuple[str, ...]:
    return one.of, one.date, one.said, one.counted, one.population, f"{one.citation} ({one.grade})", one.read_in


def _series(rows: Sequence[PublishedFigure]) -> list[Series]:
    """Group the figures by what they measure; each series is sorted by date."""
    found: dict[tuple[str, ...], list[PublishedFigure]] = {}
    for one in rows:
        found.setdefault(one.measure, []).append(one)
    return [
        Series(tuple(sorted(group, key=lambda one: one.when)), *_SERIES[number % len(_SERIES)])
        for number, group in enumerate(found.values())
    ]


def _quoted(one: PublishedFigure) -> str:
    return ", quoted" if one.grade == SECONDARY else ""


def _sentences(rows: Sequence[PublishedFigure]) -> Iterator[str]:
    for series in _series(rows):
        numbers = ", ".join(f"{one.said} in {one.date}" for one in series.rows)
        yield printable(f"{series.name}: {numbers}; among {series.rows[0].population}.")


# ---- bars


def _bars(rows: Sequence[PublishedFigure]) -> "Figure":
    rows = sorted(rows, key=lambda one: -one.value)
    most = 100.0 if rows[0].unit == PERCENT else rows[0].value
    scale = (WIDTH - _LEFT - _RIGHT) / (most or 1)
    figure = canvas(_TOP + _ROW * len(rows) + 40)
    axes = page(figure)
    counted = "; ".join(dict.fromkeys(one.counted for one in rows))
    write(axes, _LEFT, 18, fitted(printable(f"{counted}, {rows[0].date}"), WIDTH - _LEFT - 10), "soft")
    for row, one in enumerate(rows):
        y, name = _TOP + _ROW * row, fitted(printable(one.of), _LEFT - 16, 10, "bold")
        write(axes, _LEFT - 10, y + _BAR / 2, name, size=10, weight="bold", va="center", ha="right")
        _bar(axes, y, one.value * scale, one)
        write(axes, _LEFT + one.value * scale + (30 if one.bound in LOWER else 8), y + _BAR / 2, one.said, va="center")
    bottom = _TOP + _ROW * len(rows)
    line(axes, (_LEFT, _LEFT), (_TOP - 6, bottom - 4), "rule", 1.0)
    write(axes, 24, bottom + 14, _HOW, "soft", 9.5)
    return figure


_HOW = "Hatched: read where somebody quotes it. An arrow: a lower bound; how much more was not published."


def _bar(axes: "Axes", y: float, width: float, one: PublishedFigure) -> None:
    """Draw a bar as long as its figure; a lower bound ends in an arrow."""
    style = {"facecolor": ink("raised"), "hatch": "////"} if one.grade == SECONDARY else {"facecolor": ink("tls")}
    left, right, bottom, middle = _LEFT, _LEFT + width, y + _BAR, y + _BAR / 2
    axes.fill((left, right, right, left), (y, y, bottom, bottom), edgecolor=ink("tls"), linewidth=0, **style)
    for edge in (y, bottom):
        line(axes, (left, right), (edge, edge), "tls", 1.2)
    if one.bound in LOWER:
        line(axes, (right, right + 20), (middle, middle), "tls", 1.8)
        line(axes, (right + 13, right + 20, right + 13), (middle - 5, middle, middle + 5), "tls", 1.8)
    else:
        dash = "solid" if one.bound == AS_GIVEN else (0, (2, 2))
        line(axes, (right, right), (y, bottom), "tls", 1.2, dash)


# ---- over time


class _Scale(NamedTuple):
    """Maps a year and a value to points on the page."""

    years: tuple[int, int]
    most: float

    def x(self, when: float) -> float:
        first, last = self.years
        return _MARGIN + (when - first) / (last - first) * (WIDTH - 2 * _MARGIN)

    def y(self, value: float) -> float:
        return _TOP + _PLOT * (1 - value / self.most)


def _over_time(rows: Sequence[PublishedFigure]) -> "Figure":
    series = _series(rows)
    whens = [one.when for one in rows]
    scale = _Scale((floor(min(whens)), ceil(max(whens))), _round(max(one.value for one in rows)))
    figure = canvas(_TOP + _PLOT + 44 + _LEGEND * (len(series) + 1))
    axes = page(figure)
    _grid(axes, scale, rows[0])
    for one in series:
        _draw(axes, scale, one)
        _label(axes, scale, one, [other for other in series if other is not one])
    for row, one in enumerate(series):
        y = _TOP + _PLOT + 44 + _LEGEND * row
        _mark(axes, _MARGIN, y - 3, one, one.rows[0]._replace(bound=AS_GIVEN))
        write(axes, _MARGIN + 14, y, fitted(printable(one.name), WIDTH - _MARGIN - 24, 9.5), "soft", 9.5)
    y = _TOP + _PLOT + 44 + _LEGEND * len(series)
    hollow = "Hollow: read where somebody quotes it. " if any(one.grade == SECONDARY for one in rows) else ""
    write(axes, _MARGIN, y, f"{hollow}Only like is joined with like.", "soft", 9.5)
    return figure


def _round(value: float) -> float:
    """Round up to 1, 2.5 or 5 times a power of ten."""
    power = 10.0 ** floor(log10(value or 1))
    return next(step * power for step in (1, 2.5, 5, 10) if step * power >= value)


def _grid(axes: "Axes", scale: _Scale, like: PublishedFigure) -> None:
    share, many = like.unit == PERCENT, scale.most >= 1e6
    unit = "percent" if share else f"millions of {like.unit}" if many else like.unit
    write(axes, _MARGIN, 14, printable(unit), "soft", 9.5)
    for part in range(6):
        value = scale.most * part / 5
        line(axes, (_MARGIN, WIDTH - _MARGIN), (scale.y(value),) * 2, "rule", 0.8)
        said = f"{value:g} %" if share else f"{value / 1e6:g}" if many else f"{value:,g}"
        write(axes, _MARGIN - 6, scale.y(value), said, "soft", 9.5, va="center", ha="right")
    first, last = scale.years
    for year in range(first, last + 1, ceil((last - first) / _YEARS)):
        line(axes, (scale.x(year),) * 2, (_TOP + _PLOT, _TOP + _PLOT + 4), "soft", 0.8)
        write(axes, scale.x(year), _TOP + _PLOT + 16, str(year), "soft", 9.5, ha="center")


def _draw(axes: "Axes", scale: _Scale, series: Series) -> None:
    found = series.rows
    for before, after in pairwise(found):
        xs, ys = (scale.x(before.when), scale.x(after.when)), (scale.y(before.value), scale.y(after.value))
        line(axes, xs, ys, series.role, 1.2)
    for one in found:
        _mark(axes, scale.x(one.when), scale.y(one.value), series, one)


def _label(axes: "Axes", scale: _Scale, series: Series, others: Sequence[Series]) -> None:
    """Write the number at each mark: above it, beside it near another series, below it where a series begins."""
    found = series.rows
    many = len(found) > _LABELLED
    for one in (found[0], found[-1]) if many else found:
        x, y = scale.x(one.when), scale.y(one.value)
        near = [at for other in others if (at := other.at(one.when)) is not None]
        if one.bound in LOWER or any(0 <= y - scale.y(at) < _CROWDED for at in near):
            write(axes, x + 9, y + 4, one.said, size=9.5)
        else:
            write(axes, x, y + (17 if many and one is found[0] else -8), one.said, size=9.5, ha="center")


def _mark(axes: "Axes", x: float, y: float, series: Series, one: PublishedFigure) -> None:
    face = ink("paper") if one.grade == SECONDARY else ink(series.role)
    axes.plot(
        [x], [y], linestyle="none", marker=series.mark, markersize=7, markeredgewidth=1.5,
        markerfacecolor=face, markeredgecolor=ink(series.role), clip_on=False,
    )  # fmt: skip
    if one.bound in LOWER:
        line(axes, (x, x), (y - 6, y - 20), series.role, 1.8)
        line(axes, (x - 4, x, x + 4), (y - 14, y - 20, y - 14), series.role, 1.8)
