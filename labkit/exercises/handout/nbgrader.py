"""An assignment for nbgrader 0.9: the folder of a course, with the lesson in ``source`` and in ``release``.

An exercise is a cell for the answer and a locked cell that grades it (metadata of schema 3). What stands between
``### BEGIN HIDDEN TESTS`` and its end, and between the marks of a solution, is only in ``source``; nbgrader takes it
away when it generates the assignment, and puts the tests back when it grades. The value of the last line is the number
of points.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.exercises.handout.assignment import Asked, Assignment
from labkit.exercises.handout.cells import code, locked, notebook, write

if TYPE_CHECKING:
    from nbformat import NotebookNode

_SCHEMA = 3
_SECONDS = 120
"""How long one cell may run while it is graded; nbgrader's own limit is 30."""
_SOLUTION = re.compile(r"### BEGIN SOLUTION\n.*?### END SOLUTION", re.DOTALL)
_HIDDEN = re.compile(r"\n### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS", re.DOTALL)
_STUB = "# Your answer stands in place of the three dots."
_CONFIGURATION = f'''\
"""The settings of nbgrader for this course: put your own below."""

from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader import preprocessors

from labkit.exercises.handout.submitted import OneOfEach, RestartingExecute

c = get_config()
c.ClearSolutions.code_stub = {{"python": "{_STUB}"}}
# A cell that never comes back, or that ends its kernel, costs its own points, and the rest is graded.
c.Execute.timeout = {_SECONDS}
c.Autograde.autograde_preprocessors = [
    RestartingExecute,
    preprocessors.IgnorePattern,
    ClearMetadataPreprocessor,
    preprocessors.LimitOutput,
    preprocessors.SaveAutoGrades,
    preprocessors.AssignLatePenalties,
    preprocessors.CheckCellMetadata,
]
# Cells that a student has doubled are graded once, and graded cells that were removed are put back.
c.Autograde.sanitize_preprocessors = [
    preprocessors.ClearOutput,
    OneOfEach,
    preprocessors.DeduplicateIds,
    preprocessors.OverwriteKernelspec,
    preprocessors.OverwriteCells,
    preprocessors.CheckCellMetadata,
]
c.OverwriteCells.add_missing_cells = True
'''


def export(assignment: Assignment, folder: Path) -> list[Path]:
    """Write into the course's folder, and return the files. Raises `LabError` where they cannot be written.

    Settings that are there already stay as they are: a course has several assignments.
    """
    settings, file = folder / "nbgrader_config.py", Path(assignment.name, f"{assignment.name}.ipynb")
    release = map(_released, _cells(assignment))
    return [
        *([] if settings.exists() else [write(settings, _CONFIGURATION)]),
        write(folder / "source" / file, notebook(assignment, _cells(assignment))),
        write(folder / "release" / file, notebook(assignment, release)),
    ]


def _cells(assignment: Assignment) -> "Iterator[NotebookNode]":
    for block in assignment.blocks:
        if isinstance(block, Asked):
            yield code(_answered(block), f"answer-{block.key}", nbgrader=_about(f"answer-{block.key}", solution=True))
            graded = _about(f"grade-{block.key}", grade=True, locked=True, points=block.points)
            yield locked(code(_graded(block), f"grade-{block.key}", nbgrader=graded))
        else:
            yield block


def _about(name: str, **facts: Any) -> dict[str, Any]:
    return {"schema_version": _SCHEMA, "grade_id": name, "grade": False, "solution": False, "locked": False} | {
        "task": False,
        **facts,
    }


def _answered(asked: Asked) -> str:
    return f"{asked.start}\n### BEGIN SOLUTION\n{asked.solution}\n### END SOLUTION"


def _graded(asked: Asked) -> str:
    return (
        "from labkit.exercises import attempted, grade\n\n"
        f'assert attempted({asked.answer}), "{asked.number} is not answered yet."\n'
        "### BEGIN HIDDEN TESTS\n"
        f"grade({asked.arguments}).points\n"
        "### END HIDDEN TESTS"
    )


def _released(cell: "NotebookNode") -> "NotebookNode":
    """A cell as students get it: no solution, no hidden test."""
    cell.source = _HIDDEN.sub("", _SOLUTION.sub(_STUB, cell.source))
    return cell
