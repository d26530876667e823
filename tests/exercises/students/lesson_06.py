"""Answers to lesson 06."""

import re

from lesson_captures import BOB, CLEAR, IMPLICIT, NONE, VERIFIED, Later, captured, fetched, nothing_captured, outcome

from labkit.exercises import given

IMAP = Later(fetched, "imap", **BOB, **VERIFIED)
IMAP_ALWAYS = Later(fetched, "imap", {"auth": "always"}, **BOB, **VERIFIED)
POP3 = Later(fetched, "pop3", **BOB, **VERIFIED)
WORDS = {"POP3": ["CAPA", "STLS", "+OK"], "IMAP": ["CAPABILITY", "STARTTLS", "OK"]}


def _line():
    return next(event.text for event in IMAP().dialogue.events if event.title == "STARTTLS")


def _tag():
    return _line().split()[0]


def _words():
    return WORDS[given("06.3")]


def _by_beginning(greeting):
    begins = {b"220": "SMTP", b"* ": "IMAP", b"+OK": "POP3"}
    return next((name for word, name in begins.items() if greeting.startswith(word)), None)


def _by_word(greeting):
    return next((name for name in ("IMAP", "POP3", "SMTP") if name.encode() in greeting.upper()), None)


def _only_ok(greeting):
    begins = {b"220": "SMTP", b"* OK": "IMAP", b"+OK": "POP3"}
    return next((name for word, name in begins.items() if greeting.startswith(word)), None)


def _esmtp(greeting):
    return _by_beginning(greeting) if not greeting.startswith(b"220") or b"ESMTP" in greeting else None


def _fetched_by(*login):
    return Later(fetched, "pop3", CLEAR, login=login, **NONE)


WRONG = [
    ("06.1", "the whole line", Later(_line), IMAP),
    ("06.1", "the word in front of it", "STARTTLS", IMAP),
    ("06.1", "untagged", "*", IMAP),
    ("06.1", "the tag of another command", Later(lambda: re.sub(r"\d+$", "0", _tag())), IMAP),
    ("06.1", "Look at the line", "A0001", IMAP),
    ("06.1", "upper and lower case", Later(lambda: _tag().lower()), IMAP),
    ("06.1", "text in quotes", 1, IMAP),
    ("06.1", "no `STARTTLS` in that capture", "A1", Later(fetched, "imap", {"starttls": "off"})),
    ("06.2", "What is forbidden until then", {"STARTTLS"}, IMAP),
    ("06.2", "only inside TLS", {"STARTTLS", "LOGINDISABLED", "AUTH=PLAIN"}, IMAP),
    (
        "06.2",
        "'LOGINDISABLED' does not belong there. This server does not announce it",
        {"STARTTLS", "LOGINDISABLED"},
        IMAP_ALWAYS,
    ),
    ("06.2", "does not belong there", {"STARTTLS", "LOGINDISABLED"}, POP3),
    ("06.2", "in both answers", {"UIDL", "STLS"}, POP3),
    ("06.2", "several things", "STLS", POP3),
    ("06.3", "a list of three words", "STLS"),
    ("06.3", "That is what SMTP says", ["EHLO", "STARTTLS", "220"]),
    ("06.3", "with another word", Later(lambda: _words()[::-1])),
    ("06.3", "Look at the dialect table", Later(lambda: [_words()[0], "TLS", _words()[2]])),
    ("06.3", "with another word", Later(lambda: WORDS["IMAP" if given("06.3") == "POP3" else "POP3"])),
    ("06.4", "the capture itself", "POP3"),
    ("06.4", "the capture itself", outcome),
    ("06.4", "no POP3 session", Later(fetched, "imap", CLEAR, **BOB, **NONE)),
    ("06.4", "no POP3 session", Later(captured, CLEAR, **NONE)),
    ("06.4", "went over TLS", POP3),
    ("06.4", "No password was sent", Later(fetched, "pop3", {"starttls": "off"}, **BOB, **NONE)),
    ("06.4", "the server refused it", _fetched_by("bob", "hunter2")),
    ("06.4", "but not bob's", _fetched_by("alice", "hunter2")),
    ("06.4", "went over TLS", Later(fetched, "pop3", {"implicit": True}, **BOB, **IMPLICIT)),
    ("06.4", "Nothing was captured", Later(nothing_captured)),
    ("06.5", "a function", "IMAP"),
    ("06.5", "returns nothing (None), but it should be 'SMTP'", _by_word),
    ("06.5", "should be 'IMAP'", lambda greeting: "SMTP"),
    ("06.5", "greet with PREAUTH", _only_ok),
    ("06.5", "returns nothing (None), but it should be 'SMTP'", _esmtp),
    ("06.5", "TypeError", lambda greeting: "SMTP" if greeting.startswith("220") else None),
    ("06.5", "should be nothing (None)", lambda greeting: _by_beginning(greeting) or "SSH"),
]
RIGHT = [
    ("06.1", Later(_tag), IMAP),
    ("06.1", Later(lambda: _tag().encode()), IMAP),
    ("06.1", Later(lambda: f"{_tag()} "), IMAP),
    ("06.2", {"STARTTLS", "LOGINDISABLED"}, IMAP),
    ("06.2", ["starttls"], IMAP_ALWAYS),
    ("06.2", ("STLS",), POP3),
    ("06.3", Later(_words)),
    ("06.3", Later(lambda: tuple(word.lower() for word in _words()))),
    ("06.3", Later(lambda: [f"tag {word}".encode() for word in _words()])),
    ("06.4", _fetched_by("bob", "swordfish")),
    ("06.4", Later(fetched, "pop3", {"auth": "always"}, **BOB, **NONE)),
    ("06.4", Later(lambda: fetched("pop3", CLEAR, **BOB).decrypted())),
    ("06.5", _by_beginning),
    ("06.5", lambda greeting: (_by_beginning(greeting) or "").lower() or None),
    ("06.5", lambda greeting: {b"220": "SMTP", b"* ": "IMAP", b"+OK": "POP3"}.get(
        (re.match(rb"220|\* |\+OK", greeting) or [b""])[0])),
]  # fmt: skip
