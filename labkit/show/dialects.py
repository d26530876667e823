"""The dialects beside each other: one idea, spoken in different words. The words are those of `labkit.dialects`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from labkit.decode.steps import NAMES
from labkit.dialects import ALL
from labkit.show.page import Page, markup, printable
from labkit.show.steps import said
from labkit.show.table import in_columns

if TYPE_CHECKING:
    from labkit.show.capture import Capture

_MISSING = "(not taken)"


def dialect_table() -> Page:
    """What each dialect says at each step, and on which ports."""
    return _table("", [dialect.name for dialect in ALL], {word: list(map(put, ALL)) for word, put in _WORDS.items()})


def step_table(captures: "Mapping[str, Capture]") -> Page:
    """The steps of the upgrade in several captures, one a column, as they were said. Raises `LabError` as they do."""
    columns = {name: capture.steps() for name, capture in captures.items()}
    rows = {
        f"{number}. {name}": [
            next((said(steps.dialogue, step) for step in steps.steps if step.number == number), _MISSING)
            for steps in columns.values()
        ]
        for number, name in enumerate(NAMES, 1)
    }
    return _table("step", list(columns), rows)


def _ports(ports: tuple[int, ...]) -> str:
    return ", ".join(map(str, ports)) or "none"


_WORDS = {
    "ask": lambda dialect: dialect.ask,
    "offered as": lambda dialect: dialect.token,
    "upgrade": lambda dialect: f"tag {dialect.upgrade}" if dialect.tagged else dialect.upgrade,
    "go-ahead": lambda dialect: f"tag {dialect.go_ahead}" if dialect.tagged else dialect.go_ahead,
    "explicit ports": lambda dialect: _ports(dialect.explicit_ports),
    "implicit ports": lambda dialect: _ports(dialect.implicit_ports),
    "source": lambda dialect: dialect.source,
}
"""What is compared -> how a dialect says it."""


def _table(corner: str, columns: list[str], rows: Mapping[str, list[str]]) -> Page:
    head = "".join(f'<th scope="col">{markup(name)}</th>' for name in (corner, *columns))
    body = "".join(
        f'<tr><th scope="row">{markup(name)}</th>'
        + "".join(f"<td><code>{markup(cell)}</code></td>" for cell in cells)
        + "</tr>"
        for name, cells in rows.items()
    )
    lines = in_columns(
        [list(map(printable, line)) for line in ([corner, *columns], *([name, *cells] for name, cells in rows.items()))]
    )
    return Page(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", "\n".join(lines))
