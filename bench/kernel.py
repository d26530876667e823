"""What memory a notebook's kernel holds when lesson 03 has run, against one that only imported matplotlib."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
from figures import AT_MOST, Figure
from jupyter_client.manager import start_new_kernel

_LESSON = next(Path("notebooks").glob("03_*.ipynb"))
_BARE = ["%matplotlib inline\nimport matplotlib.pyplot"]
_LIMIT = 60.0
"""Seconds for one cell."""


def measure(_: int) -> Iterator[Figure]:
    """Resident memory, lesson against bare."""
    cells = [cell.source for cell in nbformat.read(_LESSON, as_version=4).cells if cell.cell_type == "code"]
    lesson, bare = _resident(cells), _resident(_BARE)
    absolute = f"{lesson / 1e6:.0f} MB / {bare / 1e6:.0f} MB resident"
    yield Figure("kernel: after lesson 03 / matplotlib imported", lesson / bare, AT_MOST, 1.5, absolute)


def _resident(cells: list[str]) -> int:
    """Bytes that a fresh kernel holds after these cells."""
    manager, client = start_new_kernel(cwd=str(_LESSON.parent))
    try:
        for cell in cells:
            reply = client.execute_interactive(cell, timeout=_LIMIT, output_hook=lambda _: None)
            if reply["content"]["status"] != "ok":
                raise RuntimeError(f"A cell failed with {reply['content']['ename']}: {reply['content']['evalue']}")
        return psutil.Process(manager.provisioner.pid).memory_info().rss
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
