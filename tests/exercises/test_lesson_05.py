"""Wrong answers to lesson 05 are told what is wrong with them; right ones pass."""

import pytest
from lesson_captures import CLEAR, VERIFIED, captured, nothing_captured

from labkit import check
from labkit.decode.measure import entropy

LEARNED = ("server name", "length of the message", "address of the server", "time of the mail")


@pytest.fixture(scope="module")
def capture():
    return captured(**VERIFIED)


def _sealed(capture, sender):
    return max(e.wire for e in capture.dialogue.events if e.encrypted and e.sender == sender)


def test_the_longest_record_is_counted_on_the_wire(capture):
    right = _sealed(capture, "server")
    assert "right" in check("05.2", right, capture).text
    assert "22 bytes more" in check("05.2", right - 22, capture).text
    assert "longest of the client" in check("05.2", _sealed(capture, "client"), capture).text
    assert "too low" in check("05.2", 1, capture).text


def test_an_estimate_is_near_the_text_or_is_told_in_which_direction_it_errs(capture):
    assert "right" in check("05.3", capture, _sealed(capture, "client") - 22).text
    assert "too low" in check("05.3", capture, 3).text
    assert "too high" in check("05.3", capture, 9999).text
    assert "a number of bytes" in check("05.3", capture, "many").text
    assert "Now the estimate" in check("05.3", capture).text
    assert "in the clear" in check("05.3", captured(CLEAR), 100).text
    assert "your capture of a mail" in check("05.3", nothing_captured(), 100).text


@pytest.mark.parametrize(
    ("number", "answer", "told"),
    [
        ("05.1", LEARNED, "right"),
        ("05.1", {*LEARNED, "password"}, "only inside TLS"),
        ("05.1", {*LEARNED, "subject"}, "ciphertext"),
        ("05.1", set(LEARNED) - {"length of the message"}, "lengths of the records"),
        ("05.4", lambda data: entropy(data) > 6.5, "right"),
        ("05.4", lambda data: True, "clear text"),
        ("05.4", lambda data: False, "random number generator"),
        ("05.4", lambda data: entropy(data) > 7.9, "random number generator"),
        ("05.4", entropy, "clear text"),
    ],
)
def test_what_is_said_of_an_answer(number, answer, told):
    assert told in check(number, answer).text
