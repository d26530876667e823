"""Wrong answers to lesson 06 are told what is wrong with them; right ones pass."""

import pytest
from lesson_captures import CLEAR, VERIFIED, captured, fetched

from labkit import check, policies

BOB = {"login": ("bob", "swordfish")}


@pytest.fixture(scope="module")
def imap():
    return fetched("imap", **BOB, **VERIFIED)


def test_the_tag_is_the_word_before_the_command(imap):
    line = next(event.text for event in imap.dialogue.events if event.title == "STARTTLS")
    assert "right" in check("06.1", line.split()[0], imap).text
    assert "the whole line" in check("06.1", line, imap).text
    assert "the word in front of it" in check("06.1", "STARTTLS", imap).text
    assert "untagged" in check("06.1", "*", imap).text
    assert "not bytes" in check("06.1", line.split()[0].encode(), imap).text
    assert "Look at the line" in check("06.1", "A0001", imap).text


def _by_word(greeting):
    return "IMAP" if b"IMAP" in greeting else "POP3" if b"POP3" in greeting else "SMTP"


@pytest.mark.parametrize(
    ("number", "answer", "told"),
    [
        ("06.2", {"STARTTLS", "LOGINDISABLED"}, "right"),
        ("06.2", {"STARTTLS"}, "forbidden until then"),
        ("06.2", {"STARTTLS", "LOGINDISABLED", "AUTH=PLAIN"}, "only inside TLS"),
        ("06.3", "STLS", "right"),
        ("06.3", "stls", "right"),
        ("06.3", "STARTTLS", "four letters"),
        ("06.3", "CAPA", "asks what is offered"),
        ("06.4", "POP3", "the capture itself"),
        ("06.5", "IMAP", "The answer is a function"),
        ("06.5", _by_word, "OpenSSH"),
        ("06.5", lambda greeting: "SMTP", "should be 'IMAP'"),
    ],
)
def test_what_is_said_of_an_answer(number, answer, told):
    assert told in check(number, answer).text


def test_a_leak_takes_two_careless_sides():
    none = {"policy": policies.none}
    assert "right" in check("06.4", fetched("pop3", CLEAR, **BOB, **none)).text
    assert "no POP3 session" in check("06.4", fetched("imap", CLEAR, **BOB, **none)).text
    assert "no POP3 session" in check("06.4", captured(CLEAR, **none)).text
    assert "was upgraded" in check("06.4", fetched("pop3", **BOB, **VERIFIED)).text
    assert "No password was sent" in check("06.4", fetched("pop3", {"starttls": "off"}, **BOB, **none)).text
