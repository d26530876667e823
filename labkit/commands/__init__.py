"""What ``python -m labkit`` can do: a file for each command, and what they share.

The file has the command's name. It has `add_arguments`, which adds to its parser what it takes, and `run`, which does
it and returns the exit status; `STATUSES`, where these mean something else than usual. It is loaded when its command is
the one that was asked for.
"""

import sys

STATUSES = "exit status: 0, all went well; 1, not all could be done or shown; 2, a file or an argument cannot be used"
COMMANDS = {
    "doctor": "say what works on this machine, and what is used instead",
    "demo": "run a session with STARTTLS, capture it, and print its transcript",
    "decode": "print the dialogues in a capture file, each when its connection ends",
    "probe": "test a server outside the lab, as any mail client visits it, and print a report with a grade",
    "attack": "run any mail program under every attack on its protocol, and say what leaked",
    "export": "write a lesson's notebook as an assignment for a grader, for students and for instructors",
    "handout": "copy the lab for students, without the solutions of its exercises",
    "collect": "make one table of the progress files of a class",
    "lessons": "copy the lessons and the recordings that came with the package into a folder",
}
"""Name of a command, and of its file -> what it does."""


def complain(problem: object, status: int = 1) -> int:
    """Flush standard output, print a problem on standard error, and return the exit status that goes with it."""
    sys.stdout.flush()
    print(f"labkit: {problem}", file=sys.stderr)
    return status
