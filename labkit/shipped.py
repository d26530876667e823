"""Data files that come with the package: the lessons' notebooks and the recordings.

Both stand at the top of the checkout, where an editable installation reads them. A wheel holds them inside the package
(``[tool.hatch.build]`` in pyproject.toml).
"""

from pathlib import Path

from labkit.errors import LabError
from labkit.replacing import replacing

_PACKAGE = Path(__file__).resolve().parent
FOLDERS = ("notebooks", "data")


def shipped(name: str) -> Path:
    """The folder of that name, one of `FOLDERS`; it may be missing."""
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def copy_lessons(target: Path) -> tuple[list[Path], list[Path]]:
    """Copy both folders into the folder `target`: the files that were written, and those that were left as they are.

    A file that is already there keeps its content, because it may hold a student's answers. Raises `LabError` when the
    notebooks are missing, or when `target` cannot be written.
    """
    found = [(path, target / name / path.name) for name in FOLDERS for path in _files(shipped(name))]
    if not any(source.suffix == ".ipynb" for source, _ in found):
        raise LabError(f"The notebooks are not in {shipped('notebooks')}: install labkit again, from its wheel.")
    written, left = [], []
    for source, place in found:
        if place.exists():
            if place.read_bytes() != source.read_bytes():
                left.append(place)
            continue
        _write(place, source.read_bytes())
        written.append(place)
    return written, left


def _files(folder: Path) -> list[Path]:
    """What a learner opens there: notebooks, recordings, tables of figures and the text that explains them."""
    return sorted(path for path in folder.glob("*") if path.suffix in _OPENED)


_OPENED = {".ipynb", ".pcapng", ".csv", ".md"}


def _write(place: Path, content: bytes) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with replacing(place) as file:
            file.write(content)
    except OSError as error:
        raise LabError(f"{place} cannot be written ({error.strerror}): choose another folder.") from error
