"""Wrong answers to lesson 03 are told what is wrong with them; right ones pass."""

import pytest
from lesson_captures import CLEAR, VERIFIED, captured

from labkit import check

CHACHA = {"tls": ("TLS 1.2",), "ciphers": "ECDHE+CHACHA20"}


@pytest.fixture(scope="module")
def capture():
    return captured({"tls": ("TLS 1.3",)}, **VERIFIED)


def _random(capture, title):
    return next(event.data for event in capture.dialogue.events if event.title == title)[6:38]


def test_the_client_random_is_found_in_the_hello_and_in_the_key_log(capture):
    right = _random(capture, "ClientHello")
    assert right.hex() in capture.keylog
    assert "right" in check("03.2", right.hex(), capture).text
    assert "hexadecimal text" in check("03.2", right, capture).text
    assert "spaces, colons or capital" in check("03.2", right.hex(" "), capture).text
    assert "server's random" in check("03.2", _random(capture, "ServerHello").hex(), capture).text
    assert "fits on the screen" in check("03.2", right.hex()[:40], capture).text


@pytest.mark.parametrize(
    ("number", "answer", "told"),
    [
        ("03.1", "mail.lab.test", "right"),
        ("03.1", "alice.lab.test", "client's own name"),
        ("03.1", "mail", "whole name"),
        ("03.3", {"Certificate", "NewSessionTicket"}, "right"),
        ("03.3", ["Certificate"], "come back"),
        ("03.3", {"Certificate", "NewSessionTicket", "Finished"}, "hidden in both"),
        ("03.3", {"ServerKeyExchange"}, "no such message"),
        ("03.4", "chacha", "the capture itself"),
        ("03.5", lambda header: (header[0], header[1] << 8 | header[2], header[3] << 8 | header[4]), "right"),
        ("03.5", lambda header: (header[0], header[1], header[2]), "two bytes"),
        (
            "03.5",
            lambda header: (header[0], int.from_bytes(header[1:3], "little"), int.from_bytes(header[3:], "little")),
            "other order",
        ),
        ("03.5", lambda header: header and None, "returns nothing"),
    ],
)
def test_what_is_said_of_an_answer(number, answer, told):
    assert told in check(number, answer).text


def test_the_suite_is_what_was_asked_for():
    assert "right" in check("03.4", captured(CHACHA, **VERIFIED)).text
    assert "not TLS 1.2" in check("03.4", captured(**VERIFIED)).text
    assert "another cipher" in check("03.4", captured({"tls": ("TLS 1.2",)}, **VERIFIED)).text
    assert "no TLS" in check("03.4", captured(CLEAR)).text
