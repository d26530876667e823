"""Frames and what is done with them: caught from the lab's network, kept in files, put together to conversations.

`record` and `Trace` load on first use, so that whoever only needs `conversation` does not pay for packet sockets.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.capture.recording import record
    from labkit.capture.trace import Trace

__all__ = ["Trace", "record"]

_HOMES = {"record": "labkit.capture.recording", "Trace": "labkit.capture.trace"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit.capture' has no attribute {name!r}; it offers {', '.join(_HOMES)}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
