"""Wrong answers to lesson 01 are told what is wrong with them; right ones pass."""

import pytest
from lesson_captures import CLEAR, LOGIN, VERIFIED, captured, nothing_captured

from labkit import check

ALL = ("password", "user name", "sender", "recipient", "subject", "message")


@pytest.mark.parametrize(
    ("number", "answer", "told"),
    [
        ("01.1", "hunter2", "right"),
        ("01.1", "AGFsaWNlAGh1bnRlcjI=", "turn base64 back"),
        ("01.1", "alice", "user name"),
        ("01.1", b"\0alice\0hunter2", "second zero byte"),
        ("01.1", b"hunter2", "text"),
        ("01.1", "Hunter2", "upper and lower case"),
        ("01.2", ALL, "right"),
        ("01.2", {*ALL, "cipher suite"}, "no cipher"),
        ("01.2", set(ALL) - {"password"}, "base64"),
        ("01.2", set(), "missing"),
        ("01.2", "password", "several things"),
        ("01.3", "Password:", "right"),
        ("01.3", "UGFzc3dvcmQ6", "decode it"),
        ("01.3", "334 UGFzc3dvcmQ6", "reply code"),
        ("01.3", "Username:", "sent its user name"),
        ("01.3", b"Password:", "text"),
        ("01.4", "a mail", "the capture itself"),
        ("01.5", {("alice", "hunter2")}, "a function"),
        ("01.5", lambda capture: set(), "AUTH PLAIN it returns set()"),
        ("01.5", lambda capture: {("alice", "hunter2")}, "inside TLS"),
        ("01.5", lambda capture: 1 / 0, "ZeroDivisionError"),
        ("01.5", lambda capture: [("alice", "hunter2")], "should be"),
    ],
)
def test_what_is_said_of_an_answer(number, answer, told):
    assert told in check(number, answer).text


def test_a_mail_without_a_login_still_leaks():
    assert "right" in check("01.4", captured(CLEAR)).text
    assert "Somebody logged in" in check("01.4", captured(CLEAR, **LOGIN)).text
    assert "sent over TLS" in check("01.4", captured(**VERIFIED)).text
    assert "Nothing was captured" in check("01.4", nothing_captured()).text
