"""SMTP as it stands in its RFCs is read as a person would read it, wherever the bytes are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transcripts import phrases, seen, split, stream, turns

from labkit.dialects import CLIENT, SERVER, SMTP

# RFC 5321 appendix D.1
SESSION = """
S: 220 foo.com Simple Mail Transfer Service Ready
C: EHLO bar.com
S: 250-foo.com greets bar.com
S: 250-8BITMIME
S: 250-SIZE
S: 250-DSN
S: 250 HELP
C: MAIL FROM:<Smith@bar.com>
S: 250 OK
C: RCPT TO:<Jones@foo.com>
S: 250 OK
C: RCPT TO:<Green@foo.com>
S: 550 No such user here
C: RCPT TO:<Brown@foo.com>
S: 250 OK
C: DATA
S: 354 Start mail input; end with <CRLF>.<CRLF>
C: Subject: a dot
C: 
C: ..
C: ...and more
C: .
S: 250 OK
C: QUIT
S: 221 foo.com Service closing transmission channel
"""

# RFC 3207 §5
UPGRADE = """
S: 220 mail.imc.org SMTP service ready
C: EHLO mail.example.com
S: 250-mail.imc.org offers a warm hug of welcome
S: 250-8BITMIME
S: 250-STARTTLS
S: 250 DSN
C: STARTTLS
S: 220 Go ahead
"""

# RFC 4954 §4.1, §6
AUTH = """
S: 220-smtp.example.com ESMTP Server
S: 220 and a second line
C: AUTH DIGEST-MD5
S: 334
C: *
S: 501 Authentication exchange aborted
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6
C: Ym9i
S: 334 UGFzc3dvcmQ6
C: c2VjcmV0
S: 535 5.7.8 Authentication credentials invalid
C: auth plain dGVzdAB0ZXN0ADEyMzQ=
S: 235 2.7.0 Authentication successful
C: noop
S: 250 OK
"""

# RFC 2920 §5
PIPELINED = """
S: 220 dbc.mtview.ca.us SMTP service ready
C: EHLO innosoft.com
S: 250-dbc.mtview.ca.us
S: 250 PIPELINING
C: MAIL FROM:<mrose@dbc.mtview.ca.us>
C: RCPT TO:<ned@innosoft.com>
C: RCPT TO:<dan@innosoft.com>
C: DATA
S: 250 sender <mrose@dbc.mtview.ca.us> OK
S: 250 recipient <ned@innosoft.com> OK
S: 550 remote mail to <dan@innosoft.com> not allowed
S: 354 enter mail, end with line containing only "."
C: .
C: QUIT
S: 250 message sent
S: 221 goodbye
"""

# RFC 3030 §4.1
CHUNKS = """
S: 220 cnri.reston.va.us SMTP service ready
C: EHLO ymir.claremont.edu
S: 250-cnri.reston.va.us says hello
S: 250 CHUNKING
C: MAIL FROM:<Sam@Random.com>
C: RCPT TO:<Susan@Random.com>
C: BDAT 12
C: QUIT
C: .
C: x
C: BDAT 0 LAST
C: RSET
S: 250 OK
S: 250 OK
S: 250 12 octets received
S: 250 Message OK
S: 250 OK
"""

ALL = [SESSION, UPGRADE, AUTH, PIPELINED, CHUNKS]


def test_the_session_of_rfc_5321_is_read_reply_by_reply():
    assert seen(SMTP, SESSION) == [
        *(("greeting", "220"), ("command", "EHLO"), ("reply", "250"), ("command", "MAIL"), ("reply", "250")),
        *(("command", "RCPT"), ("reply", "250"), ("command", "RCPT"), ("reply", "550"), ("command", "RCPT")),
        *(("reply", "250"), ("command", "DATA"), ("reply", "354"), ("message", "message"), ("reply", "250")),
        *(("command", "QUIT"), ("reply", "221")),
    ]


def test_a_message_ends_at_the_single_dot_and_nowhere_before():
    message = next(phrase for phrase in phrases(SMTP, turns(SESSION)) if phrase.kind == "message")
    ((start, end),) = SMTP.messages(message.data)
    assert message.data[start:end] == b"Subject: a dot\r\n\r\n..\r\n...and more\r\n"


def test_an_empty_message_is_a_single_dot():
    message = next(phrase for phrase in phrases(SMTP, turns(PIPELINED)) if phrase.kind == "message")
    assert message.data == b".\r\n"


def test_the_upgrade_of_rfc_3207_ends_with_the_go_ahead():
    assert seen(SMTP, UPGRADE) == [
        *(("greeting", "220"), ("command", "EHLO"), ("reply", "250"), ("command", "STARTTLS"), ("go-ahead", "220"))
    ]


@pytest.mark.parametrize("refusal", ("454 TLS not available", "501 No parameters", "502 Not implemented"))
def test_a_refused_upgrade_goes_on_in_clear_text(refusal):
    refused = UPGRADE.replace("220 Go ahead", refusal) + "C: MAIL FROM:<a@b>\nS: 250 OK\n"
    assert [kind for kind, _ in seen(SMTP, refused)[4:]] == ["refusal", "command", "reply"]


def test_what_stands_behind_the_upgrade_and_the_go_ahead_was_injected():
    early = [(SERVER, b"220 x\r\n"), (CLIENT, b"STARTTLS\r\nRSET\r\n"), (SERVER, b"220 go\r\n250 ok\r\n\x16\x03\x03")]
    assert [(p.sender, p.kind, p.data) for p in phrases(SMTP, early)[-3:]] == [
        (CLIENT, "injected", b"RSET\r\n"),
        (SERVER, "injected", b"250 ok\r\n"),
        (SERVER, "rest", b"\x16\x03\x03"),
    ]


def test_a_login_is_followed_challenge_by_challenge():
    assert seen(SMTP, AUTH) == [
        *(("greeting", "220"), ("command", "AUTH"), ("challenge", "334"), ("credential", "credential")),
        *(("reply", "501"), ("command", "AUTH"), ("challenge", "334"), ("credential", "credential")),
        *(("challenge", "334"), ("credential", "credential"), ("reply", "535"), ("command", "AUTH")),
        *(("reply", "235"), ("command", "NOOP"), ("reply", "250")),
    ]


def test_commands_sent_ahead_are_told_apart_and_the_message_waits_for_its_invitation():
    said = [title for _, title in seen(SMTP, PIPELINED)]
    assert said[3:7] == ["MAIL", "RCPT", "RCPT", "DATA"]
    assert said[7:] == ["250", "250", "550", "354", "message", "QUIT", "250", "221"]


def test_what_a_chunk_holds_is_no_command():
    said = [phrase for phrase in phrases(SMTP, turns(CHUNKS)) if phrase.sender == CLIENT]
    assert [phrase.title for phrase in said] == ["EHLO", "MAIL", "RCPT", "BDAT", "message", "BDAT", "RSET"]
    assert said[4].data == b"QUIT\r\n.\r\nx\r\n"


def test_a_server_that_does_not_want_to_talk_greets_too():
    assert seen(SMTP, "S: 554 No SMTP service here\nC: QUIT\nS: 221 bye")[0] == ("greeting", "554")


def test_a_client_that_cannot_wait_is_greeted_all_the_same():
    said = [(CLIENT, b"EHLO x\r\n"), (SERVER, b"220 mail\r\n"), (SERVER, b"250 mail\r\n")]
    assert [phrase.kind for phrase in phrases(SMTP, said)] == ["command", "greeting", "reply"]


def test_after_missing_bytes_of_the_server_its_next_words_are_read_again():
    reader = SMTP.reader()
    reader.feed(SERVER, b"220 mail\r\n")
    reader.feed(CLIENT, b"EHLO x\r\n")
    reader.rest(SERVER)
    reader.feed(CLIENT, b"DATA\r\n")
    assert [phrase.kind for phrase in reader.feed(SERVER, b"354 go\r\n")] == ["reply"]
    assert [phrase.kind for phrase in reader.feed(CLIENT, b"hello\r\n.\r\nQUIT\r\n")] == ["message", "command"]


def test_a_server_is_recognised_by_its_greeting():
    assert SMTP.recognises(b"220 mail.lab.test ESMTP Postfix\r\n", b"") and SMTP.recognises(
        b"554 No SMTP here\r\n", b""
    )
    assert not SMTP.recognises(b"* OK ready\r\n", b"") and not SMTP.recognises(b"220 FTP server\r\n", b"")


@given(st.sampled_from(ALL), st.lists(st.integers(0, 2000), max_size=40))
def test_the_same_is_read_wherever_the_bytes_are_split(transcript, cuts):
    said = turns(transcript)
    found = phrases(SMTP, split(said, cuts))
    assert found == phrases(SMTP, said)
    assert all(stream(found, side) == stream(said, side) for side in (CLIENT, SERVER))


@pytest.mark.parametrize("transcript", ALL)
def test_the_same_is_read_byte_by_byte(transcript):
    said = turns(transcript)
    assert phrases(SMTP, split(said, range(2000))) == phrases(SMTP, said)
