"""Points for answers: each student's own values, no word that helps, and a checker that fails or hangs is named."""

import contextlib
import sys
import threading
from base64 import b64decode

import pytest
from asked import exercise
from lesson_captures import attacked_reader
from page_checks import read_page

from labkit import attacks
from labkit.errors import LabError
from labkit.exercises import AnswerPart, Call, InParts, add, check, draw, given, grade, grading, keeping, tried_on
from labkit.exercises.lessons import exercise as exercise_of
from labkit.exercises.lessons import lesson, numbers

ATTACKED = {"amber", "birch", "cobalt"}


def _found(answer):
    return len(set(answer) & ATTACKED) / 3


PARTS = InParts(
    AnswerPart(
        "who", lambda answer: "" if set(answer) == {"amber", "birch", "cobalt"} else "Some are missing.", 3, _found
    ),
    AnswerPart("how many", lambda answer: "" if len(answer) == 3 else "Count again.", 2),
)


def points(*arguments, **who):
    found = grade(*arguments, **who)
    return found.points, found.of


def test_a_right_answer_earns_the_point_and_a_wrong_or_missing_one_none():
    add(exercise())
    assert points("mine.1", 220) == (1, 1)
    assert points("mine.1", 250) == points("mine.1") == points("mine.1", None) == (0, 1)
    assert grade("mine.1", 250).problem == "" and grade("mine.1").problem == "mine.1 is not answered."


def test_a_grade_says_nothing_of_what_is_wrong_or_right():
    add(exercise())
    found = grade("mine.1", 250)
    said = found.text + "".join(read_page(found._repr_html_()).words)
    assert "0 of 1 point" in said and "EHLO" not in said and "220" not in said and "250" not in said


def test_grading_counts_no_try_and_keeps_nothing():
    add(exercise())
    grade("mine.1", 250)
    grade("mine.1", 220)
    assert keeping.keeper().record.exercises == {}


def test_an_answer_with_parts_earns_the_points_of_each_part_and_a_share_where_a_part_has_one():
    add(exercise(checker=PARTS))
    assert points("mine.1", ["amber", "birch", "cobalt"]) == (5, 5)
    found = grade("mine.1", ["amber", "birch"])
    assert [tuple(part) for part in found.parts] == [("who", 2, 3), ("how many", 0, 2)]
    assert (found.points, found.of) == (2, 5) and "who: 2 of 3" in found.text
    assert points("mine.1", ["dune", "ember", "fjord"]) == (2, 5)
    assert check("mine.1", ["amber"]).text == "✘ mine.1: not yet\n  who: Some are missing."


@pytest.mark.parametrize("strange", [float("nan"), -4, 99, "much", None])
def test_a_share_that_is_none_never_gives_more_points_than_there_are_or_less_than_none(strange):
    add(exercise(checker=InParts(AnswerPart("who", lambda answer: "No.", 3, lambda answer: strange))))
    found = grade("mine.1", "x")
    assert 0 <= found.points <= found.of == 3


@pytest.mark.parametrize(
    "parts",
    [(), (AnswerPart("a", len), AnswerPart("a", len)), (AnswerPart("a", len, 0),), (AnswerPart("a", len, 1.5),)],
)
def test_parts_without_a_name_of_their_own_or_points_are_refused(parts):
    with pytest.raises(LabError, match=r"The parts of an exercise|A part of an exercise"):
        InParts(*parts)


# ---- each student's own values


def test_what_is_right_for_one_student_is_wrong_for_another():
    def word_of(student):
        with keeping.drawn_for(student):
            return draw().word("PIN")

    add(exercise(checker=lambda answer: "" if answer == draw().word("PIN") else "No.", given=lambda of: of.word("PIN")))
    for student in ("anna", "bob", "Zoë Ω"):
        assert points("mine.1", word_of(student), student=student) == (1, 1)
        assert points("mine.1", word_of(student), student=f"{student}'s neighbour") == (0, 1)


def test_lessons_grade_what_was_given_to_that_student():
    def password_of(student):
        with keeping.drawn_for(student):
            names = {"heard": given("01.1"), "b64decode": b64decode}
        exec(exercise_of("01.1").solution, names)
        return names["password"]

    assert points("01.1", password_of("anna"), student="anna") == (1, 1)
    assert points("01.1", password_of("anna"), student="bob") == (0, 1)


def test_an_attack_is_graded_as_it_is_checked():
    stolen = attacked_reader(attacks.StripCapability(), login=("bob", "swordfish"))
    assert points("08.2", stolen, student="anna") == (1, 1)
    heard = attacked_reader(attacks.StripCapability(), login=("alice", "hunter2"))
    assert points("08.2", heard, student="anna") == (0, 1)


@pytest.mark.parametrize("name", ["", "  ", 5, b"anna"])
def test_a_student_is_named_by_text(name):
    add(exercise())
    with pytest.raises(LabError, match="A student is named by text"):
        grade("mine.1", 220, student=name)


def test_an_exercise_that_is_not_there_is_named():
    with pytest.raises(LabError, match=r"There is no exercise '08\.99'"):
        grade("08.99", 1)


# ---- checkers and answers that fail or hang


def _raises(answer):
    raise KeyError("the right answer is 220")


def _exits(answer):
    raise SystemExit(0)


@pytest.mark.parametrize(
    ("checker", "told"),
    [
        (_raises, "its checker stopped with KeyError"),
        (_exits, "its checker stopped with SystemExit"),
        (lambda answer: None, "its checker returned a value of type NoneType"),
        (lambda answer: True, "its checker returned a value of type bool"),
        (lambda answer, capture: "", "needs to know what the answer is about"),
    ],
)
def test_a_checker_that_fails_is_told_in_a_sentence_that_gives_nothing_away(checker, told):
    add(exercise(checker=checker))
    found = grade("mine.1", 220)
    assert (found.points, found.of) == (0, 1) and told in found.problem and "220" not in found.problem
    assert found.problem.startswith("mine.1 could not be graded: ") and found.problem.count(".") == 2


def test_what_a_checker_writes_on_standard_error_is_left_out(capsys):
    add(exercise(checker=lambda answer: "" if print("70 %", file=sys.stderr) is None else "No."))
    assert points("mine.1", 220) == (1, 1) and capsys.readouterr().err == ""


def _forever(*_):
    while True:
        pass


def test_a_checker_that_hangs_is_given_up_and_other_parts_still_earn_their_points(monkeypatch):
    monkeypatch.setattr(grading, "PATIENCE", 0.3)
    add(exercise(checker=InParts(AnswerPart("stuck", _forever), AnswerPart("fine", lambda answer: "", 2))))
    before = set(threading.enumerate())
    found = grade("mine.1", 220)
    assert (found.points, found.of) == (2, 3) and "had not come back after 0.3 seconds" in found.problem
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()


def test_an_answer_that_hangs_when_it_is_looked_at_is_given_up(monkeypatch):
    monkeypatch.setattr(grading, "PATIENCE", 0.3)
    add(exercise())
    assert "had not come back" in grade("mine.1", type("Stuck", (), {"__eq__": _forever})()).problem


def test_an_answer_that_swallows_the_end_of_its_time_is_given_up_all_the_same(monkeypatch):
    monkeypatch.setattr(grading, "PATIENCE", 0.3)

    def swallows(answer):
        with contextlib.suppress(BaseException):
            _forever()
        return "No."

    add(exercise(checker=swallows))
    assert "had not come back" in grade("mine.1", 220).problem


def test_a_loop_that_never_ends_in_a_students_function_is_a_wrong_answer(monkeypatch):
    monkeypatch.setattr("labkit.exercises.functions.LIMIT", 0.3)
    add(exercise(checker=tried_on(lambda: [Call(("a line",), True, "a line")])))
    found = grade("mine.1", _forever)
    assert (found.points, found.problem) == (0, "")


def test_every_exercise_of_every_lesson_has_points_and_grades_a_missing_answer_with_none():
    everything = [each.number for number in numbers() if number.isdigit() for each in lesson(number).exercises]
    assert everything
    for number in everything:
        found = grade(number, student="anna")
        assert found.points == 0 and found.of >= 1 and found.problem == f"{number} is not answered."
