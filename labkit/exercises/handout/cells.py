"""Cells and notebooks of an assignment, and how they are written."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from labkit.errors import LabError
from labkit.exercises.handout.assignment import INTRODUCTION, NAMING, Assignment
from labkit.replacing import replacing

if TYPE_CHECKING:
    from nbformat import NotebookNode


def code(source: str, name: str, **metadata: Any) -> "NotebookNode":
    """A cell of code; `name` becomes its identifier, so that each export of a lesson is the same."""
    return new_code_cell(source, id=name[:64], metadata=metadata)


def locked(cell: "NotebookNode") -> "NotebookNode":
    """Lock a cell, so that JupyterLab neither edits nor deletes it; returns the cell."""
    cell.metadata.update(editable=False, deletable=False)
    return cell


def notebook(assignment: Assignment, cells: "Iterable[NotebookNode]", *before: "NotebookNode") -> str:
    """A notebook with these cells, as its file has it.

    Below its title, the assignment is explained and the student's name asked for; the cells `before` come in between.
    """
    body = list(cells)
    title = [body.pop(0)] if body and body[0].cell_type == "markdown" else []
    opening = [*title, new_markdown_cell(INTRODUCTION, id="about-the-assignment"), *before, code(NAMING, "student")]
    made = new_notebook(cells=[*opening, *body], metadata=assignment.metadata)
    nbformat.validate(made)
    return nbformat.writes(made) + "\n"


def write(path: Path, text: str) -> Path:
    """Write a file that is not there yet. Raises `LabError` where it is, or where it cannot be written."""
    if path.exists():
        raise LabError(f"{path} is there already: name another folder, or remove it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise LabError(f"{path} cannot be written ({error.strerror}): choose another folder.") from error
    return path
