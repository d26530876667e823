"""Answers to lesson 05."""

from lesson_captures import (
    CLEAR,
    IMPLICIT,
    LOGIN,
    VERIFIED,
    Later,
    captured,
    nothing_captured,
    outcome,
    with_starttls,
)

from labkit.decode.measure import entropy

ALWAYS = ("server name", "length of the message", "address of the server", "time of the mail")
OPEN = Later(captured, CLEAR, **LOGIN)
OLDER = Later(captured, {"tls": "TLS 1.2"}, **VERIFIED)
TLS_FIRST = Later(captured, {"implicit": True, "tls": "TLS 1.3"}, **IMPLICIT)
LONG = Later(captured, None, "A text of my own. " * 2500, **VERIFIED)
WORKED = Later(captured, None, "Dear Bob, the PIN is 4921. Do not write it down, and forget it soon. " * 8, **VERIFIED)


def _sealed(capture, sender="client"):
    return [event.wire for event in capture().dialogue.events if event.encrypted and event.sender == sender]


def _message(capture):
    return next(event.data for event in capture().decrypted().dialogue.events if event.kind == "message")


def _no_utf8(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


WRONG = [
    ("05.1", "crossed inside TLS", {*ALWAYS, "password", "name of the client"}, with_starttls),
    ("05.1", "ciphertext here", {*ALWAYS, "subject"}, with_starttls),
    ("05.1", "Look at the lengths", {"server name", "address of the server", "time of the mail"}, TLS_FIRST),
    ("05.1", "`EHLO`. Where did that cross", {*ALWAYS, "name of the client"}, TLS_FIRST),
    ("05.1", "In which version", {*ALWAYS, "name of the client"}, OLDER),
    ("05.1", "Look for a line with `AUTH`", {*ALWAYS, "name of the client", "subject"}, OPEN),
    ("05.1", "several things", "server name", OPEN),
    ("05.2", "22 bytes more", Later(lambda: max(_sealed(with_starttls, "server")) - 22), with_starttls),
    ("05.2", "longest of the client", Later(lambda: max(_sealed(with_starttls))), with_starttls),
    ("05.2", "too low", 1, with_starttls),
    ("05.2", "no ciphertext", 900, OPEN),
    ("05.2", "The answer is a number", Later(lambda: _sealed(with_starttls, "server")), with_starttls),
    ("05.3", "take off the 22 bytes", with_starttls, Later(lambda: max(_sealed(with_starttls)))),
    ("05.3", "too low", with_starttls, 3),
    ("05.3", "too high", with_starttls, Later(lambda: max(_sealed(with_starttls)) + 300)),
    ("05.3", "which of the records is the message", with_starttls, Later(lambda: sum(_sealed(with_starttls)))),
    ("05.3", "the text alone", with_starttls, Later(lambda: len(_message(with_starttls).partition(b"\r\n\r\n")[2]))),
    ("05.3", "fills several records", LONG, Later(lambda: max(_sealed(LONG)) - 22)),
    ("05.3", "a number of bytes", with_starttls, "many"),
    ("05.3", "Now the estimate", with_starttls),
    ("05.3", "in the clear", OPEN, 100),
    ("05.3", "the mail of the lesson", WORKED, Later(lambda: max(_sealed(WORKED)) - 22)),
    ("05.3", "your capture of a mail", outcome, 100),
    ("05.3", "Nothing was captured", Later(nothing_captured), 100),
    ("05.4", "clear text it returns True", lambda data: True),
    ("05.4", "random bytes, which look like any ciphertext, it returns False", lambda data: False),
    ("05.4", "in UTF-8, with umlauts", lambda data: not data.isascii()),
    ("05.4", "which is no UTF-8", _no_utf8),
    ("05.4", "random bytes", lambda data: entropy(data) > 7.9),
    ("05.4", "base64", lambda data: entropy(data) > 5.5),
    ("05.4", "In an `if` that counts as True", entropy),
    ("05.4", "a function", 6.5),
    ("05.4", "returns nothing", lambda data: print(end="")),
    ("05.4", "UTF-8", lambda data: b" " not in data or max(data) > 127),
]
RIGHT = [
    ("05.1", {*ALWAYS, "name of the client"}, with_starttls),
    ("05.1", [*ALWAYS, "Certificate", "name of the client"], OLDER),
    ("05.1", ALWAYS, TLS_FIRST),
    ("05.1", frozenset({*ALWAYS, "name of the client", "password", "subject"}), OPEN),
    ("05.2", Later(lambda: max(_sealed(with_starttls, "server"))), with_starttls),
    ("05.2", Later(lambda: float(max(_sealed(with_starttls, "server")))), with_starttls),
    ("05.2", Later(lambda: sorted(_sealed(OLDER, "server"))[-1]), OLDER),
    ("05.3", with_starttls, Later(lambda: max(_sealed(with_starttls)) - 22)),
    ("05.3", with_starttls, Later(lambda: float(max(_sealed(with_starttls)) - 22 + 9))),
    ("05.3", LONG, Later(lambda: sum(sorted(_sealed(LONG))[-3:]) - 3 * 22)),
    ("05.3", TLS_FIRST, Later(lambda: max(_sealed(TLS_FIRST)) - 22)),
    ("05.4", lambda data: entropy(data) > 6.5),
    ("05.4", lambda data: len(set(data)) > 130),
    ("05.4", lambda data: int(entropy(data) >= 7)),
]
