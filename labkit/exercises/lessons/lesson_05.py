"""Clear versus encrypted: what encryption hides, and what it leaves."""

import os
import secrets
import struct
import zlib
from base64 import b64encode
from collections.abc import Iterator

from labkit.clients import policies
from labkit.exercises.captures import NOTHING, about_capture, messages
from labkit.exercises.checkers import members, number, shown
from labkit.exercises.drawn import Draw
from labkit.exercises.functions import Call, tried_on
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.exercises.staged import CLEAR, mailed
from labkit.show.capture import Capture
from labkit.show.recordings import recorded

_OVERHEAD = 22
"""Bytes that a record of TLS 1.3 adds to its content (RFC 8446 §5.2)."""
_NEAR = 10
"""Bytes by which an estimate may be wrong."""
_PIECE = 400
_WORKED_EXAMPLE = b"Dear Bob, the PIN is 4921. Do not write it down, and forget it soon."

_WAYS = (
    {"server": CLEAR},
    {"policy": policies.verified, "server": {"tls": "TLS 1.2"}},
    {"policy": policies.implicit, "server": {"tls": "TLS 1.2", "implicit": True}},
    {"policy": policies.implicit, "server": {"tls": "TLS 1.3", "implicit": True}},
)
"""Ways to send a mail: all but the one that the lesson talks through, STARTTLS with TLS 1.3."""
_ALWAYS = ("server name", "length of the message", "address of the server", "time of the mail")


def _some_mail(of: Draw) -> Capture:
    return mailed(login=("alice", "hunter2"), **of.one("05.1", _WAYS))


@about_capture
def _learned(answer: object, capture: Capture) -> str:
    seen = {exposure.what for exposure in capture.visible()}
    told = {"password": "password", "subject": "subject", "client name": "name of the client"}
    told |= {"certificate of": "certificate"}
    return members(
        [*_ALWAYS, *(word for what, word in told.items() if what in seen)],
        of=(*_ALWAYS, *told.values()),
        missing={
            "server name": "Look at the ClientHello where there is one, and at the greeting where it can be read.",
            "name of the client": "Can `EHLO` be read in this capture?",
            "certificate": "In which version does the certificate cross in the clear? Look at the transcript.",
            "length of the message": "Look at the lengths of the records, or of the lines.",
            "address of the server": "Without it, no packet would arrive.",
            "time of the mail": "Every frame has the time at which it crossed the wire.",
            "password": "Look for a line with `AUTH`.",
            "subject": "Look into the message.",
        },
        extra={
            "password": "No password can be read here: the login crossed inside TLS, if there was one.",
            "subject": "The subject is a line of the message, and that is ciphertext here.",
            "name of the client": "The client says it in `EHLO`. Where did that cross in this capture?",
            "certificate": "Look for it in the transcript: here it crossed as ciphertext, or there was none.",
        },
    )(answer)


@about_capture
def _longest(answer: object, capture: Capture) -> str:
    sealed = [event for event in capture.dialogue.events if event.encrypted]
    if not sealed:
        return "There is no ciphertext in that capture: the question is about the one with STARTTLS."
    by_server = max(event.wire for event in sealed if event.sender == "server")
    by_client = max(event.wire for event in sealed if event.sender == "client")
    mistakes = {by_client: "That is the longest of the client: the message. The question is about the server's."}
    mistakes |= {by_server - _OVERHEAD: "That is what is inside. On the wire there are 22 bytes more."}
    mistakes.pop(by_server, None)
    return number(by_server, mistakes=mistakes)(answer)


def _estimated(capture: object, estimate: object = ...) -> str:
    if not isinstance(capture, Capture):
        return f"The first part of the answer is your capture of a mail, and yours is {shown(capture)}."
    if not capture.conversations:
        return NOTHING
    sent = messages(capture)
    if not sent:
        return "There is no message in this capture that a server took: send one inside the `with` block."
    if not sent[0].encrypted:
        return "This mail crossed the wire in the clear, so there is nothing to estimate: use the server `explicit`."
    if _WORKED_EXAMPLE in sent[0].data:
        return "That is the mail of the lesson, whose length is printed there. Send one of your own."
    if estimate is None or estimate is ...:
        return "The capture is right. Now the estimate: a number of bytes, worked out from the lengths of its records."
    if not isinstance(estimate, int | float) or isinstance(estimate, bool) or estimate != estimate:
        return f"The estimate is a number of bytes, and yours is {shown(estimate)}."
    if abs(estimate - len(sent[0].data)) <= _NEAR:
        return ""
    return _off(estimate, capture, len(sent[0].data))


def _off(estimate: float, capture: Capture, right: int) -> str:
    sealed = [event.wire for event in capture.dialogue.events if event.encrypted and event.sender == "client"]
    text = len(messages(capture)[0].data.partition(b"\r\n\r\n")[2])
    if estimate == max(sealed):
        return (
            f"{shown(estimate)} is how long the record is on the wire: take off the {_OVERHEAD} bytes that TLS "
            "1.3 adds."
        )
    if estimate in (sum(sealed), sum(sealed) - _OVERHEAD, sum(sealed) - _OVERHEAD * len(sealed)):
        return f"{shown(estimate)} is all that the client sent inside TLS: which of the records is the message?"
    if abs(estimate - text) <= _NEAR:
        return (
            f"{shown(estimate)} is the text alone. Its header is part of the message, and mallory cannot tell "
            "them apart."
        )
    if estimate < right and len(sealed) and max(sealed) > 16_384:
        return f"{shown(estimate)} is too low: a message of more than 16 KiB fills several records."
    low_or_high = "low" if estimate < right else "high"
    return f"{shown(estimate)} is too {low_or_high}: take the longest record of the client, less {_OVERHEAD} bytes."


_GERMAN = (
    "Die Verschlüsselung beginnt erst, wenn der Server geantwortet hat; vorher können alle auf dem Weg mitlesen, "
    "was Käufer und Verkäufer sich schreiben. Größere Mengen Österreichischer Äpfel wären übrigens möglich. "
)
_RUSSIAN = (
    "Шифрование начинается только после ответа сервера, а до этого любой на пути может прочитать письмо, "  # noqa: RUF001
    "его тему и пароль отправителя. Поэтому клиент должен уметь отказаться. "  # noqa: RUF001
)


def _pieces() -> Iterator[Call]:
    """Pieces of 400 bytes, each time others, and whether they look like ciphertext."""
    clear = recorded("clear_smtp_auth_plain").conversations[0]
    sealed = b"".join(e.data for e in recorded("starttls_tls13").dialogue.events if e.encrypted)
    pieces = (
        (b"".join(chunk.data for chunk in clear.chunks), False, "a conversation in clear text"),
        (b"The quick brown fox jumps over the lazy dog. " * 9, False, "English text"),
        (os.urandom(_PIECE), True, "400 random bytes, which look like any ciphertext,"),
        (_GERMAN.encode() * 3, False, "German text in UTF-8, with umlauts,"),
        (_RUSSIAN.encode() * 3, False, "Russian text in UTF-8, of which hardly a byte is ASCII,"),
        (_GERMAN.encode("latin-1") * 3, False, "German text in Latin-1, which is no UTF-8,"),
        (_RUSSIAN.encode("koi8-r") * 3, False, "Russian text in KOI8-R, which is no UTF-8,"),
        (_GERMAN.encode("utf-16") * 3, False, "German text in UTF-16, where every second byte is zero,"),
        (bytes(_PIECE), False, "400 zeros"),
        (b"\xff" * _PIECE, False, "400 times the byte ff"),
        (os.urandom(_PIECE).hex().encode(), False, "ciphertext written in hexadecimal digits"),
        (b64encode(os.urandom(_PIECE)), False, "ciphertext written in base64"),
        (_numbers(), False, "a table of numbers, four bytes each,"),
        (sealed[: 3 * _PIECE], True, "400 bytes out of TLS records"),
        (_compressed(), True, "the middle of a zip file, which looks the same as ciphertext,"),
        *((os.urandom(_PIECE), True, "400 other random bytes") for _ in range(10)),
    )
    return (Call((data[:_PIECE],), answer, called) for data, answer, called in pieces)


def _numbers() -> bytes:
    return b"".join(struct.pack("<I", 1000 + secrets.randbelow(3000)) for _ in range(_PIECE))


def _compressed() -> bytes:
    """What stands after the header of a member of a zip file, or of a PNG."""
    numbers = " ".join(str(secrets.randbelow(10**9)) for _ in range(600))
    return zlib.compress(numbers.encode(), 9)[200:]


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
            "TLS 1.3 does not change the length of what it encrypts, it only adds a constant. RFC 8446 §5.4 allows to "
            "pad records, and hardly anybody does."
        ),
        wrong={
            "a": "Encryption hides what is said. That something is said, when, between whom and how much of it stays "
            "visible.",
            "b": "The subject is a line inside the message, and TLS hides all of the message from the path.",
            "c": "`RCPT TO` crosses inside TLS, too. Only the servers on the way read it.",
        },
    ),
    (
        Exercise(
            "05.1",
            "What can mallory learn from this capture?",
            _learned,
            given=_some_mail,
            hints=(
                "What is said may be hidden. What else does a letter in a closed envelope show?",
                "Look at the transcript of `theirs`. Is `EHLO` in it? Is `Certificate`? In which colour?",
            ),
            solution=(
                "seen = {exposure.what for exposure in theirs.visible()}\n"
                'learned = {"server name", "length of the message", "address of the server", "time of the mail"}\n'
                'learned |= seen & {"password", "subject"}\n'
                'learned |= {"name of the client"} if "client name" in seen else set()\n'
                'learned |= {"certificate"} if "certificate of" in seen else set()'
            ),
            because=(
                "Who, when and how much is never hidden; the word for it is metadata. Content is hidden by TLS, the "
                "client's name by implicit TLS, and the certificate by TLS 1.3."
            ),
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
            "Work out the length of a message, header and text, from the lengths of its records alone.",
            _estimated,
            hints=(
                "The longest record that the client sent is the message.",
                "Take 22 bytes off for what TLS 1.3 adds. The header of the mail is part of the message.",
            ),
            solution=(
                "with lab.capture() as mine:\n"
                '    lab.send(explicit, "A text of my own. " * 30, policy=policies.verified)\n'
                'sent = [e.wire for e in mine.dialogue.events if e.encrypted and e.sender == "client"]\n'
                "estimate = max(sent) - 22"
            ),
            because="What long and short mails mean between two people can be known without a key.",
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
            because="It says yes to a zip file, too: what is compressed has no patterns left either.",
        ),
    ),
)
