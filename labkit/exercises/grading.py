"""Grading: how many points an answer earns, and nothing that helps to find a better one.

An exercise is worth one point, or what its parts are worth together where its checker is `InParts`. Grading counts no
try and writes no file. A checker that raises or does not return gives no points and is named, so that a person looks at
that answer.
"""

from collections.abc import Sequence
from contextlib import nullcontext, redirect_stderr
from io import StringIO
from typing import NamedTuple

from labkit.errors import LabError
from labkit.exercises import lessons
from labkit.exercises.answers import attempted
from labkit.exercises.functions import OutOfTime, call
from labkit.exercises.keeping import drawn_for
from labkit.exercises.parts import AnswerPart, parts_of
from labkit.exercises.question import AboutWhat, applied
from labkit.show import exercises as views
from labkit.show.page import Page

PATIENCE = 60.0
"""Seconds for checking one part of an answer; a student's function has less (`functions.LIMIT`)."""


class PartGrade(NamedTuple):
    """The points of one part of an answer."""

    name: str
    points: float
    of: int


class Grade(Page):
    """The points of one answer; shows them, and neither what is wrong nor what is right."""

    def __init__(self, number: str, parts: Sequence[PartGrade], problem: str = "") -> None:
        self.number = number
        self.parts = tuple(parts)
        self.points = round(sum(part.points for part in parts), 2)
        """From 0 to `of`."""
        self.of = sum(part.of for part in parts)
        self.problem = problem
        """Why the answer could not be checked, in a sentence; empty if it could."""
        page = views.graded(number, self.points, self.of, self.parts, problem)
        super().__init__(page.body, page.text)


def grade(number: str, answer: object = ..., *about: object, student: str | None = None) -> Grade:
    """The points that an answer to that exercise earns.

    `about` is what `check` takes after the answer. `student` is the name from which that student's values are drawn;
    without it, they are drawn for the student of this process. Raises `LabError` when there is no such exercise.
    """
    exercise = lessons.exercise(number)
    if student is not None and (not isinstance(student, str) or not student.strip()):
        raise LabError(f'A student is named by text, for example student="anna", not by {student!r}.')
    parts = parts_of(exercise)
    if not attempted(answer):
        nothing = [PartGrade(part.name, 0, part.points) for part in parts]
        return Grade(number, nothing, f"{number} is not answered.")
    # Progress bars and warnings are left out: nbgrader takes all that is on standard error for a failure.
    with drawn_for(student.strip()) if student else nullcontext(), redirect_stderr(StringIO()):
        looked_at = [_looked_at(part, answer, about) for part in parts]
    earned = [
        PartGrade(part.name, part.points * share, part.points)
        for part, (share, _) in zip(parts, looked_at, strict=True)
    ]
    problem = next((problem for _, problem in looked_at if problem), "")
    return Grade(number, earned, f"{number} could not be graded: {problem}" if problem else "")


def _looked_at(part: AnswerPart, answer: object, about: Sequence[object]) -> tuple[float, str]:
    """(share of the points of that part, why it could not be checked)."""
    try:
        return call(_share, part, answer, about, limit=PATIENCE)
    except OutOfTime:
        return 0, f"with this answer its checker had not come back after {PATIENCE:g} seconds."


def _share(part: AnswerPart, answer: object, about: Sequence[object]) -> tuple[float, str]:
    try:
        said = applied(part.checker, answer, *about)
        if not isinstance(said, str):
            return 0, f"its checker returned a value of type {type(said).__name__}, and a checker returns a sentence."
        if said.strip() and part.share is not None:
            share = float(part.share(answer, *about))
            return min(share, 1.0) if share > 0 else 0.0, ""
    except OutOfTime:
        raise
    except AboutWhat:
        return 0, "its checker needs to know what the answer is about, which is the argument after the answer."
    except BaseException as error:  # a student's object may do anything when it is looked at, and also call exit()
        return 0, f"with this answer its checker stopped with {type(error).__name__}."
    return float(not said.strip()), ""
