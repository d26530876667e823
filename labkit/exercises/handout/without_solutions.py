"""A copy of the project for students, in which no exercise has a solution.

``solution=`` of each `Exercise` in a module of a lesson becomes an empty text, and `labkit.exercises.solution` says so.
Hints stay, of which the last comes near to the answer, and so do checkers: a student who reads their code may find the
right answer there.
"""

import ast
import re
import shutil
from pathlib import Path

from labkit.errors import LabError

_ROOT = Path(__file__).resolve().parents[3]
_FOLDERS = ("labkit", "data", "notebooks", "setup", "binder")
_FILES = ("pyproject.toml", "environment.yml", "Makefile", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
_PRIVATE = ("__pycache__", ".ipynb_checkpoints", "progress*.json", ".DS_Store")
_LESSONS = "labkit/exercises/lessons"
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)#]+)\)")
_NOTE = """\
> This is a copy for students. The solutions of the exercises are left out, and so are the tests, the examples, the
> measurements and the web pages with their guides: `make test` and `make site` need the whole project."""


def copy_without_solutions(folder: Path) -> Path:
    """Copy the project into a new folder, from where ``make lab`` and ``pip install`` work. Returns the folder.

    Raises `LabError` where labkit was not installed from a checkout, or the folder is there or cannot be written.
    """
    if not (_ROOT / "pyproject.toml").exists():
        raise LabError("Only a checkout can be copied for students, and labkit was installed from a wheel here.")
    if folder.exists():
        raise LabError(f"{folder} is there already: name a folder that is not.")
    ignored = shutil.ignore_patterns(*_PRIVATE)
    try:
        for name in _FOLDERS:
            if (_ROOT / name).exists():
                shutil.copytree(_ROOT / name, folder / name, ignore=ignored)
        for name in _FILES:
            if (_ROOT / name).exists():
                shutil.copy(_ROOT / name, folder / name)
        for path in sorted((folder / _LESSONS).glob("lesson_*.py")):
            path.write_bytes(without_solutions(path.read_bytes()))
        readme = folder / "README.md"
        readme.write_text(_for_students(readme.read_text("utf-8"), folder), "utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise LabError(f"{folder} cannot be written ({_reason(error)}): choose another place.") from error
    return folder


def _for_students(readme: str, folder: Path) -> str:
    """The README with a note below its title, and with plain words in place of links to what the folder lacks."""
    title, text = readme.split("\n", 1)
    text = _LINK.sub(lambda link: link[0] if (folder / link[2]).exists() else link[1], text)
    return f"{title}\n\n{_NOTE}\n{text}"


def _reason(error: OSError) -> str:
    """Why a file could not be copied; of many, the first (`shutil.copytree` goes on, and tells of each)."""
    return str(error.args[0][0][2]) if isinstance(error, shutil.Error) else str(error.strerror)


def without_solutions(source: bytes) -> bytes:
    """The source of a module, in UTF-8, in which the solution of each `Exercise` is empty."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    for value in sorted(_solutions(ast.parse(source)), key=lambda value: -value.lineno):
        begin, end = starts[value.lineno - 1] + value.col_offset, starts[value.end_lineno - 1] + value.end_col_offset
        source = source[:begin] + b'""' + source[end:]
    return source


def _solutions(tree: ast.AST) -> list[ast.expr]:
    """What is given as ``solution=`` to a call of `Exercise`."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    asked = (call for call in calls if getattr(call.func, "id", "") == "Exercise")
    return [given.value for call in asked for given in call.keywords if given.arg == "solution"]
