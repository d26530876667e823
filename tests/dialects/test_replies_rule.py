"""What the server answers decides what the client's next bytes are; where no answer is, the bytes themselves do."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transcripts import Turn, phrases, seen, split, stream, turns

from labkit.dialects import CLIENT, IMAP, POP3, SERVER, SMTP, Dialect

SMTP_START = "S: 220 mx ESMTP\nC: EHLO me\nS: 250 mx\n"
COMMANDS = "C: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye\n"


def client(dialect: Dialect, transcript: str) -> list[str]:
    return [phrase.title for phrase in phrases(dialect, turns(transcript)) if phrase.sender == CLIENT]


# ---- refused messages


@pytest.mark.parametrize("code", ["503 5.5.1 no", "452 full", "552 too large", "421 bye"])
def test_behind_a_refused_bdat_come_commands(code):
    said = SMTP_START + f"C: BDAT 20 LAST\nS: {code}\n" + COMMANDS
    assert seen(SMTP, said)[3:] == [
        *(("command", "BDAT"), ("reply", code[:3]), ("command", "RSET"), ("reply", "250")),
        *(("command", "QUIT"), ("reply", "221")),
    ]


def test_a_refused_chunk_that_comes_all_the_same_is_a_chunk_and_has_its_answer():
    said = SMTP_START + "C: BDAT 7 LAST\nS: 503 no\nC: hello\n" + COMMANDS
    assert client(SMTP, said) == ["EHLO", "BDAT", "message", "RSET", "QUIT"]


def test_a_chunk_that_was_begun_before_it_was_refused_goes_on():
    said = [
        *turns(SMTP_START),
        (CLIENT, b"BDAT 12 LAST\r\nRSET"),
        (SERVER, b"552 no\r\n"),
        (CLIENT, b"\r\nRSET\r\nQUIT\r\n"),
        (SERVER, b"221 bye\r\n"),
    ]
    found = phrases(SMTP, said)
    assert [phrase.title for phrase in found if phrase.sender == CLIENT] == ["EHLO", "BDAT", "message", "QUIT"]
    assert found[4].title == "552" and found[5].data == b"RSET\r\nRSET\r\n"


@pytest.mark.parametrize("code", ["554 no valid recipients", "451 later", "503 not yet", "421 bye"])
def test_behind_a_refused_data_come_commands(code):
    assert client(SMTP, SMTP_START + f"C: DATA\nS: {code}\n" + COMMANDS) == ["EHLO", "DATA", "RSET", "QUIT"]


@pytest.mark.parametrize("answer", ["NO [OVERQUOTA] full", "BAD what"])
def test_behind_a_refused_append_come_commands(answer):
    said = f"S: * OK\nC: a APPEND x {{400}}\nS: a {answer}\nC: b NOOP\nS: b OK\n"
    assert seen(IMAP, said)[2:] == [("reply", answer.split()[0]), ("command", "NOOP"), ("reply", "OK")]


# ---- where a message ends


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\n\0.\n"])
def test_a_message_ends_at_a_bare_line_end_where_the_server_has_taken_it(end):
    start = turns(SMTP_START + "C: DATA\nS: 354 go\n")
    mail = b"Subject: x\n\nhello" + end
    answered = [(CLIENT, mail), (SERVER, b"250 ok\r\n"), (CLIENT, b"QUIT\r\n"), (SERVER, b"221 bye\r\n")]
    pipelined = [(CLIENT, mail + b"QUIT\r\n"), (SERVER, b"250 ok\r\n"), (SERVER, b"221 bye\r\n")]
    for said in (answered, pipelined):
        found = phrases(SMTP, start + said)
        assert [p.data for p in found if p.kind == "message"] == [mail]
        assert [p.title for p in found if p.sender == SERVER][-2:] == ["250", "221"]
        assert found[-2].title == "QUIT" or found[-3].title == "QUIT"


def test_a_message_with_a_bare_dot_that_the_server_did_not_take_goes_on():
    start = turns(SMTP_START + "C: DATA\nS: 354 go\n")
    mail = b"Subject: x\r\n\r\nhello\n.\nMAIL FROM:<a@b>\r\n.\r\n"
    (message,) = (p for p in phrases(SMTP, [*start, (CLIENT, mail), (SERVER, b"250 ok\r\n")]) if p.kind == "message")
    assert message.data == mail


# ---- answers that are missing


def test_answers_that_never_came_do_not_shift_those_to_a_login_and_a_message():
    said = (
        SMTP_START
        + "C: NOOP\nC: AUTH LOGIN\nS: 334 x\nC: dXNlcg==\nS: 235 ok\nC: NOOP\nC: DATA\nS: 354 go\nC: hi\nC: .\n"
    )
    assert [kind for kind, _ in seen(SMTP, said)][3:] == [
        *("command", "command", "challenge", "credential", "reply", "command", "command", "reply", "message")
    ]


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_line_may_be_answered_or_not(blank):
    ignored = seen(SMTP, SMTP_START + f"C: {blank}\nC: STARTTLS\nS: 454 no\nC: QUIT\nS: 221 bye")
    assert ignored[5:] == [("refusal", "454"), ("command", "QUIT"), ("reply", "221")]
    answered = seen(SMTP, SMTP_START + f"C: {blank}\nS: 500 what\nC: STARTTLS\nS: 502 no\nC: QUIT\nS: 221 bye")
    assert answered[4:] == [
        *(("reply", "500"), ("command", "STARTTLS"), ("refusal", "502"), ("command", "QUIT"), ("reply", "221"))
    ]


def test_a_client_that_speaks_again_has_had_its_answer():
    said = "S: +OK hi\nC: NOOP\nC: AUTH PLAIN\nS: -ERR no\nC: USER alice\nS: +OK\nC: PASS x\nS: +OK\n"
    assert client(POP3, said) == ["NOOP", "AUTH", "USER", "PASS"]


def test_a_mail_is_found_though_the_answer_to_another_command_is_missing():
    said = "S: +OK hi\nC: NOOP\nC: RETR 1\nS: +OK 9 octets\nS: Subject: x\nS: \nS: hello\nS: .\nC: QUIT\nS: +OK bye\n"
    found = phrases(POP3, turns(said))
    (mail,) = (p for p in found if p.kind == "message")
    ((start, end),) = POP3.messages(mail.data)
    assert mail.data[start:end] == b"Subject: x\r\n\r\nhello\r\n"
    assert [p.title for p in found][-2:] == ["QUIT", "+OK"]


# ---- holes, and sides that alone were captured

LOGINS = {
    SMTP: (
        b"AUTH LOGIN\r\n",
        b"dXNlcg==\r\n",
        b"cGFzcw==\r\n",
        b"MAIL FROM:<a@b>\r\n",
        b"DATA\r\n",
        b"Subject: x\r\n.\r\n",
    ),
    POP3: (b"AUTH PLAIN\r\n", b"AGEAYg==\r\n", b"STAT\r\n", b"RETR 1\r\n"),
    IMAP: (b"a AUTHENTICATE PLAIN\r\n", b"AGEAYg==\r\n", b"b LOGIN {3}\r\n", b"bob {1}\r\n", b"x\r\n", b"c NOOP\r\n"),
}
KINDS = {
    SMTP: ["command", "credential", "credential", "command", "command", "message"],
    POP3: ["command", "credential", "command", "command"],
    IMAP: ["command", "credential", "command", "continuation", "continuation", "command"],
}


@pytest.mark.parametrize("dialect", LOGINS, ids=[dialect.name for dialect in LOGINS])
def test_readers_go_on_behind_a_hole_in_what_the_server_said(dialect):
    reader, found = dialect.reader(), []
    for said in LOGINS[dialect]:
        found += reader.feed(CLIENT, said)
        reader.rest(SERVER)
    assert [phrase.kind for phrase in found] == KINDS[dialect]


@pytest.mark.parametrize("dialect", LOGINS, ids=[dialect.name for dialect in LOGINS])
def test_a_command_is_one_though_the_answer_to_the_one_before_is_missing(dialect):
    first, noop = LOGINS[dialect][0], dialect.writes.command("NOOP", "n")
    reader = dialect.reader()
    reader.feed(CLIENT, first)
    reader.rest(SERVER)
    assert [phrase.title for phrase in reader.feed(CLIENT, noop)] == ["NOOP"]


def test_lists_and_mail_are_whole_though_no_command_was_captured():
    said = b"+OK POP3\r\n+OK 2 messages\r\n1 2\r\n2 3\r\n.\r\n+OK 9 octets\r\nSubject: x\r\n\r\nhi\r\n.\r\n+OK bye\r\n"
    found = phrases(POP3, [(SERVER, said)])
    assert [p.kind for p in found] == ["greeting", "reply", "untagged", "reply", "message", "reply"]
    assert all(POP3.explain(p.kind, p.title, "x").endswith((".", ")")) for p in found)


# ---- words


@pytest.mark.parametrize(
    "line", ["XCLIENT NAME=x", "XFORWARD NAME=x", "X-ANONYMOUSTLS", "ETRN x", "ATRN x", "BURL imap://x LAST", "TURN"]
)
def test_smtp_commands_beyond_rfc_5321_are_named(line):
    ((_, title),) = (one for one in seen(SMTP, f"C: {line}") if one[0] == "command")
    assert title == line.split()[0] and SMTP.explain("command", title, line) != SMTP.explain("command", "?", line)


@pytest.mark.parametrize(
    "line",
    [
        *("UID SORT (DATE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL", "GETQUOTAROOT INBOX", "SETACL x bob lr"),
        *("NOTIFY NONE", "UNAUTHENTICATE", "COMPRESS DEFLATE", "GETMETADATA x (y)", "ESEARCH IN (personal) ALL"),
        "UID REPLACE 4 x {3}",
    ],
)
def test_imap_commands_beyond_rfc_9051_are_named(line):
    ((_, title),) = seen(IMAP, f"C: a {line}")
    assert line.startswith(title) and IMAP.explain("command", title, line) != IMAP.explain("command", "?", line)


@pytest.mark.parametrize("path", ["<a@b.example>", "a@b.example", " <a@b.example> SIZE=9", " a@b.example BODY=7BIT"])
def test_an_address_may_stand_without_brackets(path):
    for verb, who in (("MAIL FROM:", "sender"), ("RCPT TO:", "recipient")):
        match = re.match(SMTP.discloses[verb.split()[0]], f"{verb}{path}\r\n", re.IGNORECASE)
        assert match[who] == "a@b.example"
    assert re.match(SMTP.discloses["MAIL"], "MAIL FROM:<>\r\n")["sender"] == ""


APPENDS = [
    (b"a APPEND x {5}\r\n", [b"hello\r\n"]),
    (b"a APPEND x {5+}\r\n", [b"hello", b" (\\Seen) {5+}\r\n", b"world\r\n"]),
    (b"a APPEND x {5+}\r\n", [b"hello", b" {5+}\r\n", b"world", b" {0+}\r\n", b"\r\n"]),
    (b"a APPEND x UTF8 (~{7}\r\n", [b"hello\r\n", b")\r\n"]),
    (b"a APPEND x UTF8 (~{5+}\r\n", [b"hello", b") UTF8 (~{5+}\r\n", b"world", b")\r\n"]),
    (b'a APPEND x CATENATE (URL "/y" TEXT {5+}\r\n', [b"hello", b' URL "/z")\r\n']),
    (b"a REPLACE 4 x {5+}\r\n", [b"hello\r\n"]),
]


@pytest.mark.parametrize("command, parts", APPENDS)
def test_the_mail_of_append_stands_apart_from_what_is_said_around_it(command, parts):
    invited = [] if b"+}" in command else [(SERVER, b"+ go\r\n")]
    found = phrases(IMAP, [(CLIENT, command), *invited, (CLIENT, b"".join(parts) + b"b NOOP\r\n")])
    said = [phrase for phrase in found if phrase.sender == CLIENT]
    assert [phrase.data for phrase in said[1:-1]] == parts and said[-1].title == "NOOP"
    mail = [phrase.data[slice(*IMAP.messages(phrase.data)[0])] for phrase in said if phrase.kind == "message"]
    assert [text.rstrip() for text in mail if text] == [part.rstrip() for part in parts if part[:1] in b"hw"]


# ---- splitting

TRANSCRIPTS: list[tuple[Dialect, list[Turn]]] = [
    (SMTP, turns(SMTP_START + "C: BDAT 20 LAST\nS: 503 no\n" + COMMANDS)),
    (SMTP, turns(SMTP_START + "C: BDAT 7 LAST\nS: 503 no\nC: hello\n" + COMMANDS)),
    (
        SMTP,
        [*turns(SMTP_START + "C: DATA\nS: 354 go\n"), (CLIENT, b"x\n.\nQUIT\n"), (SERVER, b"250 ok\r\n221 bye\r\n")],
    ),
    (POP3, turns("S: +OK hi\nC: NOOP\nC: RETR 1\nS: +OK 9\nS: Subject: x\nS: .\nC: QUIT\nS: +OK bye\n")),
    *((IMAP, [(CLIENT, command), (SERVER, b"+ go\r\n"), (CLIENT, b"".join(parts))]) for command, parts in APPENDS),
]


@given(st.sampled_from(TRANSCRIPTS), st.lists(st.integers(0, 100), max_size=12))
def test_splitting_changes_nothing_and_no_byte_is_lost(transcript, cuts):
    dialect, said = transcript
    found = phrases(dialect, split(said, cuts))
    assert found == phrases(dialect, said)
    assert [stream(found, side) for side in (CLIENT, SERVER)] == [stream(said, side) for side in (CLIENT, SERVER)]
