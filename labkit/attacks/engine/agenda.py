"""The pending steps of a session, which are done one at a time, and the time of its alarm."""

from collections import deque
from collections.abc import Callable
from math import inf

AgendaStep = Callable[[], None]


class Agenda:
    """Steps in their order, and one alarm; a step is any function without arguments."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds of `time.monotonic`."""
        self.steps: deque[AgendaStep] = deque()
        """Steps of the last decision that are not done yet."""
        self.waiting: deque[AgendaStep] = deque()
        """What an end said and the vector has not seen yet."""
        self.received: deque[tuple[str, bytes]] = deque()
        """(end, bytes from the wire, empty for FIN) that arrived while other steps were pending."""
        self.wake_at = inf
        """The time of the alarm, in seconds of `time.monotonic`."""
        self._woken: AgendaStep = self.clear

    def next_step(self) -> AgendaStep | None:
        """The next step: first those of the last decision, then what the vector has not seen yet."""
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
        """Whether bytes of this end are waiting here."""
        return any(end == one for one, _ in self.received)

    def clear(self) -> None:
        """Drop every step and all waiting bytes."""
        for queue in (self.steps, self.waiting, self.received):
            queue.clear()

    # ---- the alarm

    def wait(self, seconds: float, woken: AgendaStep) -> None:
        """Set the alarm to run `woken` in `seconds`; it replaces the alarm before."""
        self.wake_at, self._woken = self.now + seconds, woken

    def waits_for(self, woken: AgendaStep) -> bool:
        """Whether the alarm is set to run this step."""
        return self._woken == woken

    def again(self, seconds: float) -> None:
        """Set the same alarm again, to `seconds` from now."""
        self.wait(seconds, self._woken)

    def silence(self) -> None:
        """Cancel the alarm."""
        self.wake_at = inf

    def wake(self) -> None:
        """Run the alarm's step if its time has come."""
        if self.now >= self.wake_at:
            self._woken()
