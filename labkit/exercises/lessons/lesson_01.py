"""Mail in the clear: what can be read on the path."""

import secrets
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from typing import IO, TYPE_CHECKING

from labkit.clients import policies
from labkit.exercises.captures import about_capture, capture_that, lines, messages, readable
from labkit.exercises.checkers import as_text, members, shown, spelled_alike, text
from labkit.exercises.drawn import Draw
from labkit.exercises.functions import Call, tried_on
from labkit.exercises.keeping import draw
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.exercises.staged import CLEAR, fetched, lab_with, mailed

if TYPE_CHECKING:
    from labkit.lab import Lab
    from labkit.show.capture import Capture

_WORDS = ("password", "user name", "sender", "recipient", "subject", "message", "cipher suite")


def _login(what: str, of: Draw) -> tuple[str, str]:
    return of.name(what), of.word(what)


def _coded(plain: str) -> str:
    return b64encode(plain.encode()).decode()


def _plain_session(of: Draw) -> list[str]:
    return lines(mailed(server={**CLEAR, "mechanisms": "PLAIN"}, login=_login("01.1", of)))


def _password(answer: object) -> str:
    user, password = _login("01.1", draw())
    whole = f"\0{user}\0{password}"
    line = f"AUTH PLAIN {_coded(whole)}"
    mistakes = {
        line: "That is the whole line as it crossed the wire: decode its last word.",
        _coded(whole): "That is what crossed the wire: turn base64 back into bytes.",
        whole: "It is in there: the password is what comes after the second zero byte.",
        f"{user}\0{password}": "It is in there: the password is what comes after the last zero byte.",
        user: "That is the user name: it stands before the password.",
        "hunter2": "That is the login of the worked example. Look at the lines that you were given.",
    }
    return text(password, mistakes, "Which line begins with `AUTH PLAIN`?")(answer)


def _some_session(of: Draw) -> "Capture":
    """A session of which a part, or hardly anything, can be read."""
    kind = of.one("01.2", ("no login", "refused", "TLS"))
    if kind == "TLS":
        return mailed(login=_login("01.2", of), policy=policies.verified)
    if kind == "no login":
        return mailed(server=CLEAR)
    with lab_with() as lab:
        mail = lab.smtp(**CLEAR)
        with lab.capture() as capture:
            lab.send(mail, "See you at nine.", login=_login("01.2", of))
    return capture


@about_capture
def _can_be_read(answer: object, capture: "Capture") -> str:
    if isinstance(answer, set | frozenset | list | tuple):  # all that `visible` names is right, too
        answer = [word for word in answer if word in _WORDS or word not in list(readable(capture))]
    return members(
        [word for word in _WORDS if word in readable(capture)],
        of=_WORDS,
        missing={
            "password": "Is there a line with `AUTH`? And base64 hides nothing.",
            "user name": "AUTH carries two things.",
            "subject": "Look into the message: it begins with a header.",
            "message": "Did the message itself cross in the clear?",
            "sender": "Look at MAIL FROM.",
            "recipient": "Look at RCPT TO.",
            "cipher suite": "The ServerHello names it, in the clear.",
        },
        extra={
            "cipher suite": "There is no cipher on a connection without TLS.",
            "password": "No password can be read in this one: look for a line with AUTH that is not ciphertext.",
            "user name": "No user name can be read in this one: look for a line with AUTH that is not ciphertext.",
            **dict.fromkeys(("sender", "recipient"), "Can you read `MAIL FROM` and `RCPT TO` in this one?"),
            **dict.fromkeys(("subject", "message"), "Can you read a message in this one?"),
        },
    )(answer)


def _login_session(of: Draw) -> list[str]:
    return lines(mailed(server={**CLEAR, "mechanisms": "LOGIN"}, login=_login("01.3", of)))


def _challenge(answer: object) -> str:
    user, password = _login("01.3", draw())
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        return f"The answer is a pair, `(what the server asks, what the client answers)`, and yours is {shown(answer)}."
    asked, answered = (as_text(part) for part in answer)
    if asked is None or answered is None:
        return f"Both parts of the pair are text, and yours is {shown(answer)}."
    if "334" in asked or "UGFzc3dvcmQ6" in asked:
        return "The challenge is still in base64: decode what stands behind `334`."
    if _coded(password) in (asked, answered):
        return "The client's answer is still in base64: decode it, too."
    if answered.endswith(":") and asked == password:
        return "Both are right, in the wrong order: the server asks first."
    if spelled_alike(asked, "Username:"):
        return (
            "That would be asked of a client that sends nothing along with `AUTH LOGIN`; this one sent its user name."
        )
    if not spelled_alike(asked.rstrip(":"), "Password"):
        return f"The server does not ask {shown(answer[0])}: decode what stands behind `334`."
    mistakes = {user: "That is the user name, which stood behind `AUTH LOGIN`. What came after the challenge?"}
    return text(password, mistakes, "Decode the line below the challenge.")(answered)


def _nothing_readable(capture: "Capture") -> bool:
    return not {"password", "user name"} & readable(capture)


@cache
def _login_captures() -> "tuple[tuple[Capture, set[tuple[str, str]], str], ...]":
    """Captures, the logins that can be read in them, and what they are called; made once, with logins of their own."""
    of = Draw(secrets.token_hex(8))
    one, other, third = of.some("users", ("ada", "bert", "cleo", "dan"), 3)
    password, another = of.word("shared"), of.word("third")
    logins = {one: password, other: password, third: another}
    with lab_with(logins) as lab:
        both = _two_logins(lab, (other, password), (one, password))
        twice = _two_logins(lab, (one, password), (one, password))
        mistyped = _two_logins(lab, (one, another), (one, password))
        given_up = _called_off(lab, one, (third, another))
    plain = mailed(server={**CLEAR, "mechanisms": "PLAIN"}, login=(one, password))
    login = mailed(server={**CLEAR, "mechanisms": "LOGIN"}, login=(third, another))
    sealed = mailed(login=(one, password), policy=policies.verified)
    imap = fetched("imap", (third, another), CLEAR, policy=policies.none)
    return (
        (plain, {(one, password)}, "a capture with AUTH PLAIN"),
        (login, {(third, another)}, "a capture with AUTH LOGIN"),
        (sealed, set(), "a capture in which the login crossed inside TLS"),
        (both, {(other, password), (one, password)}, "a capture with the logins of two users"),
        (twice, {(one, password)}, "a capture in which one user logs in twice"),
        (mistyped, {(one, another), (one, password)}, "a capture in which one user tries two passwords"),
        (imap, {(third, another)}, "a capture with IMAP"),
        (given_up, {(third, another)}, "a capture in which one login is called off after the user name"),
    )


def _two_logins(lab: "Lab", first: tuple[str, str], second: tuple[str, str]) -> "Capture":
    plain = lab.smtp(**CLEAR, mechanisms="PLAIN", replace=True)
    login = lab.smtp(port=25, **CLEAR, mechanisms="LOGIN", replace=True)
    with lab.capture() as capture:
        lab.send(login, "One", login=first)
        lab.send(plain, "Two", login=second)
    return capture


def _called_off(lab: "Lab", user: str, login: tuple[str, str]) -> "Capture":
    """A client that gives its user name and then calls the login off with ``*`` (RFC 4954 §4), and then another."""
    server = lab.smtp(**CLEAR, mechanisms="LOGIN", replace=True)
    with lab.capture() as capture:
        with lab.alice.connect(server.host, server.port, 5) as wire, wire.makefile("rwb") as stream:
            _read_reply(stream)
            for line in (b"EHLO alice", b"AUTH LOGIN " + _coded(user).encode(), b"*", b"QUIT"):
                stream.write(line + b"\r\n")
                stream.flush()
                _read_reply(stream)
        lab.send(server, "Two", login=login)
    return capture


def _read_reply(stream: IO[bytes]) -> None:
    """Read to the last line of a reply (RFC 5321 §4.2)."""
    while stream.readline()[3:4] == b"-":
        pass


def _logins() -> Iterator[Call]:
    return (Call((capture,), found, called) for capture, found, called in _login_captures())


LESSON = Lesson(
    "01",
    "Mail in the clear",
    Prediction(
        "alice logs in at a server without TLS and sends a mail. What can somebody on the path read?",
        {
            "a": "the addresses of the two machines, because the rest is encoded",
            "b": "the addresses of sender and recipient, but not the text of the mail",
            "c": "all of the mail, but not the password, which is encoded",
            "d": "all of it: addresses, subject, text, user name and password",
        },
        right="d",
        because=(
            "Nothing on this connection was encrypted. The password was encoded in base64, and an encoding has no key: "
            "whoever sees it can decode it."
        ),
        wrong={
            "a": "Hardly anything of a mail is encoded: commands, addresses and header are plain words. Only the login "
            "is, and an encoding can be turned back.",
            "b": "The envelope and the message travel over the same connection, one after the other, in the same way. "
            "There is no envelope of paper around the text.",
            "c": "It is encoded, and an encoding is no secret: it has no key, so the password is as readable as the "
            "mail.",
        },
    ),
    (
        Exercise(
            "01.1",
            "Decode the password of the login in the lines that you were given.",
            _password,
            given=_plain_session,
            hints=(
                "Look for a line that begins with `AUTH PLAIN`.",
                "`b64decode(...)` of the last word of that line gives bytes, with a zero byte before each part.",
                '`.split(b"\\0")` cuts bytes at the zero bytes, and `.decode()` makes text of them.',
            ),
            solution=(
                'line = next(line for line in heard if line.startswith("AUTH PLAIN"))\n'
                'password = b64decode(line.split()[-1]).split(b"\\0")[2].decode()'
            ),
            because="PLAIN sends a zero byte, the user name, a zero byte and the password, in base64 (RFC 4616).",
        ),
        Exercise(
            "01.2",
            "Which of these could mallory read in this capture?",
            _can_be_read,
            given=_some_session,
            hints=(
                "Look at the transcript of the capture: run its name in a cell of its own.",
                "`capture.visible()`, with your capture's name, lists what can be read; the first of each has the "
                "words.",
            ),
            solution=(
                'words = {"password", "user name", "sender", "recipient", "subject", "message", "cipher suite"}\n'
                "readable = words & {seen.what for seen in theirs.visible()}"
            ),
            because=(
                "What was said in the clear can be read, all of it, and nothing else. A cipher suite belongs to TLS, "
                "whose first two messages are in the clear."
            ),
        ),
        Exercise(
            "01.3",
            "What does the server ask in its challenge, and what does the client answer?",
            _challenge,
            given=_login_session,
            hints=(
                "The line that begins with `334` is the challenge. What follows the number is base64.",
                "The line below it is the client's answer, in base64 as well.",
                '`b64decode("UGFzc3dvcmQ6")` gives the first as bytes; `.decode()` makes text of them.',
            ),
            solution=(
                'at = next(place for place, line in enumerate(asked) if line.startswith("334"))\n'
                "challenge = b64decode(asked[at].split()[1]).decode(), b64decode(asked[at + 1]).decode()"
            ),
            because="LOGIN was never standardised; clients know its words by heart and many do not look at them.",
        ),
        Exercise(
            "01.4",
            "Capture a mail without a login over `old_mail`.",
            capture_that(
                (
                    messages,
                    "No message was handed over in this capture: call `lab.send(old_mail, ...)` inside the `with` "
                    "block.",
                ),
                (
                    lambda capture: "message" in readable(capture),
                    "This mail was sent over TLS: nothing of it can be read. Use `old_mail`.",
                ),
                (_nothing_readable, "There is a login in it: leave out `login=`."),
            ),
            hints=(
                "Take the cell with `login_capture` as a model.",
                '`lab.send(old_mail, "some text")` without `login=`, inside `with lab.capture() as without_login:`.',
            ),
            solution='with lab.capture() as without_login:\n    lab.send(old_mail, "The PIN is 4921")',
            because="No password, and still every word of the mail and both addresses crossed the wire to be read.",
        ),
        Exercise(
            "01.5",
            "Write a function that returns the set of all (user, password) pairs that can be read in a capture.",
            tried_on(_logins),
            hints=(
                'In `capture.visible()` each thing has a `what` and a `value`; look for "user name" and "password".',
                "In each login the user name comes before its password. A login can also end after the user name.",
                "Go through `capture.visible()` once. Remember the last user name, and add a pair at each password.",
            ),
            solution=(
                "def logins(capture):\n"
                "    pairs, user = set(), None\n"
                "    for seen in capture.visible():\n"
                '        user = seen.value if seen.what == "user name" else user\n'
                '        pairs |= {(user, seen.value)} if seen.what == "password" else set()\n'
                "    return pairs"
            ),
            because="An eavesdropper's program has no more to do. Where the login crossed inside TLS it finds none.",
        ),
    ),
)
