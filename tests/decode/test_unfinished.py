"""What was begun and never finished has crossed the wire all the same: it can be read as far as it goes."""

import pytest
from conversations import GAP, conversation
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import examples
from transcripts import turns

from labkit.capture.conversation import Chunk, Conversation, Endpoint
from labkit.decode.dialogue import read
from labkit.decode.privacy import visible
from labkit.dialects import CLIENT, IMAP, POP3, SERVER, SMTP
from labkit.show.transcript import Reading, plain_text

MAIL = "C: Subject: raise\nC: \nC: The PIN is 4921"
CUTS = (
    (SMTP, f"S: 220 x ESMTP\nC: DATA\nS: 354 go\n{MAIL}", 7, {"subject": "raise", "message": "The PIN is"}),
    (SMTP, f"S: 220 x ESMTP\nC: DATA\n{MAIL}", 2, {"subject": "raise", "message": "The PIN is 4921"}),
    (SMTP, "S: 220 x ESMTP\nC: DATA\nS: 354 go\nC: Subject: raise", 4, {"subject": "rai"}),
    (SMTP, f"S: 220 x ESMTP\nC: BDAT 99 LAST\n{MAIL}", 2, {"subject": "raise", "message": "The PIN is 4921"}),
    (SMTP, "S: 220 x ESMTP\nC: AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", 2, {"user name": "alice", "password": "hunter2"}),
    (SMTP, "S: 220 x ESMTP\nC: AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", 6, {"user name": "alice", "password": "hunte"}),
    (SMTP, "S: 220 x ESMTP\nC: AUTH PLAIN\nS: 334 \nC: AGFsaWNlAGh1bnRlcjI=", 14, {"user name": "alice"}),
    (SMTP, "S: 220 x ESMTP\nC: AUTH PLAIN\nC: AGFsaWNlAGh1bnRlcjI=", 0, {"user name": "alice", "password": "hunter2"}),
    (
        SMTP,
        "S: 220 x ESMTP\nC: AUTH LOGIN\nC: YWxpY2U=\nC: aHVudGVyMg==",
        2,
        {"user name": "alice", "password": "hunter2"},
    ),
    (SMTP, "S: 220 x ESMTP\nC: MAIL FROM:<a@lab.test>", 2, {"sender": "a@lab.test"}),
    (IMAP, "S: * OK hi\nC: a LOGIN alice hunter2", 4, {"user name": "alice", "password": "hunte"}),
    (IMAP, 'S: * OK hi\nC: a LOGIN "alice" "hunter2"', 3, {"user name": "alice", "password": "hunter2"}),
    (IMAP, "S: * OK hi\nC: a LOGIN alice {7}\nS: + go\nC: hunter2", 4, {"user name": "alice", "password": "hunte"}),
    (IMAP, "S: * OK hi\nC: a LOGIN {5+}\nC: alice {7+}\nC: hunter2", 2, {"user name": "alice", "password": "hunter2"}),
    (IMAP, "S: * OK hi\nC: a LOGIN {5}\nS: + go\nC: alice", 4, {"user name": "ali"}),
    (IMAP, "S: * OK hi\nC: a AUTHENTICATE PLAIN\nS: + \nC: AGFsaWNlAGh1bnRlcjI=", 2, {"password": "hunter2"}),
    (
        IMAP,
        f"S: * OK hi\nC: a APPEND Sent {{99}}\nS: + go\n{MAIL}",
        2,
        {"mailbox": "Sent", "subject": "raise", "message": "The PIN is 4921"},
    ),
    (IMAP, f"S: * OK hi\nC: a APPEND Sent {{99}}\n{MAIL}", 2, {"message": "The PIN is 4921"}),
    (
        IMAP,
        "S: * OK hi\nC: a FETCH 1 RFC822\nS: * 1 FETCH (RFC822 {99}\nS: Subject: raise\nS: \nS: The PIN is 4921",
        4,
        {"subject": "raise", "message": "The PIN is 49"},
    ),
    (POP3, "S: +OK\nC: USER alice\nS: +OK\nC: PASS hunter2", 2, {"user name": "alice", "password": "hunter2"}),
    (POP3, "S: +OK\nC: AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", 3, {"user name": "alice", "password": "hunter2"}),
    (
        POP3,
        "S: +OK\nC: RETR 1\nS: +OK\nS: Subject: raise\nS: \nS: The PIN is 4921",
        4,
        {"subject": "raise", "message": "The PIN is 49"},
    ),
)
"""Dialect, what is said, how many bytes of its end never came, and some of what can be read."""


def seen(dialect, said):
    chunks = [Chunk(n, n, side, "data", data, len(data)) for n, (side, data) in enumerate(said, 1)]
    ends = Endpoint("192.0.2.1", 50000), Endpoint("192.0.2.2", dialect.explicit_ports[0])
    dialogue = read(Conversation(*ends, [Chunk(0, 0, CLIENT, "syn", b"", 0), *chunks]))
    return dialogue, visible(dialogue)


@pytest.mark.parametrize(("dialect", "transcript", "lost", "told"), CUTS)
def test_the_beginning_of_a_phrase_is_read(dialect, transcript, lost, told):
    said = turns(transcript)
    said[-1] = (said[-1][0], said[-1][1][: len(said[-1][1]) - lost])
    dialogue, found = seen(dialect, said)
    assert {what: value for what, value, *_ in found}.items() >= told.items()
    last = dialogue.events[-1]
    assert (last.kind, last.title) == ("unknown", "unfinished")
    assert "cannot read" not in last.meaning
    assert "unfinished" not in plain_text(Reading(dialogue, found)) and all(
        dialogue.events[one.event_index].data[one.start : one.end] for one in found
    )


@settings(max_examples=examples(300))
@given(st.sampled_from(CUTS), st.integers(0, 200))
def test_wherever_it_is_cut_what_is_told_stood_there(case, lost):
    dialect, transcript, *_ = case
    said = turns(transcript)
    side, data = said.pop()
    for _, value, index, start, end in (found := seen(dialect, [*said, (side, data[: max(0, len(data) - lost)])]))[1]:
        place = found[0].events[index].data[start:end]
        assert place and (value.encode() in place or place.isascii())


def test_a_message_that_is_going_on_behind_a_hole_is_read_up_to_it():
    said = turns("S: 220 x ESMTP\nC: DATA\nS: 354 go\nC: Subject: raise\nC: \nC: The PIN is 4921")
    chunks = [Chunk(n, n, side, "data", data, len(data)) for n, (side, data) in enumerate(said, 1)]
    chunks += [Chunk(9, 9, CLIENT, "gap", b"", 1000), Chunk(10, 10, CLIENT, "data", b"and more\r\n", 10)]
    ends = Endpoint("192.0.2.1", 50000), Endpoint("192.0.2.2", 25)
    found = visible(read(Conversation(*ends, [Chunk(0, 0, CLIENT, "syn", b"", 0), *chunks])))
    assert [value for what, value, *_ in found] == ["raise", "The PIN is 4921", "and more"]


WORDS = "in a mail.\r\nAUTH PLAIN is a word\r\nMAIL FROM: is said\r\nSTARTTLS\r\nQUIT\r\n"


@pytest.mark.parametrize(("port", "accepts"), [(25, "250 ok"), (24, "250 ok"), (119, "240 ok"), (2601, "250 2.0.0 ok")])
@pytest.mark.parametrize("pieces", [1, 5])
def test_a_mail_that_is_captured_from_its_middle_is_one_whatever_its_lines_say(port, accepts, pieces):
    whole = f"{WORDS}.\r\n".encode()
    said = [(CLIENT, whole)] if pieces == 1 else [(CLIENT, line) for line in whole.splitlines(keepends=True)]
    said += [(SERVER, f"{accepts}\r\n".encode()), (CLIENT, b"QUIT\r\n")]
    dialogue = read(conversation(said, port, whole=False))
    if dialogue.dialect:
        assert [event.kind for event in dialogue.events] == ["message", "reply", "command"]
    assert {one.what for one in visible(dialogue)} <= {"message", "text"}


@pytest.mark.parametrize("holes", [(CLIENT,), (SERVER, CLIENT), (CLIENT, SERVER)])
def test_so_it_is_behind_a_hole_that_hides_where_it_began(holes):
    said = [(SERVER, b"220 mx ESMTP\r\n"), (CLIENT, b"EHLO alice\r\n"), (SERVER, b"250 mx\r\n")]
    said += [*((side, GAP) for side in holes), (CLIENT, f"{WORDS}.\r\n".encode()), (SERVER, b"250 ok\r\n")]
    dialogue = read(conversation([*said, (CLIENT, b"QUIT\r\n")], 25))
    assert [event.kind for event in dialogue.events][-3:] == ["message", "reply", "command"]
    alone = [(CLIENT, b"FROM:<a@b>\r\nRCPT TO:<bob@lab.test>\r\nDATA\r\n"), (CLIENT, f"{WORDS}.\r\n".encode())]
    told = visible(read(conversation(alone, 25, whole=False)))
    assert ("recipient", "bob@lab.test") in {(one.what, one.value) for one in told}


def test_a_line_of_a_mail_without_its_end_is_no_login():
    told = visible(read(conversation([(CLIENT, WORDS.encode())], 25, whole=False)))
    assert "user name and password" not in {one.what for one in told}
