"""What is drawn depends on the student and on what it is for, and on nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from labkit.exercises.drawn import Draw


@given(st.text(), st.text(), st.lists(st.integers(), min_size=1))
def test_the_same_student_draws_the_same_again(seed, what, options):
    assert Draw(seed).one(what, options) == Draw(seed).one(what, options)
    assert Draw(seed).shuffled(what, options) == Draw(seed).shuffled(what, options)


@given(st.text(), st.lists(st.integers(), min_size=1, unique=True), st.integers(0, 9))
def test_what_is_drawn_is_one_of_the_options(seed, options, count):
    assert Draw(seed).one("x", options) in options
    assert sorted(Draw(seed).shuffled("x", options)) == sorted(options)
    some = Draw(seed).some("x", options, count)
    assert len(some) == min(count, len(options)) == len(set(some)) and set(some) <= set(options)


@given(st.text(), st.integers(-99, 99), st.integers(0, 99))
def test_a_number_lies_between_its_limits(seed, low, more):
    assert low <= Draw(seed).number("x", low, low + more) <= low + more


def test_a_word_is_seldom_another_students():
    words = {Draw(f"student {number}").word("password") for number in range(300)}
    assert len(words) > 250


def test_a_draw_stays_what_it_was_in_earlier_versions():
    draw = Draw("ada")
    assert (draw.word("password"), draw.name("user"), draw.number("x", 1, 1000)) == STANDING


STANDING = ("dune69", "leila", 176)
