"""The report card of a probed server: the grade and its rule, then every finding in its group, the faults with a way
to mend them. Each verdict has a sign and a word, so no colour says anything alone.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING

from labkit.show import html
from labkit.show.page import Page
from labkit.show.printed import printable
from labkit.show.table import Column, RowGroup, build

if TYPE_CHECKING:
    from labkit.probe.findings import ServerFinding
    from labkit.probe.probe_report import ProbeReport

_SIGNS = {
    "good": ("✔", "tls"),
    "note": ("i", "soft"),
    "fault": ("✘", "clear"),
    "unknown": ("?", "tcp"),
    "left out": ("-", "soft"),
}
"""Verdict -> its sign, and the look of its tag."""
_COLUMNS = (
    Column("verdict", "lk-how"),
    Column("check", "lk-who", heads=True),
    Column("what was found"),
    Column("rule"),
)
_WIDTH = 110


def report_card(report: "ProbeReport") -> Page:
    """The report card of one server."""
    return Page(lambda: _card(report), "\n".join(_lines(report)))


def _headline(report: "ProbeReport") -> str:
    return f"{report.server}: grade {report.grade}, {report.why}."


def _counts(report: "ProbeReport") -> str:
    counts = (
        (len(report.faults), "fault", "faults"),
        (len(report.notes), "note", "notes"),
        (len(report.unknown), "unknown", "unknown"),
        (len(report.left_out), "left out", "left out"),
    )
    told = [f"{number} {one if number == 1 else many}" for number, one, many in counts if number]
    return f"{len(report.findings)} checks: {', '.join(told) or 'all as it should be'}."


# ---- HTML


def _card(report: "ProbeReport") -> html.Node:
    return (
        html.div("lk-head")[html.b[_headline(report)], " ", _counts(report)],
        build(_COLUMNS, list(_rows(report.findings)), label=f"Findings at {report.server}"),
        [html.p("lk-soft")[text] for text in (report.rule, report.cannot_show)],
    )


def _rows(findings: "Sequence[ServerFinding]") -> Iterator[Sequence[html.Node] | RowGroup]:
    for group, some in groupby(findings, key=lambda finding: finding.group):
        yield RowGroup(group)
        for finding in some:
            yield _tag(finding.verdict), finding.title, _found(finding), finding.rule


def _found(finding: "ServerFinding") -> html.Node:
    return [
        html.div[finding.said],
        html.div["For its users: ", finding.means] if finding.means else None,
        [html.div[f"To mend it{_at(program)}: ", _mended(program, lines)] for program, lines in finding.mend.items()],
    ]


def _at(program: str) -> str:
    return f" in {program}" if program else ""


def _mended(program: str, lines: str) -> html.Node:
    return [html.pre("lk-words")[line] for line in lines.split("\n")] if program else lines


def _tag(verdict: str) -> html.Node:
    sign, look = _SIGNS[verdict]
    return html.span(f"lk-tag lk-{look}")[html.span(aria_hidden="true")[sign], "\N{NO-BREAK SPACE}", verdict]


# ---- plain text


def _lines(report: "ProbeReport") -> Iterator[str]:
    yield printable(_headline(report))
    yield _counts(report)
    for group, some in groupby(report.findings, key=lambda finding: finding.group):
        yield ""
        yield group
        for finding in some:
            yield from _of_a_finding(finding)
    for text in (report.rule, report.cannot_show):
        yield ""
        yield from wrap(text, _WIDTH)


def _of_a_finding(finding: "ServerFinding") -> Iterator[str]:
    sign = _SIGNS[finding.verdict][0]
    head = f"  {sign} {finding.verdict:<8}  {finding.title}: "
    said = f"{finding.said} ({finding.rule})"
    under = " " * 14
    yield from wrap(printable(head + said), _WIDTH, subsequent_indent=under, break_on_hyphens=False)
    if finding.means:
        told = f"{under}For its users: {printable(finding.means)}"
        yield from wrap(told, _WIDTH, initial_indent="", subsequent_indent=under)
    for program, lines in finding.mend.items():
        first, *others = [printable(line) for line in lines.split("\n")]
        yield from wrap(f"{under}To mend it{_at(program)}: {first}", _WIDTH, subsequent_indent=under)
        yield from (f"{under}  {line}" for line in others)
