"""The thin part between a victim's session and its two sockets: it runs in the loop's thread and decides nothing.

What comes over a socket is passed to the session, and the commands that the session returns are carried out. Neither
end is read faster than the other one takes its bytes.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf

from labkit.attacks.actions import Inject
from labkit.attacks.engine.session_commands import Await, Connect, Finish, HangUp, Reset, Send, SessionCommand
from labkit.attacks.engine.victim_session import CONNECT_LIMIT, VictimSession
from labkit.attacks.vector import Line
from labkit.capture.conversation import Endpoint
from labkit.dialects.base import CLIENT, SERVER
from labkit.errors import LabError
from labkit.network.dialling import Dialling
from labkit.network.ends import CarriedEnd
from labkit.network.listener import without_delay

PIECE = 1 << 16
"""The most bytes that are read at once, and that are queued for an end that does not read."""
_FLUSH = 1.0
"""Seconds for sending the last bytes to an end."""


class Carriage:
    """Carries one session, from `begin` until `ended` is called; owns the victim's socket from construction.

    `dial` begins a connection to the real server, and may raise `LabError` or `OSError`. Raises `OSError` when the
    victim has gone already.
    """

    def __init__(
        self,
        events: asyncio.AbstractEventLoop,
        session: VictimSession,
        victim: socket.socket,
        dial: Callable[[], Dialling],
        ended: Callable[["Carriage"], object],
    ) -> None:
        self.session = session
        self._events = events
        self._dial = dial
        self._ended = ended
        self._ends: dict[str, CarriedEnd] = {}
        self._finishing: set[str] = set()
        """Ends to which FIN is sent once their pending bytes are written."""
        self._alarm: asyncio.TimerHandle | None = None
        self._alarmed_for = inf
        self._closing = False
        self._over = False
        self._address, self._victim = _endpoints(victim)
        self._take(CLIENT, without_delay(victim))

    def begin(self) -> None:
        """Tell the session that its victim has connected."""
        self._do(self.session.opened(self._victim, self._address, self._events.time()))

    def interject(self, line: Line, said: Inject) -> None:
        """Send bytes in addition to the decision about a line."""
        if not self._over:
            self._do(self.session.interject(line, said, self._events.time()))

    def stop(self) -> None:
        """End at once."""
        self._do(self.session.stop())
        self._close()

    def _take(self, name: str, sock: socket.socket) -> CarriedEnd:
        end = CarriedEnd(self._events, sock, self._drained, partial(self._lost, name))
        self._ends[name] = end
        return end

    # ---- what happens

    def _receive(self, name: str) -> None:
        try:
            data = self._ends[name].receive(PIECE)
        except OSError as error:
            self._lost(name, self._ends[name], error)
            return
        if data is not None:
            self._do(self.session.received(name, data, self._events.time()))

    def _lost(self, name: str, end: CarriedEnd, error: OSError) -> None:
        end.on_readable(None)
        end.pending.clear()
        self._finishing.discard(name)
        self._do(self.session.lost(name, str(error), self._events.time()))

    def _drained(self, _: CarriedEnd) -> None:
        self._turn()

    def _tick(self) -> None:
        self._alarm, self._alarmed_for = None, inf
        self._do(self.session.tick(self._events.time()))

    def _changed(self) -> None:
        """Called in any thread when a pending decision may be ready."""
        with suppress(RuntimeError):  # the loop is closed
            self._events.call_soon_threadsafe(self._tick_once)

    def _tick_once(self) -> None:
        if not self._over:
            self._do(self.session.tick(self._events.time()))

    # ---- what is to be done

    def _do(self, commands: list[SessionCommand]) -> None:
        for command in commands:
            match command:
                case Send(name, data):
                    if name in self._ends and not self._over:
                        self._ends[name].send(data)
                case Finish(name):
                    self._finishing.add(name)
                case Connect():
                    self._connect()
                case Await(later):
                    later.watch(self._changed)
                case HangUp():
                    self._closing = True
                    self._events.call_later(_FLUSH, self._close)
                case Reset():
                    self._reset()
        self._turn()

    def _turn(self) -> None:
        """Wait for what can come next, or close when nothing can."""
        if self._over:
            return
        for name in tuple(self._finishing):
            if not self._ends[name].pending:
                self._finishing.discard(name)
                self._ends[name].finish()
        busy = any(len(end.pending) >= PIECE for end in self._ends.values())
        for name, end in self._ends.items():
            wanted = self.session.wants(name) and not busy
            end.on_readable(partial(self._receive, name) if wanted else None)
        if self._closing and not any(end.pending for end in self._ends.values()):
            self._close()
        else:
            self._set_alarm(self.session.wake_at)

    def _set_alarm(self, at: float) -> None:
        if self._alarmed_for <= at < inf:  # it is asked again then
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._events.call_at(at, self._tick) if at < inf else None
        self._alarmed_for = at

    # ---- the connection to the server

    def _connect(self) -> None:
        try:
            dialling = self._dial()
        except (LabError, OSError) as error:
            self._unreachable(str(error))
            return
        end = self._take(SERVER, dialling.socket)
        limit = self._events.call_later(CONNECT_LIMIT, self._unreachable, f"no answer within {CONNECT_LIMIT:g} s")
        end.connect(dialling.address, partial(self._connected, dialling, limit))

    def _connected(self, dialling: Dialling, limit: asyncio.TimerHandle, error: int) -> None:
        limit.cancel()
        if error:
            self._unreachable(dialling.problem(error))
            return
        near, far = _endpoints(dialling.socket)
        dialling.arrived()
        self._do(self.session.connected(near, far, self._events.time()))

    def _unreachable(self, problem: str) -> None:
        self._do(self.session.unreachable(problem.rstrip("."), self._events.time()))

    # ---- the end

    def _reset(self) -> None:
        for end in self._ends.values():
            end.reset()
        self._close()

    def _close(self) -> None:
        if self._over:
            return
        self._over = True
        self._set_alarm(inf)
        for end in self._ends.values():
            end.close()
        self.session.over.set()
        self._ended(self)


def _endpoints(sock: socket.socket) -> tuple[Endpoint, Endpoint]:
    """The two ends of a connected socket: this one, and the other."""
    return Endpoint(*sock.getsockname()[:2]), Endpoint(*sock.getpeername()[:2])
