"""One victim's conversation through the attacker: what comes is shown to the vector, what it decides is carried out.

Bytes that no vector can see as lines or records, and those that it lets pass, go on as they came. Which attack it is
is not known here.
"""

import itertools
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from labkit.attacks.actions import (
    Action,
    Answer,
    Begin,
    Close,
    Decision,
    Delay,
    Drop,
    Inject,
    Pass,
    Replace,
    TakeOverTLS,
    decision,
)
from labkit.attacks.engine.carrier import Carrier
from labkit.attacks.engine.edits import Edit, edit
from labkit.attacks.engine.side import Leg, Side
from labkit.attacks.engine.tls import Disguises
from labkit.attacks.vector import Line, Opening, Record, Vector
from labkit.capture.conversation import Conversation, Endpoint
from labkit.decode.tls import starts
from labkit.dialects.base import CLIENT, OTHER, SERVER, Phrase
from labkit.errors import LabError, VectorFailed

CONNECT_LIMIT = 5.0
"""Seconds for the connection to the real server."""
_REMEMBERED = 100
"""Lines and records of the past that a vector is shown."""
_SHOWN = 4096
"""Bytes of each of them."""


class Session:
    """A victim, the real server, and the attacker between them; `run` carries their conversation to its end."""

    def __init__(
        self,
        number: int,
        victim: socket.socket,
        connect: Callable[[float], socket.socket],
        opening: Opening,
        vector: Vector,
        disguises: Disguises,
        keep: Callable[[Edit], None],
    ) -> None:
        self.number = number
        """Which of the attacker's sessions, from 1."""
        self.opening = opening
        self.problem = ""
        """What ended it before its time, in a sentence; empty for nothing."""
        self.failure: VectorFailed | None = None
        """The mistake in the vector that ended it."""
        self.over = threading.Event()
        self._vector = vector
        self._disguises = disguises
        self._connect = connect
        self._keep = keep
        self._stopping = threading.Event()
        self._numbers = itertools.count(1)
        self._spoken = False
        self._lines: deque[Line] = deque(maxlen=_REMEMBERED)
        self._records: deque[Record] = deque(maxlen=_REMEMBERED)
        self._sees_records = type(vector).on_record is not Vector.on_record
        self._sides = [self._side(CLIENT, victim)]

    def _side(self, end: str, sock: socket.socket) -> Side:
        near, far = sock.getsockname()[:2], sock.getpeername()[:2]
        client, server = (far, near) if end == CLIENT else (near, far)
        ends = Endpoint(*client), Endpoint(server[0], self.opening.port)
        leg = Leg(Conversation(*ends), Conversation(*ends), self._numbers)
        readable = self.opening.dialect is not None and not self.opening.implicit
        return Side(end, sock, leg, self.opening.dialect.reader() if readable else None)

    @property
    def legs(self) -> tuple[Leg, ...]:
        """What crossed the connection with the victim and, where there was one, that with the server."""
        return tuple(side.leg for side in self._sides)

    def stop(self) -> None:
        """End it from another thread."""
        self._stopping.set()
        for side in self._sides:
            with suppress(OSError):
                side.socket.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """Carry the conversation to its end. Raises nothing: `problem` and `failure` say what went wrong."""
        try:
            self._open()
            self._pair.run(self._hear, self._stopping.is_set)
        except VectorFailed as failure:
            self.failure, self.problem = failure, str(failure)
        except (OSError, LabError) as error:
            self.problem = self.problem or str(error).rstrip(".")
            for side in self._sides:
                side.break_off()
        finally:
            for side in self._sides:
                side.socket.close()
            self.over.set()

    def _open(self) -> None:
        chosen = self._decide(self.opening)
        if any(isinstance(action, Close) for action in chosen.actions):
            raise ConnectionAbortedError(_BROKEN_OFF)
        self._sides.append(self._side(SERVER, self._connect(CONNECT_LIMIT)))
        self._pair = Carrier(*self._sides)
        for action in chosen.actions:
            self._also(action)

    def _begin(self, data: bytes) -> None:
        """Speak to the server before the victim is heard: behind its greeting, and until its first whole answer."""
        server = self._pair.server
        server.reader = self.opening.dialect.reader()
        self._listen(server)
        self._say(server, data)
        server.flush()
        self._listen(server)
        early = server.reader.rest(SERVER)
        server.reader = None
        self._pass_unread(server, early)

    def _listen(self, side: Side) -> None:
        """Wait until an end has said something whole. Raises `OSError`."""
        with selectors.DefaultSelector() as selector:
            selector.register(side.socket, selectors.EVENT_READ)
            while selector.select(CONNECT_LIMIT) and not side.finished:
                if _of(side, side.reader.feed(side.end, side.hear())):
                    return
        raise ConnectionAbortedError(f"{_WHO[side.end]} gave no answer")

    # ---- what is heard

    def _hear(self, side: Side, data: bytes) -> None:
        try:
            self._heard(side, side.read(data))
        except ssl.SSLError as error:
            self.problem = f"TLS with {_WHO[side.end]} failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
            self._pair.close()
        except VectorFailed as failure:
            self.failure, self.problem = failure, str(failure)
            self._pair.close()

    def _heard(self, side: Side, data: bytes) -> None:
        if side.end == CLIENT and not self._spoken and data:
            self._spoken = True
            if side.tls is None and starts(data):  # TLS where text was expected
                self._sides[0].reader = self._sides[1].reader = None
        if side.reader is None:
            self._pass_unread(side, data)
        else:
            self._show(_of(side, side.reader.feed(side.end, data)))
        if side.finished:
            self._finish(side)

    def _finish(self, side: Side) -> None:
        """The end will say no more: what it began is passed on, and then the other end is told."""
        if side.reader is None:
            self._show(self._say(self._pair.other(side), side.cutter.release()))
        elif rest := side.reader.rest(side.end):
            self._show([(side, Phrase(side.end, "unknown", "unfinished", rest))])
        self._pair.other(side).finish()

    # ---- what is shown to the vector

    def _show(self, said: "list[_Said]") -> None:
        """Show lines to the vector, and do what it decides; that may bring out more of what an end has said."""
        waiting = deque(said)
        while waiting and not self._pair.ending:
            side, phrase = waiting.popleft()
            inside, past = side.tls is not None, tuple(self._lines)
            line = Line(*phrase, inside, self.opening.dialect, self.opening.port, past, self.number)
            chosen = self._decide(line)
            self._lines.append(line._replace(data=line.data[:_SHOWN], earlier=()))
            for action in chosen.actions:
                waiting.extend(self._do(side, action, line.data))
            if side.end == CLIENT and not chosen.forwards:
                waiting.extend(self._read_anew(side))
        for side in self._sides:
            if side.reader is not None and side.reader.upgraded:  # what it says from now on is TLS
                early = side.reader.rest(side.end)
                side.reader = None
                self._pass_unread(side, early)

    def _read_anew(self, side: Side) -> "list[_Said]":
        """No answer will come to what was not passed on: if the victim waits no longer, we do not either."""
        if side.reader is None or not side.reader.waits:
            return []
        more = side.reader.rest(CLIENT)
        side.reader = self.opening.dialect.reader()
        return _of(side, side.reader.feed(CLIENT, more))

    def _pass_unread(self, side: Side, data: bytes) -> None:
        """Pass on what is no text: record by record where the vector wants to see them."""
        if not self._sees_records:
            self._show(self._say(self._pair.other(side), data))
            return
        for kind, head, body in side.cutter.feed(data):
            record = Record(side.end, kind, head + body, self.opening.dialect, tuple(self._records))
            chosen = self._decide(record)
            self._records.append(record._replace(data=record.data[:_SHOWN], earlier=()))
            for action in chosen.actions:
                self._show(self._do(side, action, record.data))

    def _decide(self, event: Opening | Line | Record) -> Decision:
        ask = getattr(self._vector, _ASKED[type(event)])
        try:
            chosen = decision(ask(event))
        except Exception as error:
            raise VectorFailed(_mistake(self._vector, ask.__name__, event, error)) from error
        if chosen.edits:
            self._keep(edit(self.number, time.time_ns(), event, chosen))
        return chosen

    # ---- what is done

    def _do(self, side: Side, action: Action, data: bytes) -> "list[_Said]":
        """Carry out an action on `data` that came from `side`; gives what an end has said and can be read only now."""
        match action:
            case Pass():
                return self._say(self._pair.other(side), data)
            case Replace(other):
                return self._say(self._pair.other(side), other)
            case Answer(answer):
                return self._say(side, answer)
            case Inject(to, more):
                return self._say(self._pair.victim if to == CLIENT else self._pair.server, more)
            case Drop():
                return []
        self._also(action)
        return []

    def _also(self, action: Action) -> None:
        match action:
            case Delay(seconds):
                self._stopping.wait(seconds)
            case TakeOverTLS(certificate, server):
                if certificate is not None:
                    self._start_tls(self._pair.victim, self._disguises.as_server(certificate))
                if server:
                    self._start_tls(self._pair.server, self._disguises.as_client)
            case Begin(data):
                self._begin(data)
            case Close(reset=True):
                raise ConnectionAbortedError(_BROKEN_OFF)
            case Close():
                self._pair.close()

    def _say(self, side: Side, data: bytes) -> "list[_Said]":
        side.say(data)
        return [] if side.reader is None else _of(side, side.reader.feed(OTHER[side.end], data))

    def _start_tls(self, side: Side, context: ssl.SSLContext) -> None:
        early = side.reader.rest(side.end) if side.reader is not None else b""
        reader = self.opening.dialect.reader() if self.opening.dialect else None
        text = side.start_tls(context, early, reader)
        if reader is not None:
            self._show(_of(side, reader.feed(side.end, text)))


_Said = tuple[Side, Phrase]
"""(the side that faces who said it, what was said)."""

_WHO = {CLIENT: "the victim", SERVER: "the server"}
_ASKED = {Opening: "on_open", Line: "on_line", Record: "on_record"}
_BROKEN_OFF = "the attacker broke the connection off"


def _of(side: Side, phrases: list[Phrase]) -> list[_Said]:
    """Those phrases that this side's end has said itself; the others were put into its reader by the attacker."""
    return [(side, phrase) for phrase in phrases if phrase.sender == side.end]


def _mistake(vector: Vector, method: str, event: Opening | Line | Record, error: Exception) -> str:
    what = f"a connection to port {event.port}" if isinstance(event, Opening) else f"the line {event.data[:200]!r}"
    kind = "" if isinstance(error, LabError) else f"{type(error).__name__}: "
    return f"The vector {type(vector).__name__} failed in {method} on {what}: {kind}{error}."
