"""The upgrade is one idea in every dialect: go-ahead, TLS, a fresh start inside; clear text that stands in between is
seen to be injected.
"""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tls_sessions import COMMAND, REPLY, Recorded, in_memory

from labkit.capture.conversation import CLIENT, SERVER, Chunk, Conversation, Endpoint
from labkit.decode.dialogue import read
from labkit.decode.event import TEXT, TLS, Dialogue
from labkit.decode.privacy import visible
from labkit.dialects import ALL, Dialect

GREETINGS = {
    "SMTP": b"220 mail ESMTP\r\n",
    "IMAP": b"* OK ready\r\n",
    "POP3": b"+OK ready\r\n",
    "LMTP": b"220 mail LMTP\r\n",
    "ManageSieve": b'"IMPLEMENTATION" "mail"\r\nOK\r\n',
    "NNTP": b"200 NNTP\r\n",
    "FTP": b"220 FTP\r\n",
}
SPOKEN = [dialect for dialect in ALL if dialect.name in GREETINGS]
"""The dialects in lines."""
VERSIONS = ["TLS 1.2", "TLS 1.3"]

every_dialect = pytest.mark.parametrize("dialect", SPOKEN, ids=[dialect.name for dialect in SPOKEN])


def conversation(dialect: Dialect, turns: list[tuple[str, bytes]], port: int = 0) -> Conversation:
    server = Endpoint("192.0.2.2", port or dialect.explicit_ports[0])
    chunks = [Chunk(number, number, side, "data", data, len(data)) for number, (side, data) in enumerate(turns, 1)]
    return Conversation(Endpoint("192.0.2.1", 50000), server, chunks)


def upgrade(dialect: Dialect, behind: bytes = b"", behind_go_ahead: bytes = b"") -> list[tuple[str, bytes]]:
    return [
        (SERVER, GREETINGS[dialect.name]),
        (CLIENT, dialect.writes.command(dialect.upgrade, "a") + behind),
        (SERVER, dialect.writes.replies["go-ahead"]("go", "a") + behind_go_ahead),
    ]


def session(version: str = "TLS 1.3") -> Recorded:
    return in_memory(version)


def injected(dialogue: Dialogue) -> list[tuple[str, bytes]]:
    return [(event.sender, event.data) for event in dialogue.events if event.kind == "injected"]


@every_dialect
@pytest.mark.parametrize("version", VERSIONS)
def test_after_the_go_ahead_comes_tls_and_in_it_the_same_dialect_from_the_start(dialect, version):
    chunks, secrets = session(version)
    dialogue = read(conversation(dialect, upgrade(dialect) + chunks), secrets)
    assert [event.kind for event in dialogue.events[:3]] == ["greeting", "command", "go-ahead"]
    assert (dialogue.session.started, dialogue.session.version, dialogue.session.opened) == ("explicit", version, True)
    inside = [event for event in dialogue.events if event.encrypted and event.layer == TEXT]
    assert b"".join(event.data for event in inside if event.sender == CLIENT) == COMMAND
    assert b"".join(event.data for event in inside if event.sender == SERVER) == REPLY
    assert not injected(dialogue)


@every_dialect
def test_tls_from_the_first_byte_is_implicit_and_what_is_inside_is_known_by_its_port(dialect):
    chunks, secrets = session()
    port = next(iter(dialect.implicit_ports), dialect.explicit_ports[0])
    syn = [Chunk(0, 0, CLIENT, "syn", b"", 0)]
    whole = conversation(dialect, chunks, port)
    dialogue = read(replace(whole, said=syn + whole.said), secrets)
    assert (dialogue.dialect, dialogue.session.started, dialogue.session.opened) == (dialect, "implicit", True)


@every_dialect
def test_a_dialect_is_known_by_its_greeting_on_any_port(dialect):
    assert read(conversation(dialect, upgrade(dialect), 12345)).dialect is dialect


@every_dialect
def test_a_refusal_leaves_the_conversation_in_clear_text(dialect):
    turns = [*upgrade(dialect)[:2], (SERVER, dialect.writes.replies["refused"]("no", "a")), (CLIENT, b"a NOOP\r\n")]
    dialogue = read(conversation(dialect, turns))
    assert dialogue.session is None
    assert [event.kind for event in dialogue.events[2:]] == ["refusal", "command"]


@every_dialect
@pytest.mark.parametrize("segment", ["of the command", "of its own", "of the ClientHello"])
def test_a_command_behind_the_upgrade_was_injected_and_the_session_opens_all_the_same(dialect, segment):
    chunks, secrets = session()
    (_, hello), *others = chunks
    bad = b"x NOOP\r\n"
    turns = {
        "of the command": [*upgrade(dialect, behind=bad), (CLIENT, hello)],
        "of its own": [*upgrade(dialect), (CLIENT, bad), (CLIENT, hello)],
        "of the ClientHello": [*upgrade(dialect), (CLIENT, bad + hello)],
    }[segment]
    dialogue = read(conversation(dialect, turns + others), secrets)
    assert injected(dialogue) == [(CLIENT, bad)]
    assert dialogue.session.opened


@every_dialect
@pytest.mark.parametrize("segment", ["of the go-ahead", "of its own", "of the ServerHello"])
def test_a_reply_behind_the_go_ahead_was_injected_and_the_session_opens_all_the_same(dialect, segment):
    chunks, secrets = session()
    hello, (_, answer), *others = chunks
    bad = GREETINGS[dialect.name]
    turns = {
        "of the go-ahead": [*upgrade(dialect, behind_go_ahead=bad), hello, (SERVER, answer)],
        "of its own": [*upgrade(dialect), (SERVER, bad), hello, (SERVER, answer)],
        "of the ServerHello": [*upgrade(dialect), hello, (SERVER, bad + answer)],
    }[segment]
    dialogue = read(conversation(dialect, turns + others), secrets)
    assert injected(dialogue) == [(SERVER, bad)]
    assert dialogue.session.opened


@every_dialect
def test_what_was_injected_in_clear_text_gives_itself_away_but_nothing_of_the_session(dialect):
    chunks, secrets = session("TLS 1.3")
    told = visible(read(conversation(dialect, upgrade(dialect, behind=b"x NOOP\r\n") + chunks), secrets))
    assert {exposure.what for exposure in told} == {"server name", "cipher suite"}


@given(st.sampled_from(SPOKEN), st.sampled_from([b"", b"x NOOP\r\n"]), st.lists(st.integers(0, 4000), max_size=10))
def test_how_the_bytes_of_the_client_are_cut_changes_neither_what_is_injected_nor_what_is_opened(dialect, bad, cuts):
    chunks, secrets = session()
    (_, hello), *others = chunks
    edges = sorted({0, len(bad + hello), *(cut % (len(bad + hello) + 1) for cut in cuts)})
    pieces = [(CLIENT, (bad + hello)[start:end]) for start, end in pairwise(edges)]
    dialogue = read(conversation(dialect, upgrade(dialect) + pieces + others), secrets)
    assert b"".join(data for _, data in injected(dialogue)) == bad
    assert dialogue.session.opened
    assert next(event for event in dialogue.events if event.layer == TLS).data == hello[5:]
