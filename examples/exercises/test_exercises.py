"""Every solution is right for any student, and wrong answers are told what is wrong and earn what they should."""

import delivery_exercises
import pytest

from labkit import attacks, check
from labkit.exercises import drawn_for, given, grade

SOLUTIONS = {exercise.number: exercise.solution for exercise in delivery_exercises.LESSON.exercises}


def solved(number, name, **names):
    """What the solution of that exercise makes, under that name."""
    exec(SOLUTIONS[number], names)
    return names[name]


class Deaf(attacks.Vector):
    """Lets no mail pass."""

    def on_line(self, line):
        return attacks.Answer(b"451 4.3.0 Try again later\r\n") if line.kind == "message" else None


class Loud(attacks.Vector):
    """Says no to every reply after the mail, and to the greeting in other words."""

    def on_line(self, line):
        if line.kind == "greeting":
            return attacks.Replace(b"220 mail.lab.test here\r\n")
        after = line.sender == "server" and line.earlier and line.earlier[-1].kind == "message"
        return attacks.Replace(b"451 4.3.0 Try again later\r\n") if after else None


def test_the_lost_receipt_is_right_and_earns_all_points():
    answer = solved("delivery.1", "LostReceipt", attacks=attacks)
    assert check("delivery.1", answer).text.startswith("✔")
    assert grade("delivery.1", answer, student="anna").points == 4


@pytest.mark.parametrize(
    ("answer", "told", "points"),
    [
        (attacks.Vector, "alice was told that it arrived", 3 - 1),
        (Deaf, "There are 0 mails", 2),
        (Loud, "mallory acted 2 times", 3),
        (attacks.Vector(), "The answer is a class", 0),
        (451, "The answer is a class", 0),
    ],
)
def test_another_vector_is_told_what_it_does_and_earns_the_parts_that_are_right(answer, told, points):
    assert told in check("delivery.1", answer).text
    assert grade("delivery.1", answer).points == points


@pytest.mark.parametrize("student", ["anna", "bob"])
def test_each_student_counts_a_capture_of_their_own(student):
    with drawn_for(student):
        received = solved("delivery.2", "received", mails=given("delivery.2"))
        assert check("delivery.2", received).text.startswith("✔")
    assert grade("delivery.2", received, student=student).points == 3
    assert grade("delivery.2", received, student="another").points < 3


def test_a_count_that_is_nearly_right_earns_a_share():
    with drawn_for("anna"):
        right = dict(delivery_exercises._received())
        first = next(iter(right))
        nearly = right | {first: 99}
        assert "did not receive 99" in check("delivery.2", nearly).text
        assert "recipients: look" in check("delivery.2", {"nobody@lab.test": 1}).text
        assert "is a dictionary" in check("delivery.2", [first]).text
        assert 0 < grade("delivery.2", nearly).points < 3 and grade("delivery.2", [first]).points == 0
