"""Wrong answers to lesson 02 are told what is wrong with them; right ones pass."""

import pytest
from lesson_captures import LOGIN, VERIFIED, captured

from labkit import check, policies


@pytest.fixture(scope="module")
def capture():
    return captured(**LOGIN, **VERIFIED)


def test_the_go_ahead_is_the_second_220(capture):
    events = capture.dialogue.events
    by_kind = {event.kind: event for event in events if event.kind in ("greeting", "go-ahead")}
    assert "right" in check("02.1", by_kind["go-ahead"].frame, capture).text
    assert "first 220" in check("02.1", by_kind["greeting"].frame, capture).text
    asked = next(event.frame for event in events if event.title == "STARTTLS")
    assert "alice asks" in check("02.1", asked, capture).text
    assert "a number" in check("02.1", by_kind["go-ahead"], capture).text


def test_commands_are_counted_on_both_sides_of_the_upgrade(capture):
    clear, inside = 2, 6
    assert "right" in check("02.3", (clear, inside), capture).text
    assert "wrong order" in check("02.3", (inside, clear), capture).text
    assert "decrypted" in check("02.3", (clear, 0), capture).text
    assert "a tuple" in check("02.3", 8, capture).text


@pytest.mark.parametrize(
    ("number", "answer", "told"),
    [
        ("02.2", "server", "right"),
        ("02.2", " Server ", "right"),
        ("02.2", "client", "only servers reply"),
        ("02.2", "both", "Only one"),
        ("02.2", 250, "text in quotes"),
        ("02.4", 530, "the capture itself"),
        ("02.5", True, "a function"),
        ("02.5", lambda dialogue: True, "without STARTTLS"),
        ("02.5", lambda dialogue: False, "that was upgraded"),
        ("02.5", lambda dialogue: "handshake" in [e.kind for e in dialogue.events], "implicit TLS"),
        ("02.5", lambda dialogue: "go-ahead" in [e.kind for e in dialogue.events], "cut after the go-ahead"),
        ("02.5", lambda dialogue: {"STARTTLS", "ClientHello"} <= {e.title for e in dialogue.events}, "did not wait"),
        ("02.5", lambda dialogue: "STARTTLS" in [e.title for e in dialogue.events], "STARTTLS was refused"),
    ],
)
def test_what_is_said_of_an_answer(number, answer, told):
    assert told in check(number, answer).text


def test_a_server_that_requires_starttls_refuses_a_client_that_does_not_want_it():
    required, none = {"starttls": "required"}, {"policy": policies.none}
    assert "right" in check("02.4", captured(required, **none)).text
    assert "took everything" in check("02.4", captured(**none)).text
    assert "TLS in this capture" in check("02.4", captured(required, **VERIFIED)).text
