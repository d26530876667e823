"""What a notebook's history holds of labs: nothing that keeps one open in whose place there is a newer one.

IPython keeps every displayed value in ``Out``, ``_`` and ``_3``, and so every lab that a cell ever showed. When its
cell runs again, or its variable gets another lab, the references of the history become weak. A lab that the user
reaches in no other way is then collected by Python, which closes it; one that is reached stays.
"""

import gc
import re
import sys
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.lab import Lab

_HISTORY = re.compile(r"_{1,3}|_\d+")
"""The variables in which IPython keeps results."""
_GONE = "<Lab, closed: a newer one is in its place>"


class Remembered:
    """Stands for a lab in the history, without keeping it open; has its attributes while it is there."""

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
        self._cell = _running_cell(shell)
        self._made: weakref.WeakKeyDictionary[Lab, str] = weakref.WeakKeyDictionary()
        """Lab -> the cell that made it, the oldest first."""
        self._named: dict[str, weakref.ref[Lab]] = {}
        """Variable -> the lab that was in it after the last cell."""
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)

    def add(self, lab: "Lab") -> None:
        """Note that the running cell has made this lab."""
        self._made[lab] = self._cell

    def _begin(self, info: Any) -> None:
        self._cell = info.cell_id or info.raw_cell

    def _end(self, _: Any) -> None:
        forgotten = [self._forget(lab) for lab in self._replaced()]
        if any(forgotten):
            gc.collect()  # a lab may be in a circle of references

    def _replaced(self) -> "list[Lab]":
        """The labs whose variable has a newer one now, or whose cell has made a newer one."""
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
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return
    if shell not in _NOTEBOOKS:
        _NOTEBOOKS[shell] = Places(shell)
    _NOTEBOOKS[shell].add(lab)


def _running_cell(shell: Any) -> str:
    """The identifier of the cell that runs, or its text where it has none, as IPython's `ExecutionInfo` has them."""
    kernel = getattr(shell, "kernel", None)
    request = kernel.get_parent("shell") if kernel else {}
    return request.get("metadata", {}).get("cellId") or shell.history_manager.input_hist_raw[-1]
