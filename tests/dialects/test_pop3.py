"""POP3 as it stands in its RFCs is read as a person would read it, wherever the bytes are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transcripts import phrases, seen, split, stream, turns

from labkit.dialects import CLIENT, POP3, SERVER

# RFC 1939 §10, with a message, and UIDL and TOP of §7
SESSION = """
S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>
C: APOP mrose c4c9334bac560ecc979e58001b3e22fb
S: +OK mrose's maildrop has 2 messages (320 octets)
C: STAT
S: +OK 2 320
C: LIST
S: +OK 2 messages (320 octets)
S: 1 120
S: 2 200
S: .
C: LIST 2
S: +OK 2 200
C: RETR 1
S: +OK 120 octets
S: Subject: a dot
S: 
S: ..
S: ...and more
S: .
C: TOP 2 0
S: +OK
S: Subject: empty
S: .
C: UIDL
S: +OK
S: 1 whqtswO00WBw418f9t5JxYwZ
S: 2 QhdPYR:00WBw1Ph7x7
S: .
C: UIDL 9
S: -ERR no such message
C: DELE 1
S: +OK message 1 deleted
C: QUIT
S: +OK dewey POP3 server signing off (maildrop empty)
"""

# RFC 2449 §5, RFC 2595 §4
UPGRADE = """
S: +OK ready
C: CAPA
S: +OK Capability list follows
S: TOP
S: USER
S: STLS
S: .
C: STLS
S: +OK Begin TLS negotiation
"""

# RFC 5034 §5
AUTH = """
S: +OK pop.example.com POP3 server
C: AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=
S: -ERR [AUTH] wrong
C: AUTH PLAIN
S: + 
C: dGVzdAB0ZXN0AHRlc3Q=
S: +OK Maildrop locked and ready
C: AUTH
S: +OK
S: PLAIN
S: .
"""

# RFC 2449 §6.6
PIPELINED = """
S: +OK ready
C: USER alice
C: PASS hunter2
C: LIST
C: RETR 1
C: RETR 9
C: NOOP
S: +OK
S: +OK
S: +OK
S: 1 3
S: .
S: +OK
S: hi
S: .
S: -ERR no such message
S: +OK
"""

ALL = [SESSION, UPGRADE, AUTH, PIPELINED]


def test_the_session_of_rfc_1939_is_read_reply_by_reply():
    said = seen(POP3, SESSION)
    assert [title for kind, title in said if kind == "command"] == [
        *("APOP", "STAT", "LIST", "LIST", "RETR", "TOP", "UIDL", "UIDL", "DELE", "QUIT")
    ]
    assert [one for one in said if one[0] != "command"] == [
        ("greeting", "+OK"),
        *[("reply", "+OK")] * 4,
        *[("message", "message")] * 2,
        *(("reply", "+OK"), ("reply", "-ERR"), ("reply", "+OK"), ("reply", "+OK")),
    ]


def test_apop_is_spoken_of_where_the_greeting_has_a_time_stamp():
    assert "APOP" in POP3.explain("greeting", "+OK", "+OK ready <1896.697@dbc.mtview.ca.us>")
    assert "APOP" not in POP3.explain("greeting", "+OK", "+OK ready")


def test_a_message_ends_at_the_single_dot_and_nowhere_before():
    message = next(phrase for phrase in phrases(POP3, turns(SESSION)) if phrase.kind == "message")
    ((start, end),) = POP3.messages(message.data)
    assert message.data[start:end] == b"Subject: a dot\r\n\r\n..\r\n...and more\r\n"


def test_a_server_without_carriage_returns_ends_its_messages_without_them():
    greeting, mail, done = b"+OK\n", b"+OK\nSubject: x\n\n..\n.\n", b"+OK bye\n"
    asked = b"RETR 1\nRETR 2\nQUIT\n"
    for cuts in ((), range(80)):
        found = phrases(POP3, split([(SERVER, greeting), (CLIENT, asked), (SERVER, mail + mail + done)], cuts))
        assert [phrase.data for phrase in found if phrase.sender == SERVER] == [greeting, mail, mail, done]


def test_the_upgrade_of_rfc_2595_ends_with_the_go_ahead():
    assert seen(POP3, UPGRADE) == [
        *(("greeting", "+OK"), ("command", "CAPA"), ("reply", "+OK"), ("command", "STLS"), ("go-ahead", "+OK")),
    ]


def test_a_refused_upgrade_goes_on_in_clear_text():
    refused = UPGRADE.replace("+OK Begin", "-ERR Begin") + "C: USER alice\nS: +OK\n"
    assert seen(POP3, refused)[-3:] == [("refusal", "-ERR"), ("command", "USER"), ("reply", "+OK")]


def test_what_stands_behind_the_upgrade_and_the_go_ahead_was_injected():
    early = [(SERVER, b"+OK\r\n"), (CLIENT, b"STLS\r\nNOOP\r\n"), (SERVER, b"+OK go\r\n+OK noop\r\n\x16\x03\x03")]
    assert [(p.sender, p.kind, p.data) for p in phrases(POP3, early)[-3:]] == [
        (CLIENT, "injected", b"NOOP\r\n"),
        (SERVER, "injected", b"+OK noop\r\n"),
        (SERVER, "rest", b"\x16\x03\x03"),
    ]


def test_a_login_is_followed_challenge_by_challenge():
    assert seen(POP3, AUTH)[1:] == [
        *(("command", "AUTH"), ("reply", "-ERR"), ("command", "AUTH"), ("challenge", "+")),
        *(("credential", "credential"), ("reply", "+OK"), ("command", "AUTH"), ("reply", "+OK")),
    ]


def test_replies_to_commands_sent_ahead_are_told_apart():
    replies = [(p.kind, p.data) for p in phrases(POP3, turns(PIPELINED)) if p.sender == SERVER]
    assert replies[3:] == [
        ("reply", b"+OK\r\n1 3\r\n.\r\n"),
        ("message", b"+OK\r\nhi\r\n.\r\n"),
        ("reply", b"-ERR no such message\r\n"),
        ("reply", b"+OK\r\n"),
    ]


def test_an_empty_list_is_whole():
    assert phrases(POP3, turns("S: +OK\nC: LIST\nS: +OK empty\nS: .\nC: QUIT"))[2].data == b"+OK empty\r\n.\r\n"


def test_after_missing_bytes_no_reply_is_taken_for_another():
    reader = POP3.reader()
    reader.feed(SERVER, b"+OK\r\n")
    reader.feed(CLIENT, b"RETR 1\r\nNO")
    reader.rest(CLIENT)
    assert [p.title for p in reader.feed(SERVER, b"+OK 3 octets\r\n")] == ["+OK"]


def test_a_server_is_recognised_by_its_greeting():
    assert POP3.recognises(b"+OK Dovecot ready.\r\n", b"") and not POP3.recognises(b"* OK ready\r\n", b"")


def test_a_server_greets_once_and_never_behind_a_command():
    assert [kind for kind, _ in seen(POP3, "S: +OK hi\nS: +OK hi again\nS: +OK")] == ["greeting", "reply", "reply"]
    assert [kind for kind, _ in seen(POP3, "C: NOOP\nS: +OK\nS: +OK")] == ["command", "reply", "reply"]


def test_what_is_no_pop3_is_said_to_be_none():
    said = seen(POP3, "S: 220 mail ESMTP\nS: +OK\nC: FROB\nC: \nS: -ERR what\nS: * OK")
    assert said == [
        *(("unknown", "unknown"), ("greeting", "+OK"), *[("command", "unknown command")] * 2),
        *(("reply", "-ERR"), ("unknown", "unknown")),
    ]


def test_a_login_may_be_answered_by_lines_whose_beginning_was_not_captured():
    reader = POP3.reader()
    for sender, data in ((SERVER, b"+\r\nabc\r\n"), (CLIENT, b"AAAA\r\n"), (SERVER, b".\r\n")):
        reader.feed(sender, data)
    assert reader.begun(CLIENT) == ("credential", "credential") and not reader.waits
    assert reader.feed(CLIENT, b"QUIT\r\n")[0].title == "QUIT"


@given(st.sampled_from(ALL), st.lists(st.integers(0, 500), max_size=12))
def test_splitting_changes_nothing_and_no_byte_is_lost(transcript, cuts):
    whole = turns(transcript)
    found = phrases(POP3, split(whole, cuts))
    assert found == phrases(POP3, whole)
    assert [stream(found, side) for side in (CLIENT, SERVER)] == [stream(whole, side) for side in (CLIENT, SERVER)]


@pytest.mark.parametrize("transcript", ALL)
def test_byte_by_byte_is_as_good_as_at_once(transcript):
    whole = turns(transcript)
    assert phrases(POP3, split(whole, range(1000))) == phrases(POP3, whole)


_LINES = st.lists(
    st.sampled_from([b"", b".", b"..", b"+OK", b"hello", b". ", b"-ERR .", b".\r", b"\xff\0"]), max_size=8
)


@given(_LINES, st.lists(st.integers(0, 200), max_size=8))
def test_a_message_with_dots_may_be_split_anywhere(lines, cuts):
    stuffed = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    data = b"+OK\r\n" + stuffed + b".\r\n"
    said = [
        (SERVER, b"+OK hi\r\n"),
        (CLIENT, b"RETR 1\r\n"),
        (SERVER, data),
        (CLIENT, b"NOOP\r\n"),
        (SERVER, b"+OK\r\n"),
    ]
    found = phrases(POP3, split(said, cuts))
    assert [p.data for p in found if p.sender == SERVER] == [b"+OK hi\r\n", data, b"+OK\r\n"]
    ((start, end),) = POP3.messages(data)
    assert data[start:end] == stuffed
