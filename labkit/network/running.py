"""A tool that runs for a limited time, and is stopped with whatever it has started."""

import contextlib
import os
import signal
import subprocess


def run(start: list[str], command: list[str], input: bytes, timeout: float) -> subprocess.CompletedProcess[bytes]:
    """Run the words of `start`, which run `command`, with `input` on its standard input, `timeout` seconds at most.

    Raises `subprocess.TimeoutExpired` when it does not end in time.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(start, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        try:
            out, err = process.communicate(input, timeout)
        except BaseException:
            _kill(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where there are process groups, those that it has started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
