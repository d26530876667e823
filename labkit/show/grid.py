"""A grid: what became of every row with every column, each cell with a mark, a word and a colour that agree.

Who is compared with what is not known here; whoever makes a grid gives names and cells.
"""

from collections.abc import Mapping
from typing import NamedTuple

from labkit.errors import LabError
from labkit.show.page import Page, markup, printable
from labkit.show.table import in_columns

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
    """A sentence for whoever asks; shown when the pointer rests on the cell, and by `Grid.why`."""


class Grid(Page):
    """A grid to look at. In a notebook a table, elsewhere aligned text."""

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
        super().__init__(self._table(), self._lines())

    def why(self, row: str, column: str) -> str:
        """The sentence behind one cell. Raises `LabError` for a cell that does not exist."""
        if (row, column) not in self.cells:
            raise LabError(
                f"There is no cell ({row!r}, {column!r}): {self._corner[0]} is one of {', '.join(self._rows)}, "
                f"{self._corner[1]} one of {', '.join(self._columns)}."
            )
        cell = self.cells[row, column]
        return printable(f"{cell.word}: {cell.more}" if cell.more else cell.word)

    def _table(self) -> str:
        head = "".join(f'<th scope="col">{markup(column)}</th>' for column in self._columns)
        body = "".join(
            f'<tr><th scope="row">{markup(row)}</th>'
            + "".join(_cell(self.cells[row, column]) for column in self._columns)
            + "</tr>"
            for row in self._rows
        )
        marks = "".join(f"<span><b>{markup(mark)}</b> {markup(word)}</span> " for mark, word in self._legend.items())
        corner = f"{markup(self._corner[0])}&nbsp;↓ {markup(self._corner[1])}&nbsp;→"
        wide = " lk-wide" if len(self._columns) > _MANY else ""
        return (
            f'<table class="lk-grid{wide}"><caption>{markup(self._caption)}</caption>'
            f'<thead><tr><th scope="col">{corner}</th>{head}</tr></thead>'
            f'<tbody>{body}</tbody></table><p class="lk-soft lk-legend">{marks}</p>'
        )

    def _lines(self) -> str:
        rows = [["{} / {}".format(*self._corner), *self._columns]]
        for row in self._rows:
            cells = (self.cells[row, column] for column in self._columns)
            rows.append([row, *(f"{cell.mark} {cell.word}" for cell in cells)])
        marks = "   ".join(f"{mark} {word}" for mark, word in self._legend.items())
        lines = in_columns([list(map(printable, row)) for row in rows])
        return "\n".join([printable(self._caption), "", *lines, "", printable(marks)])


def _cell(cell: Cell) -> str:
    title = f' title="{markup(cell.more)}"' if cell.more else ""
    return (
        f'<td><span class="lk-cell lk-is-{cell.role}"{title}><b>{markup(cell.mark)}</b> {markup(cell.word)}</span></td>'
    )
