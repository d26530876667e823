"""The state of a session: whether it acts, is ending or is over, and its time limit."""

from collections.abc import Callable

from labkit.attacks.engine.agenda import Agenda
from labkit.attacks.engine.session_commands import HangUp, Reset, SessionCommand

IDLE_LIMIT = 300.0
"""Seconds without a byte from either end, after which the connections end; servers of mail wait as long."""
_LINGER = 5.0
"""Seconds in which an ending session still reads what an end sends: a connection that is closed while its end sends is
reset, and the end may lose the last bytes it was sent."""


class SessionState:
    """Paused, acting, ending or over. Each state but the last has a time limit on the agenda.

    `cancel` drops what the session has still to do; it is called when the session begins to end.
    """

    def __init__(self, agenda: Agenda, cancel: Callable[[], None]) -> None:
        self.paused = True
        """Whether no step is done: before the victim or the server is connected, during a `Delay`, or at the end."""
        self.ending = False
        """FIN was sent to both ends."""
        self.problem = ""
        """What ended the session early, in a sentence; empty otherwise."""
        self.commands: list[SessionCommand] = []
        """Commands that were not returned yet."""
        self._over = False
        self._agenda = agenda
        self._cancel = cancel

    def pause(self, seconds: float) -> None:
        """Do no step for `seconds`."""
        self.paused = True
        self._agenda.wait(seconds, self.resume)

    def resume(self) -> None:
        """Act, and hang up after `IDLE_LIMIT` seconds without a byte."""
        self.paused = False
        self._agenda.wait(IDLE_LIMIT, self.hang_up)

    def restart_idle_limit(self) -> None:
        """Restart `IDLE_LIMIT` from now, unless another time limit is running."""
        if self._agenda.waits_for(self.hang_up) and not self.ending:
            self._agenda.wait(IDLE_LIMIT, self.hang_up)

    def end(self) -> None:
        """Do no further step, read for `_LINGER` seconds, then hang up."""
        self._cancel()
        self.paused, self.ending = False, True
        self._agenda.wait(_LINGER, self.hang_up)

    def break_off(self, problem: str) -> None:
        """Reset both connections. The first problem of a session is kept."""
        self.problem = self.problem or problem
        self._finish(Reset())

    def hang_up(self) -> None:
        """Close both connections."""
        self._finish(HangUp())

    def _finish(self, command: SessionCommand) -> None:
        if not self._over:
            self.commands.append(command)
        self._cancel()
        self.paused, self.ending, self._over = True, True, True
        self._agenda.silence()
