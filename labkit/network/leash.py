"""Start a tool that ends with the lab: a watcher kills its process group when the lab's end of a pipe is closed.

Arguments: the descriptor of the pipe's reading end, and the command. The kernel closes the other end however the lab's
process ends. Runs as a program of its own, without labkit, as the leader of a process group.
"""

import os
import signal
import sys


def main(pipe: int, command: list[str]) -> None:
    """Become `command`, with a watcher beside it. Raises `OSError`."""
    if not os.fork():
        if not os.fork():
            _watch(pipe)
        os._exit(0)  # so that the watcher is no child of the tool
    os.wait()
    os.close(pipe)
    os.execvp(command[0], command)


def _watch(pipe: int) -> None:
    """Wait for the end of the lab, or of the run, and kill the group, this process included."""
    os.closerange(0, pipe)  # the tool's standard streams end with the tool
    os.read(pipe, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), sys.argv[2:])
    except OSError as error:
        sys.exit(f"{sys.argv[2]} cannot be started ({error.strerror}).")
