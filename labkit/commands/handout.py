"""The command ``handout``: the lab as students get it."""

import argparse
from pathlib import Path

from labkit.exercises.handout.without_solutions import copy_without_solutions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("folder", metavar="OUT", type=Path, help="a folder that is not there yet")


def run(chosen: argparse.Namespace) -> int:
    """Copy it. Raises `LabError` for a folder that is there."""
    print(copy_without_solutions(chosen.folder))
    return 0
