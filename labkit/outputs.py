"""The notebook around a lab: which cell runs, and which labs the history of outputs holds.

The history must not keep a lab open that was replaced by a newer one. IPython keeps every displayed value in ``Out``,
``_`` and ``_3``, and so every lab that a cell ever showed. When its cell runs again, or its variable gets another lab,
the references of the history become weak. A lab without another reference is then collected by Python, which closes
it.
"""

import gc
import re
import sys
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from labkit.lab import Lab

_HISTORY = re.compile(r"_{1,3}|_\d+")
"""The variables in which IPython keeps results."""
_GONE = "<Lab, closed: a newer one is in its place>"


class CellRun(NamedTuple):
    """One execution of a cell."""

    cell: str
    """The cell's identifier, or its text where it has none."""
    number: int
    """Which execution of the notebook's cells it is, counted from the first lab on."""


class Remembered:
    """A weak reference to a lab in the history; it has the lab's attributes while the lab exists."""

    def __init__(self, lab: "Lab") -> None:
        self._lab = weakref.ref(lab)

    def __getattr__(self, name: str) -> Any:
        lab = self._lab()
        if lab is None:
            raise AttributeError(f"There is no {name}: {_GONE}")
        return getattr(lab, name)

    def __repr__(self) -> str:
        lab = self._lab()
        return _GONE if lab is None else repr(lab)


class Places:
    """The labs of a notebook, the cells that made them, and the variables that they are in."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.run = CellRun(_running_cell(shell), 0)
        """The running execution, or the last one."""
        self._made: weakref.WeakKeyDictionary[Lab, str] = weakref.WeakKeyDictionary()
        """Lab -> the cell that made it, the oldest first."""
        self._named: dict[str, weakref.ref[Lab]] = {}
        """Variable -> the lab that was in it after the last cell."""
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)

    def add(self, lab: "Lab") -> None:
        """Note that the running cell has made this lab."""
        self._made[lab] = self.run.cell

    def _begin(self, info: Any) -> None:
        self.run = CellRun(info.cell_id or info.raw_cell, self.run.number + 1)

    def _end(self, _: Any) -> None:
        forgotten = [self._forget(lab) for lab in self._replaced()]
        if any(forgotten):
            gc.collect()  # a lab may be in a circle of references

    def _replaced(self) -> "list[Lab]":
        """The labs whose variable holds a newer one now, or whose cell has made a newer one."""
        labs = {id(lab): lab for lab in self._made}
        now = {name: labs[id(value)] for name, value in self._variables() if id(value) in labs}
        renamed = [id(lab()) for name, lab in self._named.items() if now.get(name, lab()) is not lab()]
        self._named = {name: weakref.ref(lab) for name, lab in now.items()}
        newest = {cell: lab for lab, cell in self._made.items()}
        return [lab for lab, cell in self._made.items() if id(lab) in renamed or newest[cell] is not lab]

    def _variables(self) -> list[tuple[str, Any]]:
        """The user's own variables."""
        return [(name, value) for name, value in self._shell.user_ns.items() if not _HISTORY.fullmatch(name)]

    def _forget(self, lab: "Lab") -> bool:
        """Make the references of the history to a lab weak. False where there were none."""
        shell = self._shell
        found = [(shell.user_ns["_oh"], number) for number, value in shell.user_ns["_oh"].items() if value is lab]
        for names in (shell.user_ns, shell.user_ns_hidden, vars(shell.displayhook)):  # which have copies of _ and _3
            found += [(names, name) for name, value in names.items() if value is lab and _HISTORY.fullmatch(name)]
        instead = Remembered(lab)
        for names, name in found:
            names[name] = instead
        return bool(found)


_NOTEBOOKS: "weakref.WeakKeyDictionary[Any, Places]" = weakref.WeakKeyDictionary()
"""IPython's shell -> its labs."""


def note(lab: "Lab") -> None:
    """Note a new lab, where this is a notebook, or another place where IPython runs."""
    shell = _shell()
    if shell is None:
        return
    if shell not in _NOTEBOOKS:
        _NOTEBOOKS[shell] = Places(shell)
    _NOTEBOOKS[shell].add(lab)


def running() -> CellRun | None:
    """The execution of a cell that is under way; None outside a notebook, and where it has made no lab."""
    shell = _shell()
    places = _NOTEBOOKS.get(shell) if shell is not None else None
    return places.run if places is not None else None


def repeats(earlier: CellRun | None) -> bool:
    """Whether the running cell is the one of that earlier execution."""
    now = running()
    return now is not None and earlier is not None and now.cell == earlier.cell and now.number != earlier.number


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _running_cell(shell: Any) -> str:
    """The identifier of the cell that runs, or its text where it has none, as IPython's `ExecutionInfo` has them."""
    kernel = getattr(shell, "kernel", None)
    request = kernel.get_parent("shell") if kernel else {}
    return request.get("metadata", {}).get("cellId") or shell.history_manager.input_hist_raw[-1]
