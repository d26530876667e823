"""The report of an examination: what was looked at, whether it works, and in a sentence what follows from that.

A table for notebooks, aligned plain text elsewhere. What is examined does not belong here: that is `labkit.checkup`.
"""

from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

from labkit.show import html
from labkit.show.page import Page
from labkit.show.printed import printable
from labkit.show.table import Column, build

WORKS = "works"
INSTEAD = "instead"
"""It is not there, and something else takes its place."""
MISSING = "missing"
"""It is not there, and nothing can take its place: the lab cannot run."""

_SIGNS = {WORKS: ("✓", "tls"), INSTEAD: ("~", "tcp"), MISSING: ("✗", "clear")}
"""Verdict -> its sign, and the look of its tag."""
_WIDTH = 110
_COLUMNS = (Column("state", "lk-how"), Column("what", "lk-who", heads=True), Column("what follows"))


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    verdict: str
    """`WORKS`, `INSTEAD` or `MISSING`."""
    said: str
    """A sentence or two: what is there, or what is used instead, or what to do."""


class Diagnosis(Page):
    """All checks, and whether the lab can run; true when it can."""

    def __init__(self, checks: Sequence[Check], below: Page | None = None) -> None:
        """`below` is shown under the checks."""
        self.checks = tuple(checks)
        self._below = below
        super().__init__(self._report, "\n\n".join([self._lines(), *([below.text] if below else [])]))

    def __bool__(self) -> bool:
        return all(check.verdict != MISSING for check in self.checks)

    @property
    def headline(self) -> str:
        """The result in a sentence."""
        if self:
            return "The lab runs on this machine."
        gone = [check.name for check in self.checks if check.verdict == MISSING]
        return f"The lab cannot run on this machine yet: {', '.join(gone)}."

    def _report(self) -> html.Node:
        rows = [(_tag(check.verdict), check.name, check.said) for check in self.checks]
        below = self._below.body() if self._below else None
        return html.div("lk-head")[html.b[self.headline]], build(_COLUMNS, rows, label=self.headline), below

    def _lines(self) -> str:
        names = max((len(check.name) for check in self.checks), default=0)
        rows = [printable(self.headline), ""]
        for check in self.checks:
            head = f"{_SIGNS[check.verdict][0]} {check.verdict:<7}  {printable(check.name):<{names}}  "
            under = " " * len(head)
            rows += wrap(
                printable(check.said), _WIDTH, initial_indent=head, subsequent_indent=under, break_on_hyphens=False
            )
        return "\n".join(rows)


def _tag(verdict: str) -> html.Node:
    sign, look = _SIGNS[verdict]
    return html.span(f"lk-tag lk-{look}")[html.span(aria_hidden="true")[sign], " ", verdict]
