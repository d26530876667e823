"""The table of what was done: this lesson first and whole, then a line for each of the others."""

from pathlib import Path
from typing import Any

from labkit.exercises.keeping import FILE, keeper, save_as
from labkit.exercises.lessons import lesson, numbers
from labkit.exercises.question import Lesson
from labkit.exercises.record import Guess, StudentRecord, Work
from labkit.show.exercises import RIGHT, WRONG, ProgressRow, certificate, download, progress_table
from labkit.show.frontend import bundle, in_kernel
from labkit.show.page import Page


class Progress(Page):
    """What was tried, solved, looked up and predicted, as it was when it was asked for."""

    def __init__(self) -> None:
        keeper().keep()
        self._record = keeper().record
        at = keeper().lesson
        order = sorted(map(lesson, numbers()), key=lambda each: each.number != at)
        lessons = [(f"{each.number} {each.title}", *_done(self._record, each, each.number == at)) for each in order]
        page = progress_table(lessons, [*keeper().news(), _where()])
        done = _certificate(self._record)
        pages = [page, *([done] if done else [])]
        super().__init__(lambda: [each.body() for each in pages], "\n".join(each.text for each in pages))

    def save(self, path: str | Path) -> Path:
        """Write it as JSON; what an earlier notebook saved there stays. Raises `LabError` when that cannot be done."""
        save_as(Path(path), self._record)
        return Path(path)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return bundle(download(self, FILE, self._record.written())) if in_kernel() else {}


def progress() -> Progress:
    """What was done so far, as a table; in a notebook with a button that downloads it as a file."""
    return Progress()


def _where() -> str:
    place = keeper().place
    if place is None:
        return 'Not kept in a file: `progress().save("progress.json")` does that.'
    if place.name == FILE:
        return f"Kept in `{FILE}`, beside this notebook."
    return f"Kept in `{place}`, because the folder of this notebook cannot be written."


def _done(record: StudentRecord, of: Lesson, whole: bool) -> tuple[str, list[ProgressRow]]:
    """What was done in a lesson: in one line, and where `whole`, a row for each part of it."""
    done = [record.exercises.get(exercise.number, Work()) for exercise in of.exercises]
    guess = record.predictions.get(of.number, Guess())
    if not (guess.choice or any(work != Work() for work in done)):
        return "not begun", []
    if not whole:
        return f"{sum(work.solved for work in done)} of {len(done)} solved", []
    rows = [_row(exercise.number, work) for exercise, work in zip(of.exercises, done, strict=True)]
    return "", [*_predicted(of, guess), *rows]


def _certificate(record: StudentRecord) -> Page | None:
    """The certificate of completion; None while an exercise of the series is not solved."""
    series = [lesson(number) for number in numbers() if number.isdigit()]
    done = [record.exercises.get(exercise.number, Work()) for each in series for exercise in each.exercises]
    if not all(work.solved for work in done):
        return None
    first = sum(work.tried == 1 for work in done)
    helped = sum(work.hints > 0 for work in done)
    looked = sum(work.solution for work in done)
    return certificate(record.student, len(series), len(done), first, helped, looked, record.digest)


def _predicted(of: Lesson, guess: Guess) -> list[ProgressRow]:
    if guess.choice is None or of.prediction is None or guess.choice not in of.prediction.choices:
        return []
    sign = RIGHT if guess.choice == of.prediction.right else WRONG
    said = f"({guess.choice}) {of.prediction.choices[guess.choice]}"
    return [ProgressRow("prediction", sign if guess.recalled else "", said)]


def _row(number: str, done: Work) -> ProgressRow:
    tries = f"{done.tried} tries" if done.tried > 1 else "1 try"
    state = f"solved, {tries}" if done.solved else f"{tries}, not solved" if done.tried else "not tried"
    helped = [f"{done.hints} hints" if done.hints > 1 else "1 hint"] * bool(done.hints) + ["solution"] * done.solution
    return ProgressRow(number, RIGHT if done.solved else WRONG if done.tried else "", state, ", ".join(helped))
