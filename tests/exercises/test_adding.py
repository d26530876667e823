import re
import textwrap

import pytest
from asked import exercise, lesson

import labkit.exercises
from labkit.errors import LabError
from labkit.exercises import Exercise, Lesson, Prediction, add, check, lessons, progress


def test_what_the_package_tells_an_instructor_works_as_it_stands_and_is_ten_lines_long():
    described = re.search(r"lines::\n\n(.*?)\n\n\S", labkit.exercises.__doc__, re.DOTALL)[1]
    lines = textwrap.dedent(described).strip().splitlines()
    assert len(lines) <= 10
    exec("\n".join(lines), {})
    assert check("mine.1", 220).text.startswith("✔")
    assert "look at what comes after STARTTLS" in check("mine.1", 250).text
    assert "mine.1" in progress().text


def test_an_exercise_can_be_added_to_a_lesson_of_the_course():
    before = lessons.lesson("00").exercises
    add(exercise("00.9"))
    assert lessons.lesson("00").exercises[:-1] == before
    assert check("00.9", 220).text.startswith("✔")


def test_one_with_the_same_number_takes_the_others_place():
    add(exercise("mine.1"))
    add(exercise("mine.2"))
    add(exercise("mine.1", because="Better words."))
    assert [each.number for each in lessons.lesson("mine").exercises] == ["mine.1", "mine.2"]
    assert "Better words." in check("mine.1", 220).text


def test_a_whole_lesson_can_be_added():
    add(lesson("class", [exercise("class.1")]))
    assert lessons.numbers()[-1] == "class"
    assert "class A lesson of mine" in progress().text


@pytest.mark.parametrize("thing", [None, "mine.1", dict, lesson])
def test_nothing_else_can_be_added(thing):
    with pytest.raises(LabError, match="Only an Exercise or a Lesson"):
        add(thing)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"number": 1.1, "solution": 5}, "is not Python"),
        ({"number": 5}, "the lesson's, a dot and its own"),
        ({"number": "1"}, "the lesson's, a dot and its own"),
        ({"number": "1."}, "the lesson's, a dot and its own"),
        ({"number": ".1"}, "the lesson's, a dot and its own"),
        ({"checker": 220}, "is a function of the answer"),
        ({"hints": "only one"}, "two hints or more"),
        ({"hints": None}, "two hints or more"),
        ({"hints": ("only one",)}, "two hints or more"),
        ({"solution": "code = = 220"}, "is not Python"),
    ],
)
def test_an_exercise_that_could_not_be_asked_is_refused_when_it_is_written(parts, told):
    with pytest.raises(LabError, match=told):
        exercise(**parts)


def test_a_prediction_needs_a_right_choice():
    with pytest.raises(LabError, match="'c' is not one of a, b"):
        Prediction("What?", {"a": "this", "b": "that"}, right="c", because="So.")


def test_exercises_of_a_lesson_carry_its_number_once():
    with pytest.raises(LabError, match=r"numbers of their own, 02\.1 on: \['01\.1'\]"):
        Lesson("02", "Another", exercises=(exercise("01.1"),))
    with pytest.raises(LabError, match="numbers of their own"):
        Lesson("02", "Another", exercises=(exercise("02.1"), exercise("02.1")))


def test_an_exercise_says_which_lesson_it_belongs_to():
    assert isinstance(exercise("a.b.1"), Exercise) and exercise("a.b.1").lesson == "a.b"
