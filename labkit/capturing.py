"""The result of `Lab.capture`: a capture that begins and ends with a block."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from labkit.errors import LabError
from labkit.limits import within_limits

if TYPE_CHECKING:
    from labkit.network import Network
    from labkit.show.capture import Capture
    from labkit.trust.keylog import KeyLog


class NotBegun(AbstractContextManager["Capture"]):
    """The result of `Lab.capture`: a capture that begins with a ``with`` block. Every other attribute raises.

    Raises `LabError`.
    """

    def __init__(self, capture: "AbstractContextManager[Capture]") -> None:
        self._capture = capture

    def __enter__(self) -> "Capture":
        return self._capture.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        return self._capture.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what copy and the displays of notebooks look for, and can do without
            raise AttributeError(name)
        raise LabError(f"There is no {name} yet. {_WITH}")

    def __repr__(self) -> str:
        return f"<a capture that has not begun. {_WITH}>"


_WITH = "A capture begins and ends with a block: with lab.capture() as capture: …"


@contextmanager
def captured(network: "Network", method: str, keylog: "KeyLog", host: str | None = None) -> Iterator["Capture"]:
    """Record what crosses this network while the block runs; see `Lab.capture`."""
    network.still_open()
    with within_limits("Starting a capture"):
        from labkit.capture import record
        from labkit.show.capture import Capture

    with record(network, method=method, keylog=keylog, into=Capture(), host=host) as trace:
        yield trace
