"""Keep a long-lived program, and end it with all that it has started when the lab's end of a socket is closed.

Arguments: the descriptor of this end of a Unix socket (STREAM), and the command. The kernel closes the other end
however the lab's process ends. A program may leave its work to others in the background, as daemons do: on Linux they
become children of this one (PR_SET_CHILD_SUBREAPER, prctl(2)); elsewhere its process group is kept. Ends when none of
them is left, with the program's status. When the program has begun, 0 is sent to the lab; where it cannot begin, the
error number. Runs as a program of its own, without labkit.
"""

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress

_FAILED = 126
"""The exit status of a shell for a command that cannot be started."""
_SET_CHILD_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of <linux/prctl.h>."""
_LAST_WORDS = 1.0
"""Seconds for the programs to end by themselves when they are told to (SIGTERM)."""
_AT_LAST = 5.0
"""Seconds for the kernel to end them; those that fork meanwhile are ended, too."""
_PAUSE = 0.005


def main(lab: int, command: list[str]) -> int:
    """Run the command and what it leaves behind; its exit status, as a shell has it."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    alarm, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    program = _start(lab, command)
    for stream in (1, 2):
        os.close(stream)  # what the lab reads ends with the last program that writes
    status = _watch(lab, alarm, program)
    _end(program)
    return status


def _start(lab: int, command: list[str]) -> int:
    """Start the program, and tell the lab whether it has begun."""
    begun, failed = os.pipe()  # the kernel closes the end of the program when it begins
    program = os.fork()
    if not program:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        os.set_inheritable(lab, False)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            os.write(failed, b"%d" % (error.errno or 0))
        os._exit(_FAILED)
    os.close(failed)
    with suppress(OSError):  # the lab has gone
        os.write(lab, os.read(begun, 16) or b"0")
    os.close(begun)
    return program


def _watch(lab: int, alarm: int, program: int) -> int:
    """Wait until the lab has closed its end, or the program has failed, or none is left."""
    status = 0
    while True:
        ready, _, _ = select.select([lab, alarm], [], [])
        if lab in ready:
            return status
        os.read(alarm, 4096)
        for pid, code in _ended():
            status = _status(code) if pid == program else status
        if status or not _left(program):
            return status


def _ended() -> list[tuple[int, int]]:
    """(process, status) of the children that have ended."""
    ended = []
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(found)
    return ended


def _status(code: int) -> int:
    number = os.waitstatus_to_exitcode(code)
    return number if number >= 0 else 128 - number


def _end(program: int) -> None:
    """Tell all to end, and after a while end them."""
    told: set[int] = set()
    for number, limit in ((signal.SIGTERM, _LAST_WORDS), (signal.SIGKILL, _AT_LAST)):
        deadline = time.monotonic() + limit
        while (left := _left(program)) and time.monotonic() < deadline:
            for pid in left if number == signal.SIGKILL else left - told:
                with suppress(OSError):  # it has just ended
                    os.kill(pid, number)
            told |= left
            time.sleep(_PAUSE)
            _ended()


def _left(program: int) -> set[int]:
    """What is still there of all that this process has started, directly or not: numbers for kill(2)."""
    if not os.path.exists("/proc/self/stat"):
        return {-program} if _exists(-program) else set()
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found, ahead = set(), [os.getpid()]
    while ahead:
        more = children.get(ahead.pop(), [])
        found.update(more)
        ahead += more
    return found


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
