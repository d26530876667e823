"""The lab in a terminal: ``python -m labkit doctor``, ``demo``, ``decode``, ``probe``, ``attack``, ``lessons``, …

The exit status is 0 when all went well; 1 when the lab cannot run here, or when what was printed is not all that there
is (the file is cut, the key log opens nothing, frames were passed over, the reader has left); 2 when a file or an
argument cannot be used. Problems are printed on standard error, a sentence each. Each command has its own file in
`labkit.commands`.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from labkit.commands import COMMANDS, STATUSES, complain
from labkit.errors import LabError

_READER_LEFT = (errno.EPIPE, errno.EINVAL)
"""What writing into a pipe raises when its reader has left: on Unix, and on Windows."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    if sys.stdout is None:  # the parent process has closed it
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)
    sys.stdout.reconfigure(errors="backslashreplace")  # a console may not have every character
    try:
        status = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except LabError as error:
        return complain(error, status=2)
    except ImportError as error:
        return complain(f"{error}: python -m labkit doctor tells what is missing.")
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered has nowhere to go
        return 1 if error.errno in _READER_LEFT else complain(f"{error.strerror}.")
    return status


def _run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("python -m labkit", description="A STARTTLS laboratory.", epilog=STATUSES)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, says in COMMANDS.items():
        own = commands.add_parser(name, help=says, description=says, epilog=STATUSES)
        if name in arguments[:1]:
            command = import_module(f"labkit.commands.{name}")
            own.epilog = getattr(command, "STATUSES", STATUSES)
            own.set_defaults(run=command.run)
            command.add_arguments(own)
    chosen = parser.parse_args(arguments)
    return chosen.run(chosen)


if __name__ == "__main__":
    sys.exit(main())
