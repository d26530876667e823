"""A grid: one result for each pair of row and column, shown as a mark, a word and a colour that agree.

What the rows and columns stand for is given with the cells.
"""

from collections.abc import Mapping
from typing import NamedTuple

from labkit.errors import LabError
from labkit.show import html
from labkit.show.page import Page
from labkit.show.printed import printable
from labkit.show.table import Column, build, in_columns

_MANY = 6
"""Columns; with more than these the cells are made smaller."""


class Cell(NamedTuple):
    """One cell."""

    mark: str
    """One character: ``✔``, ``✘``, ``!`` or another; it tells cells apart without colour."""
    word: str
    """What became of it, in a word or two."""
    role: str
    """right, wrong, clear or soft: the colour in `theme.COLOURS` and the border."""
    more: str = ""
    """The sentence that `Grid.why` returns, and that is shown when the pointer rests on the cell."""


class Grid(Page):
    """A grid of results: a table in a notebook, aligned text elsewhere."""

    def __init__(
        self,
        caption: str,
        corner: tuple[str, str],
        cells: Mapping[tuple[str, str], Cell],
        legend: Mapping[str, str],
    ) -> None:
        """`corner` says what the rows and the columns are; `cells` is (row, column) -> cell, for every row and column.

        `legend` is mark -> what it stands for.
        """
        self.cells = cells
        self._caption = caption
        self._corner = corner
        self._rows, self._columns = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
        self._legend = legend
        super().__init__(self._grid, self._lines())

    def why(self, row: str, column: str) -> str:
        """The sentence that explains one cell. Raises `LabError` for a cell that does not exist."""
        if (row, column) not in self.cells:
            raise LabError(
                f"There is no cell ({row!r}, {column!r}): {self._corner[0]} is one of {', '.join(self._rows)}, "
                f"{self._corner[1]} one of {', '.join(self._columns)}."
            )
        cell = self.cells[row, column]
        return printable(f"{cell.word}: {cell.more}" if cell.more else cell.word)

    def _grid(self) -> html.Node:
        corner = f"{self._corner[0]}\N{NO-BREAK SPACE}↓ {self._corner[1]}\N{NO-BREAK SPACE}→"
        columns = [Column(corner, heads=True), *map(Column, self._columns)]
        rows = [[row, *(_shown(self.cells[row, column]) for column in self._columns)] for row in self._rows]
        css = "lk-grid lk-wide" if len(self._columns) > _MANY else "lk-grid"
        marks = [[html.span[html.b[mark], " ", word], " "] for mark, word in self._legend.items()]
        return build(columns, rows, self._caption, css=css), html.p("lk-soft lk-legend")[marks]

    def _lines(self) -> str:
        rows = [["{} / {}".format(*self._corner), *self._columns]]
        for row in self._rows:
            cells = (self.cells[row, column] for column in self._columns)
            rows.append([row, *(f"{cell.mark} {cell.word}" for cell in cells)])
        marks = "   ".join(f"{mark} {word}" for mark, word in self._legend.items())
        lines = in_columns([list(map(printable, row)) for row in rows])
        return "\n".join([printable(self._caption), "", *lines, "", printable(marks)])


def _shown(cell: Cell) -> html.Node:
    return html.span(f"lk-cell lk-is-{cell.role}", title=cell.more or None)[html.b[cell.mark], "\xa0", cell.word]
