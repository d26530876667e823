"""A victim's program over a library that needs asyncio: a loop in its own thread, with connections of the lab."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from labkit.attacks.victims.programs import Program, Scene
from labkit.network.loop import Events


class AsyncProgram(Program):
    """A program whose library awaits. `await_` runs one of its coroutines within the scene's time limit."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._thread: ThreadPoolExecutor | None = None
        self._runner: asyncio.Runner | None = None

    @contextmanager
    def connected(self, implicit: Any = None) -> Any:
        with ThreadPoolExecutor(1, "labkit victim") as self._thread:
            self._runner = asyncio.Runner(loop_factory=lambda: _DialledLoop(self))
            try:
                with super().connected(implicit):
                    yield self
            finally:
                self._thread.submit(self._runner.close).result(self.scene.timeout)

    def await_(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What the coroutine gives that `work` makes. Raises what it raises, and TimeoutError."""

        async def limited() -> Any:
            return await asyncio.wait_for(work(), self.scene.timeout)

        return self._thread.submit(self._runner.run, limited()).result()


class _DialledLoop(Events):
    """asyncio's loop, in which every new connection is made by the program."""

    def __init__(self, program: AsyncProgram) -> None:
        super().__init__()
        self._program = program

    async def create_connection(  # type: ignore[override]
        self, factory: Callable[[], asyncio.BaseProtocol], host: str = "", port: int = 0, **more: Any
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        sock = more.pop("sock", None) or self._program.dial_in_clear(port)
        if more.get("ssl"):
            more.setdefault("server_hostname", self._program.scene.server)
        return await super().create_connection(factory, sock=sock, **more)
