"""The report of an examination: what was looked at, whether it works, and in a sentence what follows from that.

A table for notebooks, aligned plain text elsewhere. What is examined is not known here: that is `labkit.checkup`.
"""

from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

from labkit.show.page import Page, markup, printable

WORKS = "works"
INSTEAD = "instead"
"""It is not there, and something else takes its place."""
MISSING = "missing"
"""It is not there, and nothing can take its place: the lab cannot run."""

_SIGNS = {WORKS: ("✓", "tls"), INSTEAD: ("~", "tcp"), MISSING: ("✗", "clear")}
"""Verdict -> its sign, and the look of its tag."""
_WIDTH = 110


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    verdict: str
    """`WORKS`, `INSTEAD` or `MISSING`."""
    said: str
    """A sentence or two: what is there, or what is used instead, or what to do."""


class Diagnosis(Page):
    """All checks, and whether the lab can run; true when it can."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self.checks = tuple(checks)
        super().__init__(self._table(), self._lines())

    def __bool__(self) -> bool:
        return all(check.verdict != MISSING for check in self.checks)

    @property
    def headline(self) -> str:
        """The result in a sentence."""
        if self:
            return "The lab runs on this machine."
        gone = [check.name for check in self.checks if check.verdict == MISSING]
        return f"The lab cannot run on this machine yet: {', '.join(gone)}."

    def _table(self) -> str:
        rows = "".join(
            f'<tr><td class="lk-how">{_tag(check.verdict)}</td><td class="lk-who"><b>{markup(check.name)}</b></td>'
            f"<td>{markup(check.said)}</td></tr>"
            for check in self.checks
        )
        return f'<div class="lk-head"><b>{markup(self.headline)}</b></div><table><tbody>{rows}</tbody></table>'

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


def _tag(verdict: str) -> str:
    sign, look = _SIGNS[verdict]
    return f'<span class="lk-tag lk-{look}"><span aria-hidden="true">{sign}</span> {verdict}</span>'
