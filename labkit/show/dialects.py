"""The dialects beside each other: one idea, spoken in different words. The words are those of `labkit.dialects`."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from labkit.decode.steps import NAMES
from labkit.dialects import ALL, named
from labkit.show import html
from labkit.show.forms import SEALED, form_of
from labkit.show.page import Page
from labkit.show.printed import printable
from labkit.show.readings import is_whole
from labkit.show.step_list import Steps, said
from labkit.show.table import Column, build, in_columns

if TYPE_CHECKING:
    from labkit.show.capture import Capture

_NOT_TAKEN = "(not taken)"
_NOT_SEEN = "(not seen)"
"""A step that may be in bytes that were not captured, or not opened."""
_NOTHING = "(nothing)"


def dialect_table(*names: str) -> Page:
    """What each dialect says at each step, and on which ports: ``dialect_table("SMTP", "IMAP", "POP3")``.

    Without names, all of them. Raises `LabError` for a name that is not a dialect of the lab.
    """
    chosen = [named(name) for name in names] or ALL
    words = {dialect.name: [put(dialect) for put in _WORDS.values()] for dialect in chosen}
    return _table("The words of each dialect", "dialect", list(_WORDS), words)


def step_table(captures: "Mapping[str, Capture]") -> Page:
    """The steps of the upgrade in several captures, one a column, as they were said. Raises `LabError` as they do."""
    columns = {name: capture.steps() for name, capture in captures.items()}
    rows = {
        f"{number}. {name}": [
            next((said(each.dialogue, step) for step in each.steps if step.number == number), _absent(each, number))
            for each in columns.values()
        ]
        for number, name in enumerate(NAMES, 1)
    }
    return _table("The steps of the upgrade in each capture", "step", list(columns), rows)


def _absent(steps: Steps, number: int) -> str:
    """What stands in the place of a step that was not found."""
    dialogue = steps.dialogue
    upgraded = dialogue.session is not None and dialogue.session.started == "explicit"
    may_be_inside = number == len(NAMES) or not upgraded
    unread = may_be_inside and any(form_of(event) is SEALED for event in dialogue.events)
    return _NOT_SEEN if unread or not is_whole(dialogue.events) else _NOT_TAKEN


def _ports(ports: tuple[int, ...]) -> str:
    return ", ".join(map(str, ports)) or "none"


_WORDS = {
    "ask": lambda dialect: dialect.ask or _NOTHING,
    "offered as": lambda dialect: dialect.token or _NOTHING,
    "upgrade": lambda dialect: f"tag {dialect.upgrade}" if dialect.tagged else dialect.upgrade,
    "go-ahead": lambda dialect: f"tag {dialect.go_ahead}" if dialect.tagged else dialect.go_ahead,
    "explicit ports": lambda dialect: _ports(dialect.explicit_ports),
    "implicit ports": lambda dialect: _ports(dialect.implicit_ports),
    "source": lambda dialect: dialect.source,
}
"""What is compared -> how a dialect says it."""


def _table(label: str, corner: str, columns: list[str], rows: Mapping[str, list[str]]) -> Page:
    lines = [[corner, *columns], *([name, *row] for name, row in rows.items())]
    text = "\n".join(in_columns([list(map(printable, line)) for line in lines]))
    return Page(partial(_grid, label, [corner, *columns], rows), text)


def _grid(label: str, names: list[str], rows: Mapping[str, list[str]]) -> html.Node:
    columns = [Column(name, heads=not number) for number, name in enumerate(names)]
    return build(columns, ([name, *(html.code[said] for said in row)] for name, row in rows.items()), label=label)
