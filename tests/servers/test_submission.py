"""The submission server is no open relay, tells of no user, and dismisses a client that only makes mistakes."""

import pytest
from tools import tool
from wire import connected, plain

from labkit import Lab
from labkit.errors import LabError

OUTSIDE = "carol@example.org"


def _swaks(lab, server, *more: str) -> tuple[int, str]:
    ip, port = server.address
    command = [tool("swaks"), "--server", ip, "--port", str(port), "--from", "alice@lab.test", *more]
    done = lab.alice.run(command)
    return done.returncode, done.stdout.decode()


LOGIN = ("--tls", "--auth", "PLAIN", "--auth-user", "alice", "--auth-password", "hunter2")


@pytest.mark.parametrize(
    ("settings", "more", "code"),
    (
        ({}, ("--to", "bob@lab.test"), "250"),
        ({}, ("--to", "bob@LAB.test"), "250"),
        ({}, ("--to", OUTSIDE), "550"),
        ({}, ("--to", OUTSIDE, "--tls"), "550"),  # TLS alone shows nothing of who it is
        ({}, ("--to", "bob%example.org@example.org"), "550"),
        ({}, ("--to", OUTSIDE, *LOGIN), "250"),
        ({"relay": "always"}, ("--to", OUTSIDE), "250"),
    ),
)
def test_swaks_finds_an_open_relay_only_where_a_lesson_opens_it(lab, settings, more, code):
    server = lab.smtp(**settings)
    status, said = _swaks(lab, server, "--quit-after", "RCPT", *more)
    answers = said[said.index("RCPT TO") :].splitlines()
    assert answers[1].split()[1] == code, said
    assert (status == 0) == (code == "250")
    assert ("open relay" in repr(server)) == bool(settings)


def test_mail_for_several_goes_only_to_those_who_are_here(lab):
    server = lab.smtp()
    sent = lab.send(server, "x", recipient=["bob@lab.test", OUTSIDE])
    assert sent and [refused.split()[0] for refused in map(str, sent.refused)]
    assert [message.recipients for message in server.mailbox] == [("bob@lab.test",)]


@pytest.mark.parametrize("who", (b"bob", b"bob@lab.test", b"zoe", b"zoe@example.org"))
def test_vrfy_says_the_same_of_those_who_are_here_and_those_who_are_not(lab, who):
    with connected(lab, lab.smtp()) as wire:
        wire.say(b"EHLO x")
        assert wire.say(b"VRFY " + who) == "252 2.0.0 Send it, and delivery will be tried"
        assert wire.say(b"EXPN " + who)[0] == "5"


@pytest.mark.parametrize(
    "line", (b"MAIL FROM:<a@", b"DATA", b"AUTH CRAM-MD5", plain(b"alice", b"no"), b"RSET x", b"\xff")
)
def test_a_client_that_only_makes_mistakes_is_dismissed_with_421(lab, line):
    with connected(lab, lab.smtp(auth="always")) as wire:
        wire.say(b"EHLO x")
        answers = [wire.say(line)]
        while answers[-1][:1] in ("4", "5") and not answers[-1].startswith("421"):
            answers.append(wire.say(line))
        assert answers[-1].startswith("421 4.7.0") and 10 < len(answers) < 40
        assert wire.reply() == ""


def test_hundreds_of_mistakes_in_one_piece_are_answered_with_421_and_the_reply_is_not_lost(lab):
    with connected(lab, lab.smtp()) as wire:
        wire.say(b"EHLO x")
        answers = [wire.say(*[b"MAIL FROM:<a@"] * 500)]
        while reply := wire.reply():
            answers.append(reply)
        assert answers[-1].startswith("421 4.7.0") and len(answers) < 40


def test_a_client_that_makes_no_mistakes_stays_for_hundreds_of_commands(lab):
    with connected(lab, lab.smtp()) as wire:
        wire.say(b"EHLO x")
        assert all(wire.say(b"NOOP").startswith("250") for _ in range(300))


def test_a_setting_that_means_nothing_is_named():
    with Lab("loopback") as lab:
        with pytest.raises(LabError, match="relay means nothing for IMAP"):
            lab.imap(relay="always")
        with pytest.raises(LabError, match="relay cannot be 'yes'"):
            lab.smtp(relay="yes")
