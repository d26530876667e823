"""The attacker's machine: takes victims on the ports that she intercepts, and runs a session for each.

It knows no attack: a vector decides, `session` carries out. Where it may stand is for `labkit.network` to say.
"""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from functools import partial
from typing import NamedTuple

from labkit.attacks.engine.edits import Edit, Edits
from labkit.attacks.engine.session import Session
from labkit.attacks.engine.tls import Disguises
from labkit.attacks.vector import Opening, Vector
from labkit.dialects import ALL, Dialect
from labkit.errors import LabError
from labkit.network import Network
from labkit.network.entrance import BREATH, EXHAUSTED
from labkit.network.hosts import Address
from labkit.trust.certificates import Authority

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


class _Door(NamedTuple):
    """Where victims come in."""

    opening: Opening
    address: Address
    """Where a tool comes in: (IP address, real port)."""
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

    def address(self, port: int) -> Address:
        """Where a tool outside the lab connects to become a victim on this nominal port: (IP address, real port).

        Raises `LabError` for a port that is not attacked.
        """
        for door in self._doors:
            if door.opening.port == port:
                return door.address
        attacked = ", ".join(str(door.opening.port) for door in self._doors)
        raise LabError(f"Port {port} is not attacked: only {attacked}.")

    def close(self) -> None:
        """Step out of the path; conversations have `SETTLE` seconds to end. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._bell.send(b".")
        self._thread.join(_PATIENCE)
        self._stage.close()
        self.vector.release()
        until = time.monotonic() + SETTLE
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
        try:
            victim = door.accept()
        except OSError as error:  # the victim may have gone again
            if error.errno in EXHAUSTED:
                time.sleep(BREATH)
            return
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
    """Stand in the path to each target, or where the vector says that victims of the first one come in."""
    if not targets:
        raise LabError("There is nothing to attack: start a server first, for example with lab.smtp().")
    for target in targets:
        if target.dialect is not None and not vector.applies_to(target.dialect):
            known = " and ".join(dialect.name for dialect in ALL if vector.applies_to(dialect))
            raise LabError(
                f"{vector.name} is an attack on {known}, not on {target.dialect.name}: choose another server."
            )
    if vector.facade:
        return [_facade(stack, network, vector, targets[0], attacker)]
    doors = [_door(stack, network, target, attacker) for target in targets]
    if vector.lure:
        doors.append(_lure(stack, network, vector, doors[0], attacker))
    return doors


def _door(stack: ExitStack, network: Network, target: Target, attacker: str) -> _Door:
    path = stack.enter_context(network.intercept(attacker, target.host, target.port))
    return _Door(Opening(*target[1:]), path.address, path.listener.socket, path.accept, path.connect)


def _facade(stack: ExitStack, network: Network, vector: Vector, target: Target, attacker: str) -> _Door:
    """Victims that mean another port of the same server, on which it has nothing."""
    door = _door(stack, network, target._replace(port=vector.facade, implicit=True), attacker)
    return door._replace(connect=partial(network.host(attacker).connect, target.host, target.port))


def _lure(stack: ExitStack, network: Network, vector: Vector, first: _Door, attacker: str) -> _Door:
    """Victims that were sent to the attacker's own host."""
    listener = stack.enter_context(closing(network.host(attacker).listen(vector.lure)))
    opening = first.opening._replace(port=vector.lure)
    return _Door(opening, listener.address, listener.socket, lambda: listener.socket.accept()[0], first.connect)
