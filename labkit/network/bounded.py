"""An untrusted program, run on a host with limited time and output, and ended with every process that it started."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

from labkit.interrupts import uninterrupted
from labkit.scratch import temporary

_KEEPER = (sys.executable, "-E", "-s", "-S", str(Path(__file__).with_name("keeper.py")))
_PIECE = 1 << 16
_FAREWELL = 10.0
"""Seconds for the processes to end after the signal; it takes milliseconds."""


class Ended(NamedTuple):
    """How a program ended."""

    status: int | None
    """Its exit status, or as in a shell 128 and the number of the signal that ended it; None where the lab ended it."""
    output: bytes
    """What it wrote to its standard output and its standard error, in the order in which it came."""
    cut: str
    """Why the lab ended it: ``was still running after 8 s``; empty if it exited."""


def run_bounded(
    start: list[str],
    input: bytes,
    timeout: float,
    most: int,
    environment: Mapping[str, str],
    running: "set[Running]",
    still_open: Callable[[], object],
) -> Ended:
    """Run `start` with `input` on its standard input, for `timeout` seconds and `most` bytes of output at most.

    When it returns, neither the program nor a process that it has started is left; on Windows, processes that it has
    started may be. The program is in `running` meanwhile; `still_open` raises where what is to end it has been closed
    while it was started. Raises `OSError` where it cannot be started.
    """
    with ExitStack() as stack:
        given = stack.enter_context(temporary(tempfile.TemporaryFile))
        given.write(input)
        given.seek(0)
        with uninterrupted():
            program = stack.enter_context(Running(start, given, environment, most))
            running.add(program)
            stack.callback(running.discard, program)
            still_open()
        program.wait(timeout)
    return Ended(None if program.cut else program.status, bytes(program.output), program.cut)


class Running:
    """A program from its start to the end of the block, and a thread that reads its output, `most` bytes of it."""

    def __init__(self, start: list[str], given: IO[bytes], environment: Mapping[str, str], most: int) -> None:
        self.output = bytearray()
        self.cut = ""
        self._most = most
        self._leash, theirs = socket.socketpair()
        try:
            with theirs:
                keeps = os.name != "nt"
                fd = theirs.fileno()
                self._process = subprocess.Popen(
                    [*_KEEPER, str(fd), "alone", *start] if keeps else start,
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Control-C is for the lab alone
                    pass_fds=(fd,) if keeps else (),
                    env=environment,
                )
        except BaseException:
            self._leash.close()
            raise
        self._reader = threading.Thread(target=self._read, name="labkit output", daemon=True)
        self._reader.start()

    @property
    def status(self) -> int:
        return self._process.wait(_FAREWELL)

    def wait(self, timeout: float) -> None:
        """Wait until the program has ended, or `timeout` seconds are over."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.cut = self.cut or f"was still running after {timeout:g} s"

    def _read(self) -> None:
        while data := os.read(self._process.stdout.fileno(), _PIECE):
            self.output += data[: self._most - len(self.output)]
            if len(self.output) >= self._most:
                self.cut = f"wrote {self._most >> 10:,} KiB of output and more"
                self._let_go()
                return

    def end(self) -> None:
        """End it, from any thread."""
        self.cut = self.cut or "was ended with its lab"
        self._let_go()

    def _let_go(self) -> None:
        self._leash.close()
        if os.name == "nt":
            self._process.kill()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            self._let_go()
            try:
                self._process.wait(_FAREWELL)
            except subprocess.TimeoutExpired:  # it has become another user's, whose processes cannot be ended
                self._process.kill()
            self._reader.join(_FAREWELL)
            self._process.stdout.close()
