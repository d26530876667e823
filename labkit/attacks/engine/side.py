"""The attacker's side towards one end of an intercepted conversation: her TLS with it, and what crossed there.

Bytes in, bytes out, and a record of both; what they are to become is decided in `victim_session`.
"""

import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from labkit.attacks.engine.disguise import OwnTLS
from labkit.attacks.vector import Opening
from labkit.capture.conversation import Conversation, Endpoint
from labkit.decode.tls.records import Cutter
from labkit.dialects.base import CLIENT, OTHER, SERVER, Phrase, Reader

KEPT = 8 << 20
"""Bytes of one leg that are recorded; what goes beyond is passed on all the same."""
_NAMES = {CLIENT: "the victim", SERVER: "the server"}


@dataclass
class Leg:
    """What crossed one of the two connections of a session."""

    wire: Conversation
    """The bytes on the wire."""
    inside: Conversation
    """What the attacker read and wrote inside the TLS that she has taken over; without chunks where there was none."""
    events: Iterator[tuple[int, int]] = field(repr=False)
    """Gives (nanoseconds since 1970, number) for what happens now, in either leg, so that an order is known."""
    kept: int = 0
    cut: bool = False
    """Whether more crossed than is recorded."""

    def note(self, conversation: Conversation, sender: str, data: bytes) -> None:
        """Record what one side said."""
        if not data:
            return
        if self.kept >= KEPT:
            self.cut = True
            return
        self.kept += len(data)
        conversation.said.append((*next(self.events), sender, "data", bytes(data), len(data)))


def facing(end: str, client: Endpoint, server: Endpoint, opening: Opening, events: Iterator[tuple[int, int]]) -> "Side":
    """The side that faces this end of a new connection, which goes to the nominal port of the opening."""
    ends = client, Endpoint(server.host, opening.port)
    readable = opening.dialect is not None and not opening.implicit
    leg = Leg(Conversation(*ends), Conversation(*ends), events)
    return Side(end, leg, opening.dialect.reader() if readable else None)


class Side:
    """The side of the attacker that faces one end: `CLIENT`, the victim, or `SERVER`."""

    def __init__(self, end: str, leg: Leg, reader: Reader | None) -> None:
        self.end = end
        self.leg = leg
        self.reader = reader
        """Reads both directions of this leg; None while the leg is not readable."""
        self.cutter = Cutter()
        self.finished = False
        """The end has sent FIN or close_notify."""
        self.tls: OwnTLS | None = None
        self._outgoing = bytearray()
        self._gone = False

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the wire and return their text, decrypted in the attacker's TLS. Raises `ssl.SSLError`."""
        self.leg.note(self.leg.wire, self.end, data)
        return self._read(data)

    def say(self, data: bytes) -> None:
        """Send bytes to the end, encrypted inside the attacker's TLS."""
        if self.tls is None:
            self._put(data)
            return
        self.leg.note(self.leg.inside, OTHER[self.end], data)
        self.tls.say(data)
        self._put(self.tls.wire())

    def follow(self, sender: str, data: bytes) -> list[Phrase]:
        """Feed the reader with bytes of this leg. Returns the phrases of this end, without the attacker's own."""
        return [phrase for phrase in self.reader.feed(sender, data) if phrase.sender == self.end]

    def start_tls(self, context: ssl.SSLContext, early: bytes, reader: Reader | None) -> bytes:
        """Terminate this end's TLS; `early` are its TLS bytes so far. Returns the text inside them.

        `reader` follows what is said inside. Raises `ssl.SSLError`.
        """
        self.tls = OwnTLS(context, server_side=self.end == CLIENT)
        self.reader = reader
        return self._read(early)

    def tls_problem(self, error: ssl.SSLError) -> str:
        """Why the TLS with this end failed, in a sentence."""
        return f"TLS with {_NAMES[self.end]} failed: {(error.reason or str(error)).replace('_', ' ').lower()}"

    def finish(self) -> None:
        """Send no more bytes; inside the attacker's TLS, send close_notify first."""
        if self.tls is not None:
            with suppress(ssl.SSLError):
                self.tls.finish()
            self._put(self.tls.wire())
        self._gone = True

    def lose(self) -> None:
        """The connection to the end is lost: nothing is received from it or sent to it any more."""
        self.finished, self._gone = True, True
        self._outgoing.clear()

    def outgoing(self) -> bytes:
        """Return the bytes to send to the end, and forget them."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def _read(self, data: bytes) -> bytes:
        if self.tls is None:
            return data
        try:
            text = self.tls.feed(data)
            self.finished = self.finished or self.tls.finished
        finally:
            self._put(self.tls.wire())  # an alert that says why, too
        self.leg.note(self.leg.inside, self.end, text)
        return text

    def _put(self, data: bytes) -> None:
        if not self._gone:
            self._outgoing += data
            self.leg.note(self.leg.wire, OTHER[self.end], data)


class Sides(list[Side]):
    """The sides of one session: towards the victim and, once the server is reached, towards the server."""

    @property
    def legs(self) -> tuple[Leg, ...]:
        """What crossed the connection with the victim and, where there was one, that with the server."""
        return tuple(side.leg for side in self)

    @property
    def finished(self) -> bool:
        """Whether both ends have finished."""
        return all(side.finished for side in self)

    def facing(self, end: str) -> Side:
        """The side that faces this end."""
        return next(side for side in self if side.end == end)

    def other(self, side: Side) -> Side:
        """The side that faces the other end."""
        return next(one for one in self if one is not side)
