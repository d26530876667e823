"""The lessons: one module each, ``lesson_01``, read when first needed; and the lessons that were added.

An instructor's exercises and lessons live in the same table, for as long as the kernel does.
"""

from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules

from labkit.errors import LabError
from labkit.exercises.question import Exercise, Lesson, Prediction

_PREFIX = "lesson_"
_lessons: dict[str, Lesson] = {}


def numbers() -> list[str]:
    """The numbers of all lessons, in order; those that were added come last."""
    modules = [module.name for module in iter_modules(__path__)]
    shipped = sorted(name.removeprefix(_PREFIX) for name in modules if name.startswith(_PREFIX))
    return [*shipped, *(number for number in _lessons if number not in shipped)]


def lesson(number: str) -> Lesson:
    """The lesson with that number. Raises `LabError`, which names those that exist."""
    if number not in _lessons:
        known = numbers()
        if number not in known:
            raise LabError(f"There is no lesson {number!r}; {_instead(number, known)}")
        _lessons[number] = import_module(f"{__name__}.{_PREFIX}{number}").LESSON
    return _lessons[number]


def exercise(number: str) -> Exercise:
    """The exercise with that number. Raises `LabError`, which names those that the lesson has."""
    of = str(number).rpartition(".")[0]
    if of not in numbers():
        everything = [exercise.number for each in numbers() for exercise in lesson(each).exercises]
        raise LabError(f"There is no exercise {number!r}; {_instead(number, everything)}")
    found = {exercise.number: exercise for exercise in lesson(of).exercises}
    if number not in found:
        raise LabError(f"There is no exercise {number!r}; lesson {of} has {', '.join(found) or 'none'}.")
    return found[number]


def prediction(number: str) -> Prediction:
    """The prediction of the lesson with that number. Raises `LabError` when it has none."""
    found = lesson(number).prediction
    if found is None:
        raise LabError(f"Lesson {number} asks for no prediction: a Lesson takes one as Prediction(...).")
    return found


def add(new: Exercise | Lesson) -> None:
    """Add an exercise to its lesson, or a whole lesson. One with the same number is replaced.

    The lesson of an exercise is the part of its number before the dot; one that does not exist begins with it.
    Raises `LabError` for anything else.
    """
    if isinstance(new, Lesson):
        _lessons[new.number] = new
    elif isinstance(new, Exercise):
        old = lesson(new.lesson) if new.lesson in numbers() else Lesson(new.lesson, f"Exercises {new.lesson}")
        by_number = {exercise.number: exercise for exercise in (*old.exercises, new)}
        _lessons[new.lesson] = replace(old, exercises=tuple(by_number.values()))
    else:
        raise LabError(f"Only an Exercise or a Lesson can be added, not {type(new).__name__}.")


def _instead(number: object, known: list[str]) -> str:
    padded = f"0{number}"
    close = [padded] if padded in known else get_close_matches(str(number), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known) or 'none'}."
