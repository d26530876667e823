"""What displays the outputs of a kernel: a front end with a person in front of it, or a program that only keeps
them."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipywidgets import Widget

_WIDGET = "application/vnd.jupyter.widget-view+json"
GLANCE = 1.0
"""Seconds: less than a person needs to see something and click on it."""


def in_kernel() -> bool:
    """Whether this process is a Jupyter kernel."""
    return _shell() is not None


def attended() -> bool:
    """Whether the front end is interactive, so that a user can click on a widget.

    A front end says with each request whether it could ask its user something (``allow_stdin`` in the messaging
    protocol of Jupyter); what runs notebooks from top to bottom (nbclient, nbconvert) could not.
    """
    shell = _shell()
    return shell is not None and bool(shell.kernel.get_parent("shell").get("content", {}).get("allow_stdin"))


def when_hurried(then: Callable[[], None]) -> None:
    """Call `then` once if the next cell begins within a `GLANCE` of the end of this one, as it does in "Run All"."""
    events, ended = _shell().events, []

    def end(_: object) -> None:
        ended.append(time.monotonic())

    def begin(_: object) -> None:
        events.unregister("post_run_cell", end)
        events.unregister("pre_run_cell", begin)
        if ended and time.monotonic() - ended[0] < GLANCE:
            then()

    events.register("post_run_cell", end)
    events.register("pre_run_cell", begin)


def bundle(widget: "Widget") -> dict[str, Any]:
    """What shows a widget, for `_repr_mimebundle_`; plain text and HTML are for the object that is shown to add."""
    return {_WIDGET: widget._repr_mimebundle_()[_WIDGET]}


def _shell() -> Any:
    """IPython's shell in a kernel; where IPython was not loaded there is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if hasattr(shell, "kernel") else None
