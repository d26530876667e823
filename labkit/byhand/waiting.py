"""An attack that is decided by hand: each line waits until somebody says what becomes of it, or until its time is up.

This is the one vector that keeps something: the lines that wait, in one queue for all victims, and those that had their
decision. Who decides, and how the lines are shown, does not belong here. What is inside TLS cannot wait here: it is
no line to an attacker.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable

from labkit.attacks.actions import Action, Drop, Inject, Pass, Replace, decision
from labkit.attacks.vector import Answered, Line, Opening, Record, Vector
from labkit.errors import LabError

LONGEST_HOLD = 120.0
"""Seconds; a server that hears nothing for longer may hang up."""
_KEPT = 1000
"""Lines that are remembered when they had their decision."""


class HeldLine:
    """A line that waits for its decision, or that had one.

    A decision may come from any thread. It is made once: the methods say whether it was this one that counted.
    """

    def __init__(self, line: Line, number: int, turn: threading.Condition) -> None:
        self.line = line
        self.number = number
        """Which of the lines that were held, from 1."""
        self.actions: tuple[Action, ...] = ()
        """What becomes of it: empty while it waits."""
        self.why = ""
        """Why, where nobody decided it by hand; in words."""
        self._turn = turn
        self._said: tuple[Action, ...] = ()
        self._until = float("inf")

    @property
    def said(self) -> tuple[Action, ...]:
        """What will go out ahead of it."""
        return self._said

    @property
    def left(self) -> float:
        """Seconds until it passes by itself; without end until it is the first in the queue."""
        return max(0.0, self._until - time.monotonic())

    def pass_on(self) -> bool:
        """Let it go on as it came."""
        return self._decide(Pass())

    def send(self, data: bytes) -> bool:
        """Let these bytes go on in its place."""
        return self._decide(Pass() if data == self.line.data else Replace(data))

    def drop(self) -> bool:
        """Let nothing of it go on."""
        return self._decide(Drop())

    def say(self, to: str, data: bytes) -> bool:
        """Say something to one end, `CLIENT` or `SERVER`: it goes out ahead of the line, which still waits."""
        with self._turn:
            if not self.actions:
                self._said += (Inject(to, data),)
                self._turn.notify_all()
            return not self.actions

    def hold(self, seconds: float) -> None:
        """Let it wait for so many seconds from now, at most `LONGEST_HOLD`; never for less than it would have."""
        with self._turn:
            if self._until < float("inf"):
                self._until = max(self._until, time.monotonic() + min(seconds, LONGEST_HOLD))

    def _decide(self, *actions: Action, why: str = "") -> bool:
        with self._turn:
            if self.actions:
                return False
            self.actions, self.why = (*self._said, *actions), why
            self._turn.notify_all()
            return True

    def __repr__(self) -> str:
        said = f"#{self.line.session} {self.line.sender} {self.line.title} {self.line.text[:80]!r}"
        return f"<held {said}: {', '.join(map(repr, self.actions)) or 'waits'}>"


class ByHand(Vector):
    """Holds each line until somebody decides what becomes of it; what nobody decides passes as it came.

    Raises `LabError` for a time of no use.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        if not 0 < seconds <= LONGEST_HOLD:
            raise LabError(f"A line is held for more than 0 and at most {LONGEST_HOLD:g} seconds, not {seconds!r}.")
        self.seconds = seconds
        """How long a line waits when it is the first in the queue."""
        self.records = 0
        """TLS records that have passed and that could not be read."""
        self.news = threading.Event()
        """Set whenever something has changed; who looks clears it."""
        self._waiting: list[HeldLine] = []
        self._decided: deque[HeldLine] = deque(maxlen=_KEPT)
        self._count = 0
        self._turn = threading.Condition()
        self._deputy: Vector | None = None
        self._why = ""

    @property
    def waiting(self) -> tuple[HeldLine, ...]:
        """The lines that wait, of all victims; the first is the one to decide next."""
        with self._turn:
            return tuple(held for held in self._waiting if not held.actions)

    @property
    def decided(self) -> tuple[HeldLine, ...]:
        """The lines that had their decision, oldest first; the last thousand."""
        with self._turn:
            return tuple(self._decided)

    @property
    def deputised(self) -> bool:
        """Whether another vector decides, so that no line waits any more."""
        return self._deputy is not None

    def follow(self, deputy: Vector, why: str) -> None:
        """Let another vector decide at once, from the lines that wait on; `why` is put down for each of them."""
        with self._turn:
            self._deputy, self._why = deputy, why
            self.marks, self.injects = deputy.marks, deputy.injects  # the verdict asks for them
            self._turn.notify_all()

    def release(self) -> None:
        """Let pass what waits, and what comes, where no deputy decides."""
        with self._turn:
            if self._deputy is None:
                self.follow(Vector(), "the attack was over")

    def on_open(self, opening: Opening) -> Answered:
        return None if self._deputy is None else self._deputy.on_open(opening)

    def on_line(self, line: Line) -> Answered:
        with self._turn:
            self._count += 1
            held = HeldLine(line, self._count, self._turn)
            self._waiting.append(held)
            try:
                self._wait(held)
                self._decided.append(held)
            finally:
                self._waiting.remove(held)
                self._turn.notify_all()  # the next one is the first now
                self.news.set()
        return held.actions

    def on_record(self, record: Record) -> Answered:
        self.records += 1
        self.news.set()
        return None if self._deputy is None else self._deputy.on_record(record)

    def _wait(self, held: HeldLine) -> None:
        while not held.actions and self._deputy is None:
            if self._waiting[0] is held and held.left == float("inf"):
                held._until = time.monotonic() + self.seconds
            self.news.set()
            if not held.left:
                held._decide(Pass(), why=f"nobody decided for {self.seconds:g} s")
            else:
                self._turn.wait(min(held.left, threading.TIMEOUT_MAX))
        if not held.actions:
            held._decide(*_chosen(self._deputy, held.line), why=self._why)


def _chosen(deputy: Vector, line: Line) -> Iterable[Action]:
    return decision(deputy.on_line(line)).actions
