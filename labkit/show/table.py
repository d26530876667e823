"""A plain table of words: rows of the same kind, with a caption. What they are about is not known here."""

from collections.abc import Sequence

from labkit.show.page import Page, markup, printable

_WIDEST = 120
"""Characters of a line of plain text; where a row does not fit, it becomes a block of lines."""


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Page:
    """A table to look at; the first column names the row."""
    return Page(_html(caption, columns, rows), _text(caption, columns, rows))


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of printable cells as lines of plain text, the columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _html(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{markup(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{markup(first)}</th>' + "".join(f"<td>{markup(cell)}</td>" for cell in others) + "</tr>"
        for first, *others in rows
    )
    return f"<table><caption>{markup(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    shown = [[printable(cell) for cell in row] for row in (columns, *rows)]
    lines = in_columns(shown)
    if max(map(len, lines)) <= _WIDEST:
        return "\n".join([printable(caption), *lines])
    blocks = [
        [f"{shown[0][0]} {row[0]}", *(f"  {name}: {cell}" for name, cell in zip(shown[0][1:], row[1:], strict=True))]
        for row in shown[1:]
    ]
    return "\n".join([printable(caption), *(line for block in blocks for line in block)])
