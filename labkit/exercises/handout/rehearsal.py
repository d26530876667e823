"""For Otter-Grader: a cell that stops its kernel, or never gives it back, costs its own points, and the rest is graded.

Otter 7.0.0 sets no limit to the time of a cell, and gives a notebook whose kernel has ended no points at all. The
`otter_config.json` of an exported assignment names `Rehearsal`, a plugin that Otter calls before it runs a notebook.
"""

import copy
import runpy
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from nbformat.v4 import new_code_cell, new_notebook
from otter.execute.preprocessor import IGNORE_CELL_TAG
from otter.plugins import AbstractOtterPlugin
from otter.utils import NOTEBOOK_METADATA_KEY

from labkit.exercises.handout.otter import as_file
from labkit.exercises.handout.restarting import INTERRUPTED, STOPPED, Restarting

if TYPE_CHECKING:
    from nbformat import NotebookNode

_TEST = '__import__("otter").Notebook(tests_dir="./tests").check("{name}")'


class _Part(NamedTuple):
    """What one cell of a rehearsal tries: a cell of the notebook, or a test."""

    name: str
    tried: "NotebookNode"
    cell: "NotebookNode | None"
    """The cell of the notebook that `tried` is a copy of; None for a test."""


class Rehearsal(AbstractOtterPlugin):
    """Runs a notebook and its tests before Otter does, and takes out what stops a kernel.

    In place of a cell that does not come back in its time stands one that raises an error, and in place of such a test
    one that fails. Its configuration is ``{"seconds": 120}``, the time of a cell. What was taken out is told in a
    sentence each, in Otter's report.
    """

    _told: tuple[str, ...] = ()

    def before_execution(self, submission: "NotebookNode") -> "NotebookNode":
        """Return the notebook without the cells that stop a kernel, and change the tests that do."""
        folder = Path(self.submission_path).parent
        parts = _parts(submission, folder)
        outcomes = _rehearsed([part.tried for part in parts], folder, int(self.plugin_config["seconds"]))
        stopped = [(part, told) for part, told in zip(parts, outcomes, strict=True) if told]
        for part, told in stopped:
            if part.cell is None:
                _let_fail(folder / "tests" / f"{part.name}.py", told)
            else:
                part.cell.source = f"raise RuntimeError({told!r})"
        self._told = tuple(f"{part.name}: {told}" for part, told in stopped)
        return submission

    def generate_report(self) -> str | None:
        """What was taken out, a line each; None where nothing was."""
        return "\n".join(self._told) or None


def _parts(notebook: "NotebookNode", folder: Path) -> list[_Part]:
    """The cells that Otter runs, each before the tests that it names, and at the end the tests that no cell names."""
    left = sorted(path.stem for path in (folder / "tests").glob("*.py"))
    parts = []
    for cell in notebook.cells:
        settings = cell.metadata.get(NOTEBOOK_METADATA_KEY, {})
        if settings.get("ignore") or IGNORE_CELL_TAG in cell.metadata.get("tags", ()):
            continue
        names = [name for name in settings.get("tests", ()) if name in left]
        left = [name for name in left if name not in names]
        about = f"The answer to {', '.join(names)}" if names else f"{cell.source!r:.60}"
        parts += [_Part(about, copy.deepcopy(cell), cell), *map(_tested, names)]
    return [*parts, *map(_tested, left)]


def _tested(name: str) -> _Part:
    return _Part(name, new_code_cell(_TEST.format(name=name)), cell=None)


def _rehearsed(cells: "list[NotebookNode]", folder: Path, seconds: int) -> list[str]:
    """Run the cells in a copy of the folder; gives for each why it is taken out, or an empty text."""
    notebook = new_notebook(cells=cells)
    with TemporaryDirectory(prefix="rehearsal-") as room:
        place = shutil.copytree(folder, Path(room, folder.name))
        ran, _ = Restarting(timeout=seconds).preprocess(notebook, {"metadata": {"path": str(place)}})
    return [_why_stopped(cell) for cell in ran.cells]


def _why_stopped(cell: "NotebookNode") -> str:
    errors = (output for output in cell.get("outputs", ()) if output.output_type == "error")
    return next((str(error.evalue) for error in errors if error.ename in (STOPPED, INTERRUPTED)), "")


def _let_fail(path: Path, told: str) -> None:
    """Put a test in place of this one that fails, for the same points, and says why."""
    test = runpy.run_path(str(path))["test"]
    for case in test["suites"][0]["cases"]:
        case.update(code=">>> False\nTrue\n", failure_message=told)
    path.write_text(as_file(test), "utf-8")
