"""What became of mail under every attack and every defence, as a grid."""

from collections.abc import Mapping
from typing import Any

from labkit.show.grid import Cell, Grid

_LOOKS = {
    "leaked": ("✘", "wrong"),
    "theft": ("✘", "wrong"),
    "injected": ("!", "wrong"),
    "held": ("∅", "soft"),
    "bounced": ("↩", "soft"),
    "safe": ("✔", "right"),
    "unknown": ("?", "clear"),
}
"""Outcome, the gravest first -> its mark and its colour."""
_NOT_RUN = Cell("·", "", "soft", "does not apply")


def defence_grid(matrix: Mapping[tuple[str, str], Any], names: Mapping[str, str], outcomes: Mapping[str, str]) -> Grid:
    """The grid of these findings: (row, column) -> finding; `names` is row -> what it is called in words.

    `outcomes` is outcome -> what it means.
    """
    rows, columns = (list(dict.fromkeys(keys)) for keys in zip(*matrix, strict=True))
    cells = {
        (f"{row} {names[row]}", column): _cell(matrix[row, column]) if (row, column) in matrix else _NOT_RUN
        for row in rows
        for column in columns
    }
    present = {finding.outcome for finding in matrix.values()}
    legend: dict[str, str] = {}
    for outcome, (mark, _) in _LOOKS.items():
        if outcome in present:
            legend[mark] = "; ".join(filter(None, (legend.get(mark), f"{outcome}: {outcomes[outcome]}")))
    if len(matrix) < len(cells):
        legend[_NOT_RUN.mark] = "does not apply: the row means nothing in this column"
    caption = f"Attacks against defences: {len(matrix)} live messages."
    return Grid(caption, ("what happens", "defence"), cells, legend)


def _cell(finding: Any) -> Cell:
    mark, role = _LOOKS[finding.outcome]
    return Cell(mark, finding.outcome, role, f"{finding.why}.")
