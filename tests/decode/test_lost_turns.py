"""Whatever turn a capture lacks, nothing is told that was not said, and what was said behind it is told as it was."""

from base64 import b64encode

import pytest
from conversations import GAP, conversation
from tls_sessions import in_memory
from transcripts import turns

from labkit.capture.conversation import CLIENT, SERVER
from labkit.decode.dialogue import read
from labkit.decode.event import TEXT
from labkit.decode.privacy import visible
from labkit.decode.steps import steps
from labkit.mail.charset import unbase64

PLAIN = b64encode(b"\0alice\0hunter2").decode()
NAME, PASSWORD = b64encode(b"alice").decode(), b64encode(b"hunter2").decode()
MAIL = "C: Subject: {0}\nC: \nC: text {0}\nC: .\n"
SESSIONS = {
    25: "S: 220 x ESMTP\nC: EHLO me\nS: 250-x\nS: 250 AUTH LOGIN\nC: AUTH LOGIN\n"
    f"S: 334 VXNlcm5hbWU6\nC: {NAME}\nS: 334 UGFzc3dvcmQ6\nC: {PASSWORD}\nS: 235 in\n"
    "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go\n"
    f"{MAIL.format('one')}S: 250 queued\n"
    "C: MAIL FROM:<e@f>\nS: 250 ok\nC: RCPT TO:<g@h>\nS: 250 ok\nC: DATA\nS: 354 go\n"
    f"{MAIL.format('two')}S: 250 queued\nC: QUIT\nS: 221 bye",
    143: f"S: * OK hi\nC: a AUTHENTICATE PLAIN\nS: + \nC: {PLAIN}\nS: a OK in\nC: b SELECT Inbox\nS: b OK\n"
    "C: c APPEND Sent {18}\nS: + go\nC: Subject: x\nC: \nC: text\nS: c OK\n"
    "C: d LOGIN carol secret\nS: d OK\nC: e LOGOUT\nS: * BYE\nS: e OK",
    110: f"S: +OK hi\nC: AUTH PLAIN\nS: + \nC: {PLAIN}\nS: -ERR no\nC: USER carol\nS: +OK\nC: PASS secret\nS: +OK in\n"
    "C: RETR 1\nS: +OK\nS: Subject: x\nS: \nS: text\nS: .\nC: DELE 1\nS: +OK\nC: QUIT\nS: +OK",
    119: f"S: 200 hi\nC: AUTHINFO SASL PLAIN\nS: 383 =\nC: {PLAIN}\nS: 281 in\nC: GROUP a.b\nS: 211 1 1 1 a.b\n"
    f"C: POST\nS: 340 go\n{MAIL.format('one')}S: 240 ok\nC: GROUP c.d\nS: 211 1 1 1 c.d\nC: QUIT\nS: 205 bye",
    4190: f'S: "SASL" "PLAIN"\nS: OK\nC: AUTHENTICATE "PLAIN"\nS: ""\nC: "{PLAIN}"\nS: OK\n'
    'C: PUTSCRIPT "m" {5+}\nC: keep;\nS: OK\nC: GETSCRIPT "m"\nS: {5}\nS: keep;\nS: OK\nC: LOGOUT\nS: OK',
}
CASES = [(port, number) for port, transcript in SESSIONS.items() for number in range(len(turns(transcript)))]


def facts(said, port: int) -> set[tuple[str, str]]:
    return {(one.what, one.value) for one in visible(read(conversation(said, port))) if one.what != "text"}


@pytest.mark.parametrize(("port", "lost"), CASES)
def test_nothing_is_told_that_was_not_said_and_all_that_stands_in_other_turns_is(port, lost):
    said = turns(SESSIONS[port])
    known = facts(said, port)
    side, data = said[lost]
    own = known & facts([*said[:lost], said[lost]], port) - facts(said[:lost], port)
    assert known - own <= facts([*said[:lost], (side, GAP), *said[lost + 1 :]], port) <= known
    half = len(data) // 2
    for rest in ([(side, data[:half]), (side, GAP)], [(side, GAP), (side, data[half:])]):
        strange = facts([*said[:lost], *rest, *said[lost + 1 :]], port) - known
        assert all(value.encode() in data + unbase64(data) for _, value in strange)


@pytest.mark.parametrize(("port", "lost"), CASES)
def test_where_several_turns_are_lost_nothing_is_told_that_was_not_said(port, lost):
    said = turns(SESSIONS[port])
    known = facts(said, port)
    for end in range(lost + 2, min(lost + 5, len(said))):
        gaps = [(side, GAP) for side, _ in said[lost:end][:2]]
        assert facts([*said[:lost], *gaps, *said[end:]], port) <= known


def kinds(said, port: int, whole: bool) -> list[str]:
    return [event.kind for event in read(conversation(said, port, whole)).events if event.layer == TEXT]


@pytest.mark.parametrize(
    ("port", "first"),
    (
        (25, b"554 no such user\r\n"),
        (110, b"+OK 2 320\r\n"),
        (110, b"-ERR no\r\n"),
        (143, b"* OK Still here\r\n"),
        (143, b"* BYE bye\r\n"),
        (119, b"200 posting allowed\r\n"),
        (21, b"230 Welcome\r\n"),
        (4190, b"OK\r\n"),
    ),
)
def test_the_first_reply_of_a_capture_without_its_beginning_may_be_no_greeting(port, first):
    said = [(SERVER, first), (CLIENT, b"NOOP\r\n")]
    dialogue = read(conversation(said, port, whole=False))
    assert dialogue.events[0].kind == "reply" and "greeting, or the answer" in dialogue.events[0].meaning
    assert "greeting" not in [step.name for step in steps(dialogue)]
    assert kinds(said, port, whole=True)[0] == "greeting"
    assert kinds([(SERVER, GAP), *said], port, whole=True)[0] == "reply"


@pytest.mark.parametrize(
    ("port", "first"),
    (
        (25, b"220 mx ESMTP\r\n"),
        (110, b"+OK hello <1.2@mx>\r\n"),
        (143, b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n"),
        (143, b"* PREAUTH hi\r\n"),
        (4190, b'"IMPLEMENTATION" "x"\r\n"SASL" "PLAIN"\r\nOK\r\n'),
    ),
)
def test_what_only_a_greeting_says_is_the_greeting(port, first):
    assert kinds([(SERVER, first), (CLIENT, b"NOOP\r\n")], port, whole=False)[0] == "greeting"


def test_a_first_220_in_front_of_tls_is_the_go_ahead_where_the_beginning_is_missing():
    hello = in_memory("TLS 1.3").chunks[0]
    said = [(SERVER, b"220 go\r\n"), hello]
    assert kinds(said, 587, whole=False) == ["go-ahead"] and kinds(said, 587, whole=True) == ["greeting"]
    assert kinds([said[0], (CLIENT, GAP), hello], 587, whole=False) == ["greeting"]


@pytest.mark.parametrize(("hello", "name"), ((b"EHLO me\r\n", "SMTP"), (b"LHLO me\r\n", "LMTP")))
def test_a_hello_and_its_answer_tell_the_protocol_on_any_port_and_who_is_the_client(hello, name):
    said = [(CLIENT, hello), (SERVER, b"250-x\r\n250 STARTTLS\r\n")]
    swapped = [({CLIENT: SERVER, SERVER: CLIENT}[side], data) for side, data in said]
    for heard, port in ((said, 2601), (swapped, 50000)):
        dialogue = read(conversation(heard, 2601, whole=False))
        assert (dialogue.dialect.name, dialogue.server.port) == (name, port)


@pytest.mark.parametrize(("port", "asks"), ((110, b"CAPA\r\n"), (110, b"STLS\r\n"), (119, b"CAPABILITIES\r\n")))
def test_what_a_client_asks_behind_it_tells_the_greeting(port, asks):
    first = {110: b"+OK hi\r\n", 119: b"200 hi\r\n"}[port]
    assert kinds([(SERVER, first), (CLIENT, asks)], port, whole=False)[0] == "greeting"


def test_of_a_server_that_alone_was_captured_the_reply_in_front_of_its_hello_is_the_go_ahead():
    server_hello = in_memory("TLS 1.3").chunks[1]
    said = [
        (SERVER, b"220 mx\r\n"),
        (CLIENT, GAP),
        (SERVER, b"250 STARTTLS\r\n"),
        (CLIENT, GAP),
        (SERVER, b"220 go\r\n"),
    ]
    assert kinds([*said, (CLIENT, GAP), server_hello], 587, whole=True) == ["greeting", "reply", "go-ahead"]
