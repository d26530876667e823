"""A grid: what became of every row with every column, each cell with a mark, a word and a colour that agree.

Who is compared with what is not known here; whoever makes a grid gives names and cells.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from labkit.show.page import Page, markup, printable

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
        rows: Sequence[str],
        columns: Sequence[str],
        cells: Mapping[tuple[str, str], Cell],
        legend: Mapping[str, str],
    ) -> None:
        """`corner` says what the rows and the columns are; `legend` is mark -> what it stands for."""
        self.cells = cells
        self._corner = corner
        super().__init__(
            _html(caption, corner, rows, columns, cells, legend), _text(caption, corner, rows, columns, cells, legend)
        )

    def why(self, row: str, column: str) -> str:
        """The sentence behind one cell. Raises `LabError` for a cell that does not exist."""
        from labkit.errors import LabError

        if (row, column) not in self.cells:
            rows, columns = (list(dict.fromkeys(names)) for names in zip(*self.cells, strict=True))
            raise LabError(
                f"There is no cell ({row!r}, {column!r}): {self._corner[0]} is one of {', '.join(rows)}, "
                f"{self._corner[1]} one of {', '.join(columns)}."
            )
        cell = self.cells[row, column]
        return printable(f"{cell.word}: {cell.more}" if cell.more else cell.word)


_Cells = Mapping[tuple[str, str], Cell]


def _html(
    caption: str,
    corner: tuple[str, str],
    rows: Sequence[str],
    columns: Sequence[str],
    cells: _Cells,
    legend: Mapping[str, str],
) -> str:
    head = "".join(f'<th scope="col">{markup(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{markup(row)}</th>' + "".join(_cell(cells[row, column]) for column in columns) + "</tr>"
        for row in rows
    )
    marks = "".join(f"<span><b>{markup(mark)}</b> {markup(word)}</span> " for mark, word in legend.items())
    return (
        f'<table class="lk-grid{" lk-wide" if len(columns) > _MANY else ""}"><caption>{markup(caption)}</caption>'
        f'<thead><tr><th scope="col">{markup(corner[0])} ↓ {markup(corner[1])} →</th>{head}</tr></thead>'
        f'<tbody>{body}</tbody></table><p class="lk-soft lk-legend">{marks}</p>'
    )


def _cell(cell: Cell) -> str:
    title = f' title="{markup(cell.more)}"' if cell.more else ""
    return (
        f'<td><span class="lk-cell lk-is-{cell.role}"{title}><b>{markup(cell.mark)}</b> {markup(cell.word)}</span></td>'
    )


def _text(
    caption: str,
    corner: tuple[str, str],
    rows: Sequence[str],
    columns: Sequence[str],
    cells: _Cells,
    legend: Mapping[str, str],
) -> str:
    table = [[f"{corner[0]} / {corner[1]}", *columns]]
    table += [[row, *(f"{cells[row, column].mark} {cells[row, column].word}" for column in columns)] for row in rows]
    widths = [max(len(printable(line[at])) for line in table) for at in range(len(table[0]))]
    lines = [
        "  ".join(printable(word).ljust(width) for word, width in zip(line, widths, strict=True)) for line in table
    ]
    marks = "   ".join(f"{mark} {word}" for mark, word in legend.items())
    return "\n".join([printable(caption), "", *(line.rstrip() for line in lines), "", printable(marks)])
