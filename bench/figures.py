"""What a measurement gives: figures, most of them a ratio of two things measured in one run, and their table."""

from collections.abc import Iterable
from dataclasses import dataclass

AT_MOST, AT_LEAST, REFERENCE = "at most", "at least", ""


@dataclass(frozen=True)
class Figure:
    """One measured number and its target."""

    what: str
    value: float
    bound: str
    """`AT_MOST` or `AT_LEAST` the target; `REFERENCE` for a number that has none."""
    target: float
    absolute: str
    """The numbers that the ratio was made of, with their units."""
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether the target was reached; a figure without one always is."""
        return {
            AT_MOST: self.value <= self.target,
            AT_LEAST: self.value >= self.target,
            REFERENCE: True,
        }[self.bound]


def reference(what: str, value: float, absolute: str) -> Figure:
    """A ratio that is only for comparison."""
    return Figure(what, value, REFERENCE, 0.0, absolute)


def table(figures: Iterable[Figure]) -> str:
    """The figures in aligned columns."""
    rows = [("what", "figure", "target", "", "measured"), *map(_row, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _row(figure: Figure) -> tuple[str, ...]:
    target = f"{figure.bound} {figure.target:g} {figure.unit}" if figure.bound else ""
    verdict = ("met" if figure.met else "MISSED") if figure.bound else ""
    return figure.what, f"{figure.value:.2f} {figure.unit}", target, verdict, figure.absolute
