"""The attacker's machine: takes victims on the ports that she intercepts, and runs a session for each.

It knows no attack: a vector decides, `session` carries out. Where it may stand is for `labkit.network` to say.
"""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack, suppress

from labkit.attacks.edits import Edit, Edits
from labkit.attacks.session import Session
from labkit.attacks.tls import Disguises
from labkit.attacks.vector import Opening, Vector
from labkit.certificates import Authority
from labkit.dialects import for_port
from labkit.errors import LabError
from labkit.network import Interception, Network

SETTLE = 1.0
"""Seconds that `close` waits for conversations that have not ended."""
_AT_ONCE = 256
"""Victims that are served at once; more are sent away."""
_SESSIONS_KEPT = 1000
_EDITS_KEPT = 10_000
_PATIENCE = 2.0
"""Seconds for a thread to notice that it is to end; it needs milliseconds."""


class Interceptor:
    """An attacker on the path to some ports of the lab, from construction to `close`.

    `targets` are (host name, nominal port). Raises `OutsideTheLab` for one that is not in the lab, and `LabError` for
    what is no vector or already intercepted.
    """

    def __init__(
        self,
        network: Network,
        vector: Vector,
        targets: Iterable[tuple[str, int]],
        authority: Authority,
        keylog: str | None = None,
        attacker: str = "mallory",
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
            self.interceptions = [
                stack.enter_context(network.intercept(attacker, host, port)) for host, port in dict.fromkeys(targets)
            ]
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
            for interception in self.interceptions:
                selector.register(interception.listener.socket, selectors.EVENT_READ, interception)
            while not self._closed:
                for key, _ in selector.select():
                    if key.data is not None:
                        self._accept(key.data)

    def _accept(self, interception: Interception) -> None:
        with suppress(OSError):  # the victim may have gone again
            victim = interception.accept()
            if len(self._threads) >= _AT_ONCE:
                victim.close()
                return
            self._begin(victim, interception)

    def _begin(self, victim: socket.socket, interception: Interception) -> None:
        dialect = for_port(interception.port)
        implicit = dialect is not None and interception.port in dialect.implicit_ports
        opening = Opening(interception.port, dialect, implicit)
        self._count += 1
        try:
            session = Session(
                self._count, victim, interception.connect, opening, self.vector, self._disguises, self._keep
            )
        except OSError:
            victim.close()
            return
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
