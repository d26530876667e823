"""What an attacker at her console is shown of the lines that she held, wherever they came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_checks import read_page

from labkit.attacks.actions import Answer, Close, Drop, Inject, Pass, Replace, TakeOverTLS
from labkit.attacks.vector import Line, Vector
from labkit.attacks.verdict import Verdict
from labkit.byhand.situation import Situation, ending, page
from labkit.byhand.waiting import ByHand
from labkit.dialects.base import CLIENT, SERVER
from labkit.dialects.smtp import SMTP
from labkit.show.printed import printable

NAMES = {CLIENT: "alice", SERVER: "mail"}


class Doing(Vector):
    """Does the same to every line."""

    def __init__(self, *actions):
        self.actions = actions

    def on_line(self, line):
        return self.actions


def shown(data, *actions, why=""):
    """The page behind a line that was decided so."""
    byhand = ByHand()
    byhand.follow(Doing(*actions), why)
    byhand.on_line(Line(SERVER, "reply", "250", data, False, SMTP, 587, (), 3))
    return page(Situation(NAMES, byhand))


@pytest.mark.parametrize(
    "actions, words",
    [
        ((Pass(),), "= passed"),
        ((Drop(),), "✘ dropped"),
        ((Replace(b"250-one\r\n250 HELP\r\n"),), "≠ removed “250-STARTTLS”"),
        ((Replace(b"250-one\r\n250 STARTTLS\r\n"),), "added “250 STARTTLS”"),
        ((Answer(b"QUIT\r\n"),), "✘ dropped, and mail was told: “QUIT”"),
        ((Inject(CLIENT, b"250 a\r\n250 b\r\n"), Pass()), "+ alice was told: “250 a ⏎ 250 b”; = passed"),
        ((Drop(), Close()), "✘ dropped; connection closed"),
        ((TakeOverTLS(server=True), Pass()), "= passed; TLS taken over with the server"),
    ],
)
def test_what_became_of_a_line_is_said_in_words_that_begin_with_a_sign(actions, words):
    seen = shown(b"250-one\r\n250-STARTTLS\r\n250 HELP\r\n", *actions)
    assert words in seen.text and "#3 mail → alice" in seen.text
    on_page = "; ".join(read_page(seen.html).words)
    assert words in on_page


def test_why_a_line_passed_stands_behind_it():
    assert "= passed (you let everything pass)" in shown(b"250 OK\r\n", Pass(), why="you let everything pass").text


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_comes_over_the_wire_is_harmless_on_the_page(came, chosen):
    evil = b"<script>\x1b[2J\xe2\x80\xae" + came
    seen = shown(evil, Inject(CLIENT, evil + chosen), Replace(evil + chosen))
    read_page(seen.html)
    assert all(printable(line) == line for line in seen.text.splitlines())


def test_what_the_victim_and_the_verdict_say_is_harmless_too():
    card, text = ending("<img src=x>\x1b[2J", Verdict("stopped", "the <b>victim</b>", (), ("\x1b]0;", "<i>")), NAMES)
    html = str(card)
    read_page(html)
    assert "<img" not in html and "\x1b" not in html + text


def test_a_long_line_and_a_long_conversation_are_cut():
    assert len(shown(b"250 " + b"x" * 100_000 + b"\r\n", Pass()).html) < 40_000
    assert "… 96 more" in shown(b"250-x\r\n" * 100, Pass()).html
    byhand = ByHand()
    byhand.release()
    for number in range(200):
        byhand.on_line(Line(CLIENT, "command", "NOOP", b"NOOP %d\r\n" % number, False, SMTP))
    assert "the last 60 of 200" in page(Situation(NAMES, byhand)).text


def held_then(decide):
    """How things stand behind a line of the client's that was decided so, by hand."""
    byhand = ByHand()
    held = byhand.on_line(Line(CLIENT, "command", "STARTTLS", b"STARTTLS\r\n", False, SMTP, 587, (), 3))
    decide(held)
    return page(Situation(NAMES, byhand, patience=600.0)).text


def test_behind_a_dropped_line_it_is_said_who_waits_and_for_how_long():
    said = held_then(lambda held: held.drop())
    assert "alice waits for an answer, for up to 600 s from then" in said and "end the attack" in said


def test_where_an_answer_went_out_or_the_line_passed_no_end_waits():
    def answered(held):
        held.say(CLIENT, b"454 Not now\r\n")
        held.drop()

    assert "waits for an answer" not in held_then(answered)
    assert "waits for an answer" not in held_then(lambda held: held.pass_on())


def test_one_can_speak_while_a_line_is_held_and_behind_one_that_was_dropped():
    byhand = ByHand()
    said = Line(CLIENT, "command", "NOOP", b"NOOP\r\n", False, SMTP, 587, (), 3)
    assert not Situation(NAMES, byhand).speaks and not Situation(NAMES, None).speaks
    held = byhand.on_line(said)
    assert Situation(NAMES, byhand).speaks
    held.drop()
    assert Situation(NAMES, byhand).speaks and byhand.dropped is held
    byhand.on_line(said).pass_on()
    assert not Situation(NAMES, byhand).speaks and byhand.dropped is None
