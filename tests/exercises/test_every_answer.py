"""Right and wrong answers to every exercise of the lessons, as students give them: the tables are in `students`.

A row of WRONG is (number, what is said of it, the arguments of `check` behind the number), one of RIGHT has no words.
"""

import re
from importlib import import_module

import pytest
from lesson_captures import Later

from labkit.exercises import check, drawn_for, functions, given, lessons

STUDENT = "ada"
_OFFERS = re.compile(r"250-|STARTTLS|STLS|LOGINDISABLED|^(VRFY|NOOP|EXPN|AUTH) ")
NUMBERS = [number for number in lessons.numbers() if number.isdigit()]

TABLES = {number: import_module(f"students.lesson_{number}") for number in NUMBERS}
TOGETHER = {number for number, table in TABLES.items() if getattr(table, "TOGETHER", False)}
"""Lessons whose answers share something that takes long to make: they are checked in one process."""
WRONG = [row for table in TABLES.values() for row in table.WRONG]
RIGHT = [row for table in TABLES.values() for row in table.RIGHT]
EXERCISES = [exercise for number in NUMBERS for exercise in lessons.lesson(number).exercises]
_EMPHASIS = re.compile(r"\*\w[^*`\n]*\*")
"""Asterisks around words: a card shows them as they are, since only backticks mean something there."""
NEVER_TRUE = ("cannot be looked at", "needs to know what it is about")
"""Words of the sentences for an answer that a checker cannot judge: none of the answers in these tables gets one."""
NEVER_WRITTEN = ("?.", "!.", "..", " .")
"""Punctuation that a sentence must not end with."""


def _rows(rows, name):
    """The rows, as parameters. In a lesson of `TOGETHER`, only `make thorough` has more than one of each name."""
    said, marked = set(), []
    for row in rows:
        lesson, again = row[0].partition(".")[0], name(row) in said
        marks = [pytest.mark.xdist_group(f"answers of {lesson}")] if lesson in TOGETHER else []
        marks += [pytest.mark.thorough] if marks and again else []
        marked.append(pytest.param(row, marks=marks, id=name(row)))
        said.add(name(row))
    return marked


def told(number, arguments):
    with drawn_for(STUDENT):
        answers = [each() if isinstance(each, Later) else each for each in arguments]
        return check(number, *answers).text


@pytest.mark.parametrize("row", _rows(WRONG, lambda row: f"{row[0]}: {row[1]}"))
def test_a_wrong_answer_is_told_what_is_wrong_with_it(row, monkeypatch):
    number, words, *arguments = row
    if words == "a loop that never ends":
        monkeypatch.setattr(functions, "LIMIT", 0.5)  # it works for as long as it may
    said = told(number, arguments)
    assert said.startswith(f"✘ {number}")
    assert words in " ".join(said.split())
    assert not [phrase for phrase in NEVER_TRUE if phrase in said] and not _EMPHASIS.search(said)
    assert not [end for end in NEVER_WRITTEN if f"{end}\n" in f"{said}\n"]


@pytest.mark.parametrize("row", _rows(RIGHT, lambda row: row[0]))
def test_a_right_answer_passes_in_whatever_sensible_form_it_has(row):
    number, *arguments = row
    assert told(number, arguments).startswith(f"✔ {number}")


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)
def test_every_exercise_has_four_wrong_answers_or_more_and_three_right_ones(exercise):
    wrong = [row for row in WRONG if row[0] == exercise.number]
    right = [row for row in RIGHT if row[0] == exercise.number]
    assert len(wrong) >= 4 and len(right) >= 3


DRAWN = [exercise for exercise in EXERCISES if exercise.given and exercise.number != "00.2"]


@pytest.mark.parametrize("exercise", DRAWN, ids=lambda exercise: exercise.number)
def test_students_are_given_different_things_and_each_the_same_again(exercise):
    def seen(student):
        with drawn_for(student):
            return _plain(given(exercise.number))

    first = seen("student 0")
    assert any(repr(seen(f"student {number}")) != repr(first) for number in range(1, 12))
    assert seen("student 0") == first


def _plain(thing):
    """What is given, without the times and random bytes of a live session."""
    if hasattr(thing, "dialogues"):
        events = (event for dialogue in thing.decrypted().dialogues for event in dialogue.events)
        told = [
            re.sub(r"^\w+ ", "", event.text) for event in events if event.layer == "text" and _OFFERS.search(event.text)
        ]
        return told, [seen.value for seen in thing.visible() if seen.what in ("server name", "user name")]
    if hasattr(thing, "findings"):
        return thing.server, [(finding.id, finding.verdict) for finding in thing.findings]
    if isinstance(thing, tuple):
        return [_plain(each) for each in thing]
    if isinstance(thing, list):
        return [line for line in thing if not str(line).startswith(("Date:", "Message-ID:", "MAIL "))]
    return {key: value for key, value in thing.items() if key != "peer"} if isinstance(thing, dict) else thing
