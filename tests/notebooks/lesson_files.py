"""The notebooks of the lessons: where they are, what is in them, and how one is run from top to bottom."""

import re
import shutil
from pathlib import Path

import nbformat
from kernels import client
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from labkit.exercises.lessons import exercise, lesson
from labkit.show.exercises import OPEN, RIGHT

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]

FIRST = [path for path in NOTEBOOKS if path.name.startswith("01")]
"""The lesson that stands for all of them where one is enough: it has a transcript, a ladder, bytes and questions."""

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
    return client(notebook, _CELL_PATIENCE, resources=place).execute()


def add_solutions(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """Put a cell with the solution behind each exercise, and take the ``#`` away from hints and solutions.

    Gives the cells that were added, by the number of their exercise.
    """
    added = {}
    for number, cell in exercise_cells(notebook).items():
        added[number] = new_code_cell(f"{exercise(number).solution}\n{cell.source.splitlines()[-1]}")
        notebook.cells.insert(notebook.cells.index(cell) + 1, added[number])
    for cell in code_cells(notebook):
        cell.source = re.sub(r"^# (hint|solution)\(", r"\1(", cell.source, flags=re.MULTILINE)
    return added


def printed(notebook: NotebookNode) -> list[str]:
    """What came out of the cells on their standard error."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]


def result(cell: NotebookNode) -> str:
    """The plain text of a cell's result."""
    return next(output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result")


def check_order(notebook: NotebookNode) -> None:
    """Every cell ran, in order and without noise."""
    assert printed(notebook) == []
    assert [cell.execution_count for cell in code_cells(notebook)] == [*range(1, len(code_cells(notebook)) + 1)]


def check_unanswered(asked: dict[str, NotebookNode], number: str) -> None:
    """Every exercise of that lesson says that it is not answered."""
    assert list(asked) == [each.number for each in lesson(number).exercises]
    assert {each: result(cell) for each, cell in asked.items() if not result(cell).startswith(f"{OPEN} {each}")} == {}


def check_solved(solved: dict[str, NotebookNode], number: str) -> None:
    """Every exercise of that lesson says that the answer is right."""
    assert list(solved) == [each.number for each in lesson(number).exercises]
    said = {each: result(cell) for each, cell in solved.items()}
    assert {each: text for each, text in said.items() if not text.startswith(f"{RIGHT} {each}: right")} == {}
