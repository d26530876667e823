"""Answers to lesson 02."""

from lesson_captures import (
    CLEAR,
    IMPLICIT,
    LOGIN,
    MANDATORY,
    NONE,
    VERIFIED,
    Later,
    captured,
    nothing_captured,
    outcome,
    with_starttls,
)

from labkit.exercises import given

REQUIRED = {"starttls": "required"}


def _event(kind):
    return next(event for event in with_starttls().dialogue.events if event.kind == kind or event.title == kind)


def _senders(server="server", client="client"):
    return [server if line[:3].isdigit() else client for line in given("02.2")]


CLEAR_MAIL = Later(captured, CLEAR)
TLS_FIRST = Later(captured, {"implicit": True}, **IMPLICIT)


def _by_kinds(dialogue):
    kinds = [event.kind for event in dialogue.events]
    return "go-ahead" in kinds and "handshake" in kinds


def _right(dialogue):
    titles = [event.title for event in dialogue.events]
    ends = {event.sender for event in dialogue.events if event.title == "Finished"}
    return "STARTTLS" in titles and "go-ahead" in [e.kind for e in dialogue.events] and len(ends) == 2


WRONG = [
    ("02.1", "first 220", Later(lambda: _event("greeting").frame), with_starttls),
    ("02.1", "There alice asks", Later(lambda: _event("STARTTLS").frame), with_starttls),
    ("02.1", "ask the event for `.frame`", Later(lambda: with_starttls().dialogue.events.index(_event("go-ahead"))),
     with_starttls),
    ("02.1", "its frame: `.frame`", Later(lambda: _event("go-ahead")), with_starttls),
    ("02.1", "220 is its reply code", 220, with_starttls),
    ("02.1", "no go-ahead in that capture", 7, CLEAR_MAIL),
    ("02.2", "a list of 6 words", "server"),
    ("02.2", "it begins with a reply code", ["client"] * 6),
    ("02.2", "it begins with a word", ["server"] * 6),
    ("02.2", 'Each word is "client" or "server"', Later(lambda: ["mallory", *_senders()[1:]])),
    ("02.2", "a list of 6 words", ["server", "client"]),
    ("02.3", "wrong order", (6, 2), with_starttls),
    ("02.3", "use `.decrypted()`", (2, 0), with_starttls),
    ("02.3", "which of them are `encrypted`", (8, 0), with_starttls),
    ("02.3", "This is another one", (2, 6), CLEAR_MAIL),
    ("02.3", "a tuple", 8, with_starttls),
    ("02.4", "TLS in this capture", Later(captured, REQUIRED, **VERIFIED)),
    ("02.4", "does not require STARTTLS", Later(captured, **NONE)),
    ("02.4", "does not speak of STARTTLS", Later(captured, {"starttls": "off"}, **MANDATORY)),
    ("02.4", "Leave out `login=`", Later(captured, REQUIRED, **LOGIN, **NONE)),
    ("02.4", "the capture itself", outcome),
    ("02.4", "Nothing was captured", Later(nothing_captured)),
    ("02.5", "a function", True),
    ("02.5", "without STARTTLS it returns True", lambda dialogue: True),
    ("02.5", "was upgraded it returns False", lambda dialogue: False),
    ("02.5", "the client broke off", _by_kinds),
    ("02.5", "implicit TLS", lambda dialogue: "handshake" in [event.kind for event in dialogue.events]),
    ("02.5", "cut after the go-ahead", lambda dialogue: "go-ahead" in [event.kind for event in dialogue.events]),
    ("02.5", "STARTTLS was refused", lambda dialogue: "STARTTLS" in [event.title for event in dialogue.events]),
    ("02.5", "returns nothing", lambda dialogue: print(end="")),
    ("02.5", "the server never sent its Finished", lambda dialogue: _by_kinds(dialogue)
     and [e for e in dialogue.events if e.encrypted and e.sender == "client"]),
    ("02.5", "an encrypted alert", lambda dialogue: _by_kinds(dialogue)
     and ("Finished", "server") in [(e.title, e.sender) for e in dialogue.events]
     and [e for e in dialogue.events if e.encrypted and e.sender == "client"]),
]  # fmt: skip
RIGHT = [
    ("02.1", Later(lambda: _event("go-ahead").frame), with_starttls),
    ("02.1", Later(lambda: float(_event("go-ahead").frame)), with_starttls),
    ("02.1", Later(lambda: _event("go-ahead").frame), Later(lambda: with_starttls().decrypted())),
    ("02.2", Later(_senders)),
    ("02.2", Later(lambda: tuple(_senders("Server", "alice")))),
    ("02.2", Later(lambda: dict(zip(given("02.2"), _senders("mail", "the client"), strict=True)))),
    ("02.3", (2, 6), with_starttls),
    ("02.3", [5, 0], CLEAR_MAIL),
    ("02.3", (0, 5), TLS_FIRST),
    ("02.4", Later(captured, REQUIRED, **NONE)),
    ("02.4", Later(captured, {**REQUIRED, "port": 25}, **NONE)),
    ("02.4", Later(lambda: captured(REQUIRED, "Another text", **NONE).decrypted())),
    ("02.5", _right),
    ("02.5", lambda dialogue: int(_right(dialogue))),
    ("02.5", lambda dialogue: dialogue.session and dialogue.session.started == "explicit" and dialogue.session.opened),
    ("02.5", lambda dialogue: [e for e in dialogue.events if e.kind == "go-ahead"]
     and {"client", "server"} <= {e.sender for e in dialogue.events if e.title == "Finished"}),
    ("02.5", lambda dialogue: True if _right(dialogue) else None),
]  # fmt: skip
