"""What ways to a server cost, as lines of prediction and of measurement, and as a table of the same numbers.

A prediction is a number of round trips, so its line begins at no time at all; what was measured lies above it by what
takes time at any distance. Each line has a mark of its own and its name at its end: no colour has to be told apart.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from labkit.show.page import Page
from labkit.show.picture import WIDTH, Picture, canvas, ink
from labkit.show.printed import printable
from labkit.show.shapes import fitted, line, page, write
from labkit.show.table import Column, table_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT, _TOP, _HEIGHT, _NAMES = 48.0, 44.0, 270.0, 216.0
_ROOM = 26.0
"""From the name of one line to the next."""
_MARKS = "osD^vP*Xph<>"
_ROLES = ("clear", "tls", "sealed", "wrong", "right")
_CAPTION = (
    "Round trips until the last answer that the client waits for: predicted, counted in the capture, and measured "
    "(slope); what takes time at any distance (intercept); and what the server computes"
)
_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds between the marks of the axis."""


class Trend(NamedTuple):
    """One line."""

    name: str
    predicted: int
    """Round trips."""
    counted: int | None
    """Round trips in the capture; None where it does not show them."""
    times: Mapping[float, float]
    """Seconds of a round trip -> seconds of a session."""
    slope: float
    """Round trips, as the times say."""
    intercept: float
    """Seconds."""
    work: float
    """Seconds of computing at the server."""


def cost_table(trends: Sequence[Trend]) -> Page:
    """The numbers of these lines."""
    names = ("predicted", "counted", "slope", "intercept", "server")
    columns = [Column("way", heads=True), *(Column(name, "lk-ms") for name in names)]
    rows = [
        [
            trend.name,
            str(trend.predicted),
            in_words(trend.counted),
            f"{trend.slope:.2f}",
            f"{trend.intercept * 1000:.0f} ms",
            f"{trend.work * 1000:.1f} ms",
        ]
        for trend in trends
    ]
    return table_of(_CAPTION, columns, rows)


def in_words(counted: int | None) -> str:
    """A count as a word."""
    return "unknown" if counted is None else str(counted)


def cost_chart(trends: Sequence[Trend]) -> Picture:
    """Seconds of a session over the seconds of a round trip, as predicted and as measured."""
    across, up = _scales(trends)
    figure = canvas(_TOP + _HEIGHT + 46)
    axes = page(figure)
    _axes(axes, trends, across, up)
    for number, trend in enumerate(trends):
        _line(axes, trend, number, across, up)
    _names(axes, trends, up)
    words = "\n".join(_sentence(trend) for trend in trends)
    return Picture(figure, words, f"Predicted and measured seconds of {len(trends)} ways over the round trip's time.")


def _sentence(trend: Trend) -> str:
    times = ", ".join(f"{seconds:.2f} s at {rtt * 1000:g} ms" for rtt, seconds in trend.times.items())
    return printable(
        f"{trend.name}: predicted {trend.predicted} round trips, measured {trend.slope:.2f} and "
        f"{trend.intercept * 1000:.0f} ms at any distance; {times}."
    )


def _scales(trends: Sequence[Trend]) -> tuple[float, float]:
    """Points for a second of a round trip, and for a second of a session."""
    farthest = max(max(trend.times) for trend in trends)
    longest = max(max(trend.predicted * farthest, *trend.times.values()) for trend in trends)
    return (WIDTH - _LEFT - _NAMES) / farthest, _HEIGHT / longest


def _axes(axes: "Axes", trends: Sequence[Trend], across: float, up: float) -> None:
    right, bottom = WIDTH - _NAMES, _TOP + _HEIGHT
    write(axes, 8, 14, "seconds of a session, from opening the connection to the last answer", "soft")
    step = next((each for each in _STEPS if each * up >= 34), _STEPS[-1])
    for number in range(int(_HEIGHT / (step * up)) + 1):
        y = bottom - number * step * up
        line(axes, (_LEFT, right), (y, y), "rule", 0.8)
        write(axes, _LEFT - 7, y, f"{number * step:.1f}", "soft", va="center", ha="right")
    last = -100.0
    for rtt in sorted({each for trend in trends for each in trend.times}):
        x = _LEFT + rtt * across
        line(axes, (x, x), (bottom, bottom + 5), "soft", 1.0)
        if x - last >= 22:
            write(axes, x, bottom + 17, f"{rtt * 1000:g}", "soft", ha="center")
            last = x
    write(axes, _LEFT, bottom + 36, "milliseconds of a round trip", "soft")
    line(axes, (right + 12, right + 44), (bottom + 32, bottom + 32), "soft", 1.2, (0, (4, 3)))
    write(axes, right + 50, bottom + 35, "predicted", "soft")
    line(axes, (right + 112, right + 144), (bottom + 32, bottom + 32), "soft", 1.6)
    write(axes, right + 150, bottom + 35, "measured", "soft")


def _line(axes: "Axes", trend: Trend, number: int, across: float, up: float) -> None:
    role, bottom = _ROLES[number % len(_ROLES)], _TOP + _HEIGHT
    ends = min(trend.times), max(trend.times)
    xs = tuple(_LEFT + rtt * across for rtt in ends)
    line(axes, xs, tuple(bottom - trend.predicted * rtt * up for rtt in ends), role, 1.2, (0, (4, 3)))
    line(axes, xs, tuple(bottom - (trend.intercept + trend.slope * rtt) * up for rtt in ends), role, 1.6)
    points = [(_LEFT + rtt * across, bottom - seconds * up) for rtt, seconds in trend.times.items()]
    _mark(axes, points, number)


def _mark(axes: "Axes", points: Sequence[tuple[float, float]], number: int) -> None:
    role = _ROLES[number % len(_ROLES)]
    style = {"marker": _MARKS[number % len(_MARKS)], "markersize": 6.5, "linestyle": "none"}
    axes.plot(*zip(*points, strict=True), color=ink(role), markerfacecolor=ink("paper"), clip_on=False, **style)


def _names(axes: "Axes", trends: Sequence[Trend], up: float) -> None:
    """The name of each line at its end, moved apart where they would touch."""
    right, bottom = WIDTH - _NAMES, _TOP + _HEIGHT
    wanted = [(bottom - trend.times[max(trend.times)] * up, number) for number, trend in enumerate(trends)]
    least = _TOP - 4.0
    places = {}
    for y, number in sorted(wanted):
        places[number] = max(y, least)
        least = places[number] + _ROOM
    over = max(least - _ROOM - bottom, 0.0)
    ceiling = bottom
    for number in sorted(places, key=places.__getitem__, reverse=True):
        places[number] = min(places[number], ceiling) if over else places[number]
        ceiling = places[number] - _ROOM
    for number, trend in enumerate(trends):
        y, end = places[number], wanted[number][0]
        line(axes, (right + 4, right + 14), (end, y), "rule", 1.0)
        _mark(axes, [(right + 21, y)], number)
        write(axes, right + 31, y - 1, fitted(printable(trend.name), _NAMES - 34, 9, "bold"), weight="bold")
        write(axes, right + 31, y + 10, f"{trend.predicted} predicted, {trend.slope:.2f} measured", "soft", 9.5)
