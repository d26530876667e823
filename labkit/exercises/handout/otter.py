"""An assignment for Otter-Grader 7: the lesson and its tests, in ``student`` and in ``autograder``.

A test is a file in OK format. In ``student`` it says whether there is an answer; in ``autograder`` it also has a hidden
case for each point. ``otter generate -t tests``, in ``autograder``, makes the archive that Gradescope and ``otter run``
take; what is installed there is in ``requirements.txt``. ``otter_config.json`` names the plugin of
`labkit.exercises.handout.rehearsal`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import metadata
from pathlib import Path
from pprint import pformat
from typing import TYPE_CHECKING, Any

from labkit.exercises.handout.assignment import Asked, Assignment
from labkit.exercises.handout.cells import code, locked, notebook, write

if TYPE_CHECKING:
    from nbformat import NotebookNode

Doctest = dict[str, Any]

_SETUP = 'import otter\n\ngrader = otter.Notebook("{name}.ipynb")'
_SETTINGS = {"plugins": [{"labkit.exercises.handout.rehearsal.Rehearsal": {"seconds": 120}}]}


def export(assignment: Assignment, folder: Path) -> list[Path]:
    """Write both folders, and return the files. Raises `LabError` where they cannot be written."""
    return [
        *_written(assignment, folder / "student", _start, _said),
        *_written(assignment, folder / "autograder", _solved, _graded),
        write(folder / "autograder" / "requirements.txt", _this_version()),
        write(folder / "autograder" / "otter_config.json", json.dumps(_SETTINGS, indent=2) + "\n"),
    ]


def _this_version() -> str:
    """This version of labkit for pip, from the page of its releases: PyPI has another project of that name."""
    known = metadata("labkit")
    addresses = dict(address.split(", ", 1) for address in known.get_all("Project-URL"))
    release = f"{addresses['Repository']}/releases/download/v{known['Version']}"
    return f"labkit @ {release}/labkit-{known['Version']}-py3-none-any.whl\n"


def _written(
    assignment: Assignment, folder: Path, answer: Callable[[Asked], str], cases: Callable[[Asked], Sequence[Doctest]]
) -> Iterator[Path]:
    """Write one of the folders; `answer` and `cases` are what stands in its notebook and in its tests."""
    setup = code(_SETUP.format(name=assignment.name), "otter")
    yield write(folder / f"{assignment.name}.ipynb", notebook(assignment, _cells(assignment, answer), setup))
    for asked in assignment.asked:
        test = {"name": _name(asked), "points": None, "suites": [{"type": "doctest", "cases": list(cases(asked))}]}
        yield write(folder / "tests" / f"{_name(asked)}.py", as_file(test))


def as_file(test: dict[str, Any]) -> str:
    """The source of a test's file in OK format."""
    return f"OK_FORMAT = True\n\ntest = {pformat(test, sort_dicts=False)}\n"


def _cells(assignment: Assignment, answer: Callable[[Asked], str]) -> "Iterator[NotebookNode]":
    for block in assignment.blocks:
        if isinstance(block, Asked):
            yield code(answer(block), f"answer-{block.key}", otter={"tests": [_name(block)]})
            yield locked(code(f'grader.check("{_name(block)}")', f"check-{block.key}", otter={"ignore": True}))
        else:
            yield block


def _name(asked: Asked) -> str:
    return f"q{asked.key}"


def _start(asked: Asked) -> str:
    return asked.start


def _solved(asked: Asked) -> str:
    return f"{asked.start}\n{asked.solution}"


def _said(asked: Asked) -> list[Doctest]:
    """The case that students have: whether there is an answer."""
    return [_case(asked, [f"attempted({asked.answer})"], points=asked.points, hidden=False)]


def _graded(asked: Asked) -> list[Doctest]:
    """The same case, worth nothing, and one for each point."""
    answered = _case(asked, [f"attempted({asked.answer})"], points=0, hidden=False)
    earned = f"_earned_{asked.key} = grade({asked.arguments}).points"
    first, *others = (f"_earned_{asked.key} >= {point}" for point in range(1, asked.points + 1))
    cases = [[earned, first], *([other] for other in others)]
    return [answered, *(_case(asked, lines, points=1, hidden=True) for lines in cases)]


def _case(asked: Asked, lines: Sequence[str], points: int, hidden: bool) -> Doctest:
    """A doctest whose last line is true; where it is not, a student reads the sentence and not the lines."""
    told = ["from labkit.exercises import attempted, grade", *lines]
    return {
        "code": "".join(f">>> {line}\n" for line in told) + "True\n",
        "points": points,
        "hidden": hidden,
        "locked": False,
        "failure_message": f"{asked.number} is not answered yet." if not hidden else f"{asked.number} earns less.",
    }
