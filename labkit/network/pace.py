"""Steps of one direction of a connection that are done after a delay, in their order.

The delay of a path is a `Pace`. What the steps are does not belong here.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class Pace(NamedTuple):
    """Seconds that one segment takes from a client to a server, or back, beyond what the system itself takes."""

    near: float = 0.0
    """Between the client and the place where a capture looks."""
    far: float = 0.0
    """Between that place and the server."""

    @property
    def whole(self) -> float:
        """Between the client and the server."""
        return self.near + self.far


def at_once() -> Pace:
    """The pace of a path without delay."""
    return Pace()


class Transit:
    """Does each step after its delay (seconds), and never before an earlier one; for the loop's thread."""

    def __init__(self, events: asyncio.AbstractEventLoop) -> None:
        self._events = events
        self._due: deque[tuple[float, Callable[[], object]]] = deque()
        """(time of the loop's clock, step), the earliest first."""
        self._timer: asyncio.TimerHandle | None = None

    def put(self, delay: float, step: Callable[[], object]) -> None:
        """Do `step` after `delay` seconds and after the steps that are under way; at once if neither delays it."""
        if not self._due and delay <= 0:
            step()
            return
        due = self._events.time() + delay
        if self._due:
            due = max(due, self._due[-1][0])
        self._due.append((due, step))
        self._arm()

    def close(self) -> None:
        """Forget the steps that are under way."""
        self._due.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._due and self._timer is None:
            self._timer = self._events.call_at(self._due[0][0], self._deliver)

    def _deliver(self) -> None:
        self._timer = None
        now = max(self._events.time(), self._due[0][0])  # the loop may call a timer one tick of its clock early
        while self._due and self._due[0][0] <= now:
            _, step = self._due[0]
            step()
            if self._due:  # else the step has closed this
                self._due.popleft()
        self._arm()
