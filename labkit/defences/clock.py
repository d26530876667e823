"""A clock that a lesson can advance: signatures, cached policies and reports use it; certificates do not."""

import time

from labkit.errors import LabError

_DAY = 86_400
_MOST_DAYS = 100_000
"""Seconds, nearly three centuries either way: some formats cannot hold dates beyond that."""


class Clock:
    """Called, it returns the seconds since 1970, moved by what it was advanced."""

    def __init__(self) -> None:
        self.offset = 0.0
        """Seconds by which it differs from the real time."""

    def __call__(self) -> float:
        return time.time() + self.offset

    def advance(self, days: float = 0.0, hours: float = 0.0, minutes: float = 0.0) -> "Clock":
        """Let time pass; with negative numbers it goes back. Raises `LabError` for more than centuries."""
        offset = self.offset + days * _DAY + hours * 3600 + minutes * 60
        if not abs(offset) <= _MOST_DAYS * _DAY:
            raise LabError(
                f"A clock is advanced by days, {_MOST_DAYS} at most, not to {offset / _DAY:g} days from now."
            )
        self.offset = offset
        return self

    def __repr__(self) -> str:
        days = self.offset / _DAY
        shown = time.strftime("%Y-%m-%d %H:%M", time.gmtime(self()))
        return f"<{shown} UTC{f', {days:+.1f} days from now' if self.offset else ''}>"
