"""The one thread in which all servers of a lab run: an asyncio event loop of its own, beside the notebook's.

Everything that waits has a time limit. What is served is not known here.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from labkit.errors import LabError

_PATIENCE = 5.0
"""Seconds that a caller waits for the thread; what is asked of it takes milliseconds."""


class ServerLoop:
    """An event loop in a thread, from construction to `close`."""

    def __init__(self) -> None:
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="labkit servers", daemon=True)
        self._thread.start()
        self._started.wait(_PATIENCE)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the loop and return what it returns. Raises `LabError` when that takes too long."""
        return _result(asyncio.run_coroutine_threadsafe(work, self._loop))

    def call(self, function: Callable[[], object]) -> None:
        """Call a function in the loop's thread and wait for its end. Raises `LabError` when that takes too long."""
        if threading.current_thread() is self._thread:  # a lab that is garbage may be closed from here
            function()
            return
        done: Future[object] = Future()
        self._loop.call_soon_threadsafe(lambda: _settle(done, function))
        _result(done)

    def close(self) -> None:
        """Stop the loop and end the thread. A second call does nothing."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread() is not self._thread:
            self._thread.join(_PATIENCE)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._loop.set_exception_handler(_ignore)
        self._started.set()
        await self._stop.wait()


def _settle(done: "Future[object]", function: Callable[[], object]) -> None:
    try:
        done.set_result(function())
    except Exception as error:
        done.set_exception(error)


def _result(future: "Future[Any]") -> Any:
    try:
        return future.result(_PATIENCE)
    except TimeoutError as error:
        future.cancel()
        raise LabError(f"The lab's server thread did not answer within {_PATIENCE:g} s: make a new Lab.") from error


def _ignore(_: asyncio.AbstractEventLoop, __: dict[str, Any]) -> None:
    """Clients of the lab hang up in every possible way; that belongs in the server's log, not in the notebook."""
