"""Start here: the first capture."""

from labkit.exercises.captures import capture_that, said
from labkit.exercises.checkers import number, shown
from labkit.exercises.question import Exercise, Lesson, Prediction


def _count(answer: object, capture: object) -> str:
    frames, events = len(capture.frames), len(capture.dialogue.events)
    mistakes = {events: "That is how many events the dialogue has. One frame can carry several, or a part of one."}
    mistakes |= {len(capture.conversations): "That is how many conversations there are, each of many frames."}
    mistakes.pop(frames, None)
    return number(frames, mistakes=mistakes, otherwise="Let `len` count `capture.frames`.")(answer)


def _port(answer: object, mail: object) -> str:
    real = mail.address[1]
    if answer == real != mail.port:
        return (
            f"{shown(answer)} is where the server really listens on this machine, and the next time it is another one. "
            "The settings need the port that it stands for."
        )
    return number(mail.port, mistakes={25: "25 is where servers hand mail to each other."})(answer)


LESSON = Lesson(
    "00",
    "Start here",
    Prediction(
        "You will send one short mail: one line of text. How many frames cross the wire because of it?",
        {
            "a": "one: the mail",
            "b": "two: the mail and an answer",
            "c": "about ten",
            "d": "more than twenty",
        },
        right="d",
        because=(
            "A mail is not a packet that flies to its reader, it is a conversation. TCP opens a connection with three "
            "frames, the server greets, the client asks what the server can do, both shake hands for TLS, and then "
            "the mail is handed over, in four moves that are each answered. At the end both say goodbye."
        ),
    ),
    (
        Exercise(
            "00.1",
            "How many frames are in your capture?",
            _count,
            hints=(
                "`capture.frames` is a list. Python's `len` says how long a list is.",
                "Write `len(capture.frames)`.",
            ),
            solution="frames = len(capture.frames)",
            because="Each frame is one packet as it was captured; what they carry is put together to a conversation.",
        ),
        Exercise(
            "00.2",
            "Which port number belongs in the settings of a mail program for this server?",
            _port,
            hints=(
                "Run `mail` in a cell of its own: the server says where it is.",
                "There may be two numbers, the real one and the one that the server stands for. `mail.port` is the "
                "second.",
            ),
            solution="port = mail.port",
            because="587 is the port for *submission*: a mail program hands mail to its provider there (RFC 6409).",
        ),
        Exercise(
            "00.3",
            "Capture a mail of your own with the subject `My own mail`.",
            capture_that(
                (
                    lambda capture: any(event.kind == "message" for event in said(capture)),
                    "There is no message in this capture: call `lab.send(mail, ...)` inside the `with` block.",
                ),
                (
                    lambda capture: any("Subject: My own mail" in event.text for event in said(capture)),
                    'There is a message in it, but its subject is not `My own mail`: `lab.send` takes `subject="..."`.',
                ),
            ),
            hints=(
                "Take the cell in which you captured the first mail as a model, and give the capture another name.",
                '`lab.send(mail, "some text", subject="My own mail")` goes inside `with lab.capture() as mine:`.',
            ),
            solution='with lab.capture() as mine:\n    lab.send(mail, "It works.", subject="My own mail")',
            because="It crossed the wire as ciphertext, and the check could read it because the secrets are yours.",
        ),
    ),
)
