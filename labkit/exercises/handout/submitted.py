"""For nbgrader: a submitted notebook in which a cell stands more than once is graded all the same.

nbgrader 0.9.6 stops at such a notebook, because it empties the metadata of the copies, and then asks for an update of
them. The `nbgrader_config.py` of an exported course puts `OneOfEach` in front.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

from nbconvert.preprocessors import Preprocessor
from traitlets import Bool

if TYPE_CHECKING:
    from nbformat import NotebookNode


class OneOfEach(Preprocessor):
    """Of the cells with one identifier, only the last is graded; a sentence names each such case."""

    enabled = Bool(True).tag(config=True)  # of a Preprocessor, it is False

    def preprocess(self, nb: "NotebookNode", resources: dict[str, Any]) -> "tuple[NotebookNode, dict[str, Any]]":
        """The notebook, in which other copies are ordinary cells."""
        left = Counter(filter(None, map(_identifier, nb.cells)))
        for name, times in left.items():
            if times > 1:
                self.log.warning("The cell %s stands %d times in this notebook: the last one is graded.", name, times)
        for cell in nb.cells:
            if name := _identifier(cell):
                left[name] -= 1
                if left[name]:
                    del cell.metadata["nbgrader"]
        return nb, resources


def _identifier(cell: "NotebookNode") -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")
