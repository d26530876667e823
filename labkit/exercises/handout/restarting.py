"""Running a student's notebook: a cell that stops its kernel, or never gives it back, costs its own output only.

At the end of a cell's time nbclient interrupts it. A call of a function in C (``sum(iter(int, 1))``) does not notice, a
handler may swallow the interrupt, and the kernel may have ended: what the other cells would have told is lost then.
`labkit.exercises.handout.submitted` brings this to nbgrader, and `labkit.exercises.handout.rehearsal` to Otter-Grader.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from time import monotonic
from typing import TYPE_CHECKING, Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbconvert.preprocessors import ExecutePreprocessor
from nbformat.v4 import new_output
from traitlets import Bool, Dict, Integer

if sys.platform == "linux":
    from resource import RLIMIT_DATA, prlimit

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager
    from nbformat import NotebookNode

STOPPED, INTERRUPTED = "KernelStopped", "CellTimeoutError"
"""The names of the errors that stand in the output of a cell that stopped its kernel, or was interrupted."""
_INTERRUPTED = "This cell had not come back at the end of its time, and was interrupted."
_PRINTED = ("stream", "display_data")
"""Messages that carry output and no points: the value of a graded cell is an ``execute_result``."""


class Restarting(ExecutePreprocessor):
    """Runs the cells of a notebook; where one stops the kernel, a new kernel runs the cells above it, and goes on.

    The new kernel leaves out each cell that stopped one. Such a cell has one sentence in place of its output, as an
    error; that of an interrupted cell stands below its output. The log has both.
    """

    timeout = Integer(120, allow_none=True, help="Seconds that one cell may run.").tag(config=True)
    allow_errors = Bool(True, help="Whether the cells below an error are run.").tag(config=True)
    interrupt_on_timeout = Bool(True, help="Whether a cell is interrupted at the end of its time.").tag(config=True)
    raise_on_iopub_timeout = Bool(True, help="Whether output that does not end is an error.").tag(config=True)

    memory = Integer(2 << 30, help="Bytes of data that a kernel may have, on Linux; 0 for no limit.").tag(config=True)
    most_output = Integer(10_000_000, help="Characters of output that are read of one cell.").tag(config=True)
    shutdown_kernel = "immediate"  # a stopped kernel answers no request to shut down
    error_on_timeout = Dict(
        {"ename": INTERRUPTED, "evalue": _INTERRUPTED, "traceback": [_INTERRUPTED]},
        help="What is told of a cell that was interrupted at the end of its time.",
    ).tag(config=True)

    def preprocess(self, nb: "NotebookNode", *others: Any, **named: Any) -> "tuple[NotebookNode, dict[str, Any]]":
        """Run the notebook, and return it with its outputs."""
        self._stopped: set[int] = set()
        with TemporaryDirectory(prefix="kernels-") as self._sockets:
            return super().preprocess(nb, *others, **named)

    def preprocess_cell(
        self, cell: "NotebookNode", resources: dict[str, Any], index: int
    ) -> "tuple[NotebookNode, dict[str, Any]]":
        """Run one cell, and make a new kernel for the next one where this one stopped the kernel."""
        self._check_assign_resources(resources)
        ready = self._comes_back(index)
        while not ready:
            self._cleanup_kernel()
            self.create_kernel_manager()
            self.start_new_kernel()
            self.start_new_kernel_client()
            ready = all(map(self._comes_back, self._needed(index)))
        return self.nb.cells[index], self.resources

    def create_kernel_manager(self) -> "KernelManager":
        """A kernel whose connections are Unix sockets, where the system has them.

        Jupyter looks for free TCP ports before a kernel starts, and a lab of another kernel may take one meanwhile.
        """
        manager = super().create_kernel_manager()
        if os.name == "posix":
            manager.transport = "ipc"
            manager.ip = str(Path(mkdtemp(dir=self._sockets), "kernel"))  # a path, in jupyter_client's words
        return manager

    def start_new_kernel(self, **options: Any) -> None:
        """Start a kernel, with its limit of memory."""
        super().start_new_kernel(**options)
        if self.memory and sys.platform == "linux":
            prlimit(self.km.provisioner.pid, RLIMIT_DATA, (self.memory, self.memory))

    def process_message(self, msg: dict[str, Any], cell: "NotebookNode", cell_index: int) -> "NotebookNode | None":
        """Keep what a cell sends, without the output beyond `most_output`."""
        if msg["msg_type"] in _PRINTED:
            self._printed += len(str(msg["content"]))
            if self._printed > self.most_output:
                return None
        return super().process_message(msg, cell, cell_index)

    def on_cell_executed(self, cell: "NotebookNode", execute_reply: dict[str, Any], **others: Any) -> None:
        """Tell what the cell itself may not have told: its error, the end of its time, or ``exit()``."""
        reply = execute_reply["content"]
        if reply["status"] == "error" and reply["ename"] not in _errors(cell):
            error = {part: reply[part] for part in ("ename", "evalue")}
            cell.outputs.append(new_output("error", traceback=reply["traceback"] or [reply["evalue"]], **error))
        if reply.get("ename") == self.error_on_timeout["ename"]:
            self.log.warning("%s: %s", _named(cell), self.error_on_timeout["evalue"])
        if any(each["source"] == "ask_exit" for each in reply.get("payload", ())):
            raise DeadKernelError

    def is_needed(self, cell: "NotebookNode") -> bool:
        """Whether a new kernel runs this cell, which stopped none, for the sake of the cells below it."""
        return True

    def _needed(self, index: int) -> list[int]:
        """The cells above `index` that a new kernel runs."""
        return [at for at in range(index) if at not in self._stopped and self.is_needed(self.nb.cells[at])]

    def _comes_back(self, index: int) -> bool:
        """Run one cell; False where the kernel can run no other cell after it."""
        cell, began, self._printed = self.nb.cells[index], monotonic(), 0
        try:
            self.execute_cell(cell, index, store_history=True)
        except CellTimeoutError:
            late = self.timeout and monotonic() - began >= self.timeout
            how = f"had not come back after {self.timeout} seconds" if late else "came back, but its output had no end"
        except DeadKernelError:
            how = "ended its kernel"
        else:
            if "MemoryError" not in _errors(cell):
                return True
            how = "used all memory that a kernel may have"
        told = f"This cell {how}: the rest is run in a new kernel, without it."
        self._stopped.add(index)
        cell.outputs = [new_output("error", ename=STOPPED, evalue=told, traceback=[told])]
        self.log.warning("%s: %s", _named(cell), told)
        return False


def _named(cell: "NotebookNode") -> str:
    """A cell in a sentence: its identifier where it is answered or graded, or the beginning of its source."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id") or f"{cell.source!r:.60}")


def _errors(cell: "NotebookNode") -> list[str]:
    """The names of the errors in a cell's output."""
    return [each.ename for each in cell.get("outputs", ()) if each.output_type == "error"]
