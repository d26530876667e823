"""One victim's conversation through the attacker, without sockets, threads and clocks of its own.

Its input is what happened: a victim connected, the server was reached, an end sent bytes, ended or was lost, time
passed. Its output is what to do: `session_commands`. The vector stands between them: it is shown whole phrases and TLS
records, its decisions are carried out, and what it lets pass is forwarded unchanged. No attack is named here.

    opened → on_open → Connect → connected → [Begin: speak to the server first] → carry ⇄ held → ending → over

Two rules. Steps are done one at a time: while a decision is pending (`Later`) or a `Delay` lasts, no other step of the
session is done and no end is read, so that order is kept. And every state has a time limit, `wake_at`.
"""

import itertools
import ssl
import threading
import time
from collections.abc import Callable
from functools import partial

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
)
from labkit.attacks.engine.agenda import Agenda, AgendaStep
from labkit.attacks.engine.consultation import Consultation, Observed
from labkit.attacks.engine.disguise import Disguises
from labkit.attacks.engine.edits import Edit
from labkit.attacks.engine.first_words import FirstWords
from labkit.attacks.engine.session_commands import Await, Connect, Finish, Send, SessionCommand
from labkit.attacks.engine.session_state import SessionState
from labkit.attacks.engine.side import Leg, Side, Sides, facing
from labkit.attacks.vector import Line, Opening, Vector
from labkit.capture.conversation import Endpoint
from labkit.decode.tls import starts
from labkit.dialects.base import CLIENT, OTHER, SERVER, Phrase
from labkit.errors import LabError, VectorFailed

CONNECT_LIMIT = 5.0
"""Seconds for connecting to the real server, and for each of its answers that `Begin` waits for."""
_BROKEN_OFF = "the attacker broke the connection off"
_NO_ANSWER = "the server gave no answer"
_AT_ONCE = (Delay, TakeOverTLS, Begin)
"""The actions of `on_open` that are carried out before the server is connected."""


class VictimSession:
    """A victim, the real server, and the attacker between them.

    Each method in which something happens takes `now`, seconds of `time.monotonic`, and gives the commands that follow.
    Raises nothing: `problem` and `failure` say what went wrong.
    """

    def __init__(
        self,
        number: int,
        opening: Opening,
        vector: Vector,
        disguises: Disguises,
        keep: Callable[[Edit], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.number = number
        """Which of the attacker's sessions, from 1."""
        self.opening = opening
        self.failure: VectorFailed | None = None
        """The exception of the vector that ended it."""
        self.over = threading.Event()
        """Set when both connections are closed."""
        self._vector = Consultation(vector, number, opening, keep, clock)
        self._disguises = disguises
        self._events = zip(iter(clock, None), itertools.count(1), strict=False)
        self._sides = Sides()
        self._spoken = False
        self._agenda = Agenda()
        self._first_words = FirstWords()
        self._state = SessionState(self._agenda, self._cancel)

    @property
    def problem(self) -> str:
        """What ended it before its time, in a sentence; empty for nothing."""
        return self._state.problem

    @property
    def legs(self) -> tuple[Leg, ...]:
        """What crossed the connection with the victim and, where there was one, that with the server."""
        return self._sides.legs

    @property
    def wake_at(self) -> float:
        """When to call `tick` at the latest."""
        return self._vector.pending.until if self._vector.pending else self._agenda.wake_at

    def wants(self, end: str) -> bool:
        """Whether to read from this end now."""
        if self._state.paused or self._vector.pending or self._agenda.holds(end):
            return False
        waits = end == CLIENT and self._first_words.under_way
        return not waits and any(side.end == end and not side.finished for side in self._sides)

    # ---- what happens

    def opened(self, client: Endpoint, server: Endpoint, now: float) -> list[SessionCommand]:
        """A victim at `client` has connected to the attacker at `server`."""
        self._sides.append(facing(CLIENT, client, server, self.opening, self._events))
        self._agenda.steps.append(partial(self._ask, self.opening, self._connect))
        self._agenda.now = now
        self._state.resume()
        return self._go(now)

    def connected(self, client: Endpoint, server: Endpoint, now: float) -> list[SessionCommand]:
        """The attacker at `client` has connected to the server."""
        self._sides.append(facing(SERVER, client, server, self.opening, self._events))
        self._agenda.now = now
        self._state.resume()
        return self._go(now)

    def unreachable(self, problem: str, now: float) -> list[SessionCommand]:
        """The server cannot be reached: why, in a sentence."""
        self._state.problem = problem
        self._state.hang_up()
        return self._go(now)

    def received(self, end: str, data: bytes, now: float) -> list[SessionCommand]:
        """An end has sent bytes; none when it sends no more (FIN)."""
        self._agenda.received.append((end, data))
        self._agenda.now = now
        self._state.restart_idle_limit()
        return self._go(now)

    def lost(self, end: str, problem: str, now: float) -> list[SessionCommand]:
        """An end has reset the connection. What a victim sent before still reaches the server."""
        if end == SERVER or len(self._sides) == 1:
            self._state.break_off(problem)
        else:
            self._sides[0].lose()
            self._close()
        return self._go(now)

    def tick(self, now: float) -> list[SessionCommand]:
        """Time has passed, or a pending decision has changed."""
        self._agenda.now = now
        if not self._vector.pending:
            self._agenda.wake()
        return self._go(now)

    def interject(self, line: Line, said: Inject, now: float) -> list[SessionCommand]:
        """Send bytes in addition to the decision about a line; without effect once the session is over."""
        if self._state.ending or len(self._sides) < 2:
            return []
        self._vector.note(line, Decision((said,)))
        self._agenda.steps.append(partial(self._do, self._sides[0], said, b""))
        self._agenda.now = now
        self._state.restart_idle_limit()
        return self._go(now)

    def stop(self) -> list[SessionCommand]:
        """The attack is over: end at once."""
        self._state.hang_up()
        return self._go(self._agenda.now)

    # ---- one thing at a time

    def _go(self, now: float) -> list[SessionCommand]:
        self._agenda.now = now
        try:
            while step := self._next():
                step()
        except VectorFailed as failure:
            self.failure, self._state.problem = failure, str(failure)
            self._close()
        except LabError as error:
            self._state.break_off(str(error).rstrip("."))
        if self._done:
            self._state.hang_up()
        sent = [Send(side.end, data) for side in self._sides if (data := side.outgoing())]
        commands, self._state.commands = self._state.commands, []
        return [*sent, *commands]

    def _next(self) -> AgendaStep | None:
        if self._vector.pending:
            return self._settled()
        if self._state.paused:
            return None
        if self._first_words.under_way:
            return self._next_received(SERVER)
        if step := self._agenda.next_step():
            return step
        for side in self._sides:
            if side.reader is not None and side.reader.upgraded:  # what it says from now on is TLS
                return partial(self._seal, side)
        return self._next_received(CLIENT, SERVER)

    def _next_received(self, *ends: str) -> AgendaStep | None:
        received = self._agenda.next_received(*ends)
        return partial(self._read, self._sides.facing(received[0]), received[1]) if received else None

    @property
    def _done(self) -> bool:
        """Whether both ends have finished and no step is left."""
        left = self._vector.pending or self._agenda.steps or self._agenda.waiting
        whole = self._state.ending or len(self._sides) == 2
        return not (self._state.paused or left) and whole and self._sides.finished

    # ---- states

    def _connect(self, chosen: Decision) -> None:
        if any(isinstance(action, Close) for action in chosen.actions):
            self._state.break_off(_BROKEN_OFF)
            return
        at_once = tuple(action for action in chosen.actions if type(action) in _AT_ONCE)
        self._will_do(self._sides[0], at_once, b"")
        self._state.paused = True  # until the server is reached
        self._state.commands.append(Connect())

    def _begin(self, data: bytes) -> None:
        """Send `data` to the server after its greeting, before any byte of the victim is read."""
        if self.opening.dialect is None:
            raise LabError("Begin waits for a greeting, and it is not known what is spoken here")
        server = self._sides[1]
        server.reader = self.opening.dialect.reader()
        self._first_words.begin(data)
        self._agenda.wait(CONNECT_LIMIT, partial(self._state.break_off, _NO_ANSWER))

    def _read_first_words(self, server: Side, data: bytes) -> None:
        if server.finished:
            self._state.break_off(_NO_ANSWER)
        if not server.follow(SERVER, data):
            return
        said = self._first_words.next_to_send()
        if said is None:
            self._state.resume()
            self._seal(server)
        else:
            self._say(server, said)
            self._agenda.again(CONNECT_LIMIT)

    def _close(self) -> None:
        """Send FIN to both ends, and read for a moment longer."""
        self._state.end()
        for side in self._sides:
            self._finish(side)

    def _cancel(self) -> None:
        """Drop every pending step."""
        self._first_words.forget()
        self._vector.cancel()
        self._agenda.clear()

    # ---- what is received

    def _read(self, side: Side, data: bytes) -> None:
        if side.finished:
            return
        side.finished = not data
        try:
            text = side.receive(data)
        except ssl.SSLError as error:
            self._tls_failed(side, error)
            return
        if self._state.ending:  # it is read, and goes no further
            return
        if self._first_words.under_way:
            self._read_first_words(side, text)
            return
        if side.end == CLIENT and not self._spoken and text:
            self._spoken = True
            if side.tls is None and starts(text):  # TLS where text was expected
                self._seal_both()
        if side.reader is None:
            self._pass_unread(side, text)
        else:
            self._show(side, side.follow(side.end, text))
        if side.finished:
            self._agenda.waiting.append(partial(self._read_end, side))

    def _read_end(self, side: Side) -> None:
        """The end has sent FIN: pass on its unfinished bytes, then finish the other end."""
        if side.reader is None:
            self._say(self._sides.other(side), side.cutter.release())
        elif rest := side.reader.rest(side.end):
            self._show(side, [Phrase(side.end, "unknown", "unfinished", rest)])
        self._agenda.waiting.append(partial(self._finish, self._sides.other(side)))

    def _finish(self, side: Side) -> None:
        """Send FIN to an end once its pending bytes are written."""
        side.finish()
        self._state.commands.append(Finish(side.end))

    def _tls_failed(self, side: Side, error: ssl.SSLError) -> None:
        if not self._state.ending:
            self._state.problem = side.tls_problem(error)
            self._close()

    # ---- what is shown to the vector

    def _show(self, side: Side, said: list[Phrase]) -> None:
        self._agenda.waiting.extend(partial(self._show_line, side, phrase) for phrase in said)

    def _show_line(self, side: Side, phrase: Phrase) -> None:
        line = self._vector.line(phrase, inside=side.tls is not None)
        self._ask(line, partial(self._deal_with_line, side, line))

    def _deal_with_line(self, side: Side, line: Line, chosen: Decision) -> None:
        self._will_do(side, chosen.actions, line.data)
        if side.end == CLIENT and not chosen.forwards:
            self._agenda.steps.append(partial(self._read_anew, side))

    def _read_anew(self, side: Side) -> None:
        """Replace the reader, which would wait for the answer to a command that was not forwarded."""
        if side.reader is not None and side.reader.waits:
            more = side.reader.rest(CLIENT)
            side.reader = self.opening.dialect.reader()
            self._show(side, side.follow(CLIENT, more))

    def _seal_both(self) -> None:
        for side in self._sides:
            if side.reader is not None:
                self._seal(side)

    def _seal(self, side: Side) -> None:
        """Stop reading this end, whose next bytes are TLS; pass its unread bytes on."""
        early = side.reader.rest(side.end)
        side.reader = None
        self._pass_unread(side, early)

    def _pass_unread(self, side: Side, data: bytes) -> None:
        """Pass on bytes that are not text, record by record if the vector looks at records."""
        if self._vector.sees_records:
            self._agenda.waiting.extend(partial(self._show_record, side, *record) for record in side.cutter.feed(data))
        else:
            self._say(self._sides.other(side), data)

    def _show_record(self, side: Side, kind: int, head: bytes, body: bytes) -> None:
        record = self._vector.record(side.end, kind, head + body)
        self._ask(record, lambda chosen: self._will_do(side, chosen.actions, record.data))

    def _ask(self, event: Observed, then: Callable[[Decision], None]) -> None:
        self._vector.ask(event, then)
        if self._vector.pending:
            self._state.commands.append(Await(self._vector.pending))

    def _settled(self) -> AgendaStep | None:
        step = self._vector.settled(self._agenda.now)
        if step:
            self._state.restart_idle_limit()
        return step

    # ---- what is done

    def _will_do(self, side: Side, actions: tuple[Action, ...], data: bytes) -> None:
        self._agenda.steps.extend(partial(self._do, side, action, data) for action in actions)

    def _do(self, side: Side, action: Action, data: bytes) -> None:
        """Carry out an action on `data` that came from `side`."""
        match action:
            case Pass():
                self._say(self._sides.other(side), data)
            case Replace(other):
                self._say(self._sides.other(side), other)
            case Answer(answer):
                self._say(side, answer)
            case Inject(to, more):
                self._say(self._sides.facing(to), more)
            case Drop():
                pass
            case Delay(seconds):
                self._state.pause(seconds)
            case TakeOverTLS(certificate, server):
                if certificate is not None:
                    self._start_tls(self._sides[0], self._disguises.as_server(certificate))
                if server:
                    self._start_tls(self._sides[1], self._disguises.as_client)
            case Begin(first):
                self._begin(first)
            case Close(reset=True):
                self._agenda.steps.append(partial(self._state.break_off, _BROKEN_OFF))
            case Close():
                self._agenda.steps.append(self._close)

    def _say(self, side: Side, data: bytes) -> None:
        side.say(data)
        if side.reader is not None:
            self._show(side, side.follow(OTHER[side.end], data))

    def _start_tls(self, side: Side, context: ssl.SSLContext) -> None:
        early = side.reader.rest(side.end) if side.reader is not None else b""
        reader = self.opening.dialect.reader() if self.opening.dialect else None
        try:
            text = side.start_tls(context, early, reader)
        except ssl.SSLError as error:
            self._tls_failed(side, error)
            return
        if reader is not None:
            self._show(side, side.follow(side.end, text))
