import re
from collections import Counter

import pytest

from labkit.exercises import Lesson, lessons

_EMPHASIS = re.compile(r"\*\w[^*`\n]*\*")
"""Asterisks around words: a card shows them as they are, since only backticks mean something there."""
NUMBERS = [number for number in lessons.numbers() if number.isdigit()]


MISSIONS = ("08.6", "08.7", "08.8")
"""What is won on the console, beside the exercises of its lesson."""


@pytest.fixture(params=NUMBERS)
def lesson(request) -> Lesson:
    return lessons.lesson(request.param)


def test_a_lesson_has_three_to_six_exercises_in_order(lesson):
    assert 3 <= len([exercise for exercise in lesson.exercises if exercise.number not in MISSIONS]) <= 6
    numbers = [exercise.number for exercise in lesson.exercises]
    assert numbers == [f"{lesson.number}.{own}" for own in range(1, len(numbers) + 1)]


def test_a_lesson_asks_for_a_prediction_that_can_be_wrong(lesson):
    asked = lesson.prediction
    assert asked.question.endswith("?") and asked.because
    assert list(asked.choices) == list("abcdef"[: len(asked.choices)]) and len(asked.choices) >= 2


def test_an_exercise_has_words_for_everything_that_can_be_asked_of_it(lesson):
    for exercise in lesson.exercises:
        words = [exercise.question, exercise.because, *exercise.hints]
        assert all(text.strip() and text.strip()[-1] in ".?!`" for text in words), exercise.number
        assert not [text for text in words if _EMPHASIS.search(text)], exercise.number
        assert len(set(exercise.hints)) == len(exercise.hints), exercise.number
        assert exercise.solution not in exercise.hints[0], exercise.number


def test_every_wrong_choice_of_a_prediction_is_answered_with_a_sentence_of_its_own(lesson):
    asked = lesson.prediction
    assert set(asked.wrong) == set(asked.choices) - {asked.right}
    sentences = [*asked.wrong.values(), asked.because]
    assert not [sentence for sentence in sentences if _EMPHASIS.search(sentence)]
    assert len(set(sentences)) == len(sentences) and all(sentence.endswith(".") for sentence in sentences)


def test_to_take_always_the_same_letter_predicts_badly():
    right = Counter(lessons.lesson(number).prediction.right for number in NUMBERS)
    assert max(right.values()) <= 6


def test_the_hints_of_an_exercise_do_not_begin_with_its_answer(lesson):
    for exercise in lesson.exercises:
        assert exercise.solution.splitlines()[-1] not in exercise.hints[0], exercise.number
