"""What a lesson asks: exercises and a prediction, as plain records. How they look and who answered is elsewhere.

A question, hint or explanation is a sentence or more; `code` stands in backticks, an empty line begins a paragraph.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.errors import LabError

Checker = Callable[..., str]
"""``checker(answer, *about)``: empty when the answer is right, otherwise the sentence on what is wrong with it."""


class AboutWhat(Exception):
    """A checker was called without the value that the answer is about."""


def applied(function: Callable[..., Any], *arguments: object) -> Any:
    """What the function returns. Raises `AboutWhat` when these are not its arguments."""
    try:
        return function(*arguments)
    except TypeError as error:
        if error.__traceback__.tb_next is None:  # it was never entered
            raise AboutWhat from error
        raise


@dataclass(frozen=True)
class Exercise:
    """One question of a lesson. Raises `LabError` when it could not be asked."""

    number: str
    """The lesson's number and its own: ``01.3``."""
    question: str
    checker: Checker
    hints: tuple[str, ...] = field(kw_only=True)
    """Each more explicit than the one before; two at least."""
    solution: str = field(kw_only=True)
    """The lines of code that stand in place of the answer, above the `check`; empty where they are left out."""
    because: str = field(kw_only=True)
    """Why the right answer is right, with the section to look it up."""
    given: Callable[..., Any] | None = field(default=None, kw_only=True)
    """``given(draw, *about)``: what this student is given to work on, from a `labkit.exercises.drawn.Draw`."""

    def __post_init__(self) -> None:
        lesson, dot, own = str(self.number).rpartition(".")
        if not (lesson and dot and own):
            raise LabError(
                f"An exercise's number is the lesson's, a dot and its own, like '01.3', not {self.number!r}."
            )
        if not callable(self.checker):
            raise LabError(f"The checker of {self.number} is a function of the answer, not {self.checker!r}.")
        if not isinstance(self.hints, tuple | list) or len(self.hints) < 2:
            raise LabError(f"{self.number} needs a tuple of two hints or more, each more explicit, not {self.hints!r}.")
        try:
            compile(self.solution, f"the solution of {self.number}", "exec")
        except (SyntaxError, TypeError, ValueError) as error:
            raise LabError(f"The solution of {self.number} is not Python: {error}.") from error

    @property
    def lesson(self) -> str:
        """The number of the lesson that it belongs to."""
        return self.number.rpartition(".")[0]


@dataclass(frozen=True)
class Prediction:
    """What a student commits to before the lesson's code runs. Raises `LabError` when no choice is right."""

    question: str
    choices: Mapping[str, str]
    """Letter -> what it stands for."""
    right: str = field(kw_only=True)
    """The letter of the right choice."""
    because: str = field(kw_only=True)
    wrong: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """Letter of another choice -> what is said to a student who chose it."""

    def __post_init__(self) -> None:
        if self.right not in self.choices:
            raise LabError(f"The right choice {self.right!r} is not one of {', '.join(self.choices)}.")
        if strange := [letter for letter in self.wrong if letter == self.right or letter not in self.choices]:
            raise LabError(f"{', '.join(strange)} is not one of the wrong choices, so there is nothing to say of it.")


@dataclass(frozen=True)
class Lesson:
    """The number, title, prediction and exercises of a lesson. Raises `LabError` for an exercise of another lesson."""

    number: str
    title: str
    prediction: Prediction | None = None
    exercises: tuple[Exercise, ...] = ()

    def __post_init__(self) -> None:
        numbers = [exercise.number for exercise in self.exercises]
        strange = [exercise.number for exercise in self.exercises if exercise.lesson != self.number]
        if strange or len(set(numbers)) < len(numbers):
            raise LabError(
                f"Exercises of lesson {self.number} have numbers of their own, {self.number}.1 on: {numbers}."
            )
