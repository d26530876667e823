"""A student's function is called for a limited time, and a sentence says what it did."""

import threading
import time

import pytest

from labkit.exercises import Call, functions, tried_on
from labkit.exercises.functions import call, fits


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(functions, "LIMIT", 0.3)


def _forever():
    while True:
        pass


def _stubborn():
    while True:
        try:
            time.sleep(0.001)
        except:  # noqa: E722
            continue


def _asleep():
    time.sleep(2)


@pytest.mark.parametrize("hang", [_forever, _stubborn, _asleep])
def test_a_function_that_does_not_come_back_is_given_up(hang):
    with pytest.raises(functions.OutOfTime):
        call(hang)


@pytest.mark.parametrize("hang", [_forever, _stubborn, _asleep])
def test_a_function_that_was_given_up_has_stopped(hang):
    before = set(threading.enumerate())
    with pytest.raises(functions.OutOfTime):
        call(hang)
    for thread in set(threading.enumerate()) - before:
        thread.join(30)  # the exception is set while it sleeps, and raised afterwards
        assert not thread.is_alive()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), RecursionError("deep"), ValueError()])
def test_whatever_a_function_raises_is_told(error, monkeypatch):
    monkeypatch.setattr(functions, "LIMIT", 30)

    def raising(line):
        raise error

    said = tried_on(lambda: [Call(("a line",), True, "a line")])(raising)
    assert said.startswith(f"On a line it stops with {type(error).__name__}")


def test_what_a_function_returns_comes_back_and_it_runs_in_the_context_of_the_check():
    assert call(lambda one, two: one + two, 1, 2) == 3


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (1, True),
        ([0], True),
        (None, False),
        ("", False),
        ([("a", "b")], {("a", "b")}),
        ([["a", "b"]], {("a", "b")}),
        (iter(["a", "b", "a"]), {"a", "b"}),
        (frozenset(), set()),
        ([1, 2], (1, 2)),
        ("smtp\n", "SMTP"),
        (b"SMTP", "SMTP"),
        (3.0, 3),
    ],
)
def test_another_sensible_form_is_right(got, wanted):
    assert fits(got, wanted)


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (0, True),
        ("no", False),
        ({"a": 1}, {"a"}),
        ("ab", {"a", "b"}),
        (5, {5}),
        ([2, 1], (1, 2)),
        (True, 1),
        (None, "SMTP"),
        (None, 0),
        (range(10**12), {1, 2}),
    ],
)
def test_something_else_is_not(got, wanted):
    assert not fits(got, wanted)


def test_the_cases_may_depend_on_what_the_answer_is_about():
    checker = tried_on(lambda lab: [Call((lab,), len(lab), "the lab")])
    assert checker(len, "abc") == "" and "On the lab it returns 4" in checker(lambda lab: 4, "abc")
