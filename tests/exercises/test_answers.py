import sys

import numpy
import pytest
from asked import exercise
from page_checks import read_page

from labkit.clients import policies
from labkit.errors import LabError
from labkit.exercises import add, check, draw, drawn_for, equals, given, hint, progress, solution, unseen


@pytest.fixture(autouse=True)
def asked():
    add(exercise())


def test_a_policy_is_known_by_its_name(monkeypatch):
    tried = []
    monkeypatch.setattr(unseen, "fresh", tried.append)
    for part in ("_robbed", "_in_the_clear", "_held_up"):
        monkeypatch.setattr(unseen, part, lambda network: "")
    assert unseen.complaint_about_policy("Implicit") == "" and tried == [policies.implicit]


def test_a_right_answer_is_told_why_it_is_right():
    page = check("mine.1", 220)
    assert page.text.startswith("✔ mine.1: right") and "RFC 3207 §4" in page.text


def test_a_wrong_answer_is_told_what_is_wrong_with_it():
    assert check("mine.1", 250).text == "✘ mine.1: not yet\n  250 answers `EHLO`."


@pytest.mark.parametrize("missing", [(), (None,), (...,), ([220, ...],), ({"code": ...},), ((..., 1),)], ids=repr)
def test_an_answer_that_is_missing_is_asked_for_again_and_is_no_try(missing):
    page = check("mine.1", *missing)
    assert page.text.startswith("… mine.1: not answered yet") and "Which reply code" in page.text
    assert "Exercises mine                      not begun" in progress().text


def test_a_function_without_a_body_is_no_answer_yet():
    def blank(line: bytes, more: int = 0): ...

    def documented(line):
        """Says what it will do."""

    def written(line):
        return line

    assert "not answered yet" in check("mine.1", blank).text
    assert "not answered yet" in check("mine.1", documented).text
    assert "not yet" in check("mine.1", written).text


class Strange:
    """An answer that fails whenever it is looked at."""

    def __eq__(self, other):
        raise RuntimeError("do not compare me")

    def __repr__(self):
        raise RuntimeError("do not print me")

    __hash__ = None


STRANGE = [
    Strange(),
    numpy.zeros(3),
    numpy.array([220, 220]),
    float("nan"),
    10**5000,
    b"x" * 10_000_000,
    list(range(1_000_000)),
    "<script>alert(1)</script>\x1b[2J\u202e",
    sys,
    print,
    object,
    {"a": {"b": {}}},
    True,
]


@pytest.mark.parametrize("answer", STRANGE, ids=lambda answer: type(answer).__name__)
def test_a_strange_answer_is_wrong_in_a_sentence(answer):
    for checker in (equals(220), equals("text"), lambda answer: f"No: {len(answer.strip())}"):
        add(exercise(checker=checker))
        page = check("mine.1", answer)
        assert page.text.startswith("✘ mine.1: not yet\n  ") and len(page.text) < 500
        assert "\x1b" not in page.html and "<script>" not in page.html
        read_page(page.html)


def test_an_array_that_holds_the_right_value_only_is_right_or_told_its_kind():
    add(exercise(checker=equals(numpy.array([1, 2]))))
    assert "not yet" in check("mine.1", numpy.array([1, 2])).text
    add(exercise())
    assert "right" in check("mine.1", numpy.int64(220)).text


def test_an_exception_inside_a_checker_is_a_sentence_about_the_answer():
    add(exercise(checker=lambda answer: answer.dialogue.events))
    said = check("mine.1", "the capture").text
    assert said.startswith("✘") and "'the capture'" in said and "AttributeError" in said and "Traceback" not in said


def test_a_checker_that_returns_no_sentence_is_the_instructors_mistake():
    add(exercise(checker=lambda answer: answer == 220))
    with pytest.raises(LabError, match=r"mine\.1 returned True"):
        check("mine.1", 220)


def test_what_an_answer_is_about_reaches_the_checker():
    add(exercise(checker=equals(lambda capture: len(capture))))
    assert check("mine.1", 3, [1, 2, 3]).text.startswith("✔")
    assert check("mine.1", 4, [1, 2, 3]).text.startswith("✘")
    assert 'as the lesson does, for example `check("mine.1", answer, capture)`' in check("mine.1", 3).text


@pytest.mark.parametrize("checker", (lambda answer: "" if len(answer) else "It is empty.", equals(lambda: len(3))))
def test_an_answer_of_the_wrong_type_is_not_taken_for_a_missing_subject(checker):
    add(exercise(checker=checker))
    assert "cannot be looked at" in check("mine.1", 3).text


def test_hints_become_more_explicit_and_end():
    shown = [hint("mine.1").text for _ in range(4)]
    assert "hint 1 of 2" in shown[0] and "Look below" in shown[0] and 'hint("mine.1")' in shown[0]
    assert "hint 2 of 2" in shown[1] and "begins with 22" in shown[1] and 'solution("mine.1")' in shown[1]
    assert "no more hints" in shown[2] and "begins with 22" in shown[2]
    assert shown[3] == shown[2]


def test_a_solution_shows_its_lines_as_they_are_and_says_why():
    add(exercise(solution="if True:\n    code = 220"))
    page = solution("mine.1")
    assert "\n    if True:\n        code = 220\n" in page.text and "RFC 3207" in page.text
    assert "if True:<br>    code = 220" in page.html


def test_an_exercise_that_does_not_exist_is_refused_with_those_that_do():
    for ask in (check, hint, solution):
        with pytest.raises(LabError, match=r"no exercise 'mine\.7'; lesson mine has mine\.1"):
            ask("mine.7")
        with pytest.raises(LabError, match=r"did you mean 'mine\.1'\?"):
            ask("min.1")
        for number in (1.1, "1.1"):
            with pytest.raises(LabError, match=r"no exercise '?1\.1'?; did you mean '01\.1'"):
                ask(number)


def test_every_answer_is_a_sound_page_in_a_notebook_with_a_sign_and_words():
    for page in (check("mine.1"), check("mine.1", 1), check("mine.1", 220), hint("mine.1"), solution("mine.1")):
        words = " ".join("".join(read_page(page._repr_html_()).words).split())
        heading = page.text.splitlines()[0]
        assert heading in words and repr(page) == page.text
        assert "`" not in words


def test_what_is_given_is_drawn_for_the_student_and_known_to_the_checker():
    add(exercise(checker=lambda answer: "" if answer == draw().word("PIN") else "No.", given=lambda of: of.word("PIN")))
    with drawn_for("ada"):
        hers = given("mine.1")
        assert "right" in check("mine.1", hers).text and given("mine.1") == hers
    with drawn_for("bert"):
        assert given("mine.1") != hers and "not yet" in check("mine.1", hers).text
    assert given("mine.1") == given("mine.1") != hers


def test_what_is_given_may_need_something_of_the_lesson_and_says_so():
    add(exercise(given=lambda of, lab: (of.name("user"), lab)))
    assert given("mine.1", "a lab")[1] == "a lab"
    with pytest.raises(LabError, match=r'given\("mine.1", lab\)'):
        given("mine.1")


def test_where_nothing_is_given_that_is_an_error_in_a_sentence():
    with pytest.raises(LabError, match=r"Nothing is given for mine\.1"):
        given("mine.1")
