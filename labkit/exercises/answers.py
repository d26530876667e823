"""Answering exercises: `check` an answer, ask for a `hint`, look at the `solution`.

None of them stops a notebook: an answer that is missing, wrong or strange is answered with a sentence.
"""

from labkit.errors import LabError
from labkit.exercises import lessons, record
from labkit.exercises.checkers import shown
from labkit.exercises.question import AboutWhat, Exercise, applied
from labkit.show import exercises as views
from labkit.show.page import Page


def check(number: str, answer: object = ..., *about: object) -> Page:
    """Say whether the answer to that exercise is right, and why, or what is wrong with it.

    ``...`` and None stand for no answer yet. `about` is what the answer is about, where the exercise says so.
    Raises `LabError` when there is no such exercise.
    """
    exercise = lessons.exercise(number)
    if not _attempted(answer):
        return views.unanswered(number, exercise.question)
    complaint = _complaint(exercise, answer, about)
    record.work(number).answered(right=not complaint)
    return views.wrong(number, complaint) if complaint else views.right(number, exercise.because)


def hint(number: str) -> Page:
    """The next hint for that exercise, more explicit each time. Raises `LabError` when there is no such exercise."""
    hints = lessons.exercise(number).hints
    work = record.work(number)
    if work.hints >= len(hints):
        return views.no_more_hints(number, hints[-1])
    work.hints += 1
    return views.hint(number, hints[work.hints - 1], work.hints, len(hints))


def solution(number: str) -> Page:
    """The lines that answer that exercise, and why. Raises `LabError` when there is no such exercise."""
    exercise = lessons.exercise(number)
    record.work(number).solution = True
    return views.solution(number, exercise.solution, exercise.because)


def _complaint(exercise: Exercise, answer: object, about: tuple[object, ...]) -> str:
    try:
        complaint = applied(exercise.checker, answer, *about)
    except AboutWhat:
        return (
            f"Your answer is {shown(answer)}, and this question needs to know what it is about: give that behind "
            f'it, as the lesson does, for example `check("{exercise.number}", answer, capture)`.'
        )
    except Exception as error:
        return (
            f"Your answer is {shown(answer)}, and that cannot be looked at in the way this question needs "
            f"({type(error).__name__}: {str(error)[:200]}). Read the question again, or ask for a `hint`."
        )
    if not isinstance(complaint, str):
        raise LabError(f"The checker of {exercise.number} returned {complaint!r}; a checker returns a sentence, or ''.")
    return complaint.strip()


def _blank(_): ...


def _documented(_):
    """A docstring makes other byte code."""


_NO_BODY = (_blank.__code__.co_code, _documented.__code__.co_code)


def _attempted(answer: object) -> bool:
    """Whether there is an answer at all; a list with a ``...`` left in it, or a function without a body, is none."""
    if answer is None or answer is ...:
        return False
    if isinstance(answer, list | tuple | set | dict):
        return not any(each is ... for each in (answer.values() if isinstance(answer, dict) else answer))
    code = getattr(answer, "__code__", None)
    return code is None or code.co_code not in _NO_BODY or code.co_consts[-1] is not None
