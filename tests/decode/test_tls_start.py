"""TLS begins where its bytes are, in whatever state the text is; what is not TLS is text, wherever it stands."""

import re
from itertools import pairwise

import pytest
from conversations import GAP, closed, conversation
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import examples
from tls_sessions import COMMAND, REPLY, in_memory

from labkit.capture.conversation import CLIENT, SERVER, Conversation
from labkit.decode.dialogue import read
from labkit.decode.event import TEXT, TLS, Dialogue
from labkit.decode.privacy import visible
from labkit.decode.steps import steps
from labkit.decode.tls_start import begins
from labkit.dialects import ALL, IMAP, POP3, SMTP, Dialect
from labkit.show.transcript import summary

ODD = 2601
"""A port that no protocol is known for."""
GREETINGS = {SMTP: b"220 mx ESMTP\r\n", IMAP: b"* OK hello\r\n", POP3: b"+OK POP3 hello\r\n"}
DIALECTS = list(GREETINGS)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=[dialect.name for dialect in DIALECTS])
HELLO, *OTHERS = in_memory("TLS 1.3")[0]
SECRETS = in_memory("TLS 1.3")[1]


def greeting(dialect: Dialect) -> tuple[str, bytes]:
    return SERVER, GREETINGS[dialect]


def asks(dialect: Dialect, verb: str = "", tag: str = "a") -> tuple[str, bytes]:
    return CLIENT, dialect.writes.command(verb or dialect.upgrade, tag)


def answers(dialect: Dialect, kind: str, tag: str = "a") -> tuple[str, bytes]:
    return SERVER, dialect.writes.replies.get(kind, dialect.writes.replies["refused"])("well", tag)


def kinds(dialogue: Dialogue) -> list[str]:
    """What was said in clear text."""
    return [event.kind for event in dialogue.events if event.layer == TEXT and not event.encrypted]


def inside(dialogue: Dialogue, side: str) -> bytes:
    told = (e.data for e in dialogue.events if e.layer == TEXT and e.encrypted and e.sender == side)
    return b"".join(told)


def is_opened(dialogue: Dialogue) -> bool:
    told = (inside(dialogue, CLIENT), inside(dialogue, SERVER)) == (COMMAND, REPLY)
    return told and dialogue.session.opened


# ---- in any state

BEFORE = {
    "at once": lambda d: [],
    "behind the greeting": lambda d: [greeting(d)],
    "behind a question": lambda d: [greeting(d), asks(d, d.ask)],
    "behind an upgrade without an answer": lambda d: [greeting(d), asks(d)],
    "behind a refused upgrade": lambda d: [greeting(d), asks(d), answers(d, "refused")],
    "behind an upgrade that is put off": lambda d: [greeting(d), asks(d), answers(d, "later")],
    "behind a line that is no reply": lambda d: [greeting(d), asks(d), (SERVER, b"sure, why not\r\n")],
    "behind a reply that came too early": lambda d: [greeting(d), answers(d, "done"), asks(d), answers(d, "go-ahead")],
    "behind a command without an answer": lambda d: [
        *(greeting(d), asks(d, "NOOP", "n"), asks(d), answers(d, "go-ahead"))
    ],
    "behind a blank line": lambda d: [greeting(d), (CLIENT, b"\r\n"), asks(d), answers(d, "go-ahead")],
    "in a login": lambda d: [greeting(d), asks(d, "AUTHENTICATE PLAIN" if d is IMAP else "AUTH PLAIN")],
    "behind a missing reply": lambda d: [greeting(d), asks(d), (SERVER, GAP)],
    "behind a missing command": lambda d: [greeting(d), (CLIENT, GAP), answers(d, "go-ahead")],
}


HELD = {
    "half a command": [(CLIENT, b"STARTT"), (SERVER, b"220 go\r\n")],
    "half a mail": [(CLIENT, b"DATA\r\n"), (SERVER, b"354 go\r\n"), (CLIENT, b"Subject: x\r\n\r\nhalf")],
    "what a client of MySQL says": [(CLIENT, b"\x20\0\0\1\x85\xae\xff\1" + bytes(28))],
    "what RDP says": [(CLIENT, b"\3\0\0\x13\x0e\xe0" + bytes(13)), (SERVER, b"\3\0\0\x13\x0e\xd0" + bytes(13))],
}


@pytest.mark.parametrize("port", (25, 143, 389, 5222, 5432, ODD))
@pytest.mark.parametrize("what", HELD)
def test_a_client_hello_starts_tls_in_the_place_of_the_rest_of_a_phrase(what, port):
    dialogue = read(closed(conversation([*HELD[what], HELLO, *OTHERS], port)), SECRETS)
    assert dialogue.session.opened
    assert inside(dialogue, CLIENT) == COMMAND
    quoted = read(closed(conversation([*HELD[what], HELLO, (SERVER, b"250 ok\r\n")], 25)))
    assert "TLS 1" not in summary(quoted)


@every_dialect
@pytest.mark.parametrize("where", BEFORE)
def test_a_client_hello_starts_tls_in_any_state(dialect, where):
    for port in (dialect.explicit_ports[0], ODD):
        before = BEFORE[where](dialect)
        dialogue = read(conversation([*before, HELLO, *OTHERS], port), SECRETS)
        assert is_opened(dialogue), where
        said = [event.data for event in dialogue.events if event.layer == TEXT and not event.encrypted]
        assert b"".join(said) == b"".join(data for _, data in before if data)
        assert "injected" not in kinds(dialogue)


@every_dialect
@pytest.mark.parametrize("where", ["behind a command without an answer", "behind a blank line"])
def test_a_reply_that_never_came_does_not_hide_the_go_ahead(dialect, where):
    dialogue = read(conversation([*BEFORE[where](dialect), HELLO, *OTHERS], dialect.explicit_ports[0]), SECRETS)
    assert kinds(dialogue)[-1] == "go-ahead" and dialogue.session.started == "explicit"
    assert "go-ahead" in [step.name for step in steps(dialogue)]
    assert "after an upgrade" in summary(dialogue)


@every_dialect
def test_the_summary_does_not_say_that_tls_was_agreed_where_it_was_refused(dialect):
    turns = [*BEFORE["behind a refused upgrade"](dialect), HELLO, *OTHERS]
    assert "go-ahead was not seen" in summary(read(conversation(turns, dialect.explicit_ports[0]), SECRETS))


@given(st.sampled_from(DIALECTS), st.sampled_from([where for where in BEFORE if "missing" not in where]), st.data())
@settings(max_examples=examples(150), deadline=None)
def test_how_the_bytes_are_cut_changes_nothing(dialect, where, data):
    turns = [*BEFORE[where](dialect), HELLO, *OTHERS]
    wanted = read(conversation(turns, ODD), SECRETS)
    cuts = data.draw(st.lists(st.integers(0, 600), max_size=8))
    pieces = []
    for side, said in turns:
        edges = sorted({0, len(said), *(cut % (len(said) + 1) for cut in cuts)})
        pieces += [(side, said[start:end]) for start, end in pairwise(edges)]
    found = read(conversation(pieces, ODD), SECRETS)
    assert [event[2:9] for event in found.events] == [event[2:9] for event in wanted.events]
    assert (found.session, found.dialect) == (wanted.session, wanted.dialect)


# ---- one side only speaks TLS


@every_dialect
@pytest.mark.parametrize("first", [CLIENT, SERVER])
def test_a_server_that_speaks_clear_text_to_a_client_hello_can_be_read(dialect, first):
    order = [HELLO, greeting(dialect)] if first == CLIENT else [greeting(dialect), HELLO]
    dialogue = read(conversation([*order, answers(dialect, "refused")], dialect.explicit_ports[0]))
    assert kinds(dialogue)[0] == "greeting" and "unknown" not in kinds(dialogue)
    assert [event.title for event in dialogue.events if event.layer == TLS] == ["ClientHello"]
    assert "in clear text" in dialogue.session.problem and not dialogue.session.version
    assert "no TLS was agreed" in summary(dialogue)


# ---- text behind the go-ahead


def agreed(dialect: Dialect) -> list[tuple[str, bytes]]:
    return [greeting(dialect), asks(dialect), answers(dialect, "go-ahead")]


@every_dialect
def test_text_that_goes_on_behind_the_go_ahead_is_commands_and_replies(dialect):
    user, word = dialect.writes.login("alice", "hunter2", "b"), answers(dialect, "done", "b")
    dialogue = read(conversation([*agreed(dialect), (CLIENT, user), word], dialect.explicit_ports[0]))
    assert kinds(dialogue)[-2:] == ["command", "reply"]
    assert "hunter2" in [exposure.value for exposure in visible(dialogue)]


@every_dialect
def test_text_that_goes_on_behind_a_failed_handshake_is_commands_and_replies(dialect):
    user, word = dialect.writes.login("alice", "hunter2", "b"), answers(dialect, "done", "b")
    alert = (CLIENT, b"\x15\x03\x03\x00\x02\x02\x28")
    for failure in ([answers(dialect, "refused")], [alert], [(SERVER, alert[1])], [(CLIENT, alert[1] + user)]):
        said = [] if user in failure[-1][1] else [(CLIENT, user)]
        turns = [*agreed(dialect), HELLO, *failure, *said, word]
        dialogue = read(conversation(turns, dialect.explicit_ports[0]))
        assert kinds(dialogue)[-2:] == ["command", "reply"]
        assert "hunter2" in [exposure.value for exposure in visible(dialogue)]
        assert "injected" not in kinds(dialogue)


@pytest.mark.parametrize("password", ("hunter2", "hünter2"))
@pytest.mark.parametrize("failed", (True, False), ids=("handshake failed", "no handshake"))
@pytest.mark.parametrize("dialect", ALL, ids=[dialect.name for dialect in ALL])
def test_in_every_protocol_a_login_behind_a_failed_upgrade_is_read(dialect, failed, password):
    alert = (SERVER, b"\x15\x03\x03\x00\x02\x02\x28")
    turns = [asks(dialect, tag="7"), answers(dialect, "go-ahead", "7"), *((HELLO, alert) if failed else ())]
    dialogue = read(conversation([*turns, (CLIENT, dialect.writes.login("alice", password, "8"))], PORTS[dialect]))
    told = [exposure.value for exposure in visible(dialogue) if exposure.what == "password"]
    assert [one.replace("\\xfc", "ü") for one in told] == [password]


PORTS = {dialect: dialect.explicit_ports[0] for dialect in ALL}


@every_dialect
def test_a_second_upgrade_succeeds_where_the_first_has_failed(dialect):
    noop, done = asks(dialect, "NOOP", "c"), answers(dialect, "done", "c")
    again = [asks(dialect), answers(dialect, "go-ahead")]
    turns = [*agreed(dialect), HELLO, answers(dialect, "refused"), noop, done, *again, HELLO, *OTHERS]
    dialogue = read(conversation(turns, dialect.explicit_ports[0]), SECRETS)
    assert is_opened(dialogue) and "injected" not in kinds(dialogue)
    assert kinds(dialogue)[-4:] == ["command", "reply", "command", "go-ahead"]


# ---- who is the client


def test_where_the_syn_was_not_captured_the_client_hello_tells_the_client():
    turns = [(SERVER if side == CLIENT else CLIENT, data) for side, data in (HELLO, *OTHERS)]
    dialogue = read(conversation(turns, ODD, whole=False), SECRETS)
    assert (dialogue.client.port, dialogue.server.port) == (ODD, 50000)
    assert dialogue.session.opened and dialogue.events[0].sender == CLIENT


@every_dialect
def test_where_the_syn_was_not_captured_the_greeting_tells_the_server(dialect):
    turns = [(SERVER if side == CLIENT else CLIENT, data) for side, data in [*agreed(dialect), HELLO, *OTHERS]]
    dialogue = read(conversation(turns, ODD, whole=False), SECRETS)
    assert dialogue.dialect is dialect and dialogue.server.port == 50000 and is_opened(dialogue)


def test_a_tcp_server_may_be_the_client_of_tls():
    """As in active FTP, where the server connects and the client shakes hands as the server."""
    turns = [(SERVER if side == CLIENT else CLIENT, data) for side, data in (HELLO, *OTHERS)]
    dialogue = read(conversation(turns, ODD), SECRETS)
    assert dialogue.session.opened and dialogue.server.port == ODD
    assert next(event for event in dialogue.events if event.layer == TLS).sender == SERVER


# ---- what is no TLS, and no mail

FOREIGN = {
    "Redis": [
        (CLIENT, b"*1\r\n$4\r\nPING\r\n"),
        (SERVER, b"+PONG\r\n"),
        (CLIENT, b"SET a 1\r\n"),
        (SERVER, b"+OK\r\n"),
    ],
    "Redis, in lines": [(CLIENT, b"AUTH x\r\n"), (SERVER, b"+OK\r\n"), (CLIENT, b"SET a 1\r\n"), (SERVER, b"+OK\r\n")],
    "HTTP": [
        (CLIENT, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        (SERVER, b"HTTP/1.1 200 OK\r\n\r\nMZ\x90\0\x03\0\0\0\x04"),
    ],
    "a download": [(CLIENT, b"GET /x\r\n\r\n"), (SERVER, b"\x16\x03\x01 this is no record"), (SERVER, b"\x80\x2e\x01")],
    "SMB": [(CLIENT, b"\0\0\0\x45\xffSMB\x72" + bytes(60)), (SERVER, b"\0\0\0\x45\xffSMB\x72" + bytes(60))],
    "SMB in the middle": [(CLIENT, b"\x80\x01\x04\0\0\0\xffSMB"), (SERVER, b"\x81\0\0\x44 CKFDENEC")],
    "NetBIOS": [(CLIENT, b"\x81\0\0\x44 " + b"CA" * 33), (SERVER, b"\x82\0\0\0")],
    "WebSocket": [(CLIENT, b"\x82\x85abcdxxxxx"), (SERVER, b"\x82\x05hello"), (CLIENT, b"\x88\x80abcd")],
    "SSH": [
        (SERVER, b"SSH-2.0-OpenSSH_9.6\r\n"),
        (CLIENT, b"SSH-2.0-x\r\n"),
        (SERVER, b"\0\0\x04\x0c\x0a\x14" + bytes(60)),
    ],
    "FTP data": [(SERVER, b"\x17\x03not a record at all")],
    "random bytes": [(CLIENT, bytes(range(0x14, 0x40))), (SERVER, bytes(range(0x80, 0xC0)))],
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("whole", [True, False])
def test_other_protocols_are_neither_tls_nor_mail(what, whole):
    said = FOREIGN[what]
    dialogue = read(conversation(said, ODD, whole))
    assert dialogue.session is None
    assert (dialogue.dialect and dialogue.dialect.name) in (None, what)  # HTTP is read as what it is
    assert not re.search("TLS, |POP3|everything crossed", summary(dialogue))
    for side in (CLIENT, SERVER):
        told = b"".join(event.data for event in dialogue.events if event.sender == side)
        assert told == b"".join(data for by, data in said if by == side)


@settings(max_examples=examples(300))
@given(st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), st.binary(max_size=60)), max_size=8), st.booleans())
def test_whatever_is_said_nothing_raises_and_no_byte_is_lost(said, whole):
    for port in (ODD, 25, 143, 110, 465):
        dialogue = read(conversation(said, port, whole))
        turned = dialogue.server.port != port
        for side in (CLIENT, SERVER):
            at = {CLIENT: SERVER, SERVER: CLIENT}[side] if turned else side
            told = b"".join(event.data for event in dialogue.events if event.sender == at and event.layer == TEXT)
            if dialogue.session is None:
                assert told == b"".join(data for by, data in said if by == side)
        assert summary(dialogue) and all(event.meaning for event in dialogue.events)


@settings(max_examples=examples(300))
@given(st.binary(max_size=80))
def test_random_bytes_are_hardly_ever_the_beginning_of_tls(data):
    if data and begins(data):
        assert data[0] in range(0x14, 0x19) or data[0] >= 0x80


# ---- what the summary says

CLEAR = "everything crossed the wire in clear text"


@every_dialect
def test_the_summary_says_that_all_was_clear_only_where_all_was_seen(dialect):
    said = [greeting(dialect), asks(dialect, "NOOP"), answers(dialect, "done")]
    port = dialect.explicit_ports[0]
    assert CLEAR + "." in summary(read(closed(conversation(said, port))))
    doubts = {
        "it began before": conversation(said, port, whole=False),
        "bytes are missing": conversation([*said, (SERVER, GAP)], port),
        "one side was not captured": conversation([turn for turn in said if turn[0] == SERVER], port),
        "not all can be read": conversation([*said, (CLIENT, bytes(range(128, 200)))], port),
    }
    for doubt, heard in doubts.items():
        told = summary(read(closed(heard)))
        assert CLEAR not in told and "No TLS was seen" in told, doubt


@every_dialect
@pytest.mark.parametrize("asked", [False, True], ids=["in clear text", "at the go-ahead"])
def test_a_capture_that_ends_before_the_connection_says_nothing_of_its_rest(dialect, asked):
    said = agreed(dialect) if asked else [greeting(dialect), asks(dialect, "NOOP"), answers(dialect, "done")]
    told = summary(read(conversation(said, dialect.explicit_ports[0])))
    assert "as far as it was captured; the end was not" in told


def test_an_unfinished_record_is_an_event_with_its_bytes():
    side, hello = HELLO
    for cut in (1, 4, 5, 6, 60, len(hello) - 1):
        dialogue = read(conversation([*agreed(SMTP), (side, hello[:cut])], 25))
        last = dialogue.events[-1]
        assert (last.sender, last.layer, last.wire) == (CLIENT, TLS, cut) and last.title.startswith("unfinished")
        assert hello[:cut].endswith(last.data) and len(last.data) in (cut, cut - 5)  # with the header, or without
        assert last.meaning and [field.end for field in last.fields][-1:] == [len(last.data)]


def alone(said: list[tuple[str, bytes]], side: str, port: int) -> Conversation:
    return conversation([turn for turn in said if turn[0] == side], port)


@every_dialect
def test_a_side_that_alone_was_captured_is_read(dialect):
    said = [*agreed(dialect), HELLO, *OTHERS]
    for side in (CLIENT, SERVER):
        dialogue = read(alone(said, side, dialect.explicit_ports[0]), SECRETS)
        assert dialogue.session is not None and "injected" not in kinds(dialogue)
        first = next(event for event in dialogue.events if event.layer == TLS)
        assert first.title == {CLIENT: "ClientHello", SERVER: "ServerHello"}[side]


def test_bytes_that_come_again_with_others_do_not_move_where_tls_begins():
    injected = [(SERVER, b"250 injected\r\n"), (CLIENT, b"RSET\r\n")]
    turns = [greeting(SMTP), asks(SMTP), answers(SMTP, "go-ahead"), *injected, HELLO, *OTHERS]
    talk = conversation(turns, 25)
    alone = read(talk, SECRETS)
    talk.said[2:2] = [
        (2, 2, side, "again", data, len(data)) for side, data in ((CLIENT, b"QUIT\r\n"), (SERVER, b"x" * 40))
    ]
    again = read(talk, SECRETS)
    assert [event.data for event in again.events if event.kind == "injected"] == [data for _, data in injected]
    assert [event[2:9] for event in again.events if event.kind != "again"] == [event[2:9] for event in alone.events]


@pytest.mark.parametrize("version", ["TLS 1.2", "TLS 1.3"])
@pytest.mark.parametrize("port", (25, 143, 465, ODD))
def test_a_capture_that_begins_in_the_middle_of_a_record_begins_in_tls(version, port):
    chunks = in_memory(version).chunks
    for first in range(len(chunks) - 1):
        (side, data), *rest = chunks[first:]
        dialogue = read(conversation([(side, data[-min(40, len(data) // 2) :]), *rest], port, whole=False))
        assert {event.layer for event in dialogue.events} == {TLS}, first


def test_what_another_protocol_says_before_its_client_hello_is_not_tls():
    dialogue = read(conversation([*HELD["what RDP says"], HELLO, *OTHERS], ODD, whole=False), SECRETS)
    assert [event.layer for event in dialogue.events[:3]] == [TEXT, TEXT, TLS]


def test_bytes_that_are_no_text_are_not_said_to_begin_a_command():
    dialogue = read(conversation([(CLIENT, b"\xd4\x2e\x97\xb5\x01\x02")], 25, whole=False))
    assert "cannot read" in dialogue.events[0].meaning
