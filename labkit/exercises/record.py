"""What the student has done so far, in this kernel: tries, hints, solutions and predictions.

It lives in memory. `Progress.save` writes it to a file for handing in.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from labkit.errors import LabError
from labkit.exercises.lessons import lesson, numbers
from labkit.exercises.question import Lesson
from labkit.show.exercises import RIGHT, WRONG, Row, progress_table
from labkit.show.page import Page


@dataclass
class Work:
    """What was done on one exercise."""

    tried: int = 0
    """How many answers were checked, until one was right."""
    solved: bool = False
    hints: int = 0
    """How many hints were shown."""
    solution: bool = False
    """Whether the solution was shown."""

    def answered(self, right: bool) -> None:
        """Count an answer; those after the first right one change nothing."""
        if not self.solved:
            self.tried += 1
            self.solved = right


@dataclass
class Guess:
    """What was predicted in one lesson."""

    choice: str | None = None
    recalled: bool = False
    """Whether the choice was held against the right one; from then on it stays as it is."""


exercises: dict[str, Work] = {}
predictions: dict[str, Guess] = {}


def work(number: str) -> Work:
    """What was done on that exercise."""
    return exercises.setdefault(number, Work())


def guess(number: str) -> Guess:
    """What was predicted in that lesson."""
    return predictions.setdefault(number, Guess())


class Progress(Page):
    """The table of all lessons: what was tried, solved, looked up and predicted."""

    def __init__(self) -> None:
        super().__init__(
            *progress_table([(f"{each.number} {each.title}", _rows(each)) for each in map(lesson, numbers())])
        )

    def save(self, path: str | Path) -> Path:
        """Write it as JSON; what an earlier notebook saved there stays. Raises `LabError` when that cannot be done."""
        path = Path(path)
        try:
            new = _merged(json.loads(path.read_text("utf-8")) if path.exists() else {})
            path.write_text(json.dumps(new, indent=2) + "\n", "utf-8")
        except OSError as error:
            raise LabError(f"Progress cannot be kept in {path}: {error.strerror}; choose another place.") from error
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise LabError(f"{path} is there already and holds no saved progress; choose another name.") from error
        return path


def progress() -> Progress:
    """Everything that was done so far, as a table; ``progress().save("progress.json")`` keeps it for handing in."""
    return Progress()


def _merged(old: dict) -> dict:
    done = {number: asdict(each) for number, each in exercises.items()}
    for number, before in old.get("exercises", {}).items():
        now = done.get(number, before)
        done[number] = {key: max(before[key], now[key]) for key in asdict(Work())}
    guesses = {number: each.choice for number, each in predictions.items() if each.choice}
    return {"exercises": done, "predictions": {**old.get("predictions", {}), **guesses}}


def _rows(of: Lesson) -> list[Row]:
    """One row for each part of the lesson; none when nothing was done in it."""
    rows = [_predicted(of)] if predictions.get(of.number, Guess()).choice else []
    touched = rows or any(exercise.number in exercises for exercise in of.exercises)
    return rows + [_row(exercise.number) for exercise in of.exercises] if touched else []


def _predicted(of: Lesson) -> Row:
    done = predictions[of.number]
    sign = RIGHT if done.choice == of.prediction.right else WRONG
    return Row("prediction", sign if done.recalled else "", f"({done.choice}) {of.prediction.choices[done.choice]}")


def _row(number: str) -> Row:
    done = exercises.get(number, Work())
    tries = f"{done.tried} tries" if done.tried > 1 else "1 try"
    state = f"solved, {tries}" if done.solved else f"{tries}, not solved" if done.tried else "not tried"
    helped = [f"{done.hints} hints" if done.hints > 1 else "1 hint"] * bool(done.hints) + ["solution"] * done.solution
    return Row(number, RIGHT if done.solved else WRONG if done.tried else "", state, ", ".join(helped))
