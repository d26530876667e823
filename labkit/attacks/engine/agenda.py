"""What is left to do in a session, one thing at a time, and when to look at it again at the latest."""

from collections import deque
from collections.abc import Callable
from math import inf

Step = Callable[[], None]


class Agenda:
    """Steps in their order, and one alarm; a step is any function without arguments."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds of `time.monotonic`."""
        self.steps: deque[Step] = deque()
        """Steps of the last decision that are not done yet."""
        self.waiting: deque[Step] = deque()
        """What was said and is to be shown to the vector."""
        self.received: deque[tuple[str, bytes]] = deque()
        """(end, bytes from the wire, none for their end) that came while something else was to be done."""
        self.wake_at = inf
        """When the alarm goes off."""
        self._woken: Step = self.clear

    def next_step(self) -> Step | None:
        """The next step: of the last decision first, then of what is to be shown."""
        return (self.steps or self.waiting).popleft() if self.steps or self.waiting else None

    def next_received(self, *ends: str) -> tuple[str, bytes] | None:
        """Take the oldest bytes of one of these ends."""
        for number, (end, _) in enumerate(self.received):
            if end in ends:
                taken = self.received[number]
                del self.received[number]
                return taken
        return None

    def holds(self, end: str) -> bool:
        """Whether bytes of this end have not been looked at yet."""
        return any(end == one for one, _ in self.received)

    def clear(self) -> None:
        """Drop every step and all bytes that wait."""
        for queue in (self.steps, self.waiting, self.received):
            queue.clear()

    # ---- the alarm

    def wait(self, seconds: float, woken: Step) -> None:
        """Set the alarm to go off in so many seconds; it replaces the one before."""
        self.wake_at, self._woken = self.now + seconds, woken

    def waits_for(self, woken: Step) -> bool:
        """Whether the alarm will run this step."""
        return self._woken == woken

    def again(self, seconds: float) -> None:
        """Set the same alarm again, in so many seconds from now."""
        self.wait(seconds, self._woken)

    def silence(self) -> None:
        """Cancel the alarm."""
        self.wake_at = inf

    def wake(self) -> None:
        """Run the alarm's step if its time has come."""
        if self.now >= self.wake_at:
            self._woken()
