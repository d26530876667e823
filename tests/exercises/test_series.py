"""The summary of the series has every attack and every lesson; the certificate comes when everything is solved."""

import re

import pytest

from labkit import Lab, attacks, policies, progress, series
from labkit.attacks import remedies
from labkit.attacks.verdict import DECEIVED, LEAKED
from labkit.exercises import Exercise, add, equals, lessons
from labkit.exercises.keeping import keeper
from labkit.trials.attacks import every_attack

SHIPPED = [number for number in lessons.numbers() if number.isdigit()]


def test_the_summary_names_every_attack_of_the_lab_once_with_a_lesson_that_exists():
    told = series().text
    for kind in attacks.ALL:
        assert len(re.findall(rf"\b{kind.id} {kind.__name__}\b", told)) == 1
        assert remedies.remedy(kind.id).lesson in SHIPPED


def test_the_summary_has_every_lesson_with_its_question_and_the_right_answer():
    told = " ".join(series().text.split())
    for number in SHIPPED:
        lesson = lessons.lesson(number)
        assert f"{number} {lesson.title}" in told
        assert " ".join(lesson.prediction.question.replace("`", "").split()) in told
        assert " ".join(lesson.prediction.choices[lesson.prediction.right].replace("`", "").split()) in told


def test_every_exception_in_the_table_of_remedies_is_an_attack_that_exists():
    numbers = {kind.id for kind in attacks.ALL}
    assert set(remedies._OWN) <= numbers
    assert {number[:1] for number in numbers} == set(remedies._FAMILIES)


def test_a_client_that_verifies_is_harmed_by_nothing_that_insisting_or_verifying_is_said_to_stop():
    stops = (remedies.STOPS, remedies.VERIFIES)
    some = [kind for kind in attacks.ALL if kind.id in ("N1", "N2", "N7", "N15", "C1", "C3", "C5", "X1", "X2", "X3")]
    assert {remedies.remedy(kind.id).defence for kind in some} == set(stops)
    cells = every_attack(lambda: Lab("loopback"), some, [policies.verified], ["SMTP"])
    assert len(cells) == len(some)
    assert not [cell for cell in cells if cell.verdict.outcome in (LEAKED, DECEIVED)]


@pytest.fixture
def everything_solved():
    for number in SHIPPED:
        for exercise in lessons.lesson(number).exercises:
            keeper().record.work(exercise.number).answered(right=True)


def test_progress_prints_a_certificate_when_every_exercise_of_the_series_is_solved(everything_solved):
    total = sum(len(lessons.lesson(number).exercises) for number in SHIPPED)
    told = progress().text
    assert "Certificate of completion" in told
    assert f"all {total} exercises of the {len(SHIPPED)} lessons" in told and f"{total} at the first try" in told
    assert keeper().record.student in told and keeper().record.digest[:16] in told
    assert "Certificate of completion" in progress().html


def test_the_certificate_says_what_help_was_taken(everything_solved):
    keeper().record.work("01.1").hints = 2
    keeper().record.work("02.1").solution = True
    keeper().record.work("02.1").tried = 3
    told = " ".join(progress().text.split())
    assert "1 with the help of hints; of 1 the solution was shown" in told


@pytest.mark.parametrize("number", ["00.1", "08.3", "15.6"])
def test_there_is_no_certificate_while_one_exercise_is_not_solved(everything_solved, number):
    keeper().record.work(number).solved = False
    assert "Certificate" not in progress().text and "Certificate" not in progress().html


def test_an_exercise_that_an_instructor_adds_in_a_lesson_of_its_own_is_not_part_of_the_series(everything_solved):
    add(Exercise("mine.1", "How many?", equals(2), hints=("Two.", "Two!"), solution="two = 2", because="It is two."))
    assert "Certificate of completion" in progress().text


def test_a_record_that_was_changed_has_another_digest():
    before = keeper().record.digest
    keeper().record.work("01.1").answered(right=True)
    assert keeper().record.digest != before
