"""The one thread in which a network's servers and relays run: an asyncio event loop of its own, beside the notebook's.

They share it because a thread that hands bytes to another one wakes it, and both then wait for the interpreter: in a
thread of its own a relay costs a session three times as much. Everything that waits has a time limit. What is served or
carried is not known here.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from labkit.errors import LabError

_PATIENCE = 5.0
"""Seconds that a caller waits for the thread; what is asked of it takes milliseconds."""
_LAST_WORDS = 1.0
"""Seconds for the ends of connections that their servers have dropped; they take microseconds."""


class Loop:
    """An event loop in a thread, from construction to `close`."""

    events: asyncio.AbstractEventLoop
    """asyncio's part of it."""

    def __init__(self) -> None:
        self.endings: set[Callable[[], None]] = set()
        """Called in the thread when it ends."""
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="labkit loop", daemon=True)
        self._thread.start()
        self._started.wait(_PATIENCE)

    @property
    def here(self) -> bool:
        """Whether this is the loop's own thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[[], object]) -> None:
        """Call a function in the thread and wait for its end. Raises `LabError` when that takes too long."""
        if self.here:  # a lab that is garbage may be closed from here
            function()
            return
        done: Future[object] = Future()
        self.events.call_soon_threadsafe(lambda: _settle(done, function))
        try:
            done.result(_PATIENCE)
        except TimeoutError as error:
            done.cancel()
            raise LabError(f"The lab's server thread did not answer within {_PATIENCE:g} s: make a new Lab.") from error

    def close(self) -> None:
        """Stop the loop and end the thread. A second call does nothing."""
        if self.events.is_closed():
            return
        self.events.call_soon_threadsafe(self._stop.set)
        if not self.here:
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:  # the same on every system
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.events = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.events.set_exception_handler(_ignore)
        self._started.set()
        await self._stop.wait()
        for end in tuple(self.endings):
            end()
        if under_way := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(under_way, timeout=_LAST_WORDS)


def _settle(done: "Future[object]", function: Callable[[], object]) -> None:
    try:
        done.set_result(function())
    except Exception as error:
        done.set_exception(error)


def _ignore(_: asyncio.AbstractEventLoop, __: dict[str, Any]) -> None:
    """Clients of the lab hang up in every possible way; that belongs in the server's log, not in the notebook."""
