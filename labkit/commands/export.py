"""The command ``export``: a lesson as an assignment for a grader."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from labkit.errors import LabError
from labkit.exercises.handout import assignment, nbgrader, otter

GRADERS = {"nbgrader": nbgrader.export, "otter": otter.export}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("grader", choices=tuple(GRADERS), help="the program that grades")
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path, help="the lesson")
    parser.add_argument("folder", metavar="OUT", type=Path, help="the folder to write into")
    with_them = "a module with exercises of your own, which the notebook imports, too"
    parser.add_argument("--exercises", metavar="MODULE", action="append", default=[], help=with_them)


def run(chosen: argparse.Namespace) -> int:
    """Write the assignment and print its files. Raises `LabError` for a notebook or a module that cannot be used."""
    for module in chosen.exercises:
        _import(module)
    for file in GRADERS[chosen.grader](assignment.read(chosen.notebook), chosen.folder):
        print(file)
    return 0


def _import(module: str) -> None:
    sys.path.insert(0, "")  # a module in the folder in which the command runs
    try:
        import_module(module)
    except ImportError as error:
        raise LabError(f"The module {module} cannot be imported: {error}.") from error
