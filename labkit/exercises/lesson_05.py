"""Clear versus encrypted: what encryption hides, and what it leaves."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from labkit.exercises.checkers import members, number, shown, tried_on
from labkit.exercises.question import Exercise, Lesson, Prediction

if TYPE_CHECKING:
    from labkit.show.capture import Capture

_OVERHEAD = 22
"""Bytes that a record of TLS 1.3 adds to its content (RFC 8446 §5.2)."""
_HEADER_OF_A_MAIL = 400
_PIECE = 400


def _longest(answer: object, capture: "Capture") -> str:
    sealed = [event for event in capture.dialogue.events if event.encrypted]
    by_server = max(event.wire for event in sealed if event.sender == "server")
    by_client = max(event.wire for event in sealed if event.sender == "client")
    mistakes = {by_client: "That is the longest of the client: the message. The question is about the server's."}
    mistakes |= {by_server - _OVERHEAD: "That is what is inside. On the wire there are 22 bytes more."}
    mistakes.pop(by_server, None)
    return number(by_server, mistakes=mistakes)(answer)


def _estimated(capture: object, estimate: object = ...) -> str:
    from labkit.show.capture import Capture

    if not isinstance(capture, Capture) or not capture.conversations:
        return f"The first part of the answer is your capture of a mail, and yours is {shown(capture)}."
    messages = [event for event in capture.decrypted().dialogue.events if event.kind == "message"]
    if not messages:
        return "There is no message in this capture: send one inside the `with` block."
    if not messages[0].encrypted:
        return "This mail crossed the wire in the clear, so there is nothing to estimate: use the server `explicit`."
    if estimate is None or estimate is ...:
        return "The capture is right. Now the estimate: a number of bytes, worked out from the lengths of its records."
    text = len(messages[0].data.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n.\r\n"))
    if not isinstance(estimate, int | float) or isinstance(estimate, bool):
        return f"The estimate is a number of bytes, and yours is {shown(estimate)}."
    if estimate < text:
        return (
            f"{shown(estimate)} is too low: the text alone has {text} bytes. Take the longest record of the client; "
            "a message of more than 16 KiB fills several."
        )
    if estimate > text + _HEADER_OF_A_MAIL:
        return f"{shown(estimate)} is too high for a text of {text} bytes: one record, not the sum of all."
    return ""


def _pieces() -> Iterator[tuple[bytes, bool, str]]:
    from labkit.show.recordings import recorded

    clear = recorded("clear_smtp_auth_plain").conversations[0]
    text = b"".join(chunk.data for chunk in clear.chunks)
    yield text[:_PIECE], False, "a conversation in clear text"
    yield b"The quick brown fox jumps over the lazy dog. " * 9, False, "English text"
    yield bytes(_PIECE), False, "400 zeros"
    yield os.urandom(_PIECE), True, "400 bytes of a random number generator, which look like any ciphertext"
    sealed = b"".join(event.data for event in recorded("starttls_tls13").dialogue.events if event.encrypted)
    yield sealed[:_PIECE], True, "400 bytes of TLS records"


LESSON = Lesson(
    "05",
    "Clear versus encrypted",
    Prediction(
        "A mail is sent over TLS. Which of these does somebody on the path still learn, to the byte?",
        {
            "a": "nothing at all",
            "b": "its subject",
            "c": "its recipient",
            "d": "its length",
        },
        right="d",
        because=(
            "TLS does not change the length of what it encrypts, it only adds a constant. RFC 8446 §5.4 allows to pad "
            "records, and hardly anybody does."
        ),
    ),
    (
        Exercise(
            "05.1",
            "What can mallory learn from the STARTTLS capture?",
            members(
                ("server name", "length of the message", "address of the server", "time of the mail"),
                missing={
                    "server name": "Look at the ClientHello, and at the greeting.",
                    "length of the message": "Look at the lengths of the records.",
                    "address of the server": "Without it, no packet would arrive.",
                    "time of the mail": "Every frame has the time at which it crossed the wire.",
                },
                extra={
                    "password": "This server takes a login only inside TLS.",
                    "subject": "The subject is a line of the message, and that is ciphertext.",
                },
            ),
            hints=(
                "What is *said* is hidden. What else does a letter in a closed envelope show?",
                "Two of the six are hidden: those that are content.",
            ),
            solution='learned = {"server name", "length of the message", "address of the server", "time of the mail"}',
            because="Content is hidden; who, when and how much is not. The word for it is metadata.",
        ),
        Exercise(
            "05.2",
            "How long is the server's longest record of ciphertext?",
            _longest,
            hints=(
                "`event.wire` are the bytes on the wire, `event.encrypted` and `event.sender` say which events count.",
                "`max(event.wire for event in with_starttls.dialogue.events if event.encrypted and event.sender == "
                '"server")`.',
            ),
            solution=(
                "events = with_starttls.dialogue.events\n"
                'longest = max(event.wire for event in events if event.encrypted and event.sender == "server")'
            ),
            because="It is the certificate: long, and in TLS 1.3 hidden. Its length can still tell servers apart.",
        ),
        Exercise(
            "05.3",
            "Estimate the length of a message that you cannot read.",
            _estimated,
            hints=(
                "The longest record that the client sent is the message.",
                "Take 22 bytes off for what TLS 1.3 adds. The header of the mail stays in; it has some 300 bytes.",
            ),
            solution=(
                "with lab.capture() as mine:\n"
                '    lab.send(explicit, "A text of my own. " * 30, policy=policies.verified)\n'
                'sent = [e.wire for e in mine.dialogue.events if e.encrypted and e.sender == "client"]\n'
                "estimate = max(sent) - 22"
            ),
            because="Somebody who knows what long and short mails mean between two people needs no key.",
        ),
        Exercise(
            "05.4",
            "Write a function that tells ciphertext from text.",
            tried_on(_pieces),
            hints=(
                "`entropy(data)` of 400 random bytes is about 7.4. What is it for text?",
                "Print `entropy` of some text of your own, and take a limit between the two.",
                "`return entropy(data) > 6.5`.",
            ),
            solution="def looks_encrypted(data: bytes):\n    return entropy(data) > 6.5",
            because="It would also say yes to a zip file: what is compressed has no patterns left either.",
        ),
    ),
)
