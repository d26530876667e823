"""Where the attacker's own TLS begins and ends, X1 to X3."""

from typing import ClassVar

from labkit.attacks import speech
from labkit.attacks.actions import Answer, Drop, Inject, TakeOverTLS
from labkit.attacks.vector import Answered, Line, Opening, Vector
from labkit.dialects.base import CLIENT, SERVER
from labkit.dialects.writing import GO_AHEAD


class FullInterception(Vector):
    """Is the server to the victim, with a certificate of her own, and a client to the server: reads everything between.

    On a port with implicit TLS she does it from the first byte.
    """

    id = "X1"
    source = "striptls, sslsplit, mitm_relay"
    certificate: str = "unknown root"
    """What the victim is shown; a kind of `labkit.trust.certificates.KINDS`."""

    def on_open(self, opening: Opening) -> Answered:
        return TakeOverTLS(self.certificate) if opening.implicit else None

    def on_line(self, line: Line) -> Answered:
        return TakeOverTLS(self.certificate) if line.kind == "go-ahead" and not line.inside else None


class ClearToVictim(Vector):
    """Speaks TLS with the server, which may insist on it, and clear text with the victim, who is offered none."""

    id = "X2"
    source = "striptls, for XMPP"
    needs = ("capabilities",)
    server: ClassVar = {"starttls": "required"}

    def on_line(self, line: Line) -> Answered:
        if line.sender == CLIENT:
            return None
        question = speech.asked(line)
        if line.inside or question is None:
            return speech.stripped(line)
        if line.kind == "go-ahead":
            return Drop(), TakeOverTLS(), Inject(SERVER, question.data)
        if question.title != line.dialect.ask or not _offered(line):
            return None
        upgrade = line.dialect.writes.command(line.dialect.upgrade, "mallory")
        return (Drop(), Inject(SERVER, upgrade)) if line.kind == "reply" else Drop()


def _offered(line: Line) -> bool:
    """Whether TLS is offered in this line or, where the reply itself comes after the list, in the one before it."""
    return any(line.dialect.token in (speech.capabilities(one) or ()) for one in (line, *line.earlier[-1:]))


class ClearToServer(Vector):
    """Speaks TLS with the victim, with a certificate of her own, and clear text with the server."""

    id = "X3"
    source = "striptls, InboundStarttlsProxy"
    needs = (GO_AHEAD,)
    server: ClassVar = {"auth": "always"}

    def on_line(self, line: Line) -> Answered:
        if not speech.upgrades(line) or line.inside:
            return None
        return Answer(speech.reply(line, GO_AHEAD, "Ready to start TLS")), TakeOverTLS("unknown root", server=False)
