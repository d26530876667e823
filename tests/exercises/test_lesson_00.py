"""Wrong answers to lesson 00 are told what is wrong with them; right ones pass."""

import pytest
from lesson_captures import captured, nothing_captured

from labkit import Lab, check


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
    assert "conversations" in check("00.1", 1, capture).text
    assert "too low" in check("00.1", 2, capture).text
    assert "too high" in check("00.1", 9999, capture).text
    assert "a number" in check("00.1", capture.frames, capture).text
    assert "without the quotes" in check("00.1", "12", capture).text


def test_events_are_not_frames(stage):
    capture, _ = stage
    events = len(capture.dialogue.events)
    assert events == len(capture.frames) or "events" in check("00.1", events, capture).text


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
