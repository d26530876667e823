"""What came of testing a mail program: a grid, plain text, and files for other programs (JSON, JUnit XML).

The fields of the JSON keep their names; new ones may come.

- ``command``, ``implicit``: the words of the program, as they were given; ``protocol``: ``"SMTP"``.
- ``notes``: what the command leaves untested, a sentence each.
- ``leaked``: how many runs leaked.
- ``runs``: ``vector`` (``"N1"``; empty where nothing is attacked), ``name`` and ``summary`` of the attack, ``mode``,
  ``outcome`` (one of `labkit.attacks.verdict.OUTCOMES`), ``secrets`` that were read, ``why``, ``evidence`` (lines), and
  ``said``: how the program ended and the last line that it wrote.
"""

import json
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from labkit.attacks import catalogue
from labkit.attacks.verdict import LEAKED, OUTCOMES, UNHARMED, UNKNOWN, Verdict
from labkit.show import html
from labkit.show.attack_grid import LOOKS
from labkit.show.grid import Cell, Grid
from labkit.show.page import Page
from labkit.show.printed import printable

if TYPE_CHECKING:
    from labkit.trials.any_client import ClientMatrix, ClientTrial

_LONGEST = 80
"""Characters of the command in the headline; the JSON has all of it."""
NO_ATTACK = "no attack"
"""The row of the runs in which the attacker only reads."""


def client_grid(matrix: "ClientMatrix") -> Grid:
    """The verdicts as a grid: each attack has a row, each mode a column."""
    cells = {(attack(trial), trial.mode): _cell(trial.verdict) for trial in matrix.trials}
    present = {trial.verdict.outcome for trial in matrix.trials}
    legend = {mark: f"{outcome}: {OUTCOMES[outcome]}" for outcome, (mark, _) in LOOKS.items() if outcome in present}
    return Grid(_headline(matrix), ("attack", "mode"), cells, legend)


def attack(trial: "ClientTrial") -> str:
    """What the attack of a run is called: ``N1 StripCapability``."""
    return f"{trial.vector} {catalogue.vector(trial.vector).name}" if trial.vector else NO_ATTACK


def _cell(verdict: Verdict) -> Cell:
    mark, role = LOOKS[verdict.outcome]
    return Cell(mark, ": ".join(filter(None, (verdict.outcome, ", ".join(verdict.secrets)))), role, f"{verdict.why}.")


def _headline(matrix: "ClientMatrix") -> str:
    outcomes = [trial.verdict.outcome for trial in matrix.trials]
    found = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in LOOKS if outcome in outcomes)
    left_out = sum(not trial.said for trial in matrix.trials)
    runs = f"{len(outcomes) - left_out} runs" + (f", {left_out} left out" if left_out else "")
    command = shlex.join(matrix.program.command)
    command = command if len(command) <= _LONGEST else f"{command[: _LONGEST - 1]}…"
    return f"{matrix.program.protocol}, {command}: {runs}: {found}."


def client_page(matrix: "ClientMatrix") -> Page:
    """The grid, then the lines that show each leak, then what the test leaves open."""
    grid, leaks, left_open = client_grid(matrix), leaked(matrix), open_points(matrix)
    shown = ["\n  ".join([f"{runs}:", *map(printable, lines)]) for runs, lines in leaks]
    text = "\n\n".join(filter(None, [repr(grid), *shown, "\n".join(left_open)]))
    folded = [
        html.details[html.summary[f"{runs}: {why}"], html.ul[(html.li[html.code[line]] for line in lines)]]
        for runs, (why, *lines) in leaks
    ]
    return Page(lambda: [grid.body(), folded, [html.p("lk-soft")[point] for point in left_open]], text)


def leaked(matrix: "ClientMatrix") -> list[tuple[str, tuple[str, ...]]]:
    """The runs in which the same was read in the same way (``upgraded: N1, X2``), and the lines that show one."""
    same: dict[tuple[str, ...], list[ClientTrial]] = {}
    for trial in matrix.leaks:
        same.setdefault((trial.verdict.why, *trial.verdict.secrets), []).append(trial)
    return [(_runs(alike), (alike[0].verdict.why, *alike[0].verdict.evidence)) for alike in same.values()]


def _runs(trials: "list[ClientTrial]") -> str:
    modes: dict[str, list[str]] = {}
    for trial in trials:
        modes.setdefault(trial.mode, []).append(trial.vector or NO_ATTACK)
    return "; ".join(f"{mode}: {', '.join(vectors)}" for mode, vectors in modes.items())


def open_points(matrix: "ClientMatrix") -> list[str]:
    """What the test leaves open, a sentence each: of the command, and of the runs without an attack."""
    idle = (trial for trial in matrix.trials if not trial.vector and trial.verdict.outcome not in (LEAKED, UNHARMED))
    return [*matrix.program.notes, *map(_idle, idle)]


def _idle(trial: "ClientTrial") -> str:
    verdict = trial.verdict
    said = "" if verdict.outcome == UNKNOWN else f" ({trial.said})"  # where it is unknown, that is the reason
    return f"Without an attack, {trial.mode}, it is {verdict.outcome}: {verdict.why}{said}."


def json_report(matrix: "ClientMatrix") -> str:
    """Everything as JSON (RFC 8259)."""
    program = matrix.program
    return json.dumps(
        {
            "command": program.command,
            "implicit": program.implicit,
            "protocol": program.protocol,
            "notes": open_points(matrix),
            "leaked": len(matrix.leaks),
            "runs": [_run(trial) for trial in matrix.trials],
        },
        indent=1,
    )


def _run(trial: "ClientTrial") -> dict[str, Any]:
    vector, verdict = catalogue.vector(trial.vector) if trial.vector else None, trial.verdict
    return {
        "vector": trial.vector,
        "name": vector.name if vector else NO_ATTACK,
        "summary": vector.summary if vector else "",
        "mode": trial.mode,
        "outcome": verdict.outcome,
        "secrets": verdict.secrets,
        "why": verdict.why,
        "evidence": verdict.evidence,
        "said": trial.said,
    }


def junit_report(matrix: "ClientMatrix") -> str:
    """Everything as JUnit XML: a test case for each run; it fails where something leaked, and is skipped where what
    became of it is not known."""
    outcomes = [trial.verdict.outcome for trial in matrix.trials]
    suite = ElementTree.Element(
        "testsuite",
        name=_xml(shlex.join(matrix.program.command)),
        tests=str(len(outcomes)),
        failures=str(outcomes.count(LEAKED)),
        errors="0",
        skipped=str(outcomes.count(UNKNOWN)),
    )
    for trial in matrix.trials:
        suite.append(_case(matrix.program.protocol, trial))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=False)


def _case(protocol: str, trial: "ClientTrial") -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=f"{protocol}.{trial.mode}", name=attack(trial))
    verdict, lines = trial.verdict, "\n".join(_lines(trial))
    if verdict.outcome == LEAKED:
        failure = ElementTree.SubElement(case, "failure", message=_xml(verdict.why), type=LEAKED)
        failure.text = lines
    elif verdict.outcome == UNKNOWN:
        ElementTree.SubElement(case, "skipped", message=_xml(verdict.why))
    else:
        ElementTree.SubElement(case, "system-out").text = lines
    return case


def _lines(trial: "ClientTrial") -> Iterator[str]:
    yield _xml(f"{trial.verdict.outcome}: {trial.verdict.why}")
    yield from map(_xml, (*trial.verdict.evidence, trial.said))


def _xml(text: str) -> str:
    """The text without what XML 1.0 has no way to write."""
    return printable(text)
