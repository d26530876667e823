"""How long each lesson takes from top to bottom in a fresh kernel, on two cores."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from figures import AT_MOST, Figure
from nbclient import NotebookClient

_CORES = 2
_TARGET = 15.0
"""Seconds."""


def measure(_: int) -> Iterator[Figure]:
    """The seconds of every notebook."""
    with _on_few_cores():
        for path in sorted(Path("notebooks").glob("*.ipynb")):
            began = time.perf_counter()
            NotebookClient(nbformat.read(path, as_version=4), resources={"metadata": {"path": path.parent}}).execute()
            seconds = time.perf_counter() - began
            yield Figure(f"lessons: {path.stem}", seconds, AT_MOST, _TARGET, f"{seconds:.1f} s, kernel included", "s")


@contextmanager
def _on_few_cores() -> Iterator[None]:
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
