"""Wrong answers to lesson 00 are told what is wrong with them; right ones pass."""

import pytest

from labkit import Lab, check
from tests.exercises.sessions import captured, nothing_captured


@pytest.fixture(scope="module")
def stage():
    with Lab() as lab:
        mail = lab.smtp()
        with lab.capture() as capture:
            lab.send(mail, "Is anybody there?")
        yield capture, mail


def test_frames_are_counted_by_len(stage):
    capture, _ = stage
    assert "right" in check("00.1", len(capture.frames), capture).text
    for answer, told in (
        (len(capture.dialogue.events), "events"),
        (1, "conversations"),
        (2, "too low"),
        (9999, "too high"),
        (capture.frames, "a number"),
        ("12", "without the quotes"),
    ):
        if answer != len(capture.frames):
            assert told in check("00.1", answer, capture).text


def test_the_port_is_the_one_that_the_server_stands_for(stage):
    _, mail = stage
    assert "right" in check("00.2", 587, mail).text
    assert "hand mail to each other" in check("00.2", 25, mail).text
    assert "another one" in check("00.2", mail.address[1], mail).text or mail.address[1] == 587
    assert "without the quotes" in check("00.2", "587", mail).text


def test_a_mail_of_ones_own_has_the_subject_that_was_asked_for():
    assert "right" in check("00.3", captured(subject="My own mail")).text
    assert "its subject" in check("00.3", captured(subject="Hello")).text.lower()
    assert "Nothing was captured" in check("00.3", nothing_captured()).text
    assert "the capture itself" in check("00.3", "My own mail").text
