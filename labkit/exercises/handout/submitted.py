"""For nbgrader: a submitted notebook is graded also where cells were doubled or removed, or their settings changed, and
where a cell stops its kernel.

nbgrader 0.9.6 stops at such a notebook with an error of Python: it empties the metadata of copies and then asks for
them, looks for the place of a removed test below an answer that was removed, too, and reads settings that are not
there. The `nbgrader_config.py` of an exported course puts `OneOfEach` in front, and `RestartingExecute` in the place of
nbgrader's `Execute`.
"""

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from nbconvert.preprocessors import Preprocessor
from nbformat.v4 import new_code_cell, new_output
from nbgrader.api import Gradebook
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade
from traitlets import Bool

from labkit.exercises.handout.restarting import Restarting

if TYPE_CHECKING:
    from nbformat import NotebookNode

_EMPTY = "# The answer that stood here is missing."
_TELLS_POINTS = re.compile(r"^grade\(.*\)\.points$", re.MULTILINE)
_NO_POINTS = "This cell told no points: a cell above it has switched off what IPython shows."


class RestartingExecute(Restarting, Execute):
    """nbgrader's `Execute`, which goes on in a new kernel where a cell stops the one that runs it.

    The new kernel runs no graded cell again, whose points are known. nbgrader gives full points to a cell that shows
    nothing: one that should show its points and does not has an error instead.
    """

    def on_cell_executed(self, cell: "NotebookNode", execute_reply: dict[str, Any], **others: Any) -> None:
        """Tell of a graded cell that it showed no points."""
        super().on_cell_executed(cell, execute_reply, **others)
        shown = {output.output_type for output in cell.outputs}
        if is_grade(cell) and _TELLS_POINTS.search(cell.source) and not shown & {"execute_result", "error"}:
            cell.outputs.append(new_output("error", ename="NoPoints", evalue=_NO_POINTS, traceback=[_NO_POINTS]))
            self.log.warning("%s: %s", cell.metadata.nbgrader.grade_id, _NO_POINTS)

    def is_needed(self, cell: "NotebookNode") -> bool:
        """Whether the cell is not graded."""
        return not is_grade(cell)


class OneOfEach(Preprocessor):
    """Each answer, and each cell that grades one, stands there once, with the settings that it was handed out with.

    Of copies, the last is graded. For an answer that is missing an empty one is put in its place, below which nbgrader
    puts back the cell that grades. A cell of another assignment is not graded. Each case is told in a sentence.
    """

    enabled = Bool(True).tag(config=True)  # of a Preprocessor, it is False

    def preprocess(self, nb: "NotebookNode", resources: dict[str, Any]) -> "tuple[NotebookNode, dict[str, Any]]":
        """The notebook, in which all other cells are ordinary ones."""
        handed_out = _handed_out(resources["nbgrader"])
        names = [_name(cell, handed_out) for cell in nb.cells]
        last = {name: at for at, name in enumerate(names) if name}
        for name, times in Counter(filter(None, names)).items():
            if times > 1:
                self.log.warning("The cell %s stands %d times in this notebook: the last one is graded.", name, times)
        for at, (cell, name) in enumerate(zip(nb.cells, names, strict=True)):
            found = cell.metadata.pop("nbgrader", None)
            if name and last[name] == at:
                cell.metadata["nbgrader"] = self._settings(found, handed_out[name])
            elif found is not None and not name:
                self.log.warning("A cell that is not of this assignment is not graded: %.60r", cell.source)
        self._put_in(nb, last, handed_out)
        return nb, resources

    def _settings(self, found: object, right: dict[str, Any]) -> dict[str, Any]:
        if isinstance(found, dict) and right.items() <= found.items():
            return found
        self.log.warning("The settings of the cell %s were changed: those of the assignment count.", right["grade_id"])
        return dict(right)

    def _put_in(self, nb: "NotebookNode", last: dict[str, int], handed_out: "CellSettings") -> None:
        """Insert an empty cell for each missing answer, after the cell that preceded it; `last` is where cells are."""
        place = added = 0
        for name, settings in handed_out.items():
            if name in last:
                place = last[name] + added + 1
            elif settings["solution"]:
                self.log.warning("The cell %s is missing: an empty one stands in its place.", name)
                nb.cells.insert(place, new_code_cell(_EMPTY, metadata={"nbgrader": dict(settings)}))
                place, added = place + 1, added + 1


CellSettings = dict[str, dict[str, Any]]
"""Identifier of a cell -> its settings, which nbgrader keeps in its metadata."""


def _handed_out(about: dict[str, Any]) -> CellSettings:
    """The settings of the cells of the assignment, in the order of the notebook."""
    with Gradebook(about["db_url"]) as book:
        source = book.find_notebook(about["notebook"], about["assignment"])
        answers = {cell.name for cell in source.solution_cells}
        tasks = {cell.name: {"points": cell.max_score} for cell in source.task_cells}
        graded = {cell.name: {"points": cell.max_score} for cell in source.grade_cells}
        return {
            cell.name: {
                "schema_version": 3,
                "grade_id": cell.name,
                "cell_type": cell.cell_type,
                "grade": cell.name in graded,
                "solution": cell.name in answers,
                "locked": cell.locked,
                "task": cell.name in tasks,
                **(tasks | graded).get(cell.name, {}),
            }
            for cell in source.source_cells
        }


def _name(cell: "NotebookNode", handed_out: CellSettings) -> str:
    """The identifier of a cell of the assignment, from its settings, or from its own where they are lost; or empty."""
    settings = cell.metadata.get("nbgrader")
    name = settings.get("grade_id") if isinstance(settings, dict) else None
    known = (each for each in (name, cell.get("id")) if isinstance(each, str) and each in handed_out)
    return next(known, "")
