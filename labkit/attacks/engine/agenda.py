"""What is left to do in a session, one thing at a time, and when to look at it again at the latest."""

from collections import deque
from collections.abc import Callable
from math import inf

Step = Callable[[], None]


class Agenda:
    """Steps in their order, and one alarm. Nothing here is known of what a step does."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds of `time.monotonic`."""
        self.steps: deque[Step] = deque()
        """What is left to do for the thing that was decided last."""
        self.waiting: deque[Step] = deque()
        """What was said and is to be shown to the vector."""
        self.heard: deque[tuple[str, bytes]] = deque()
        """(end, bytes from the wire, none for their end) that came while something else was to be done."""
        self.wake_at = inf
        """When the alarm goes off."""
        self._woken: Step = self.clear

    def next_step(self) -> Step | None:
        """The next thing to do of what was decided and of what is to be shown."""
        return (self.steps or self.waiting).popleft() if self.steps or self.waiting else None

    def next_heard(self, *ends: str) -> tuple[str, bytes] | None:
        """The next thing that one of these ends has said."""
        for number, (end, _) in enumerate(self.heard):
            if end in ends:
                taken = self.heard[number]
                del self.heard[number]
                return taken
        return None

    def holds(self, end: str) -> bool:
        """Whether something of this end has not been looked at yet."""
        return any(end == one for one, _ in self.heard)

    def clear(self) -> None:
        """Leave undone what is left to do."""
        for queue in (self.steps, self.waiting, self.heard):
            queue.clear()

    # ---- the alarm

    def wait(self, seconds: float, woken: Step) -> None:
        """Set the alarm, in the place of the one before."""
        self.wake_at, self._woken = self.now + seconds, woken

    def waits_for(self, woken: Step) -> bool:
        """Whether this is what the alarm will do."""
        return self._woken == woken

    def again(self, seconds: float) -> None:
        """Set the alarm once more."""
        self.wait(seconds, self._woken)

    def silence(self) -> None:
        """Set no alarm."""
        self.wake_at = inf

    def wake(self) -> None:
        """Do what the alarm is for, if it is time."""
        if self.now >= self.wake_at:
            self._woken()
