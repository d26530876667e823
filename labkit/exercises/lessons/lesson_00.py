"""Start here: the first capture."""

from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

from labkit.exercises.captures import about_capture, capture_that, messages
from labkit.exercises.checkers import number, same, shown
from labkit.exercises.drawn import Draw
from labkit.exercises.question import Exercise, Lesson, Prediction

if TYPE_CHECKING:
    from labkit.lab import Lab
    from labkit.servers.server import Server
    from labkit.show.capture import Capture

_SUBJECT = "My own mail"


@about_capture
def _count(answer: object, capture: "Capture") -> str:
    frames = len(capture.frames)
    if isinstance(answer, list | tuple) and len(answer) == frames:
        return "That is the list of all frames. `len(...)` around it says how many there are."
    events = sum(len(dialogue.events) for dialogue in capture.dialogues)
    mistakes = {events: "That is how many events the dialogue has. One frame can carry several, or a part of one."}
    mistakes |= {len(capture.conversations): "That is how many conversations there are, each of many frames."}
    mistakes.pop(frames, None)
    return number(frames, mistakes=mistakes, otherwise="Let `len` count `capture.frames`.")(answer)


_KINDS = (("smtp", True), ("imap", False), ("imap", True), ("pop3", False), ("pop3", True))
"""(method of the lab, implicit TLS) of the servers that may be asked for: all but the one of the worked example."""
_MEANT_FOR = {
    25: "relay between mail servers, not for mail programs",
    587: "submission with SMTP and STARTTLS, which begins in the clear",
    465: "submission over implicit TLS: TLS comes before the first byte of SMTP (RFC 8314 §7.3)",
    2525: "something else by registration, though some providers offer submission there",
    143: "IMAP that begins in the clear",
    993: "IMAP over implicit TLS",
    110: "POP3 that begins in the clear",
    995: "POP3 over implicit TLS",
}


def _server(draw: Draw, lab: "Lab") -> "Server":
    method, implicit = draw.one("00.2", _KINDS)
    return getattr(lab, method)(implicit=implicit, replace=True)


def _port(answer: object, server: "Server") -> str:
    if not (hasattr(server, "port") and hasattr(server, "address")):
        return f"What the answer is about is the server, and you gave {shown(server)}."
    if server.address[1] != server.port and same(answer, server.address[1]):
        return (
            f"{shown(answer)} is where the server really listens on this machine, and the next time it is another one. "
            "The settings need the port that it stands for."
        )
    begins = "TLS from the first byte" if server.settings.implicit else "a beginning in the clear, and then an upgrade"
    this = f"This server speaks {server.protocol} with {begins}."
    mistakes = {port: f"{port} is for {use}. {this}" for port, use in _MEANT_FOR.items() if port != server.port}
    return number(server.port, mistakes=mistakes, otherwise=this)(answer)


def _has_subject(capture: "Capture") -> bool:
    subjects = [message_from_bytes(event.data, policy=default)["Subject"] for event in messages(capture)]
    return _SUBJECT.casefold() in [str(subject).strip().casefold() for subject in subjects]


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
        wrong={
            "a": "One frame would do for the text. But it needs a connection, and the server has to agree at each "
            "step.",
            "b": "Each step of the conversation is such a pair, a request and its answer, and there are many steps.",
            "c": "Without TLS it is not much more than that: ten frames or so carry what SMTP says. TLS and TCP add "
            "theirs.",
        },
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
            given=_server,
            hints=(
                "Run `server` in a cell of its own: the server says where it is.",
                "There may be two numbers, the real one and the one that the server stands for. `server.port` is the "
                "second.",
            ),
            solution="port = server.port",
            because=(
                "A port stands for a protocol and for when TLS starts: 587 is submission with STARTTLS, 465 "
                "submission over implicit TLS, 143 and 993 are the same two for IMAP, 110 and 995 for POP3 (RFC 8314)."
            ),
        ),
        Exercise(
            "00.3",
            f"Capture a mail of your own with the subject `{_SUBJECT}`.",
            capture_that(
                (
                    messages,
                    "There is no message in this capture that a server took: call `lab.send(mail, ...)` inside the "
                    "`with` block.",
                ),
                (
                    _has_subject,
                    f'There is a message in it, but its subject is not `{_SUBJECT}`: `lab.send` takes `subject="..."`.',
                ),
            ),
            hints=(
                "Take the cell in which you captured the first mail as a model, and give the capture another name.",
                f'`lab.send(mail, "some text", subject="{_SUBJECT}")` goes inside `with lab.capture() as mine:`.',
            ),
            solution=f'with lab.capture() as mine:\n    lab.send(mail, "It works.", subject="{_SUBJECT}")',
            because=(
                "You have sent and captured a mail. If it crossed the wire as ciphertext, the check could read it only "
                "because the secrets of the session are yours."
            ),
        ),
    ),
)
