"""Exercises whose answer has parts, each with a checker and points of its own.

    Exercise(
        "mine.2",
        "Who was attacked, and how?",
        InParts(
            AnswerPart("who", lambda answer: "" if answer[0] == "alice" else "It was not that client."),
            AnswerPart("how", lambda answer: "" if answer[1] == "stripped" else "It was another attack.", points=2),
        ),
        ...
    )

`labkit.exercises.check` tells what is wrong with the first part that is not right yet; `labkit.exercises.grade` adds up
the points.
"""

from collections.abc import Callable
from typing import NamedTuple

from labkit.errors import LabError
from labkit.exercises.question import Checker, Exercise, applied


class AnswerPart(NamedTuple):
    """One part of an answer."""

    name: str
    checker: Checker
    """It is given the whole answer, and what the answer is about."""
    points: int = 1
    share: Callable[..., float] | None = None
    """``share(answer, *about)``: which share of the points a wrong answer earns all the same, 0 to 1; none without."""


class InParts:
    """A checker of an answer that has parts. Raises `LabError` for parts without names of their own or points."""

    def __init__(self, *parts: AnswerPart) -> None:
        names = [part.name for part in parts]
        if not parts or len(set(names)) < len(names):
            raise LabError(f"The parts of an exercise have names of their own, and there is one at least: {names}.")
        if poor := [part.name for part in parts if not isinstance(part.points, int) or part.points < 1]:
            raise LabError(f"A part of an exercise is worth a whole number of points, 1 or more: {', '.join(poor)}.")
        self.parts = parts

    def __call__(self, answer: object, *about: object) -> str:
        """The name of the first wrong part and what is wrong with it; ``""`` where all parts are right."""
        for part in self.parts:
            if wrong := applied(part.checker, answer, *about):
                return f"{part.name}: {wrong}"
        return ""


def parts_of(exercise: Exercise) -> tuple[AnswerPart, ...]:
    """The parts of an exercise; one that has none is a single part, worth one point."""
    if isinstance(exercise.checker, InParts):
        return exercise.checker.parts
    return (AnswerPart("answer", exercise.checker),)
