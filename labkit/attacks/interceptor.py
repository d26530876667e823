"""The attacker's machine: takes victims on the ports that she intercepts, and runs a session for each.

It knows no attack: a vector decides, `session` carries out. Where it may stand is for `labkit.network` to say.
"""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing, suppress
from typing import NamedTuple

from labkit.attacks.edits import Edit, Edits
from labkit.attacks.session import Session
from labkit.attacks.tls import Disguises
from labkit.attacks.vector import Opening, Vector
from labkit.certificates import Authority
from labkit.dialects import Dialect, for_port
from labkit.errors import LabError
from labkit.network import Network

ATTACKER = "mallory"
SETTLE = 1.0
"""Seconds that `close` waits for conversations that have not ended."""
_AT_ONCE = 256
"""Victims that are served at once; more are sent away."""
_SESSIONS_KEPT = 1000
_EDITS_KEPT = 10_000
_PATIENCE = 2.0
"""Seconds for a thread to notice that it is to end; it needs milliseconds."""


class Target(NamedTuple):
    """A server that is attacked."""

    host: str
    """The name of a host of the lab."""
    port: int
    """Its nominal port, host order."""
    dialect: Dialect | None
    """What it speaks; what is said in no dialect passes unread."""
    implicit: bool
    """Whether TLS comes before the first byte."""

    @classmethod
    def on(cls, host: str, port: int) -> "Target":
        """What is registered for this port."""
        dialect = for_port(port)
        return cls(host, port, dialect, dialect is not None and port in dialect.implicit_ports)


class _Door(NamedTuple):
    """Where victims come in."""

    opening: Opening
    socket: socket.socket
    accept: Callable[[], socket.socket]
    connect: Callable[[float], socket.socket]
    """To the real server, within so many seconds."""


class Interceptor:
    """An attacker on the path to some servers of the lab, from construction to `close`.

    Raises `OutsideTheLab` for a target that is not in the lab, and `LabError` for what is no vector, for no target at
    all, or for one that is intercepted already.
    """

    def __init__(
        self,
        network: Network,
        vector: Vector,
        targets: Iterable[Target],
        authority: Authority,
        keylog: str | None = None,
        attacker: str = ATTACKER,
    ) -> None:
        if not isinstance(vector, Vector):
            raise LabError(f"A vector is an object like attacks.StripCapability(), not {vector!r}.")
        self.vector = vector
        self.edits = Edits()
        """What was changed, oldest first."""
        self.sessions: deque[Session] = deque(maxlen=_SESSIONS_KEPT)
        """The conversations that went through the attacker, oldest first."""
        self._disguises = Disguises(authority, keylog)
        self._count = 0
        self._closed = False
        self._threads: set[threading.Thread] = set()
        with ExitStack() as stack:
            self._doors = _open(stack, network, vector, list(targets), attacker)
            self._stage = stack.pop_all()
        self._alarm, self._bell = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="labkit mallory", daemon=True)
        self._thread.start()

    def close(self, settle: float = SETTLE) -> None:
        """Step out of the path; conversations have `settle` seconds to end. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._bell.send(b".")
        self._thread.join(_PATIENCE)
        self._stage.close()
        self.vector.release()
        until = time.monotonic() + settle
        for session in list(self.sessions):
            session.over.wait(max(0.0, until - time.monotonic()))
            session.stop()
        for thread in list(self._threads):
            thread.join(_PATIENCE)
        self._alarm.close()
        self._bell.close()

    def __enter__(self) -> "Interceptor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._alarm, selectors.EVENT_READ)
            for door in self._doors:
                selector.register(door.socket, selectors.EVENT_READ, door)
            while not self._closed:
                for key, _ in selector.select():
                    if key.data is not None:
                        self._welcome(key.data)

    def _welcome(self, door: _Door) -> None:
        with suppress(OSError):  # the victim may have gone again
            victim = door.accept()
            try:
                if len(self._threads) >= _AT_ONCE:
                    raise ConnectionRefusedError
                self._begin(victim, door)
            except OSError:
                victim.close()

    def _begin(self, victim: socket.socket, door: _Door) -> None:
        self._count += 1
        session = Session(self._count, victim, door.connect, door.opening, self.vector, self._disguises, self._keep)
        self.sessions.append(session)
        thread = threading.Thread(target=self._carry, args=(session,), name="labkit mallory's session", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _carry(self, session: Session) -> None:
        try:
            session.run()
        finally:
            self._threads.discard(threading.current_thread())

    def _keep(self, edit: Edit) -> None:
        if len(self.edits) < _EDITS_KEPT:
            self.edits.append(edit)


def _open(stack: ExitStack, network: Network, vector: Vector, targets: list[Target], attacker: str) -> list[_Door]:
    """Stand in the path to each target, and wait at the lure of the vector, if it has one, for victims of the first."""
    doors = []
    for target in targets:
        path = stack.enter_context(network.intercept(attacker, target.host, target.port))
        doors.append(_Door(Opening(*target[1:]), path.listener.socket, path.accept, path.connect))
    if not doors:
        raise LabError("There is nothing to attack: start a server first, for example with lab.smtp().")
    if vector.lure:
        first = doors[0]
        lure = stack.enter_context(closing(network.host(attacker).listen(vector.lure))).socket
        doors.append(first._replace(opening=first.opening._replace(port=vector.lure), socket=lure, accept=_taker(lure)))
    return doors


def _taker(lure: socket.socket) -> Callable[[], socket.socket]:
    return lambda: lure.accept()[0]
