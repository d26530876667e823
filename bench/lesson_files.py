"""The notebooks of the lessons, in a copy, so that what they write is gone when they were measured."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path("notebooks")


@contextmanager
def copied() -> Iterator[list[Path]]:
    """The paths of the copies, in the order of the lessons."""
    with tempfile.TemporaryDirectory(prefix="labkit-bench-") as place:
        copy = shutil.copytree(FOLDER, Path(place) / FOLDER.name)
        yield sorted(copy.glob("*.ipynb"))
