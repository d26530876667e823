"""An attack that is decided by hand: each line waits until a person decides on it, or until its time is up.

This is the only vector with state: the lines that wait, in one queue for all victims, and the decided lines. Who
decides, and how the lines are shown, does not belong here. Only clear text waits here: the attacker
cannot read lines inside TLS.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from labkit.attacks.actions import Action, Drop, Inject, Later, Pass, Replace, decision
from labkit.attacks.vector import Answered, Line, Opening, Record, Vector
from labkit.errors import LabError

LONGEST_HOLD = 120.0
"""Seconds; a server that receives nothing for longer may hang up."""
_KEPT = 1000
"""Decided lines that are kept."""


class HeldLine(Later):
    """A line that waits for its decision, or that was decided.

    A decision may come from any thread. It is made once: the methods say whether it was this one that counted.
    """

    def __init__(self, line: Line, number: int, queue: "ByHand") -> None:
        self.line = line
        self.number = number
        """Which of the lines that were held, from 1."""
        self.actions: tuple[Action, ...] = ()
        """What becomes of it: empty while it waits."""
        self.why = ""
        """Why, where it was not decided by hand; in words."""
        self._queue = queue
        self._said: tuple[Action, ...] = ()
        self._failure: Exception | None = None
        self._changed: Callable[[], object] = lambda: None

    @property
    def said(self) -> tuple[Action, ...]:
        """What will go out ahead of it."""
        return self._said

    @property
    def left(self) -> float:
        """Seconds until it passes by itself; without end until it is the first in the queue."""
        return max(0.0, self.until - time.monotonic())

    def pass_on(self) -> bool:
        """Let it go on as it came."""
        return self.decide(Pass())

    def send(self, data: bytes) -> bool:
        """Let these bytes go on in its place."""
        return self.decide(Pass() if data == self.line.data else Replace(data))

    def drop(self) -> bool:
        """Let nothing of it go on."""
        return self.decide(Drop())

    def say(self, to: str, data: bytes) -> bool:
        """Say something to one end, `CLIENT` or `SERVER`: it goes out ahead of the line, which still waits."""
        with self._queue.lock:
            if not self.actions:
                self._said += (Inject(to, data),)
                self._queue.news.set()
            return not self.actions

    def hold(self, seconds: float) -> None:
        """Extend its time limit to `seconds` from now, `LONGEST_HOLD` at most; it never becomes shorter."""
        with self._queue.lock:
            if self.until < float("inf"):
                self.until = max(self.until, time.monotonic() + min(seconds, LONGEST_HOLD))

    def decide(self, *actions: Action, why: str = "") -> bool:
        """Decide on these actions; `why` is a clause, where no person decided."""
        with self._queue.lock:
            if self.actions or self._failure:
                return False
            self.actions, self.why = (*self._said, *actions), why
            self._queue.settle(self)
        self._changed()
        return True

    def add(self, said: Inject) -> None:
        """Note what was said after the decision."""
        with self._queue.lock:
            self.actions += (said,)
            self._queue.news.set()

    def begin(self, seconds: float) -> None:
        """Start its time limit, as the first in the queue."""
        self.until = time.monotonic() + seconds
        self._changed()

    def ask(self, deputy: Vector, why: str) -> None:
        """Let another vector decide on it."""
        try:
            actions = decision(deputy.on_line(self.line)).actions
        except Exception as failure:  # raised in the session that waits for the decision
            self._failure = failure
            self._queue.forget(self)
            self._changed()
        else:
            self.decide(*actions, why=why)

    # ---- for the session that waits

    def settled(self, now: float) -> tuple[Action, ...] | None:
        if self._failure:
            raise self._failure
        if now >= self.until:
            self.decide(Pass(), why=f"nobody decided for {self._queue.seconds:g} s")
        return self.actions or None

    def watch(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        if self.actions or self._failure:
            changed()

    def cancel(self) -> None:
        self.decide(Pass(), why="its session was over")

    def __repr__(self) -> str:
        said = f"#{self.line.session} {self.line.sender} {self.line.title} {self.line.text[:80]!r}"
        return f"<held {said}: {', '.join(map(repr, self.actions)) or 'waits'}>"


class ByHand(Vector):
    """Holds each line until a person decides what becomes of it; what is not decided in time passes as it came.

    Raises `LabError` for an invalid time.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        if not 0 < seconds <= LONGEST_HOLD:
            raise LabError(f"A line is held for more than 0 and at most {LONGEST_HOLD:g} seconds, not {seconds!r}.")
        self.seconds = seconds
        """Seconds that a line waits when it is the first in the queue."""
        self.records = 0
        """TLS records that have passed and that could not be read."""
        self.news = threading.Event()
        """Set whenever something has changed; the thread that reads the change clears it."""
        self.lock = threading.RLock()
        """Held while the queue, or a line in it, changes."""
        self._waiting: list[HeldLine] = []
        self._decided: deque[HeldLine] = deque(maxlen=_KEPT)
        self._count = 0
        self._deputy: Vector | None = None
        self._why = ""

    @property
    def waiting(self) -> tuple[HeldLine, ...]:
        """The lines that wait, of all victims; the first is the one to decide next."""
        with self.lock:
            return tuple(self._waiting)

    @property
    def decided(self) -> tuple[HeldLine, ...]:
        """The decided lines, oldest first; the last thousand."""
        with self.lock:
            return tuple(self._decided)

    @property
    def dropped(self) -> HeldLine | None:
        """The line that was dropped last, as long as nothing has come since."""
        with self.lock:
            last = self._decided[-1] if self._decided and not self._waiting else None
            return last if last is not None and Drop() in last.actions else None

    @property
    def deputised(self) -> bool:
        """Whether another vector decides, so that no line waits any more."""
        return self._deputy is not None

    def follow(self, deputy: Vector, why: str) -> None:
        """Let another vector decide at once, on the lines that wait and all later ones; `why` is recorded with each."""
        with self.lock:
            self._deputy, self._why = deputy, why
            # The verdict reads these.
            self.marks, self.injects, self.steals = deputy.marks, deputy.injects, deputy.steals
            for held in self.waiting:
                held.ask(deputy, why)

    def release(self) -> None:
        """Let pass what waits, and what comes, where no deputy decides."""
        with self.lock:
            if self._deputy is None:
                self.follow(Vector(), "the attack was over")

    def settle(self, held: HeldLine) -> None:
        """Move a line from the queue to the decided ones."""
        self._decided.append(held)
        self.forget(held)

    def forget(self, held: HeldLine) -> None:
        """Remove a line from the queue: the time of the next one begins."""
        with self.lock:
            first = self._waiting[:1] == [held]
            self._waiting.remove(held)
            if first and self._waiting and self._deputy is None:
                self._waiting[0].begin(self.seconds)
            self.news.set()

    def on_open(self, opening: Opening) -> Answered:
        return None if self._deputy is None else self._deputy.on_open(opening)

    def on_line(self, line: Line) -> Answered:
        with self.lock:
            self._count += 1
            held = HeldLine(line, self._count, self)
            self._waiting.append(held)
            if self._deputy is not None:
                held.ask(self._deputy, self._why)
                return held.settled(time.monotonic())
            if self._waiting == [held]:
                held.begin(self.seconds)
            self.news.set()
            return held

    def on_record(self, record: Record) -> Answered:
        self.records += 1
        self.news.set()
        return None if self._deputy is None else self._deputy.on_record(record)
