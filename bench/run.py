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

MEASUREMENTS = ("startup", "decode", "output", "interceptor", "kernel", "lan", "lessons", "serving")
_SESSIONS = 5000


def main() -> int:
    """Measure what was asked for, print the table, and say in the exit status whether all targets were met."""
    parser = argparse.ArgumentParser(prog='make bench ARGS="…"', description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "what", nargs="*", metavar="measurement", help=f"{', '.join(MEASUREMENTS)}; all when none is named"
    )
    parser.add_argument("--sessions", type=int, default=_SESSIONS, help=f"in the capture to decode ({_SESSIONS:,})")
    chosen = parser.parse_args()
    if unknown := set(chosen.what) - set(MEASUREMENTS):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}: choose from {', '.join(MEASUREMENTS)}")
    os.chdir(Path(__file__).resolve().parent.parent)
    # As it is for everybody after the first run, and as pip left the peers, whatever PYTHONDONTWRITEBYTECODE says.
    compileall.compile_dir("labkit", quiet=1)
    figures, failed = [], False
    for name in chosen.what or MEASUREMENTS:
        print(f"Measuring: {name}", file=sys.stderr, flush=True)
        try:
            figures += import_module(name).measure(chosen.sessions)
        except Exception as error:  # the others are still worth measuring
            failed = True
            print(f"{name} could not be measured: {error}", file=sys.stderr)
    print(table(figures))
    return int(failed or not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
