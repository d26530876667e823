"""A tool that runs on a host: started, given its input, read to its end, and stopped with all that it has started."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping

from labkit.interrupts import uninterrupted


def run(
    start: list[str],
    command: list[str],
    input: bytes,
    timeout: float,
    environment: Mapping[str, str],
    keep: tuple[int, ...] = (),
) -> subprocess.CompletedProcess[bytes]:
    """Run `start`, which becomes `command`, in a process group of its own; it inherits the descriptors in `keep` and
    has `timeout` seconds.

    Raises `OSError` when it cannot be started, and `subprocess.TimeoutExpired`.
    """
    pipe = subprocess.PIPE
    process: subprocess.Popen[bytes] | None = None
    try:
        with uninterrupted():
            process = subprocess.Popen(
                start,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=environment,
                start_new_session=True,
                pass_fds=keep,
            )
        out, err = process.communicate(input, timeout)
    except BaseException:
        if process is not None:
            _kill(process)
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where there are process groups, those that it has started."""
    with uninterrupted():
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        process.wait()
