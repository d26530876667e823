"""The progress files of a class, as one table: a row for each student, and one for each file that cannot be counted.

Files of the same student are added up as two kernels of one student are: the best of each exercise. A file with a
problem is named in a sentence, and the others are counted all the same. A student's file says what that student's lab
saw; its digest reveals a change by hand, but not one by a student who computes a new digest.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labkit.errors import LabError
from labkit.exercises import lessons
from labkit.exercises.record import StudentRecord, Work, read_record
from labkit.show.class_picture import class_picture
from labkit.show.page import Page
from labkit.show.picture import Picture
from labkit.show.printed import printable
from labkit.show.table import Column, table_of

_LARGEST = 1_000_000
"""Bytes of a progress file; those of the lab have some ten thousand."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters with which a spreadsheet begins a formula."""
_DRAWN = re.compile("[0-9a-f]{16}")
"""A name that was drawn for a student without one (`keeping.Keeper`)."""
_LONGEST = 20
"""Characters of a name in the table; the CSV has it whole."""
_SUMS = ("solved", "of", "tries", "hints", "solutions")


@dataclass
class StudentRow:
    """One row: a student, or a file that cannot be counted."""

    files: list[str]
    record: StudentRecord | None = None
    """None for a file that cannot be counted."""
    notes: list[str] = field(default_factory=list)
    """Problems of the files, a sentence each."""

    @property
    def student(self) -> str:
        """The name from which the student's values are drawn; empty where the file does not say."""
        return printable(self.record.student) if self.record else ""

    def done(self, numbers: Iterable[str]) -> list[Work]:
        """What was done on these exercises."""
        return [self.record.exercises.get(number, Work()) for number in numbers] if self.record else []

    def sums(self, numbers: Iterable[str]) -> list[int]:
        """Over these exercises: solved, how many there are, tries, hints and solutions looked at."""
        done = self.done(numbers)
        counted = ((work.solved, 1, work.tried, work.hints, work.solution) for work in done)
        return [sum(each) for each in zip(*counted, strict=True)] or [0] * len(_SUMS)


class ClassTable(Page):
    """The work of a class, as a table to show and to save."""

    def __init__(self, rows: Sequence[StudentRow]) -> None:
        self.rows = tuple(rows)
        self.exercises = _exercises(self.rows)
        """Number of a lesson -> the numbers of its exercises."""
        self._every = [number for numbers in self.exercises.values() for number in numbers]
        columns = [Column("student", heads=True), *map(Column, (*self.exercises, "all", "tries", "hints", "shown"))]
        of = [*map(len, self.exercises.values()), len(self._every)]
        rows = [["of", *map(str, of), "", "", ""], *map(self._cells, self.rows)]
        page = table_of(self._caption, columns, rows)
        super().__init__(page.body, page.text)

    @property
    def problems(self) -> list[str]:
        """Problems of files, a sentence each."""
        return [note for row in self.rows for note in row.notes]

    @property
    def csv(self) -> str:
        """The table for a spreadsheet (RFC 4180): whole numbers, and empty cells where nothing is known."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["student", *self.exercises, *_SUMS, "files", "notes"])
        for row in self.rows:
            solved = ["" if number is None else number for number in self._solved(row)]
            sums = row.sums(self._every) if row.record else [""] * len(_SUMS)
            told = map(_no_formula, (row.student, "; ".join(row.files), " ".join(row.notes)))
            student, *last = told
            writer.writerow([student, *solved, *sums, *last])
        return text.getvalue()

    @property
    def picture(self) -> Picture:
        """How much of each lesson each student has solved, and a question mark where a file could not be counted."""
        of = list(map(len, self.exercises.values()))
        solved = [(_name(row), self._solved(row)) for row in self.rows]
        return class_picture(list(self.exercises), of, solved, self._caption, self.text)

    @property
    def _caption(self) -> str:
        counted = sum(row.record is not None for row in self.rows)
        left = len(self.rows) - counted
        without = f"; {left} {'file' if left == 1 else 'files'} could not be counted" if left else ""
        return f"Solved exercises of {counted} {'student' if counted == 1 else 'students'}, by lesson{without}."

    def _solved(self, row: StudentRow) -> list[int | None]:
        """How many exercises of each lesson are solved; None where that is unknown."""
        return [row.sums(numbers)[0] if row.record else None for numbers in self.exercises.values()]

    def _cells(self, row: StudentRow) -> list[str]:
        if row.record is None:
            return [_name(row), *["?"] * (len(self.exercises) + 4)]
        solved, _, *help_taken = row.sums(self._every)
        return [_name(row), *map(str, (*self._solved(row), solved, *help_taken))]


def collect(paths: Sequence[Path]) -> ClassTable:
    """The table of these progress files. Raises `LabError` without any."""
    if not paths:
        raise LabError("There is nothing to collect: name the progress files of the class.")
    rows: dict[object, StudentRow] = {}
    for path in paths:
        name = str(path)
        try:
            record = _read(path)
        except ValueError as error:
            rows[object()] = StudentRow([name], None, [f"{printable(name)} is not counted, because {error}."])
            continue
        if record.student in rows:
            _add(rows[record.student], name, record)
        else:
            rows[record.student] = StudentRow([name], record)
    return ClassTable(sorted(rows.values(), key=_order))


def _order(row: StudentRow) -> tuple[bool, str]:
    """Students by name, and then the files that cannot be counted, as they came."""
    return row.record is None, _name(row).casefold() if row.record else ""


def _read(path: Path) -> StudentRecord:
    """The record in a file. Raises ValueError, whose message says what is wrong with it."""
    try:
        if not path.is_file():
            raise ValueError("it is a folder" if path.is_dir() else "there is no such file")
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is larger than any progress file")
        return read_record(path.read_bytes())
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None


def _add(row: StudentRow, name: str, record: StudentRecord) -> None:
    """Add another file of a student who has one already."""
    first = printable(row.files[0])
    if row.record is not None and row.record.written() == record.written():
        how = f"holds the same as {first}: it is counted once"
    else:
        how = f"is of the same student as {first}: of each exercise, the best is counted"
    row.notes.append(f"{printable(name)} {how}.")
    row.files.append(name)
    if row.record is not None:
        row.record.take(record)


def _exercises(rows: Sequence[StudentRow]) -> dict[str, list[str]]:
    """The lessons of the course, and then others in which a student has done something."""
    known = {number: [each.number for each in lessons.lesson(number).exercises] for number in lessons.numbers()}
    for row in rows:
        for number in row.record.exercises if row.record else ():
            of = known.setdefault(number.rpartition(".")[0], [])
            if number not in of:
                of.append(number)
    return {printable(number): of for number, of in known.items() if of}


def _name(row: StudentRow) -> str:
    """The heading of a row: the student, or the file if the student's name was drawn at random or is unknown."""
    name = row.student if row.student and not _DRAWN.fullmatch(row.student) else printable(Path(row.files[0]).stem)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _no_formula(text: str) -> str:
    """Text that a spreadsheet shows and does not run."""
    return f"'{text}" if text.startswith(_FORMULA) else text
