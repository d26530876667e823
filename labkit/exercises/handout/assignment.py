"""A lesson's notebook, read as an assignment: its cells in order, and where it asks for an answer.

An answer is asked for where the last statement of a cell is ``check("08.2", stolen, …)``: what stands above it is what
the student starts from. Cells that only ask for hints and solutions are left out, and outputs, too.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from labkit.errors import LabError
from labkit.exercises import lessons
from labkit.exercises.parts import parts_of
from labkit.exercises.question import Exercise

if TYPE_CHECKING:
    from nbformat import NotebookNode

_HELP = re.compile(r"#?\s*(hint|solution)\(.*\)")

INTRODUCTION = """\
This notebook is handed in and graded in points. Put your name, as it stands in the list of your class, in place of the
three dots below, and run the notebook from its top: what is drawn for you is drawn from that name. Answers go in place
of the three dots in the cells further down. Hints and solutions are left out, and the cell below an answer says only
whether there is one. Cells that you remove earn no points."""
NAMING = "from labkit.exercises import i_am\n\ni_am(...)"


@dataclass(frozen=True)
class Asked:
    """A cell that asks for the answer to an exercise."""

    exercise: Exercise
    start: str
    """The lines that a student starts from, with three dots in place of the answer."""
    answer: str
    """The expression that is the answer: ``stolen``."""
    arguments: str
    """What `check` and `grade` are called with: ``"08.2", stolen``."""

    @property
    def number(self) -> str:
        """The number of the exercise."""
        return self.exercise.number

    @property
    def solution(self) -> str:
        """The lines that answer it. Raises `LabError` where solutions are left out of this installation."""
        if not self.exercise.solution:
            raise LabError(f"The solution of {self.number} is left out of this installation: use a whole one.")
        return self.exercise.solution

    @property
    def points(self) -> int:
        """What a right answer is worth."""
        return sum(part.points for part in parts_of(self.exercise))

    @property
    def key(self) -> str:
        """The number as a part of names: ``08_2``."""
        return re.sub(r"\W", "_", self.number)


@dataclass(frozen=True)
class Assignment:
    """A notebook as an assignment."""

    name: str
    """The name of its file, without the ending."""
    blocks: "tuple[NotebookNode | Asked, ...]"
    """Cells that stay as they are, and those that ask for an answer, in order."""
    metadata: dict[str, Any]

    @property
    def asked(self) -> list[Asked]:
        """The cells that ask for an answer."""
        return [block for block in self.blocks if isinstance(block, Asked)]


def read(path: Path) -> Assignment:
    """The assignment in a notebook. Raises `LabError` for a file that is not a notebook, that asks nothing, or that
    asks one thing twice."""
    notebook = _notebook(path)
    blocks = tuple(_blocks(notebook, path))
    numbers = Counter(block.number for block in blocks if isinstance(block, Asked))
    if not numbers:
        raise LabError(f'{path} asks for no answer: a cell that asks for one ends with check("NUMBER", answer).')
    if twice := [number for number, times in numbers.items() if times > 1]:
        raise LabError(f"{path} checks {', '.join(twice)} in more than one cell: keep one cell for each exercise.")
    _complete(path, set(numbers))
    return Assignment(path.stem, blocks, dict(notebook.metadata))


def _notebook(path: Path) -> "NotebookNode":
    if path.exists() and not path.is_file():
        raise LabError(f"{path} is no file: name a notebook.")
    try:
        notebook = nbformat.reads(path.read_text("utf-8"), as_version=4)
        nbformat.validate(notebook)
    except OSError as error:
        raise LabError(f"{path} cannot be read ({error.strerror}): check its name and its permissions.") from error
    except Exception as error:  # nbformat raises what its parser and its validator raise
        raise LabError(f"{path} is not a Jupyter notebook, or it is damaged ({type(error).__name__}).") from error
    return notebook


def _blocks(notebook: "NotebookNode", path: Path) -> "Iterator[NotebookNode | Asked]":
    for place, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            yield cell
        elif not _only_help(cell.source):
            asked = _asked(cell.source, f"cell {place} of {path}")
            if asked is None:
                cell.outputs, cell.execution_count = [], None
            yield asked or cell


def _only_help(source: str) -> bool:
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    return bool(lines) and all(_HELP.fullmatch(line) for line in lines)


def _asked(source: str, where: str) -> Asked | None:
    """What a cell asks for; None when it asks for nothing. `where` names it in a sentence."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a command of IPython, perhaps
        if re.search(r"^check\(", source, re.MULTILINE):
            raise LabError(f"There is a check in {where}, which is not Python as it stands.") from None
        return None
    match statements[-1:]:
        case [ast.Expr(ast.Call(ast.Name("check"), [ast.Constant(str(number)), answer, *_] as arguments, []))]:
            start = "\n".join(source.splitlines()[: statements[-1].lineno - 1]).strip()
            called = ", ".join(map(ast.unparse, arguments))
            try:
                return Asked(lessons.exercise(number), start, ast.unparse(answer), called)
            except LabError as error:
                raise LabError(f"{error} It is checked in {where}.") from error
    return None


def _complete(path: Path, numbers: set[str]) -> None:
    """Raises `LabError` where exercises of a lesson of the course are not asked, in the notebook of that lesson."""
    own = path.stem.partition("_")[0]
    if own in lessons.numbers():
        left = [each.number for each in lessons.lesson(own).exercises if each.number not in numbers]
        if left:
            raise LabError(f"{path} lacks the cell that checks {', '.join(left)}: put it back, or rename the notebook.")
