"""Where progress is kept: a file beside the notebooks, or one in the home folder where that cannot be written.

Kernels of several notebooks share the file. Each merges the file into its own record before it writes, under a lock,
and writes a new file in the place of the old one, so a file is never half written. A file that
cannot be understood is renamed, never overwritten. Outside a Jupyter kernel nothing is kept.
"""

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from itertools import count
from pathlib import Path

from labkit.errors import LabError
from labkit.exercises.drawn import Draw
from labkit.exercises.record import StudentRecord, read_record
from labkit.replacing import replacing
from labkit.show.frontend import in_kernel

try:
    import fcntl
except ImportError:  # Windows, where kernels do not wait for each other
    fcntl = None

FILE = "progress.json"
FALLBACK = "starttls-lab-progress.json"
"""The file's name in the home folder, where nothing beside it says what it belongs to."""
STUDENT = "LABKIT_STUDENT"
"""The environment variable that names the student, where a class is graded."""
_PATIENCE = 2.0
"""Seconds that a kernel waits for another that writes its record."""
NOTEBOOK = "JPY_SESSION_NAME"
"""The environment variable in which Jupyter's server tells a kernel the path of its notebook."""


class Keeper:
    """A student's record, in memory and in the first of some files that can be written."""

    def __init__(self, places: Sequence[Path] = (), named: str = "") -> None:
        """`named` is the student, where that is known already."""
        self.record = StudentRecord(named or secrets.token_hex(8))
        self.lesson = Path(os.environ.get(NOTEBOOK, "")).name.partition("_")[0]
        """The lesson that the student is at: that of the notebook, and then that of the last question."""
        self.place: Path | None = None
        """The file in which the record is kept."""
        self._places = places
        self._known = bool(named)
        """Whether the student is known for certain; until then it is the student of the file."""
        self._told: list[str] = []
        self._news: list[str] = []
        self.keep()

    def keep(self) -> None:
        """Write the record, together with what another kernel has written meanwhile."""
        refused: list[str] = []
        self.place = next((place for place in self._places if self._written(place, refused)), None)
        self._known = True
        if self._places and self.place is None:
            why = " and ".join(dict.fromkeys(refused))
            self._warn(
                f"Progress cannot be kept on this machine ({why}): it lasts only as long as this kernel. "
                "`progress()` has a button that downloads it, and what was kept before is left as it was."
            )

    def news(self) -> list[str]:
        """Sentences about the file that the student has not read yet; a second call gives none."""
        news, self._news = self._news, []
        return news

    def _written(self, place: Path, refused: list[str]) -> bool:
        """Write the record to that file. False if that fails; the system's reason is then added to `refused`."""
        try:
            with _alone_in(place.parent):
                self._take(place)
                _write(place, self.record)
        except OSError as error:
            refused.append(error.strerror or type(error).__name__)
            return False
        return True

    def _take(self, place: Path) -> None:
        """Add what is in that file; rename it where that is not this student's record. Raises OSError."""
        if not place.exists():
            return
        try:
            found = read_record(place.read_bytes())
        except ValueError as error:
            self._set_aside(place, "damaged", str(error))
            return
        if self._known and found.student != self.record.student:
            self._set_aside(place, "other", "it is another student's")
            return
        self.record.student = found.student
        self.record.take(found)

    def _set_aside(self, place: Path, why: str, reason: str) -> None:
        free = next(path for n in count(1) if not (path := place.with_name(f"{place.stem}.{why}-{n}.json")).exists())
        place.rename(free)
        self._warn(
            f"{place.name} could not be used, because {reason}: it is kept as {free.name}, "
            f"and progress goes on in a new {place.name}."
        )

    def _warn(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.append(sentence)
            self._news.append(sentence)


@cache
def keeper() -> Keeper:
    """The record of the student who uses this process."""
    return Keeper(tuple(_places()) if in_kernel() else (), os.environ.get(STUDENT, "").strip() or _called)


_called = ""
"""The name by which the student of this process was called with `call_student`."""


def call_student(name: str) -> str:
    """Draw and keep for the student of that name from here on, and return the name.

    Where the environment variable `STUDENT` names the student, that name stays, and is returned.
    """
    global _called
    if name != _called:
        _called = name
        keeper.cache_clear()
    return keeper().record.student


def _places() -> Iterator[Path]:
    """Where the file may be, the best place first; a folder may be gone, and a home unknown."""
    with suppress(OSError):
        yield Path.cwd() / FILE
    with suppress(RuntimeError):
        yield Path.home() / FALLBACK


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """No other kernel reads and writes its record in this folder meanwhile, unless it takes longer than `_PATIENCE`.

    Raises OSError where there is no such folder.
    """
    if fcntl is None:
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _locked(opened) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield
    finally:
        os.close(opened)


def _locked(opened: int) -> bool:
    """Whether the lock is ours, or there are no locks on this file system."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _write(path: Path, record: StudentRecord) -> None:
    with replacing(path) as file:
        file.write(record.written().encode())


def save_as(path: Path, record: StudentRecord) -> None:
    """Write a record to a file that the student names, with what an earlier one there has. Raises `LabError`."""
    try:
        if path.exists():
            earlier = read_record(path.read_bytes())
            if earlier.student != record.student:
                raise LabError(f"{path} holds the progress of another student; choose another name.")
            earlier.take(record)
            record = earlier
        _write(path, record)
    except OSError as error:
        raise LabError(f"Progress cannot be kept in {path}: {error.strerror}; choose another place.") from error
    except ValueError as error:
        raise LabError(f"{path} is there already and holds no saved progress; choose another name.") from error


_graded: ContextVar[str] = ContextVar("the student whose answers are looked at")


def draw() -> Draw:
    """What is drawn for the student: of this process, or of the `drawn_for` block that is under way."""
    return Draw(_graded.get(None) or keeper().record.student)


@contextmanager
def drawn_for(student: str) -> Iterator[None]:
    """Inside the block, draw for another student, whose answers are graded."""
    before = _graded.set(student)
    try:
        yield
    finally:
        _graded.reset(before)
