"""What memory a notebook's kernel holds when a lesson has run, against one that only imported matplotlib."""

from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL

import nbformat
import psutil
from figures import AT_MOST, Figure
from jupyter_client.manager import start_new_kernel
from lesson_files import copied

_LESSONS = {"03_": 1.5, "11_": 1.6}
"""How the name of a lesson begins -> the ratio that it should stay below."""
_BARE = ["%matplotlib inline\nimport matplotlib.pyplot"]
_LIMIT = 60.0
"""Seconds for one cell."""


def measure(_: int) -> Iterator[Figure]:
    """Resident memory, lesson against bare."""
    with copied() as lessons:
        for begins, target in _LESSONS.items():
            path = next(path for path in lessons if path.name.startswith(begins))
            cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
            lesson, bare = _resident(cells, path.parent), _resident(_BARE, path.parent)
            absolute = f"{lesson / 1e6:.0f} MB / {bare / 1e6:.0f} MB resident"
            yield Figure(f"kernel: after {path.stem} / matplotlib imported", lesson / bare, AT_MOST, target, absolute)


def _resident(cells: list[str], folder: Path) -> int:
    """Bytes that a fresh kernel holds after these cells."""
    manager, client = start_new_kernel(cwd=str(folder), stderr=DEVNULL)
    try:
        for cell in cells:
            reply = client.execute_interactive(cell, timeout=_LIMIT, output_hook=lambda _: None)
            if reply["content"]["status"] != "ok":
                raise RuntimeError(f"A cell failed with {reply['content']['ename']}: {reply['content']['evalue']}")
        return psutil.Process(manager.provisioner.pid).memory_info().rss
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
