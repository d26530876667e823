"""The notebooks of the lessons: where they are, what is in them, and how one is run from top to bottom."""

import re
import shutil
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from labkit.exercises.lessons import exercise, lesson
from labkit.show.exercises import OPEN

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]

_CHECK = re.compile(r'^check\("([^"]+)"')
_CELL_PATIENCE = 60
"""Seconds that one cell may take before a hanging notebook is given up."""


def number_of(path: Path) -> str:
    """The number of the lesson in that notebook."""
    return path.stem.partition("_")[0]


def read(path: Path) -> NotebookNode:
    """The notebook in that file, checked against the format."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells with code, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def exercise_cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """Number of an exercise -> the cell whose last line checks it."""
    found = [(_CHECK.match(cell.source.splitlines()[-1]), cell) for cell in code_cells(notebook)]
    return {match[1]: cell for match, cell in found if match}


def run(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """The notebook with the output of a fresh kernel, in a copy of the notebooks' folder at `folder`."""
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    place = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, timeout=_CELL_PATIENCE, kernel_name="python3", resources=place).execute()


def solve(notebook: NotebookNode) -> None:
    """Put the solutions in place of the answers, and take the ``#`` away from hints and solutions."""
    for number, cell in exercise_cells(notebook).items():
        cell.source = f"{exercise(number).solution}\n{cell.source.splitlines()[-1]}"
    for cell in code_cells(notebook):
        cell.source = re.sub(r"^# (hint|solution)\(", r"\1(", cell.source, flags=re.MULTILINE)


def printed(notebook: NotebookNode) -> list[str]:
    """What came out of the cells on their standard error."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]


def result(cell: NotebookNode) -> str:
    """The plain text of a cell's result."""
    return next(output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result")


def check_unanswered(notebook: NotebookNode, number: str) -> None:
    """Every cell of that lesson ran in order and without noise, and every exercise says that it is not answered."""
    assert printed(notebook) == []
    assert [cell.execution_count for cell in code_cells(notebook)] == [*range(1, len(code_cells(notebook)) + 1)]
    cells = exercise_cells(notebook)
    assert list(cells) == [each.number for each in lesson(number).exercises]
    for each, cell in cells.items():
        assert result(cell).startswith(f"{OPEN} {each}")
