"""What servers and the wire can do to a client: always an `Outcome` with a clear reason, and in time."""

import gc
import socket
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaks import left, what_is_open
from peers import CAPABILITIES, HELD, PATIENCE, hang_up, reset, scripted, talks, then
from thoroughly import examples

from labkit import Lab, policies
from labkit.errors import LabError, OutsideTheLab
from labkit.trust.contexts import server_context

LOGIN = ("alice", "hunter2")
MAIL = SimpleNamespace(host="mail", port=587)
OK = b"250 OK\r\n"
AUTH = b"250-mail.lab.test\r\n250 AUTH PLAIN LOGIN\r\n"


@pytest.fixture
def lab():
    with Lab() as lab:
        yield lab


@pytest.fixture
def loopback():
    """For what depends on no network: the words of a scripted server, and mistakes of the learner."""
    with Lab("loopback") as lab:
        yield lab


def silent(sock):
    """Accept, and never say a word."""


def drip(sock):
    """A reply without end, a line every few milliseconds: never silent, never done."""
    for _ in range(400):
        sock.sendall(b"220-wait\r\n")
        time.sleep(0.01)


def garbage(sock):
    sock.sendall(b"\x00\xff\x13garbage\r\n" * 3)


def answers(*data):
    return talks(*data)


def half_a_handshake(sock):
    sock.sendall(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03")
    sock.shutdown(socket.SHUT_RDWR)


CASES = {
    "never answers": (silent, "none", f"the time limit of {HELD} s ran out before the greeting"),
    "answers without end": (drip, "none", f"the time limit of {HELD} s ran out before the greeting"),
    "hangs up at once": (socket.socket.close, "none", "before the greeting"),
    "greets with garbage": (garbage, "none", "the server greeted with something that is not SMTP"),
    "greets as HTTP": (
        lambda sock: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "none",
        "the server greeted with something that is not SMTP",
    ),
    "is full": (
        lambda sock: sock.sendall(b"421 4.3.2 Come back later\r\n"),
        "none",
        "the server greeted with 421 4.3.2 Come back later, not with 220",
    ),
    "refuses everybody": (lambda sock: sock.sendall(b"554 No\r\n"), "none", "greeted with 554 No, not with 220"),
    "greets without end of line": (
        lambda sock: sock.sendall(b"220 " + b"x" * 100_000),
        "none",
        "the server's answer before the greeting is longer than a line may be",
    ),
    "answers EHLO with garbage": (answers(b"\xfe\xff\r\n"), "none", "answer after EHLO is not SMTP"),
    "hangs up after EHLO": (then(answers(), hang_up), "none", "the server closed the connection after EHLO"),
    "resets after EHLO": (then(answers(), reset), "none", "the server reset the connection after EHLO"),
    "is silent after STARTTLS": (answers(CAPABILITIES), "mandatory", "ran out after STARTTLS"),
    "is silent in the handshake": (
        answers(CAPABILITIES, b"220 Go ahead\r\n"),
        "opportunistic",
        f"the time limit of {HELD} s ran out during the TLS handshake",
    ),
    "hangs up in the handshake": (
        then(answers(CAPABILITIES, b"220 Go ahead\r\n"), hang_up),
        "opportunistic",
        "the server closed the connection during the TLS handshake",
    ),
    "hangs up in the middle of its ServerHello": (
        then(answers(CAPABILITIES, b"220 Go ahead\r\n"), half_a_handshake),
        "verified",
        "during the TLS handshake",
    ),
    "sends garbage for a handshake": (
        then(answers(CAPABILITIES, b"220 Go ahead\r\n", b"No, thank you\r\n" * 9), silent),
        "opportunistic",
        "the TLS handshake failed: what the server sent is not TLS",
    ),
    "answers STARTTLS with garbage": (
        answers(CAPABILITIES, b"Welcome!\r\n"),
        "opportunistic",
        "the server's answer after STARTTLS is not SMTP",
    ),
    "refuses STARTTLS": (
        answers(CAPABILITIES, b"454 4.7.0 Not now\r\n"),
        "mandatory",
        "the server refused STARTTLS with 454 4.7.0 Not now, and the policy 'mandatory' stops without TLS",
    ),
    "refuses the sender": (
        answers(OK, b"553 5.1.8 Never heard of you\r\n", OK),
        "none",
        "the server answered 553 5.1.8 Never heard of you after MAIL",
    ),
    "refuses the recipient": (
        answers(OK, OK, b"550 5.1.1 No such user\r\n", OK),
        "none",
        "the server refused bob@lab.test with 550 5.1.1 No such user",
    ),
    "hangs up in DATA": (
        then(answers(OK, OK, OK, b"354 Go\r\n"), hang_up),
        "none",
        "after DATA",
    ),
    "refuses the message": (
        answers(OK, OK, OK, b"354 Go\r\n", b"554 5.7.1 Spam\r\n"),
        "none",
        "the server answered 554 5.7.1 Spam after DATA",
    ),
}
"""What the server does -> (its script, the client's policy, words of the outcome)."""


@pytest.mark.parametrize("what", CASES)
def test_a_server_that(loopback, what):
    script, policy, words = CASES[what]
    with scripted(loopback, script):
        began = time.monotonic()
        outcome = loopback.send(MAIL, "x", policy=getattr(policies, policy), timeout=HELD)
        lasted = time.monotonic() - began
    assert not outcome and not outcome.sent
    assert words in outcome.why
    assert repr(outcome) == f"Not sent: {outcome.why}."
    assert lasted < HELD + PATIENCE


@pytest.mark.parametrize(
    "challenge, words",
    (
        (b"334 A\r\n", "makes no sense"),
        (b"334 " + b"A" * 20_000 + b"\r\n", "longer than a line may be"),
        (b"535 5.7.8 Wrong\r\n", "the server refused the login with 535 5.7.8 Wrong"),
        (b"334 \r\n" * 50, "login"),
        (b"", "ran out"),
    ),
)
def test_what_a_server_answers_to_a_login(loopback, challenge, words):
    with scripted(loopback, answers(AUTH, challenge)):
        outcome = loopback.send(MAIL, "x", login=LOGIN, policy=policies.none, timeout=HELD)
    assert not outcome and words in outcome.why and outcome.password == "clear text"
    assert "hunter2" not in repr(outcome) and "aHVudGVy" not in repr(outcome)


def test_a_server_that_keeps_still_under_its_bytes_alone_is_left_in_time(loopback):
    with scripted(loopback, silent):
        outcome = loopback.send(MAIL, "x", policy=policies.implicit, timeout=HELD)
    assert outcome.why == f"the time limit of {HELD} s ran out during the TLS handshake"


def test_a_client_without_tls_goes_on_when_starttls_is_refused(loopback):
    script = answers(CAPABILITIES, b"454 4.7.0 Not now\r\n", OK, OK, b"354 Go\r\n", OK, b"221 Bye\r\n")
    with scripted(loopback, script):
        outcome = loopback.send(MAIL, "x", timeout=PATIENCE)
    assert outcome and outcome.how == "clear text"
    assert repr(outcome) == (
        "Sent in clear text: the server refused STARTTLS with 454 4.7.0 Not now, "
        "and the policy 'opportunistic' goes on without TLS."
    )


def test_a_message_counts_as_sent_although_the_server_never_says_goodbye(loopback):
    script = answers(OK, OK, OK, b"354 Go\r\n", OK)
    with scripted(loopback, script):
        assert loopback.send(MAIL, "x", policy=policies.none, timeout=HELD)


@pytest.mark.parametrize("client, server", (("TLS 1.3", "TLS 1.2"), ("TLS 1.2", "TLS 1.3")))
@pytest.mark.parametrize("policy", ("opportunistic", "implicit"))
def test_versions_that_do_not_meet_are_said(loopback, client, server, policy):
    running = loopback.smtp(tls=server, implicit=policy == "implicit")
    outcome = loopback.send(running, "x", tls=client, policy=getattr(policies, policy))
    assert outcome.why == "the TLS handshake failed: the two sides have no TLS version in common"
    assert "TLS handshake failed: unsupported protocol" in repr(running.log)


def test_cipher_suites_that_do_not_meet_are_said(loopback):
    running = loopback.smtp(tls="TLS 1.2", ciphers="ECDHE-RSA-AES128-GCM-SHA256")
    outcome = loopback.send(running, "x")
    assert outcome.why == "the TLS handshake failed: the two sides have no cipher suite in common"


def test_a_record_that_was_changed_on_the_way_breaks_tls(loopback):
    context = server_context(loopback.authority.certificate(), "TLS 1.2")

    def script(sock):
        answers(CAPABILITIES, b"220 Go ahead\r\n")(sock)
        plain = sock.dup()
        with context.wrap_socket(sock, server_side=True) as inside, plain:
            inside.recv(4096)
            plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            with suppress(OSError):  # the client's alert
                inside.recv(4096)

    with scripted(loopback, script):
        outcome = loopback.send(MAIL, "x", policy=policies.verified, timeout=PATIENCE)
    assert outcome.how == "explicit TLS" and outcome.why.startswith("TLS broke after EHLO: ")


def test_a_port_without_a_server_is_said(lab):
    assert "Nothing listens on port 587 of mail" in lab.send(MAIL, "x").why
    server = lab.smtp()
    server.close()
    assert "Nothing listens on port 587 of mail" in lab.send(server, "x").why


def test_a_server_outside_the_lab_is_an_error_of_the_learner(lab):
    for host in ("8.8.8.8", "mail.example.org", "0.0.0.0"):
        with pytest.raises(OutsideTheLab):
            lab.send(SimpleNamespace(host=host, port=25), "x")


@pytest.mark.parametrize(
    "wrong",
    (
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": None},
        {"timeout": "5"},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"login": ("alice", "pässword")},
        {"login": ("alice\r\nQUIT", "x")},
        {"login": "alice"},
        {"login": ("alice",)},
        {"login": ("alice", 4921)},
        {"login": 4921},
        {"sender": "alice@lab.test\r\nRCPT TO:<mallory@lab.test>"},
        {"recipient": "b\0b@lab.test"},
        {"recipient": "böb@lab.test"},
        {"recipient": []},
        {"recipient": ["bob@lab.test", 5]},
        {"recipient": {"bob@lab.test"}},
        {"recipient": ["bob@lab.test", ""]},
        {"recipient": "bob@lab.test carol@lab.test"},
        {"recipient": "bob@lab.test; carol@lab.test"},
        {"recipient": "bob@lab.test,,carol@lab.test"},
        {"recipient": ["bob@lab.test\r\nRCPT TO:<mallory@lab.test>"]},
        {"sender": None},
        {"subject": "one\ntwo"},
        {"subject": "one\u2028two"},
        {"subject": "one\n"},
        {"subject": None},
        {"subject": 4921},
        {"text": "\ud800"},
        {"recipient": ""},
        {"text": None},
        {"text": b"bytes"},
        {"text": 4921},
        {"tls": "SSL 3.0"},
        {"tls": None},
        {"tls": 1.3},
    ),
    ids=repr,
)
def test_what_cannot_be_sent_is_an_error_of_the_learner(loopback, wrong):
    server = loopback.smtp()
    with pytest.raises(LabError):
        loopback.send(server, **{"text": "x", **wrong})
    assert not server.mailbox and len(server.log) == 0


def test_what_is_no_server_is_an_error_of_the_learner(loopback):
    for server in (None, "mail", 587, loopback, loopback.mail):
        with pytest.raises(LabError, match=r"Mail is sent to an SMTP server, as lab\.smtp\(\) starts one, not to"):
            loopback.send(server, "x")


@pytest.mark.parametrize(
    "recipient",
    (
        "bob@lab.test, mallory@lab.test",
        ["bob@lab.test", "mallory@lab.test"],
        ("bob@lab.test", "mallory@lab.test"),
        '"Doe, Bob" <bob@lab.test>,mallory@lab.test',
        ["Bob <bob@lab.test>", "Mallory <mallory@lab.test>"],
    ),
)
def test_several_recipients_are_several_rcpts_and_each_has_the_message(loopback, recipient):
    server = loopback.smtp()
    assert loopback.send(server, "x", recipient=recipient).refused == ()
    assert server.mailbox[0].recipients == ("bob@lab.test", "mallory@lab.test")
    assert [len(loopback.mailbox(user)) for user in ("bob", "mallory")] == [1, 1]
    assert repr(server.log).upper().count("RCPT TO:") == 2


def test_a_recipient_that_is_refused_among_others_is_named(loopback):
    script = answers(OK, OK, OK, b"550 5.1.1 No such user\r\n", b"354 Go\r\n", OK, b"221 Bye\r\n")
    with scripted(loopback, script):
        outcome = loopback.send(MAIL, "x", recipient="bob@lab.test, carol@lab.test", policy=policies.none)
    assert outcome and outcome.refused == ("carol@lab.test with 550 5.1.1 No such user",)
    assert repr(outcome) == (
        "Sent in clear text: the policy 'none' asks for no TLS. "
        "The server refused carol@lab.test with 550 5.1.1 No such user."
    )


@settings(deadline=None, max_examples=examples(40))
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"))), st.text(max_size=200))
def test_any_text_arrives(subject, text):
    with Lab(network="loopback") as lab:
        server = lab.smtp()
        assert lab.send(server, text, subject=subject.strip())
        assert server.mailbox[0].text.split() == text.split()


def test_nothing_stays_open_whatever_the_server_did(lab):
    gc.collect()
    before = what_is_open()
    for script in (silent, garbage, hang_up, reset, then(answers(CAPABILITIES, b"220 Go\r\n"), garbage)):
        with scripted(lab, script):
            lab.send(MAIL, "x", timeout=0.1)
    gc.collect()
    assert not left(before)


def test_an_interrupt_ends_the_attempt_at_once_and_closes_everything(lab, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with scripted(lab, silent):
        before = what_is_open()
        monkeypatch.setattr("smtplib.SMTP.getreply", interrupt)
        with pytest.raises(KeyboardInterrupt):
            lab.send(MAIL, "x", timeout=60)
        assert left(before).total() <= 1  # the end of the script that accepted
