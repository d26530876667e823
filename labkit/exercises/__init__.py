"""Exercises: a student answers, and reads what is right or wrong with that answer.

A lesson is a module of `labkit.exercises.lessons`, ``lesson_01.py``, with a `Lesson` named ``LESSON``; it is read when
first needed.
An instructor adds an exercise to a running notebook, or to a module that it imports, in ten lines::

    from labkit.exercises import Exercise, add, equals

    add(Exercise(
        "mine.1",
        "Which reply code is the go-ahead after `STARTTLS`?",
        equals(220, mistakes={250: "250 answers EHLO; look at what comes after STARTTLS."}),
        hints=("Look at the line below `STARTTLS`.", "It begins with 22."),
        solution="code = 220",
        because="220 says that the server is ready to start TLS (RFC 3207 §4).",
    ))

From then on ``check("mine.1", code)``, ``hint("mine.1")``, ``solution("mine.1")`` and `progress` know it. Any function
``(answer, *about) -> str`` is a checker: it returns what is wrong with the answer, or ``""``.

`grade` gives the points of an answer and no word that helps; an answer with parts is checked by `InParts`, and earns
what each part is worth.

What must not be copied is drawn for each student: an exercise with ``given=lambda draw: draw.word("PIN")`` gives each a
word of their own, ``given("mine.1")``, and its checker finds the same in ``draw().word("PIN")``.
"""

from labkit.exercises.answers import attempted, check, given, hint, i_am, solution
from labkit.exercises.checkers import choice, contains, equals, members, number, sequence, text, word
from labkit.exercises.functions import Call, function, tried_on
from labkit.exercises.grading import Grade, grade
from labkit.exercises.keeping import draw, drawn_for
from labkit.exercises.lessons import add
from labkit.exercises.overview import Progress, progress
from labkit.exercises.parts import AnswerPart, InParts
from labkit.exercises.predictions import predict, recall
from labkit.exercises.question import Checker, Exercise, Lesson, Prediction

__all__ = [
    "AnswerPart",
    "Call",
    "Checker",
    "Exercise",
    "Grade",
    "InParts",
    "Lesson",
    "Prediction",
    "Progress",
    "add",
    "attempted",
    "check",
    "choice",
    "contains",
    "draw",
    "drawn_for",
    "equals",
    "function",
    "given",
    "grade",
    "hint",
    "i_am",
    "members",
    "number",
    "predict",
    "progress",
    "recall",
    "sequence",
    "solution",
    "text",
    "tried_on",
    "word",
]
