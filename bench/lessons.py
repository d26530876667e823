"""How long each lesson takes from top to bottom in a fresh kernel, on two cores."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL

import nbformat
from figures import AT_MOST, Figure
from lesson_files import copied
from nbclient import NotebookClient

_CORES = 2
_TARGET = 15.0
"""Seconds."""


def measure(_: int) -> Iterator[Figure]:
    """The seconds of every notebook."""
    with copied() as lessons, on_few_cores():
        for path in lessons:
            seconds = _run(path)
            yield Figure(f"lessons: {path.stem}", seconds, AT_MOST, _TARGET, f"{seconds:.1f} s, kernel included", "s")


def _run(path: Path) -> float:
    """How long it takes, in seconds. Raises `CellExecutionError` for a cell that fails."""
    began = time.perf_counter()
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(nbformat.read(path, as_version=4), resources=place).execute(stderr=DEVNULL)
    return time.perf_counter() - began


@contextmanager
def on_few_cores() -> Iterator[None]:
    """Keep this process and its children to two cores, where the system can do that (Linux)."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(all_cores)[:_CORES]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)
