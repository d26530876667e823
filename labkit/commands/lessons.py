"""The command ``lessons``: the notebooks that came with an installed package become files of the learner's own."""

import argparse
import shlex
from pathlib import Path

from labkit.commands import complain
from labkit.shipped import copy_lessons


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="made if it is missing; no file in it is overwritten")


def run(chosen: argparse.Namespace) -> int:
    """Copy them; 1 where another file of that name was there already."""
    written, left = copy_lessons(chosen.folder)
    first = chosen.folder / "notebooks" / "00_start_here.ipynb"
    print(f"{len(written)} files were copied into {chosen.folder}. Begin with: jupyter lab {shlex.quote(str(first))}")
    for path in left:
        complain(f"{path} was there already and is another one: it was left as it is.")
    return 1 if left else 0
