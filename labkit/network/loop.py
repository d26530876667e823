"""The one thread in which a network's servers and relays run: an asyncio event loop of its own, beside the notebook's.

They share it because a thread that hands bytes to another one wakes it, and both then wait for the interpreter: in a
thread of its own a relay costs a session three times as much. Every wait has a time limit. What is served or carried is
not known here.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from selectors import DefaultSelector
from typing import Any

from labkit.errors import LabError

_PATIENCE = 5.0
"""Seconds that a caller waits for the thread; a call takes milliseconds."""
_LAST_WORDS = 1.0
"""Seconds for the ends of connections that their servers have dropped; they take microseconds."""


_SLOW = 5.0
"""Seconds of one callback after which Python's development mode warns; a busy machine makes any of them slower than
0.1."""


class Events(asyncio.SelectorEventLoop):
    """asyncio's loop, the same on every system. Raises `OSError`, and leaves nothing then.

    One for which there were too few descriptors counts as closed: asyncio's `__del__` would close what was never made,
    fail, and Python would print that.
    """

    _made = False

    def __init__(self) -> None:
        selector = DefaultSelector()
        try:
            super().__init__(selector)
        except BaseException:
            selector.close()
            raise
        self._made = True

    def is_closed(self) -> bool:
        return not self._made or super().is_closed()


class Loop:
    """An event loop in a thread, from construction to `close`. Raises `OSError`, and `RuntimeError` for no thread.

    In a forked process (fork(2)) there is no such thread: `call` and `close` do nothing there.
    """

    def __init__(self) -> None:
        self.endings: set[Callable[[], None]] = set()
        """Called in the thread when it ends."""
        self._maker = os.getpid()
        self._stop = asyncio.Event()
        self.events: asyncio.AbstractEventLoop = Events()
        """asyncio's part of it."""
        self.events.set_exception_handler(_ignore)
        self.events.slow_callback_duration = _SLOW
        self._thread = threading.Thread(target=self._run, name="labkit loop", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self.events.close()
            raise

    @property
    def here(self) -> bool:
        """Whether the caller must not wait for the thread: it is the thread, or it is in a forked process."""
        return threading.current_thread() is self._thread or os.getpid() != self._maker

    def call(self, function: Callable[[], object]) -> None:
        """Call a function in the thread and wait for its end; after `close`, which ends all that ran there, do nothing.

        Raises `LabError` when that takes too long.
        """
        if os.getpid() != self._maker or self._stop.is_set():
            return
        if self.here:  # the garbage collector may close a lab in this thread
            function()
            return
        if not self._thread.is_alive():
            raise LabError("The lab's server thread has ended: make a new Lab.")
        done: Future[object] = Future()
        self.events.call_soon_threadsafe(lambda: _settle(done, function))
        try:
            done.result(_PATIENCE)
        except TimeoutError as error:
            done.cancel()
            raise LabError(f"The lab's server thread did not answer within {_PATIENCE:g} s: make a new Lab.") from error

    def close(self) -> None:
        """Stop the loop and end the thread. A second call does nothing."""
        if not self._thread.is_alive() or os.getpid() != self._maker:
            return
        self.events.call_soon_threadsafe(self._stop.set)
        if not self.here:
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        with suppress(MemoryError), asyncio.Runner(loop_factory=lambda: self.events) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
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
    """Print nothing: clients hang up in every possible way, and the server's log has it."""
