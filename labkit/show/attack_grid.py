"""Attacks to look at: what they do, as a table, and what came of them, as a grid.

In the grid each attack has a row, each client a column, and each cell its verdict (`labkit.attacks.verdict`); where
the protocols differ, a cell names each of them.
"""

from collections.abc import Iterable, Mapping

from labkit.attacks import catalogue
from labkit.attacks.described import Described
from labkit.attacks.verdict import BROKEN, DECEIVED, LEAKED, OUTCOMES, STOPPED, UNHARMED, UNKNOWN, Verdict
from labkit.show.grid import Cell, Grid
from labkit.show.page import Page
from labkit.show.table import table

LOOKS = {
    LEAKED: ("✘", "wrong"),
    DECEIVED: ("!", "clear"),
    STOPPED: ("∅", "soft"),
    UNHARMED: ("✔", "right"),
    BROKEN: ("~", "soft"),
    UNKNOWN: ("?", "soft"),
}
"""What a verdict may be, the gravest first -> its mark and its colour."""
_DIFFERS = "≠"
_COLUMNS = ("number", "name", "spoken", "what it does", "source")


def attack_table(vectors: Iterable[type[Described]] = catalogue.ALL) -> Page:
    """These attacks of the catalogue, or all, by their numbers; with those of their sections that are not run.

    Raises `LabError` for anything but attacks.
    """
    rows = [_row(kind) for kind in catalogue.kinds(vectors)]
    sections = {number[:1] for number, *_ in rows}
    not_run = [(number, why) for number, why in catalogue.NOT_RUN.items() if number[:1] in sections]
    rows += [(number, "not run here", "", why, "") for number, why in not_run]
    return table("Attacks", _COLUMNS, sorted(rows, key=_place))


def _row(kind: type[Described]) -> tuple[str, ...]:
    return (
        kind.id,
        kind.__name__,
        ", ".join(kind.spoken()),
        kind().summary,
        kind.source,
    )


def _place(row: tuple[str, ...]) -> tuple[str, int, str]:
    """N2 stands before N10, and what has no number first."""
    number = row[0]
    return number[:1], len(number), number


def attack_grid(cells: Iterable[tuple[str, str, str, Verdict]]) -> Grid:
    """The grid of these cells: (protocol, number of the attack, client, verdict)."""
    found: dict[tuple[str, str], dict[str, Verdict]] = {}
    for protocol, number, client, verdict in cells:
        found.setdefault((_name(number), client), {})[protocol] = verdict
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
    every = {(row, column): _cell(found.get((row, column), {})) for row in rows for column in columns}
    legend = verdict_legend(verdict for verdicts in found.values() for verdict in verdicts.values())
    if any(cell.mark == _DIFFERS for cell in every.values()):
        legend[_DIFFERS] = "not the same in every protocol; coloured like the gravest"
    total = sum(map(len, found.values()))
    return Grid(f"Attacks against clients: {total} live sessions.", ("attack", "client"), every, legend)


def verdict_cell(verdict: Verdict) -> Cell:
    """A cell with one verdict."""
    return Cell(LOOKS[verdict.outcome][0], verdict.outcome, LOOKS[verdict.outcome][1], verdict.why)


def verdict_legend(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """Mark -> what it stands for, of the outcomes among these verdicts."""
    present = {verdict.outcome for verdict in verdicts}
    return {mark: f"{outcome}: {OUTCOMES[outcome]}" for outcome, (mark, _) in LOOKS.items() if outcome in present}


def _name(number: str) -> str:
    return f"{number} {catalogue.vector(number).name}"


def _cell(verdicts: Mapping[str, Verdict]) -> Cell:
    """One cell; its colour is that of the gravest verdict in it."""
    if not verdicts:
        return Cell(" ", "not run", "soft")
    outcomes = {protocol: verdict.outcome for protocol, verdict in verdicts.items()}
    gravest = next(outcome for outcome in LOOKS if outcome in outcomes.values())
    mark, role = LOOKS[gravest]
    more = " ".join(f"{protocol}: {verdict.outcome}, {verdict.why}." for protocol, verdict in verdicts.items())
    if len(set(outcomes.values())) == 1:
        return Cell(mark, gravest, role, more)
    each = ", ".join(f"{protocol}\N{NO-BREAK SPACE}{LOOKS[outcome][0]}" for protocol, outcome in outcomes.items())
    return Cell(_DIFFERS, each, role, more)
