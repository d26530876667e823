"""How fast and how small the lab is: ``make bench``, or only some of it: ``make bench ARGS="decode startup"``.

Each measurement is one file here with a function `measure`, and is listed in `MEASUREMENTS`. What can depend on the
machine is given as a ratio of two things measured in the same run. Exit status 1 when a target was missed or something
could not be measured, so that a script notices; nothing else depends on it.
"""

import argparse
import compileall
import os
import sys
from importlib import import_module
from pathlib import Path

from figures import table

MEASUREMENTS = ("startup", "decode", "output", "interceptor", "kernel", "lan", "lessons", "serving", "defences")
WHEN_NAMED = ("hub",)
"""Measured only when asked for by name: needs more installed, and takes long."""
_SESSIONS, _STUDENTS = 5000, 30


def main() -> int:
    """Measure what was asked for, print the table, and say in the exit status whether all targets were met."""
    parser = argparse.ArgumentParser(prog='make bench ARGS="…"', description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "what",
        nargs="*",
        metavar="measurement",
        help=f"{', '.join(MEASUREMENTS)}: all when none is named; or {', '.join(WHEN_NAMED)}",
    )
    parser.add_argument("--sessions", type=int, default=_SESSIONS, help=f"in the capture to decode ({_SESSIONS:,})")
    parser.add_argument("--students", type=int, default=_STUDENTS, help=f"on the hub ({_STUDENTS})")
    chosen = parser.parse_args()
    every = (*MEASUREMENTS, *WHEN_NAMED)
    if unknown := set(chosen.what) - set(every):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}: choose from {', '.join(every)}")
    if chosen.students < 1:
        parser.error(f"a class has one student or more, not {chosen.students}")
    os.chdir(Path(__file__).resolve().parent.parent)
    # With compiled bytecode, as after a first run and as pip left the peers, whatever PYTHONDONTWRITEBYTECODE says.
    compileall.compile_dir("labkit", quiet=1)
    figures, failed = [], False
    for name in chosen.what or MEASUREMENTS:
        print(f"Measuring: {name}", file=sys.stderr, flush=True)
        try:
            figures += import_module(name).measure(chosen.students if name in WHEN_NAMED else chosen.sessions)
        except Exception as error:  # the others are still worth measuring
            failed = True
            print(f"{name} could not be measured: {error}", file=sys.stderr)
    print(table(figures))
    return int(failed or not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
