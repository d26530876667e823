"""What `python -m labkit export`, `handout` and `collect` do, and their arguments."""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from labkit.errors import LabError
from labkit.replacing import write

GRADERS = ("nbgrader", "otter")


def add_export(commands: Any, epilog: str) -> None:
    """Add the command `export` to those of a parser."""
    says = "write a lesson's notebook as an assignment for a grader, for students and for instructors"
    parser = commands.add_parser("export", help=says, description=says, epilog=epilog)
    parser.add_argument("grader", choices=GRADERS, help="the program that grades")
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path, help="the lesson")
    parser.add_argument("folder", metavar="OUT", type=Path, help="the folder to write into")
    with_them = "a module with exercises of your own, which the notebook imports, too"
    parser.add_argument("--exercises", metavar="MODULE", action="append", default=[], help=with_them)
    parser.set_defaults(command=_export)


def _export(chosen: argparse.Namespace) -> int:
    from labkit.exercises.handout import assignment, nbgrader, otter

    for module in chosen.exercises:
        _imported(module)
    export = {"nbgrader": nbgrader.export, "otter": otter.export}[chosen.grader]
    for file in export(assignment.read(chosen.notebook), chosen.folder):
        print(file)
    return 0


def add_handout(commands: Any, epilog: str) -> None:
    """Add the command `handout` to those of a parser."""
    says = "copy the lab for students, without the solutions of its exercises"
    parser = commands.add_parser("handout", help=says, description=says, epilog=epilog)
    parser.add_argument("folder", metavar="OUT", type=Path, help="a folder that is not there yet")
    parser.set_defaults(command=_handout)


def _handout(chosen: argparse.Namespace) -> int:
    from labkit.exercises.handout.without_solutions import copy_without_solutions

    print(copy_without_solutions(chosen.folder))
    return 0


def add_collect(commands: Any, epilog: str) -> None:
    """Add the command `collect` to those of a parser."""
    says = "make one table of the progress files of a class"
    parser = commands.add_parser("collect", help=says, description=says, epilog=epilog)
    parser.add_argument("files", metavar="FILES", type=Path, nargs="+", help="progress.json of each student")
    parser.add_argument("--csv", metavar="FILE", type=Path, help="write it for a spreadsheet, too")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="draw it, too: .svg, .png or .pdf")
    parser.set_defaults(command=_collect)


def _collect(chosen: argparse.Namespace) -> int:
    from labkit.exercises.collecting import collect

    table = collect(chosen.files)
    print(table)
    for problem in table.problems:
        print(f"labkit: {problem}", file=sys.stderr)
    if chosen.csv:
        write(chosen.csv, table.csv)
    if chosen.picture:
        table.picture.save(chosen.picture)
    counted = any(row.record for row in table.rows)
    return 0 if not table.problems else 1 if counted else 2


def _imported(module: str) -> None:
    sys.path.insert(0, "")  # a module in the folder in which the command runs
    try:
        import_module(module)
    except ImportError as error:
        raise LabError(f"The module {module} cannot be imported: {error}.") from error
