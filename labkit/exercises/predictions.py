"""Committing to an answer before the code runs, and coming back to it afterwards.

A prediction may be changed until `recall` has held it against what is right. "Run All" recalls what nobody has
predicted yet, so that alone decides nothing.
"""

from labkit.errors import LabError
from labkit.exercises import lessons, record
from labkit.show import exercises as views
from labkit.show.choices import Choices
from labkit.show.page import Page


def predict(number: str, choice: str | None = None) -> Page:
    """Ask for the prediction of that lesson, as a form in a notebook; ``predict("01", "b")`` commits to a choice.

    Raises `LabError` when there is no such lesson or choice.
    """
    asked = lessons.prediction(number)
    guess = record.guess(number)
    if guess.recalled:
        return views.decided(number, asked.question, asked.choices, guess.choice)
    if choice is None:
        return Choices(number, asked.question, asked.choices, guess.choice, lambda letter: predict(number, letter))
    letter = str(choice).strip().casefold()
    if letter not in asked.choices:
        raise LabError(f"{choice!r} is not one of the choices {', '.join(asked.choices)}.")
    guess.choice = letter
    return views.committed(number, letter, asked.choices[letter])


def recall(number: str) -> Page:
    """What was predicted in that lesson, what is right, and why. Raises `LabError` when there is no such lesson."""
    asked = lessons.prediction(number)
    guess = record.guess(number)
    guess.recalled = guess.choice is not None
    return views.recalled(number, asked.question, asked.choices, guess.choice, asked.right, asked.because)
