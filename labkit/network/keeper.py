"""Run a program, and when it has ended, end every process that it has started, also those in sessions of their own.

Arguments: the descriptor of this end of a Unix socket (STREAM), and the command. When the other end is closed, the
program is ended, too; the kernel closes it however the lab's process ends. The exit status is that of the program, 128
and the number of the signal that ended it, or that of a shell for a program that cannot be started (POSIX, 2.8.2). Runs
as a program of its own, without labkit.
"""

import contextlib
import os
import select
import signal
import sys
import threading

_CANNOT_START = 126
_SET_CHILD_SUBREAPER = 36
"""Of <linux/prctl.h>: orphans among the descendants of this process become its children (prctl(2))."""


def main(leash: int, command: list[str]) -> int:
    """Run `command`, and give its exit status."""
    _adopt_orphans()
    os.set_inheritable(leash, False)
    child = os.fork()
    if not child:
        _become(command)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):  # those of the program end with the program
        os.dup2(nowhere, stream)
    threading.Thread(target=_wait_for_leash, args=(leash, child), daemon=True).start()
    _, status = os.waitpid(child, 0)
    _end_descendants(child)
    return status if (status := os.waitstatus_to_exitcode(status)) >= 0 else 128 - status


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _become(command: list[str]) -> None:
    os.setpgid(0, 0)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # which Python ignores, and a program would inherit
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode())
    os._exit(_CANNOT_START)


def _wait_for_leash(leash: int, child: int) -> None:
    """End the program when the lab has let go."""
    select.select([leash], [], [])
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def _end_descendants(child: int) -> None:
    """End the program's process group, and every child that this process has now, until there is none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    while True:
        for orphan in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(orphan, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    """The children of this process, orphans included; none where there is no proc(5)."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc/self") else ()):
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{process}/stat", encoding="latin-1") as file:
            parent = file.read().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.append(int(process))
    return found


if __name__ == "__main__":
    os._exit(main(int(sys.argv[1]), sys.argv[2:]))
