"""The attacker's machine: takes victims on the ports that she intercepts, and carries a session for each.

All of it runs in the loop's thread of the network. It knows no attack: a vector decides, `victim_session` carries out.
Where it may stand is for `labkit.network` to say.
"""

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, NamedTuple

from labkit.attacks.actions import Inject
from labkit.attacks.engine.carriage import Carriage
from labkit.attacks.engine.disguise import Disguises
from labkit.attacks.engine.edits import Edit, Edits
from labkit.attacks.engine.victim_session import VictimSession
from labkit.attacks.vector import Line, Opening, Vector, check_vector
from labkit.dialects import ALL, Dialect
from labkit.errors import LabError
from labkit.network import Network
from labkit.network.dialling import Dialling
from labkit.network.entrance import Entrance
from labkit.network.listener import Address
from labkit.trust.certificates import SERVER_NAME, Authority

ATTACKER = "mallory"
SETTLE = 1.0
"""Seconds without a byte in any session, after which `close` no longer waits for those that are open."""
_PATIENCE = 10
"""How many times `close` waits `SETTLE` seconds while bytes still cross."""
_AT_ONCE = 256
"""Victims that are served at the same time; further ones are disconnected."""
_ACCEPTED = 4
"""Victims that are accepted in a row before open sessions get their turn."""
_SESSIONS_KEPT = 1000
_EDITS_KEPT = 10_000


class Target(NamedTuple):
    """A server that is attacked."""

    host: str
    """The name of a host of the lab."""
    port: int
    """Its nominal port, host order."""
    dialect: Dialect | None
    """What it speaks; None passes everything unread."""
    implicit: bool
    """Whether TLS comes before the first byte."""
    name: str = SERVER_NAME
    """The name in its certificate."""


class Doorway(NamedTuple):
    """A listening socket of the attacker for the victims of one server."""

    opening: Opening
    called: str
    """The host name of the server that victims connect to here."""
    address: Address
    """Where a tool connects: (IP address, real port)."""
    socket: socket.socket
    note_victim: Callable[[tuple[Any, ...]], object]
    """Called with the address of each victim that was accepted."""
    dial: Callable[[], Dialling]
    """Begins a connection to the real server."""


class Interceptor:
    """An attacker on the path to some servers of the lab, from construction to `close`.

    Raises `OutsideTheLab` for a target that is not in the lab, and `LabError` for anything but a vector, without a
    target, or for a target that is intercepted already.
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
        check_vector(vector)
        self.vector = vector
        self.edits = Edits()
        """What was changed, oldest first."""
        self.sessions: deque[VictimSession] = deque(maxlen=_SESSIONS_KEPT)
        """The conversations that went through the attacker, oldest first."""
        targets = list(targets)
        self._disguises = Disguises(authority, keylog, *{target.name for target in targets[:1]})
        self._count = 0
        self._closed = False
        self._carriages: set[Carriage] = set()
        self._idle = threading.Event()
        """Set while no session is under way."""
        self._idle.set()
        self._entrances: list[Entrance] = []
        self._loop = network.loop
        with ExitStack() as stack:
            self._doorways = _open(stack, network, vector, targets, attacker)
            self._stage = stack.pop_all()
        self._loop.endings.add(self._end)
        self._loop.call(self._accept)

    @property
    def called(self) -> frozenset[tuple[str, int]]:
        """(name of the server, nominal port) that victims talk to."""
        return frozenset((door.called, door.opening.port) for door in self._doorways)

    def address(self, port: int) -> Address:
        """Where a tool outside the lab connects to become a victim on this nominal port: (IP address, real port).

        Raises `LabError` for a port that is not attacked.
        """
        for door in self._doorways:
            if door.opening.port == port:
                return door.address
        attacked = ", ".join(str(door.opening.port) for door in self._doorways)
        raise LabError(f"Port {port} is not attacked: only {attacked}.")

    def interject(self, line: Line, said: Inject) -> None:
        """Send bytes to an end of the session in which this line came, in addition to the decision about the line.

        Has no effect if that session is over.
        """
        self._do(partial(self._interject, line, said))

    def close(self) -> None:
        """Leave the path; open sessions get time to end. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._do(self._turn_away)
        self._stage.close()
        self.vector.release()
        if not self._loop.here:
            self._drain()
        self._do(self._end)

    def __enter__(self) -> "Interceptor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drain(self) -> None:
        """Wait until every session has ended or is silent."""
        said = self._said
        for _ in range(_PATIENCE):
            if self._idle.wait(SETTLE):
                return
            self._do(lambda: None)  # the loop has dealt with what was there
            before, said = said, self._said
            if before == said:
                return

    @property
    def _said(self) -> int:
        """Number of chunks sent so far in the sessions that are under way."""
        legs = [leg for carriage in list(self._carriages) for leg in carriage.session.legs]
        return sum(len(leg.wire.said) for leg in legs)

    # ---- for the loop's thread

    def _do(self, act: Callable[[], None]) -> None:
        if self._end in self._loop.endings:  # otherwise the loop has ended it
            self._loop.call(act)

    def _accept(self) -> None:
        events = self._loop.events
        for door in self._doorways:
            begin = partial(self._begin, door)
            self._entrances.append(Entrance(events, door.socket, _ACCEPTED, begin, lambda _: None))

    def _turn_away(self) -> None:
        for entrance in self._entrances:
            entrance.close()
        self._entrances.clear()

    def _begin(self, door: Doorway, victim: socket.socket, address: tuple[Any, ...]) -> None:
        if len(self._carriages) >= _AT_ONCE:
            victim.close()
            return
        door.note_victim(address)
        self._count += 1
        session = VictimSession(self._count, door.opening, self.vector, self._disguises, self._keep)
        try:
            carriage = Carriage(self._loop.events, session, victim, door.dial, self._forget)
        except OSError:  # the victim has gone again
            victim.close()
            return
        self.sessions.append(session)
        self._carriages.add(carriage)
        self._idle.clear()
        carriage.begin()

    def _interject(self, line: Line, said: Inject) -> None:
        for carriage in tuple(self._carriages):
            if carriage.session.number == line.session:
                carriage.interject(line, said)

    def _forget(self, carriage: Carriage) -> None:
        self._carriages.discard(carriage)
        if not self._carriages:
            self._idle.set()

    def _end(self) -> None:
        """End every session, at once."""
        self._loop.endings.discard(self._end)
        self._turn_away()
        for carriage in tuple(self._carriages):
            carriage.stop()

    def _keep(self, edit: Edit) -> None:
        if len(self.edits) < _EDITS_KEPT:
            self.edits.append(edit)


def _open(stack: ExitStack, network: Network, vector: Vector, targets: list[Target], attacker: str) -> list[Doorway]:
    """The doorways: on the path to each target, or the vector's `facade` or `lure` for the first target."""
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


def _door(stack: ExitStack, network: Network, target: Target, attacker: str) -> Doorway:
    path = stack.enter_context(network.intercept(attacker, target.host, target.port))
    dial = _dialler(network, attacker, target.host, target.port)
    return Doorway(Opening(*target[1:4]), path.pose, path.address, path.listener.socket, path.note_victim, dial)


def _dialler(network: Network, attacker: str, host: str, port: int) -> Callable[[], Dialling]:
    return lambda: Dialling(network.host(attacker), host, port)


def _facade(stack: ExitStack, network: Network, vector: Vector, target: Target, attacker: str) -> Doorway:
    """Victims that connect to another port of the same server, on which nothing listens."""
    door = _door(stack, network, target._replace(port=vector.facade, implicit=True), attacker)
    return door._replace(dial=_dialler(network, attacker, target.host, target.port))


def _lure(stack: ExitStack, network: Network, vector: Vector, first: Doorway, attacker: str) -> Doorway:
    """Victims that were sent to the attacker's own host."""
    listener = stack.enter_context(closing(network.host(attacker).listen(vector.lure)))
    opening = first.opening._replace(port=vector.lure)
    return Doorway(opening, attacker, listener.address, listener.socket, lambda _: None, first.dial)
