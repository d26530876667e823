"""Whether a client's wait ran out in silence, or only because the machine was busy.

Some attacks let a client wait for an answer that never comes. Then nothing crosses either side of the attacker any
more, the lab's loop, which serves and carries, finds nothing to do each time it looks, and the client's thread uses no
processor time. If that is not so, one of them was still at work when the time was up, and the attempt shows nothing.
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
"""Looks in a row at which nothing was done, before silence is believed."""
_ALMOST = 0.9
"""The part of a time limit that has to pass before it counts as waiting."""


class _Look(NamedTuple):
    time: int
    """Nanoseconds since 1970 (UTC)."""
    used: int
    """Nanoseconds of processor time that the client's thread had used."""


class Watch:
    """Looks at a loop, and at the thread that makes it, from construction to `stop`; that thread runs the client.

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
        """Note that the client has ended."""
        self._ended = time.time_ns()
        self._stopped = True

    def in_silence(self, sessions: Iterable[VictimSession], patience: float, whole: bool) -> bool:
        """Whether every wait that ran out did so in silence; true where none has.

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
