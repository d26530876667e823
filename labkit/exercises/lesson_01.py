"""Mail in the clear: what somebody on the path can read."""

from collections.abc import Iterator

from labkit.exercises.captures import capture_that, readable, said
from labkit.exercises.checkers import equals, members, tried_on
from labkit.exercises.question import Exercise, Lesson, Prediction

_COULD_BE_READ = ("password", "user name", "sender", "recipient", "subject", "message")


def _recordings() -> Iterator[tuple[object, set[tuple[str, str]], str]]:
    from labkit.show.recordings import recorded

    alice = {("alice", "hunter2")}
    yield recorded("clear_smtp_auth_plain"), alice, "a recording with AUTH PLAIN"
    yield recorded("clear_smtp_auth_login"), alice, "a recording with AUTH LOGIN"
    yield recorded("starttls_tls13"), set(), "a recording in which the login crossed inside TLS"


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
    ),
    (
        Exercise(
            "01.1",
            "Decode the password of the login in the recording.",
            equals(
                "hunter2",
                mistakes={
                    "AGFsaWNlAGh1bnRlcjI=": "That is the line as it crossed the wire: turn base64 back into bytes.",
                    "alice": "That is the user name: it stands before the password.",
                    b"\0alice\0hunter2": "It is in there: the password is what comes after the second zero byte.",
                    "\0alice\0hunter2": "It is in there: the password is what comes after the second zero byte.",
                },
            ),
            hints=(
                "Look at the transcript of the recording for a line that begins with `AUTH PLAIN`.",
                "`b64decode(...)` of the last word of that line gives bytes, with a zero byte before each part.",
                '`.split(b"\\0")` cuts bytes at the zero bytes, and `.decode()` makes text of them.',
            ),
            solution=(
                'line = next(event.text for event in recording.dialogue.events if event.title == "AUTH")\n'
                'password = b64decode(line.split()[-1]).split(b"\\0")[2].decode()'
            ),
            because="PLAIN sends a zero byte, the user name, a zero byte and the password, in base64 (RFC 4616).",
        ),
        Exercise(
            "01.2",
            "Which of these could mallory read in the first capture?",
            members(
                _COULD_BE_READ,
                missing={
                    "password": "And base64?",
                    "user name": "AUTH carries two things.",
                    "subject": "Look into the message: it begins with a header.",
                    "sender": "Look at MAIL FROM.",
                    "recipient": "Look at RCPT TO.",
                },
                extra={"cipher suite": "There is no cipher on a connection without TLS."},
            ),
            hints=(
                "The list above, made with `capture.visible()`, has two columns; the first has your words.",
                "All but one of them.",
            ),
            solution='readable = {"password", "user name", "sender", "recipient", "subject", "message"}',
            because="A cipher suite belongs to TLS, and there was none. Everything else was on the wire as it is.",
        ),
        Exercise(
            "01.3",
            "What does the challenge say?",
            equals(
                "Password:",
                mistakes={
                    "UGFzc3dvcmQ6": "That is the challenge in base64: decode it.",
                    "334 UGFzc3dvcmQ6": "That is the whole line: 334 is the reply code, the rest is base64. Decode it.",
                    "Username:": "That would be the first challenge for a client that sends nothing along with "
                    "`AUTH LOGIN`; this one sent its user name.",
                    "hunter2": "That is the answer to it.",
                },
            ),
            hints=(
                "The line that begins with `334` is the challenge. What follows the number is base64.",
                '`b64decode("UGFzc3dvcmQ6")` gives it as bytes; `.decode()` makes text of them.',
            ),
            solution='challenge = b64decode("UGFzc3dvcmQ6").decode()',
            because="LOGIN was never standardised; clients know its words by heart and many do not look at them.",
        ),
        Exercise(
            "01.4",
            "Capture a mail without a login over `old_mail`.",
            capture_that(
                (
                    lambda capture: any(event.kind == "message" for event in said(capture)),
                    "No message was sent in this capture: call `lab.send(old_mail, ...)` inside the `with` block.",
                ),
                (
                    lambda capture: "message" in readable(capture),
                    "This mail was sent over TLS: nothing of it can be read. Use `old_mail`.",
                ),
                (
                    lambda capture: "password" not in readable(capture),
                    "Somebody logged in: leave out `login=`.",
                ),
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
            tried_on(_recordings),
            hints=(
                'In `capture.visible()` each thing has a `what` and a `value`; look for "user name" and "password".',
                "In each login the user name comes before its password, so the two lists fit together.",
                "`zip` puts two lists together to pairs, and `set` makes a set of them.",
            ),
            solution=(
                "def logins(capture):\n"
                '    users = [seen.value for seen in capture.visible() if seen.what == "user name"]\n'
                '    passwords = [seen.value for seen in capture.visible() if seen.what == "password"]\n'
                "    return set(zip(users, passwords))"
            ),
            because="An eavesdropper's program has no more to do. Where the login crossed inside TLS it finds none.",
        ),
    ),
)
