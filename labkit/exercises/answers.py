"""Answering exercises: take what is `given`, `check` an answer, ask for a `hint`, look at the `solution`.

None of them stops a notebook: for a missing, wrong or strange answer they show a sentence.
"""

from typing import Any

from labkit.errors import LabError
from labkit.exercises import lessons
from labkit.exercises.checkers import shown
from labkit.exercises.keeping import call_student, draw, keeper
from labkit.exercises.question import AboutWhat, Exercise, applied
from labkit.exercises.record import Work
from labkit.show import exercises as views
from labkit.show.page import Page


def check(number: str, answer: object = ..., *about: object) -> Page:
    """Say whether the answer to that exercise is right, and why, or what is wrong with it.

    ``...`` and None stand for no answer yet. `about` is what the answer is about, where the exercise says so.
    Raises `LabError` when there is no such exercise.
    """
    exercise = _asked(number)
    if not attempted(answer):
        return _recorded(views.unanswered(number, exercise.question))
    wrong = complaint(exercise, answer, *about)
    _work(number).answered(right=not wrong)
    return _recorded(views.wrong(number, wrong) if wrong else views.right(number, exercise.because))


def given(number: str, *about: object) -> Any:
    """What this student is given to work on in that exercise; each student is given something else.

    `about` is the lab, where the exercise needs it. Raises `LabError` when there is no such exercise, and where nothing
    is given.
    """
    exercise = _asked(number)
    if exercise.given is None:
        raise LabError(f"Nothing is given for {number}: its answer is about what the lesson has made.")
    try:
        return applied(exercise.given, draw(), *about)
    except AboutWhat:
        raise LabError(f'{number} takes what the lesson gives it, for example given("{number}", lab).') from None


def i_am(name: object = ...) -> Page:
    """Say who answers here: what is given is drawn from that name, and progress is kept under it.

    Where the environment variable LABKIT_STUDENT names the student, that name stays.
    """
    said = name.strip() if isinstance(name, str) else ""
    if not said:
        return views.unnamed()
    return _recorded(views.named(call_student(said), said))


def hint(number: str) -> Page:
    """The next hint for that exercise, more explicit each time. Raises `LabError` when there is no such exercise."""
    hints = _asked(number).hints
    work = _work(number)
    if work.hints >= len(hints):
        return views.no_more_hints(number, hints[-1])
    work.hints += 1
    return _recorded(views.hint(number, hints[work.hints - 1], work.hints, len(hints)))


def solution(number: str) -> Page:
    """The lines that answer that exercise, and why; a sentence where solutions are left out of this installation.

    Raises `LabError` when there is no such exercise.
    """
    exercise = _asked(number)
    if not exercise.solution:
        return views.no_solution(number)
    _work(number).solution = True
    return _recorded(views.solution(number, exercise.solution, exercise.because))


def complaint(exercise: Exercise, answer: object, *about: object) -> str:
    """What is wrong with an answer; ``""`` for a right one. Raises `LabError` for a checker that returns no text."""
    try:
        said = applied(exercise.checker, answer, *about)
    except AboutWhat:
        return (
            f"Your answer is {shown(answer)}, and this question needs to know what it is about: give that after "
            f'it, as the lesson does, for example `check("{exercise.number}", answer, capture)`.'
        )
    except Exception as error:
        return (
            f"Your answer is {shown(answer)}, and that cannot be looked at in the way this question needs "
            f"({type(error).__name__}: {str(error)[:200]}). Read the question again, or ask for a `hint`."
        )
    if not isinstance(said, str):
        raise LabError(f"The checker of {exercise.number} returned {said!r}; a checker returns a sentence, or ''.")
    return said.strip()


def _asked(number: str) -> Exercise:
    """The exercise with that number; from now on the student counts as being at its lesson."""
    exercise = lessons.exercise(number)
    keeper().lesson = exercise.lesson
    return exercise


def _work(number: str) -> Work:
    return keeper().record.work(number)


def _recorded(page: Page) -> Page:
    """Write the record, and add to the page what is wrong with its file, if anything is."""
    keeper().keep()
    return views.with_news(page, keeper().news())


def _blank(_): ...


def _documented(_):
    """A docstring makes other byte code."""


_NO_BODY = (_blank.__code__.co_code, _documented.__code__.co_code)


def attempted(answer: object) -> bool:
    """Whether there is an answer; a list with a ``...`` left in it, or a function without a body, is not one."""
    if answer is None or answer is ...:
        return False
    if isinstance(answer, list | tuple | set | dict):
        return not any(each is ... for each in (answer.values() if isinstance(answer, dict) else answer))
    code = getattr(answer, "__code__", None)
    return code is None or code.co_code not in _NO_BODY or code.co_consts[-1] is not None
