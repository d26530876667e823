"""Answers to lesson 03."""

import struct

from lesson_captures import (
    CLEAR,
    IMPLICIT,
    VERIFIED,
    Later,
    both_captured,
    captured,
    nothing_captured,
    outcome,
    with_starttls,
)

from labkit.exercises import given

CHACHA = {"tls": ("TLS 1.2",), "ciphers": "ECDHE+CHACHA20"}
THEIRS = Later(given, "03.1")
MINE = with_starttls


def _hello(title="ClientHello"):
    return next(event.data for event in MINE().dialogue.events if event.title == title)


def _random(title="ClientHello"):
    return _hello(title)[6:38]


def _name():
    return THEIRS().dialogue.session.server_name


def _hidden(older, newer, handshake=True):
    def titles(dialogue, encrypted):
        events = (event for event in dialogue.events if event.kind == "handshake" or not handshake)
        return [event.title for event in events if event.encrypted is encrypted]

    return [title for title in titles(older, False) if title in titles(newer, True)]


def _read(order):
    return lambda header: (header[0], int.from_bytes(header[1:3], order), int.from_bytes(header[3:5], order))


WRONG = [
    ("03.1", "the client of the lesson asks for", "mail.lab.test", THEIRS),
    ("03.1", "the client's own name", "alice.lab.test", THEIRS),
    ("03.1", "the whole name", "mail", THEIRS),
    ("03.1", "only its first part", Later(lambda: _name().partition(".")[0]), THEIRS),
    ("03.1", "text in quotes", 3, THEIRS),
    ("03.1", "no ClientHello", "mail.lab.test", Later(captured, CLEAR)),
    ("03.2", "the server's random", Later(lambda: _random("ServerHello").hex()), MINE),
    ("03.2", "only its beginning, 40 digits", Later(lambda: _random().hex()[:40]), MINE),
    ("03.2", "the whole ClientHello", Later(_hello), MINE),
    ("03.2", "That is a secret of the session", Later(lambda: MINE().keylog.split()[-1][:64]), MINE),
    ("03.2", "That is a secret of the session", Later(lambda: MINE().keylog.split()[-1]), MINE),
    ("03.2", "hexadecimal text", "the client random", MINE),
    ("03.2", "not the client's random of this session", "ab" * 32, MINE),
    ("03.3", "a function", {"Certificate", "NewSessionTicket"}),
    ("03.3", "in this order, it returns", lambda older, newer: {"Certificate", "NewSessionTicket"}),
    ("03.3", "is no message of the handshake", lambda older, newer: set(_hidden(older, newer)) | {"EHLO"}),
    ("03.3", "TLS 1.2 and TLS 1.3 it returns set()", lambda older, newer: set()),
    ("03.3", "takes 1 positional argument", lambda older: set()),
    ("03.3", "returns nothing", lambda older, newer: print(end="")),
    ("03.4", "the capture itself", "chacha"),
    ("03.4", "not TLS 1.2", Later(captured, **VERIFIED)),
    ("03.4", "another cipher", Later(captured, {"tls": ("TLS 1.2",)}, **VERIFIED)),
    ("03.4", "no TLS", Later(captured, CLEAR)),
    ("03.4", "was it sent", Later(captured, {**CHACHA, "certificate": "expired"}, **VERIFIED)),
    ("03.4", "was it sent", Later(both_captured, ({**CHACHA, "certificate": "expired"}, VERIFIED), ({}, VERIFIED))),
    ("03.4", "Nothing was captured", Later(nothing_captured)),
    ("03.4", "the capture itself", outcome),
    ("03.5", "two bytes", lambda header: (header[0], header[1], header[2])),
    ("03.5", "other order", _read("little")),
    ("03.5", "returns nothing", lambda header: print(end="")),
    ("03.5", "should be", lambda header: (22, 0x0301, 512)),
    ("03.5", "length is missing", lambda header: (header[0], int.from_bytes(header[1:3], "big"))),
    ("03.5", "a function", (22, 0x0301, 512)),
]  # fmt: skip
RIGHT = [
    ("03.1", Later(_name), THEIRS),
    ("03.1", Later(lambda: _name().upper() + "\n"), THEIRS),
    ("03.1", Later(lambda: _name().encode()), THEIRS),
    ("03.1", "mail.lab.test", MINE),
    ("03.2", Later(lambda: _random().hex()), MINE),
    ("03.2", Later(lambda: _random().hex(" ").upper()), MINE),
    ("03.2", Later(lambda: _random().hex(":") + "\n"), MINE),
    ("03.2", Later(_random), MINE),
    ("03.2", Later(lambda: "0x" + _random().hex()), MINE),
    ("03.3", _hidden),
    ("03.3", lambda older, newer: set(_hidden(older, newer))),
    ("03.3", lambda older, newer: tuple(dict.fromkeys(_hidden(older, newer)))),
    ("03.4", Later(captured, CHACHA, **VERIFIED)),
    ("03.4", Later(captured, {**CHACHA, "implicit": True}, **IMPLICIT)),
    ("03.4", Later(lambda: captured(CHACHA).decrypted())),
    ("03.5", _read("big")),
    ("03.5", lambda header: [header[0], header[1] << 8 | header[2], header[3] * 256 + header[4]]),
    ("03.5", lambda header: struct.unpack("!BHH", header)),
]  # fmt: skip
