"""One end of an intercepted conversation, as the attacker has it: a socket, her TLS with it, and what was said there.

Bytes in, bytes out, and a record of both; what they are to become is decided in `session`.
"""

import os
import selectors
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from labkit.attacks.engine.tls import TLS
from labkit.capture.conversation import Conversation
from labkit.decode.tls.records import Cutter
from labkit.dialects.base import CLIENT, OTHER, Reader

PIECE = 1 << 16
"""The most bytes that are read at once, and that wait for a side which does not take them."""
KEPT = 2 << 20
"""Bytes of one leg that are recorded; what goes beyond is passed on all the same."""

_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""SO_LINGER with no time at all: closing sends RST instead of FIN."""
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@dataclass
class Leg:
    """What crossed one of the two connections of a session."""

    wire: Conversation
    """As it crossed the wire."""
    inside: Conversation
    """What the attacker read and wrote inside the TLS that she has taken over; without chunks where there was none."""
    numbers: Iterator[int] = field(repr=False)
    """Counts what happens in both legs, so that an order is known."""
    kept: int = 0

    def note(self, conversation: Conversation, sender: str, data: bytes) -> None:
        """Record what one side said."""
        if data and self.kept < KEPT:
            self.kept += len(data)
            said = time.time_ns(), next(self.numbers), sender, "data", bytes(data), len(data)
            conversation.said.append(said)


class Side:
    """The side of the attacker that faces one end: `CLIENT`, the victim, or `SERVER`."""

    def __init__(self, end: str, sock: socket.socket, leg: Leg, reader: Reader | None) -> None:
        self.end = end
        self.socket = sock
        self.leg = leg
        self.reader = reader
        """Follows what is said on this leg; None where it cannot be read."""
        self.cutter = Cutter()
        self.finished = False
        """The end has said that it will say no more."""
        self.tls: TLS | None = None
        self._pending = bytearray()
        self._last = False
        self._gone = False
        sock.setblocking(False)
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def busy(self) -> bool:
        """Whether so much waits for this end that no more should be read for it."""
        return len(self._pending) >= PIECE

    def events(self, reading: bool) -> int:
        """What to wait for on the socket."""
        return (_READ if reading and not self.finished else 0) | (_WRITE if self._pending else 0)

    def hear(self) -> bytes:
        """The bytes that have come over the wire. Raises `OSError`."""
        try:
            data = self.socket.recv(PIECE)
        except BlockingIOError:
            return b""
        self.finished = not data
        self.leg.note(self.leg.wire, self.end, data)
        return data

    def read(self, data: bytes) -> bytes:
        """What these bytes of the wire say: out of TLS where that is the attacker's. Raises `ssl.SSLError`."""
        if self.tls is None:
            return data
        try:
            text = self.tls.feed(data)
            self.finished = self.finished or self.tls.finished
        finally:
            self._put(self.tls.wire())  # an alert that says why, too
        self.leg.note(self.leg.inside, self.end, text)
        return text

    def say(self, data: bytes) -> None:
        """Send bytes to the end, through TLS where that is the attacker's."""
        if self.tls is None:
            self._put(data)
            return
        self.leg.note(self.leg.inside, OTHER[self.end], data)
        self.tls.say(data)
        self._put(self.tls.wire())

    def start_tls(self, context: ssl.SSLContext, early: bytes, reader: Reader | None) -> bytes:
        """Be the other end of this end's TLS; `early` is what it has sent of it. Gives what it said inside.

        `reader` follows what is said inside. Raises `ssl.SSLError`.
        """
        self.tls = TLS(context, server_side=self.end == CLIENT)
        self.reader = reader
        return self.read(early)

    def flush(self) -> None:
        """Send what waits. Raises `OSError`."""
        if self._pending:
            with suppress(BlockingIOError):
                del self._pending[: self.socket.send(self._pending)]
        if self._last and not self._pending:
            self._last = False
            self.socket.shutdown(socket.SHUT_WR)

    def lose(self) -> None:
        """The end has gone: it says nothing more, and nothing more is said to it."""
        self.finished, self._gone = True, True
        self._pending.clear()

    def break_off(self) -> None:
        """Let closing the socket reset the connection."""
        with suppress(OSError):
            self.flush()
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def finish(self) -> None:
        """Say, behind what waits, that no more follows."""
        if self._gone:
            return
        if self.tls is not None:
            with suppress(ssl.SSLError):
                self.tls.finish()
            self._put(self.tls.wire())
        self._last = True

    def _put(self, data: bytes) -> None:
        if self._gone:
            return
        self._pending += data
        self.leg.note(self.leg.wire, OTHER[self.end], data)
