"""Whether a client's time limit ran out in silence, or only because the machine was busy.

Some attacks let a client wait for an answer that never comes. Then no byte crosses either side of the attacker, the
lab's loop, which serves and carries, has no callback to run, and the client's thread uses no processor time. Otherwise
one of them was still at work when the time limit ended, and the attempt proves nothing.
"""

import threading
import time
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from labkit.attacks.engine.victim_session import VictimSession
from labkit.network.loop import Loop

_BEAT = 0.05
"""Seconds between two looks."""
_LOOKS = 10
"""How many looks in a row must find nothing done before it counts as silence."""
_ALMOST = 0.9
"""The share of the time limit after which a wait counts as one that ran out."""


class _Look(NamedTuple):
    time: int
    """Nanoseconds since 1970 (UTC)."""
    used: int
    """Nanoseconds of processor time that the client's thread has used."""


class Watch:
    """Observes a loop and the calling thread, which runs the client, from construction to `stop`.

    Each look is taken after the loop has run everything that was ready.
    """

    def __init__(self, loop: Loop) -> None:
        self._looks: list[_Look] = []
        self._begun = self._ended = time.time_ns()
        self._loop = loop
        self._stopped = False
        # Where a thread's clock cannot be read (Windows), no silence is believed, and the attempt is repeated.
        clock = getattr(time, "pthread_getcpuclockid", None)
        self._clock = clock(threading.get_ident()) if clock else None
        loop.call(self._look)

    def stop(self) -> None:
        """End the observation: the client has ended."""
        self._ended = time.time_ns()
        self._stopped = True

    def in_silence(self, sessions: Iterable[VictimSession], patience: float, whole: bool) -> bool:
        """Whether every time limit that ran out did so in silence; true if none did.

        `patience` is the client's limit in seconds, for each wait or, with `whole`, for all that it does.
        """
        limit = int(patience * 1e9)
        if self._ended - self._begun < limit:
            return True
        spoken = sorted(at for session in sessions for leg in session.legs for at, *_ in leg.wire.said)
        times = [self._begun, *spoken, self._ended]
        waits = [(one, one + int(_ALMOST * limit)) for one, other in pairwise(times) if other - one >= _ALMOST * limit]
        if whole:
            end = self._begun + limit
            waits.append((max(at for at in times if at <= end), end))
        return all(self._silent(*wait) for wait in waits)

    def _silent(self, since: int, until: int) -> bool:
        last = [look for look in self._looks if since < look.time < until][-_LOOKS:]
        return self._clock is not None and len(last) == _LOOKS and last[0].used == last[-1].used

    def _look(self) -> None:
        if not self._stopped:
            self._looks.append(_Look(time.time_ns(), time.clock_gettime_ns(self._clock) if self._clock else 0))
            self._loop.events.call_later(_BEAT, self._look)
