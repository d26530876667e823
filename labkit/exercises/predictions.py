"""Committing to an answer before the code runs, and coming back to it afterwards.

A prediction may be changed until `recall` has compared it with what is right. "Run All" calls `recall` before a
prediction was made; that does not fix the choice.
"""

from labkit.errors import LabError
from labkit.exercises import lessons
from labkit.exercises.keeping import keeper
from labkit.exercises.question import Prediction
from labkit.exercises.record import Guess
from labkit.show import exercises as views
from labkit.show.choices import Choices
from labkit.show.page import Page


def predict(number: str, choice: str | None = None) -> Page:
    """Ask for the prediction of that lesson, as a form in a notebook; ``predict("01", "b")`` commits to a choice.

    Raises `LabError` when there is no such lesson or choice.
    """
    asked, guess = _asked(number)
    if guess.recalled:
        return views.decided(number, asked.question, asked.choices, guess.choice)
    if choice is None:
        return Choices(number, asked.question, asked.choices, guess.choice, lambda letter: predict(number, letter))
    letter = str(choice).strip().casefold()
    if letter not in asked.choices:
        raise LabError(f"{choice!r} is not one of the choices {', '.join(asked.choices)}.")
    guess.choice = letter
    keeper().keep()
    return views.with_news(views.committed(number, letter, asked.choices[letter]), keeper().news())


def recall(number: str) -> Page:
    """What was predicted in that lesson, what is right, and why. Raises `LabError` when there is no such lesson."""
    asked, guess = _asked(number)
    guess.recalled = guess.choice is not None
    keeper().keep()
    page = views.recalled(
        number,
        asked.question,
        asked.choices,
        guess.choice,
        asked.right,
        asked.because,
        asked.wrong.get(guess.choice or "", ""),
    )
    return views.with_news(page, keeper().news())


def _asked(number: str) -> tuple[Prediction, Guess]:
    """That prediction and what was chosen; the student is at its lesson. A choice that no longer exists is dropped."""
    asked, guess = lessons.prediction(number), keeper().record.guess(number)
    keeper().lesson = number
    if guess.choice not in asked.choices:
        guess.choice, guess.recalled = None, False
    return asked, guess
