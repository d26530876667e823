"""Published figures, read from CSV: each a number with what exactly was counted, of what, when, and by which author.

One file is one survey, and every file has the columns of `PublishedFigure`. The files of the lab are in data/; no
figure is stated anywhere else. What they look like is `labkit.show.published`.
"""

import csv
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from labkit.errors import LabError
from labkit.shipped import shipped

AS_GIVEN = "as given"
LOWER = ("more than", "at least")
"""Bounds that say how much it is at the least."""
BOUNDS = (AS_GIVEN, "about", *LOWER)
"""How a figure is to be read: as it was printed, or as a bound."""
PRIMARY = "primary"
SECONDARY = "secondary"
GRADES = (PRIMARY, SECONDARY)
"""Where a figure was read: in its authors' own text, or in one that quotes it."""
PERCENT = "%"
FOLDER = shipped("data")

_DATE = re.compile(r"(19|20)\d\d(-(0[1-9]|1[0-2]))?")


class PublishedFigure(NamedTuple):
    """One published figure; its fields are the columns of the files, in this order."""

    key: str
    """Its name within the survey."""
    of: str
    """What it is a figure of, in a few words: a country, a direction, a series."""
    date: str
    """When it was true: a year or a year and a month."""
    value: float
    bound: str
    """One of `BOUNDS`."""
    unit: str
    """`PERCENT`, or what is counted, in the plural."""
    counted: str
    """What exactly was counted."""
    population: str
    """The population in which it was counted."""
    grade: str
    """One of `GRADES`."""
    citation: str
    """The author of the figure."""
    read_in: str
    """Where the figure was read."""

    @property
    def number(self) -> str:
        """The value with its unit as it is written: ``96.1 %``, ``2,303,613``."""
        return f"{self.value:g} %" if self.unit == PERCENT else f"{self.value:,.0f}"

    @property
    def said(self) -> str:
        """The number with its bound: ``more than 20 %``."""
        return self.number if self.bound == AS_GIVEN else f"{self.bound} {self.number}"

    @property
    def when(self) -> float:
        """The date as a year with its fraction; a year without a month stands in its middle."""
        year, _, month = self.date.partition("-")
        return int(year) + ((int(month) - 0.5) / 12 if month else 0.5)

    @property
    def measure(self) -> tuple[str, ...]:
        """What it has in common with a figure that it may be compared with over time."""
        return self.of, self.unit, self.counted, self.population, self.citation


def names() -> list[str]:
    """What surveys come with the lab."""
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


def survey(name: str) -> tuple[PublishedFigure, ...]:
    """The figures of a survey that comes with the lab. Raises `LabError` for one that does not exist; the error names
    those that do."""
    known = names()
    wanted = str(name).removesuffix(".csv")
    if wanted not in known:
        raise LabError(f"There is no survey {name!r}: there are {', '.join(known) or f'none in {FOLDER}'}.")
    return read(FOLDER / f"{wanted}.csv")


def read(path: Path | str) -> tuple[PublishedFigure, ...]:
    """The figures in a CSV file with the columns of `PublishedFigure`, in the order of its rows.

    Raises `LabError`, which names the file, the row (from 1, below the heads) and the column of what is wrong.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise LabError(f"{path.name} cannot be read: {error.strerror}. Check its name and its permissions.") from error
    except UnicodeDecodeError as error:
        odd = error.object[error.start]
        raise LabError(f"{path.name} is not UTF-8 text: byte {error.start} is {odd:#04x}.") from error
    return tuple(_rows(path.name, text))


def _rows(file: str, text: str) -> Iterator[PublishedFigure]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    seen: set[str] = set()
    try:
        _check_heads(file, rows.fieldnames)
        number = 0
        for number, row in enumerate(rows, 1):
            found = _row(f"{file}, row {number}", row)
            if found.key in seen:
                raise LabError(f"{file}, row {number}, column key: {found.key!r} is the key of an earlier row.")
            seen.add(found.key)
            yield found
    except csv.Error as error:
        raise LabError(f"{file}, behind line {rows.line_num}, is not CSV: {error}.") from error
    if not number:
        raise LabError(f"{file} has no rows below its heads.")


def _check_heads(file: str, heads: "list[str] | None") -> None:
    wanted, given = PublishedFigure._fields, list(heads or ())
    if missing := [name for name in wanted if name not in given]:
        raise LabError(f"{file} has no column {missing[0]!r}: its heads are {', '.join(wanted)}.")
    if strange := [name for at, name in enumerate(given) if name not in wanted or name in given[:at]]:
        raise LabError(f"{file} has a column {strange[0]!r} too many: its heads are {', '.join(wanted)}.")


def _row(where: str, row: "dict[str | None, str | None]") -> PublishedFigure:
    if None in row:
        raise LabError(f"{where}: there are more values than columns; a value with a comma stands in quotes.")
    cells = {name: (row[name] or "").strip() for name in PublishedFigure._fields}
    if empty := next((name for name, cell in cells.items() if not cell), ""):
        raise LabError(f"{where}, column {empty}: a value is missing.")
    for name, (allowed, wanted) in _FORMS.items():
        if not allowed(cells[name]):
            raise LabError(f"{where}, column {name}: expected {wanted}, not {cells[name]!r}.")
    value = float(cells["value"])
    if cells["unit"] == PERCENT and value > 100:
        raise LabError(f"{where}, column value: expected a share of 0 to 100 %, not {cells['value']!r}.")
    return PublishedFigure(**{**cells, "value": value})


def _is_number(cell: str) -> bool:
    """Whether a cell is a plain number: digits and at most one point, and not too many of them for a float."""
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?", cell) is not None and math.isfinite(float(cell))


_FORMS = {
    "date": (_DATE.fullmatch, "a year or a year and a month, like 2015 or 2015-10"),
    "value": (_is_number, "a number without sign and commas, like 96.1"),
    "bound": (BOUNDS.__contains__, f"one of {', '.join(BOUNDS)}"),
    "grade": (GRADES.__contains__, f"one of {', '.join(GRADES)}"),
}
"""Column -> whether a cell may stand there, and what is expected."""
