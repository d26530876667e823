"""What proxies say first is named and skipped, however it is split; behind it, dialect and TLS are found."""

import socket
import struct
from itertools import pairwise

import pytest
from conversations import conversation
from hypothesis import given, settings
from hypothesis import strategies as st
from tls_sessions import COMMAND, in_memory

from labkit.capture.conversation import CLIENT, SERVER
from labkit.decode.dialogue import read
from labkit.decode.event import TEXT, Dialogue
from labkit.decode.preface import preface
from labkit.decode.privacy import visible

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = socket.inet_aton("203.0.113.7") + socket.inet_aton("192.0.2.25") + struct.pack(">HH", 50001, 25)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 + struct.pack(">HH", 50001, 25)

HTTP_OK = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"
REFUSED = b"HTTP/1.1 407 Log in\r\nContent-Length: 4\r\n\r\nnope"
PREFACES = {
    "PROXY 1": [(CLIENT, b"PROXY TCP4 203.0.113.7 192.0.2.25 50001 25\r\n")],
    "PROXY 1, IPv6": [(CLIENT, b"PROXY TCP6 2001:db8::7 2001:db8::1 50001 25\r\n")],
    "PROXY 1, unknown": [(CLIENT, b"PROXY UNKNOWN\r\n")],
    "PROXY 2": [(CLIENT, SIGNATURE + b"\x21\x11" + struct.pack(">H", 12) + V4)],
    "PROXY 2, IPv6 and more": [(CLIENT, SIGNATURE + b"\x21\x21" + struct.pack(">H", 41) + V6 + b"\x03\0\2hi")],
    "PROXY 2, local": [(CLIENT, SIGNATURE + b"\x20\0\0\0")],
    "two PROXY headers": [(CLIENT, b"PROXY UNKNOWN\r\n" + SIGNATURE + b"\x20\0\0\0")],
    "SOCKS 5": [
        *((CLIENT, b"\5\2\0\2"), (SERVER, b"\5\0"), (CLIENT, b"\5\1\0\3\7mx.test\0\x19")),
        (SERVER, b"\5\0\0\1\0\0\0\0\0\0"),
    ],
    "SOCKS 5 with a login": [
        *((CLIENT, b"\5\1\2"), (SERVER, b"\5\2"), (CLIENT, b"\1\5alice\6secret"), (SERVER, b"\1\0")),
        *((CLIENT, b"\5\1\0\1\xc0\0\2\x19\0\x19"), (SERVER, b"\5\0\0\4" + bytes(18))),
    ],
    "SOCKS 4": [(CLIENT, b"\4\1\0\x19\xc0\0\2\x19me\0"), (SERVER, b"\0\x5a" + bytes(6))],
    "SOCKS 4a": [(CLIENT, b"\4\1\0\x19\0\0\0\1\0mx.test\0"), (SERVER, b"\0\x5a" + bytes(6))],
    "CONNECT": [(CLIENT, b"CONNECT mx.test:25 HTTP/1.1\r\nHost: mx.test\r\n\r\n"), (SERVER, HTTP_OK)],
    "CONNECT with a login": [
        *((CLIENT, b"CONNECT mx.test:25 HTTP/1.1\r\n\r\n"), (SERVER, REFUSED)),
        *((CLIENT, b"CONNECT mx.test:25 HTTP/1.1\r\nProxy-Authorization: x\r\n\r\n"), (SERVER, HTTP_OK)),
    ],
}
TLS, SECRETS = in_memory("TLS 1.3")
CONVERSATIONS = {
    "SMTP": [(SERVER, b"220 mx ESMTP\r\n"), (CLIENT, b"STARTTLS\r\n"), (SERVER, b"220 go\r\n"), *TLS],
    "IMAP": [(SERVER, b"* OK hello\r\n"), (CLIENT, b"a STARTTLS\r\n"), (SERVER, b"a OK go\r\n"), *TLS],
    "POP3": [(SERVER, b"+OK POP3\r\n"), (CLIENT, b"STLS\r\n"), (SERVER, b"+OK go\r\n"), *TLS],
}
PORTS = {"SMTP": 465, "IMAP": 993, "POP3": 995}


def said_by(dialogue: Dialogue, kind: str) -> list[bytes]:
    return [event.data for event in dialogue.events if event.kind == kind]


def commands_inside(dialogue: Dialogue) -> bytes:
    return b"".join(e.data for e in dialogue.events if e.layer == TEXT and e.encrypted and e.sender == CLIENT)


@pytest.mark.parametrize("name", PREFACES)
@pytest.mark.parametrize("protocol", CONVERSATIONS)
def test_behind_a_proxy_the_dialect_and_its_tls_are_found(name, protocol):
    before, said = PREFACES[name], CONVERSATIONS[protocol]
    for port in (8888, 25):
        dialogue = read(conversation([*before, *said], port), SECRETS)
        assert b"".join(said_by(dialogue, "preface")) == b"".join(data for _, data in before)
        assert dialogue.dialect.name == protocol and dialogue.session.started == "explicit"
        assert commands_inside(dialogue) == COMMAND
        assert len(said_by(dialogue, "greeting")) == len(said_by(dialogue, "go-ahead")) == 1
        assert all(event.meaning and event.fields for event in dialogue.events if event.kind == "preface")


@pytest.mark.parametrize("name", PREFACES)
@pytest.mark.parametrize("protocol", CONVERSATIONS)
def test_behind_a_proxy_tls_may_be_implicit(name, protocol):
    dialogue = read(conversation([*PREFACES[name], *TLS], PORTS[protocol]), SECRETS)
    assert (dialogue.dialect.name, dialogue.session.started) == (protocol, "implicit")
    assert commands_inside(dialogue) == COMMAND


def test_a_greeting_may_come_before_the_proxy_header_is_seen():
    said = [(SERVER, b"220 mx ESMTP\r\n"), *PREFACES["PROXY 1"], (CLIENT, b"QUIT\r\n")]
    dialogue = read(conversation(said, 25))
    assert [event.kind for event in dialogue.events if event.layer == TEXT] == ["greeting", "preface", "command"]


def test_a_proxy_header_tells_the_client():
    for name in ("PROXY 1", "PROXY 2"):
        dialogue = read(conversation(PREFACES[name], 25))
        assert "203.0.113.7 port 50001" in dialogue.events[1].meaning
    assert "2001:db8::7 port 50001" in read(conversation(PREFACES["PROXY 2, IPv6 and more"], 25)).events[1].meaning
    assert "nothing about the client" in read(conversation(PREFACES["PROXY 2, local"], 25)).events[1].meaning


@settings(deadline=None)
@given(st.sampled_from(list(PREFACES)), st.sampled_from(list(CONVERSATIONS)), st.lists(st.integers(0, 300), max_size=8))
def test_a_preface_may_be_split_anywhere(name, protocol, cuts):
    said = [*PREFACES[name], *CONVERSATIONS[protocol]]
    pieces = []
    for side, data in said:
        edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        pieces += [(side, data[start:end]) for start, end in pairwise(edges)]
    wanted, found = (read(conversation(turns, 8888), SECRETS) for turns in (said, pieces))
    assert [event[2:9] for event in found.events] == [event[2:9] for event in wanted.events]


@given(st.binary(max_size=40), st.binary(max_size=40), st.sampled_from([b"", b"\5", b"\4\1", b"PROXY ", SIGNATURE]))
def test_no_bytes_raise_and_no_part_is_longer_than_what_was_said(server, client, begins):
    parts = preface(server, begins + client)
    for side, said in ((SERVER, server), (CLIENT, begins + client)):
        assert sum(part.size for part in parts if part.sender == side) <= len(said)


def test_what_only_looks_like_a_preface_is_text():
    for data in (b"PROXY what\r\n", b"CONNECT me please\r\n", b"\5\1", SIGNATURE):
        dialogue = read(conversation([(CLIENT, data), (SERVER, b"500 what\r\n")], 25))
        assert not said_by(dialogue, "preface")
        assert b"".join(event.data for event in dialogue.events if event.sender == CLIENT) == data


@pytest.mark.parametrize(
    ("name", "more"),
    (
        ("SOCKS 5 with a login", [("user name", "alice"), ("password", "secret")]),
        ("SOCKS 4", [("user name", "me")]),
        ("CONNECT", []),
        ("CONNECT with basic authentication", [("user name", "alice"), ("password", "hunter:2")]),
    ),
)
def test_a_login_to_a_proxy_is_told(name, more):
    basic = b"CONNECT mx.test:25 HTTP/1.1\r\nProxy-Authorization: Basic YWxpY2U6aHVudGVyOjI=\r\n\r\n"
    before = PREFACES.get(name, [(CLIENT, basic), (SERVER, HTTP_OK)])
    found = visible(read(conversation([*before, (SERVER, b"220 mx ESMTP\r\n"), (CLIENT, b"EHLO a\r\n")], 8888)))
    assert [(one.what, one.value) for one in found] == [*more, ("client name", "a")]
