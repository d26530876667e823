"""Start a tool that ends with the lab: a watcher kills its process group when the lab's end of a socket is closed.

Arguments: the descriptor of this end of a Unix socket (STREAM), and the command. The kernel closes the other end
however the lab's process ends. Where the tool cannot be started, the error number is sent to the lab. Runs as a program
of its own, without labkit, as the leader of a process group.
"""

import os
import signal
import sys

_FAILED = 126
"""The exit status of a shell for a command that cannot be started."""


def main(leash: int, command: list[str]) -> None:
    """Become `command`, with a watcher beside it. Raises `OSError`."""
    if not os.fork():
        _start_watcher(leash)
    _, status = os.wait()
    if status:
        sys.exit(_FAILED)
    os.set_inheritable(leash, False)
    os.execvp(command[0], command)


def _start_watcher(leash: int) -> None:
    """Start a watcher that is not a child of the tool, and exit."""
    if os.fork():
        os._exit(0)
    os.closerange(0, leash)  # the tool's standard streams end with the tool
    os.read(leash, 1)
    os.killpg(0, signal.SIGKILL)  # this process included


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), sys.argv[2:])
    except OSError as error:
        os.write(int(sys.argv[1]), b"%d" % (error.errno or 0))
        os._exit(_FAILED)
