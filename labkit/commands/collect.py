"""The command ``collect``: the progress of a class in one table."""

import argparse
from pathlib import Path

from labkit.commands import complain
from labkit.exercises.collecting import collect
from labkit.replacing import write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("files", metavar="FILES", type=Path, nargs="+", help="progress.json of each student")
    parser.add_argument("--csv", metavar="FILE", type=Path, help="write it for a spreadsheet, too")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="draw it, too: .svg, .png or .pdf")


def run(chosen: argparse.Namespace) -> int:
    """Print the table; 1 where a file is not in it, 2 where none is."""
    table = collect(chosen.files)
    print(table)
    for problem in table.problems:
        complain(problem)
    if chosen.csv:
        write(chosen.csv, table.csv)
    if chosen.picture:
        table.picture.save(chosen.picture)
    counted = any(row.record for row in table.rows)
    return 0 if not table.problems else 1 if counted else 2
