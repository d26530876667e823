"""Tables: the one builder of their HTML, rows of words as a page, and columns of plain text.

Every table has a caption or a label, and header cells with a scope (WCAG 2.2, 1.3.1).
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from labkit.show import html
from labkit.show.page import Page
from labkit.show.printed import printable, printable_row

if TYPE_CHECKING:
    from htpy import Element

_WIDEST = 120
"""Characters of a line of plain text; where a row does not fit, it becomes a block of lines."""

_GAP = "  "
"""What stands between two columns of plain text."""


class Column(NamedTuple):
    """One column of a table."""

    name: html.Node
    css: str = ""
    """The class of its head and its cells: ``lk-ms``, for example."""
    heads: bool = False
    """Whether its cells are the heads of their rows."""


class RowGroup(NamedTuple):
    """A header row for the group of rows below it."""

    name: str
    note: str = ""
    """What stands beside the name."""


def build(
    columns: Sequence[Column],
    rows: Iterable[Sequence[html.Node] | RowGroup],
    caption: str = "",
    label: str = "",
    css: str = "",
) -> "Element":
    """A table element. `caption` stands above it; `label` names it where there is none."""
    return html.table(css, aria_label=label or None)[
        html.caption[caption] if caption else None,
        html.thead[html.tr[(html.th(column.css, scope="col")[column.name] for column in columns)]],
        html.tbody[(_group(row, len(columns)) if isinstance(row, RowGroup) else _row(columns, row) for row in rows)],
    ]


def _row(columns: Sequence[Column], cells: Sequence[html.Node]) -> "Element":
    return html.tr[
        (
            (html.th(column.css, scope="row") if column.heads else html.td(column.css))[cell]
            for column, cell in zip(columns, cells, strict=True)
        )
    ]


def _group(group: RowGroup, width: int) -> "Element":
    if not group.note:
        return html.tr[html.th(scope="rowgroup", colspan=width)[group.name]]
    return html.tr[html.th(scope="rowgroup")[group.name], html.td(colspan=width - 1)[group.note]]


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Page:
    """A page with a table of words; the first column is the header of its row."""
    first, *others = columns
    return table_of(caption, [Column(first, heads=True), *map(Column, others)], rows)


def table_of(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Page:
    """A table of words under these column headers."""
    names = [str(column.name) for column in columns]
    return Page(lambda: build(columns, rows, caption), _text(caption, names, rows))


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align rows of printable cells in columns of plain text."""
    widths = _widths(rows)
    return [_GAP.join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _text(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    shown = list(map(printable_row, (columns, *rows)))
    if sum(_widths(shown)) + len(_GAP) * (len(columns) - 1) <= _WIDEST:
        return "\n".join([printable(caption), *in_columns(shown)])
    blocks = [
        [f"{shown[0][0]} {row[0]}", *(f"  {name}: {cell}" for name, cell in zip(shown[0][1:], row[1:], strict=True))]
        for row in shown[1:]
    ]
    return "\n".join([printable(caption), *(line for block in blocks for line in block)])
