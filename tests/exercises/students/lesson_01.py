"""Answers to lesson 01."""

from base64 import b64decode

from lesson_captures import CLEAR, LOGIN, VERIFIED, Later, captured, fetched, nothing_captured, outcome

from labkit.exercises import given


def _line():
    return next(line for line in given("01.1") if line.startswith("AUTH PLAIN"))


def _decoded():
    return b64decode(_line().split()[-1])


def _part(number):
    return _decoded().split(b"\0")[number].decode()


def _asked():
    lines = given("01.3")
    at = next(place for place, line in enumerate(lines) if line.startswith("334"))
    return lines[at], lines[at + 1]


def _challenge():
    asked, answered = _asked()
    return b64decode(asked.split()[1]).decode(), b64decode(answered).decode()


ALL = ("password", "user name", "sender", "recipient", "subject", "message")
LOGGED_IN = Later(captured, CLEAR, **LOGIN)
IN_TLS = Later(captured, **LOGIN, **VERIFIED)
ONLY_MAIL = Later(captured, CLEAR)


def _zipped(capture):
    users = [seen.value for seen in capture.visible() if seen.what == "user name"]
    passwords = [seen.value for seen in capture.visible() if seen.what == "password"]
    return set(zip(users, passwords, strict=False))


def _logins(capture):
    pairs, user = [], None
    for seen in capture.visible():
        user = seen.value if seen.what == "user name" else user
        if seen.what == "password":
            pairs.append((user, seen.value))
    return pairs


def _endless(capture):
    while True:
        pass


WRONG = [
    ("01.1", "decode its last word", Later(_line)),
    ("01.1", "turn base64 back", Later(lambda: _line().split()[-1])),
    ("01.1", "after the second zero byte", Later(_decoded)),
    ("01.1", "That is the user name", Later(lambda: _part(1))),
    ("01.1", "the login of the worked example", "hunter2"),
    ("01.1", "upper and lower case", Later(lambda: _part(2).upper())),
    ("01.1", "text in quotes", 4921),
    ("01.2", "base64 hides nothing", {*ALL} - {"password"}, LOGGED_IN),
    ("01.2", "no cipher on a connection without TLS", {*ALL, "cipher suite"}, LOGGED_IN),
    ("01.2", "look for a line with AUTH", {*ALL}, ONLY_MAIL),
    ("01.2", "does not belong there", {*ALL}, IN_TLS),
    ("01.2", "The ServerHello names it", set(), IN_TLS),
    ("01.2", "several things", "password", LOGGED_IN),
    ("01.2", "['password'] is none of what there is to choose from: 'password'", [["password"]], LOGGED_IN),
    ("01.2", "'PIN' is none of what there is to choose from", {"PIN"}, LOGGED_IN),
    ("01.2", "What the answer is about is a capture", {*ALL}, outcome),
    ("01.3", "still in base64", Later(_asked)),
    ("01.3", "in the wrong order", Later(lambda: _challenge()[::-1])),
    ("01.3", "a pair", "Password:"),
    ("01.3", "sent its user name", Later(lambda: ("Username:", _challenge()[1]))),
    ("01.3", "decode it, too", Later(lambda: (_challenge()[0], _asked()[1]))),
    ("01.3", "It is not 'hunter2'", ("Password:", "hunter2")),
    ("01.4", "There is a login in it", LOGGED_IN),
    ("01.4", "sent over TLS", Later(captured, **VERIFIED)),
    ("01.4", "Nothing was captured", Later(nothing_captured)),
    ("01.4", "the capture itself", outcome),
    ("01.4", "No message was handed over", Later(fetched, "pop3", CLEAR)),
    ("01.5", "a function", {("alice", "hunter2")}),
    ("01.5", "it returns set(), but it should be", lambda capture: set()),
    ("01.5", "should be", lambda capture: {("alice", "hunter2")}),
    ("01.5", "is called off after the user name", _zipped),
    ("01.5", "the logins of two users", lambda capture: _logins(capture)[:1]),
    ("01.5", "one user tries two passwords", lambda capture: dict(_logins(capture)).items()),
    ("01.5", "Does every way through it end in a `return`", lambda capture: print(end="")),
    ("01.5", "ZeroDivisionError", lambda capture: 1 / 0),
    ("01.5", "takes 0 positional arguments", lambda: set()),
    ("01.5", "a loop that never ends", _endless),
]
RIGHT = [
    ("01.1", Later(lambda: _part(2))),
    ("01.1", Later(lambda: _decoded().split(b"\0")[2])),
    ("01.1", Later(lambda: f"{_part(2)}\n")),
    ("01.2", {*ALL}, LOGGED_IN),
    ("01.2", ["sender", "Recipient", "subject", "MESSAGE "], ONLY_MAIL),
    ("01.2", ("cipher suite",), IN_TLS),
    ("01.2", Later(lambda: {seen.what for seen in LOGGED_IN().visible()}), LOGGED_IN),
    ("01.3", Later(_challenge)),
    ("01.3", Later(lambda: list(_challenge()))),
    ("01.3", Later(lambda: ("password", _challenge()[1].encode()))),
    ("01.4", ONLY_MAIL),
    ("01.4", Later(captured, {"starttls": "off"})),
    ("01.4", Later(lambda: ONLY_MAIL().decrypted())),
    ("01.5", _logins),
    ("01.5", lambda capture: set(_logins(capture))),
    ("01.5", lambda capture: ([user, password] for user, password in _logins(capture))),
]
