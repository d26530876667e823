"""For Otter-Grader: a limit to the time of a cell, which Otter does not set.

The first cell of an exported notebook calls `limit_cells`, so that a loop costs its own cell and the rest is graded. A
cell that no interrupt ends (one call of a function in C, a handler that swallows it) ends its kernel instead: Otter
then gives that notebook no points, and would otherwise wait for ever.
"""

import faulthandler
import os
import signal
from typing import Any

from IPython import get_ipython

from labkit.errors import LabError


def limit_cells(seconds: int) -> None:
    """Interrupt each cell of this notebook that runs longer than that, as Control-C does, and tell it in a sentence.

    A cell that goes on ends the kernel after twice as long. Windows has no such signals: there, nothing is limited.
    Raises `LabError` outside a notebook.
    """
    shell = get_ipython()
    if shell is None:
        raise LabError("Only the cells of a notebook are timed, and this is none.")
    if not hasattr(signal, "setitimer"):
        return
    last_words = os.dup(2)  # a cell may close standard error
    late: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        late.append(number)
        signal.raise_signal(signal.SIGINT)

    def begin(about: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        faulthandler.dump_traceback_later(2 * seconds, exit=True, file=last_words)

    def end(result: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        if late:
            late.clear()
            print(f"This cell had not come back after {seconds} seconds, and was interrupted.")

    signal.signal(signal.SIGALRM, interrupt)
    shell.events.register("pre_run_cell", begin)
    shell.events.register("post_run_cell", end)
