"""A program that runs on a host for long, as a server does: its output is kept, and it ends with the lab. The host
starts it; `keeper` ends it, and all that it has started.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from labkit.errors import LabError
from labkit.interrupts import uninterrupted

_KEEPER = (sys.executable, "-E", "-s", "-S", str(Path(__file__).with_name("keeper.py")))
_KEPT = 256 << 10
"""Bytes of output that are kept, the last ones."""
_READ = 64 << 10
_PAUSE = 0.01
"""Seconds between two readings: a program that floods its output waits, as at a slow terminal."""
_AT_ONCE = 0.25
"""Seconds; a program that ends sooner has failed to start."""
_PATIENCE = 10.0
"""Seconds until a program begins, which takes a tenth of one."""
_FAREWELL = 10.0
"""Seconds for the keeper to end the program; it needs six at most."""
_SHOWN = 5
"""Lines of the output in a sentence."""
_LARGEST_NUMBER = 16
"""Digits of an error number."""


class StartedProgram:
    """A running `command` on the host of this name, from construction to `close`.

    `prefix` is a command that executes the command after it on the host. What the program starts runs as long as it,
    also in the background. Raises `OSError` where it cannot be started.
    """

    def __init__(self, host: str, command: list[str], prefix: list[str], environment: Mapping[str, str]) -> None:
        self.host = host
        self.command = tuple(command)
        self._output = bytearray()
        self._dropped = 0
        self._closed = False
        self._maker = os.getpid()
        with ExitStack() as undo, uninterrupted():
            self._leash, theirs = socket.socketpair()
            undo.callback(self._leash.close)
            with theirs:
                keeper = [] if os.name == "nt" else [*_KEEPER, str(theirs.fileno()), "stays"]
                self._process = subprocess.Popen(
                    [*prefix, *keeper, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    bufsize=0,
                    pass_fds=[theirs.fileno()] if keeper else [],
                    env=environment,
                    start_new_session=True,  # Control-C is for the kernel alone
                )
            undo.callback(self._stop)
            self._thread = threading.Thread(target=self._listen, name=f"labkit {command[0]}", daemon=True)
            self._thread.start()
            undo.pop_all()

    @property
    def output(self) -> str:
        """What it has written to standard output and standard error, the last 256 KiB."""
        text = bytes(self._output).decode("utf-8", "replace")
        return f"[{self._dropped} bytes before this are not kept]\n{text}" if self._dropped else text

    @property
    def status(self) -> int | None:
        """Its exit status, as a shell has it (128 and more: a signal); None while it, or what it has started, runs."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        """Whether it, or something that it has started, runs."""
        return self.status is None

    @property
    def summary(self) -> str:
        """Its exit status and the end of its output, as a part of a sentence."""
        state = "is running" if self.running else "was stopped" if self._closed else f"ended with status {self.status}"
        lines = [line for line in self.output.splitlines() if line.strip()]
        said = f"it said: {' / '.join(lines[-_SHOWN:])}" if lines else "it said nothing"
        return f"{self.command[0]!r} {state}; {said}"

    def check(self) -> None:
        """Wait until the program has begun, and a moment longer.

        Raises `LabError` if it ends meanwhile, and `OSError` where it cannot begin.
        """
        if os.name != "nt":
            self._leash.settimeout(_PATIENCE)
            number = int(self._leash.recv(_LARGEST_NUMBER) or 0)
            if number:
                raise OSError(number, os.strerror(number))
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_AT_ONCE)
        if not self.running:
            self._thread.join(_PATIENCE)
            raise LabError(f"{self.summary}. A program that is started goes on until it is closed: use run for others.")

    def close(self) -> None:
        """End the program and all that it has started: asked to at first, and killed after a second.

        A second call does nothing; nor does one in a forked process.
        """
        if os.getpid() != self._maker or self._closed:
            return
        with uninterrupted():
            self._closed = True
            self._stop()
            if self._thread is not threading.current_thread():
                self._thread.join(_FAREWELL)

    def __enter__(self) -> "StartedProgram":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.summary.replace('; it said', f' on {self.host}; it said', 1)}>"

    def _stop(self) -> None:
        with suppress(OSError):
            self._leash.shutdown(socket.SHUT_RDWR)  # a forked process may have a copy of the descriptor
        self._leash.close()
        if os.name == "nt":
            self._process.terminate()
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        """Keep the end of the program's output."""
        with self._process.stdout as stream, suppress(OSError, ValueError):
            while said := stream.read(_READ):
                self._output += said
                if len(self._output) > _KEPT:
                    self._dropped += len(self._output) - _KEPT
                    del self._output[:-_KEPT]
                time.sleep(_PAUSE)
