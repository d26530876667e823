"""Run a program, and end every process that it has started, also those in sessions of their own.

Arguments: the descriptor of this end of a Unix socket (STREAM), a key of `LAST_WORDS`, and the command. When the other
end of the socket is closed, everything ends; the kernel closes it however the lab's process ends. A program ``alone``
takes with it what it has started when it ends. One that ``stays`` may leave its work to others in the background, as
daemons do, and they are kept: on Linux as children of this process (PR_SET_CHILD_SUBREAPER, prctl(2)), elsewhere as its
process group. When the program has begun, 0 is sent to the lab; where it cannot begin, the error number. The exit
status is that of the program, as in a shell (POSIX, 2.8.2). Runs as a program of its own, without labkit.
"""

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress

LAST_WORDS = {"alone": 0.0, "stays": 1.0}
"""What the program is -> seconds in which it may end by itself after SIGTERM."""
_AT_LAST = 5.0
"""Seconds for the kernel to end all; those that fork meanwhile are ended, too."""
_PAUSE = 0.005
_CANNOT_START = 126
_SET_CHILD_SUBREAPER = 36
"""Of <linux/prctl.h>."""


def main(lab: int, kind: str, command: list[str]) -> int:
    """Run the command; its exit status."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    alarm, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    program = _start(lab, command)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):  # those of the program end with the program
        os.dup2(nowhere, stream)
    status = _watch(lab, alarm, program, kind == "stays")
    _end(program, LAST_WORDS[kind])
    return status


def _start(lab: int, command: list[str]) -> int:
    """Start the program, and send the lab whether it has begun."""
    begun, failed = os.pipe()  # the kernel closes the end of the program when it begins
    program = os.fork()
    if not program:
        _become(command, lab, failed)
    os.close(failed)
    with suppress(OSError):  # the lab has gone
        os.write(lab, os.read(begun, 16) or b"0")
    os.close(begun)
    return program


def _become(command: list[str], lab: int, failed: int) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # which Python ignores, and a program would inherit
    os.setpgid(0, 0)
    os.set_inheritable(lab, False)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(failed, b"%d" % (error.errno or 0))
        os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode())
    os._exit(_CANNOT_START)


def _watch(lab: int, alarm: int, program: int, stays: bool) -> int:
    """Wait until the lab has closed its end, or the program has ended and, if it stays, has failed or left none."""
    status = None
    while True:
        ready, _, _ = select.select([lab, alarm], [], [])
        if lab in ready:
            return status or 0
        os.read(alarm, 4096)
        for pid, code in _ended():
            status = _status(code) if pid == program else status
        if status is not None and (status or not stays or not _left(program)):
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


def _end(program: int, last_words: float) -> None:
    """Send SIGTERM to all, and after a while SIGKILL."""
    told: set[int] = set()
    for number, limit in ((signal.SIGTERM, last_words), (signal.SIGKILL, _AT_LAST)):
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and (left := _left(program)):
            _send(number, left if number == signal.SIGKILL else left - told)
            told |= left
            time.sleep(_PAUSE)
            _ended()


def _send(number: int, pids: set[int]) -> None:
    for pid in pids:
        with suppress(OSError):  # it has just ended
            os.kill(pid, number)


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
    os._exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
