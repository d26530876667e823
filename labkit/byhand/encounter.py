"""One attack by hand, from the first victim to the last: who connects, who decides, and the outcome.

A victim whose lines wait for a person runs in a thread of its own; another thread updates the console and ends the
attack after the last victim. What the console looks like does not belong here.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from labkit.attacks.actions import Inject
from labkit.byhand.waiting import ByHand

if TYPE_CHECKING:
    from labkit.attacks.loot import Loot
    from labkit.attacks.verdict import Verdict
    from labkit.lab import Lab

FINISH = 5.0
"""Seconds for victims to end once no line waits for a person; they need less than one."""
_SETTLE = 2.0
"""Seconds in which victims can come to an end by themselves."""
_TICK = 1.0
"""Seconds between two looks at the clock."""
_MOMENT = 0.03
"""Seconds in which the next line usually comes; only after them the console shows that no line is held."""

RunVictim = Callable[[], object]
"""A function that runs the victim and returns its outcome."""


class Encounter:
    """An attack on all servers of the lab, from construction until `over`.

    It ends after the last victim, with `close`, and when the attacker of the lab is closed or begins something else.
    """

    def __init__(self, lab: "Lab", byhand: ByHand, show: Callable[[], None]) -> None:
        self.byhand = byhand
        self.note = ""
        """A sentence on who decides, if not the person at the console."""
        self.over = threading.Event()
        self.outcome: object = None
        """The outcome of the last victim; an exception if it failed."""
        self.verdict: Verdict | None = None
        self.loot: Loot | None = None
        """What the attacker has read, once the attack is over."""
        self.attack = lab.mallory(byhand)
        lab.mallory.before_close.callback(self.close)
        self._show = show
        self._victims: list[threading.Thread] = []
        self._left = 0
        self._director: threading.Thread | None = None
        self._ending = False
        self._gate, self._closing = threading.Lock(), threading.Lock()

    @property
    def held_up(self) -> bool:
        """Whether a person must decide before it can go on."""
        return not (self.byhand.deputised or self._ending)

    def run(self, victim: RunVictim) -> None:
        """Run a victim, and end the attack after it. Raises what the victim raises."""
        try:
            self.outcome = victim()
        finally:
            self.close()

    def expect(self, victim: RunVictim) -> bool:
        """Run a victim in the background. False if the attack has ended already."""
        with self._gate:
            if self._ending:
                return False
            self._left += 1
            self._victims.append(_started(self._visit, victim))
            self._director = self._director or _started(self._direct)
            return True

    def speak(self, to: str, data: bytes) -> None:
        """Say something to one end, `CLIENT` or `SERVER`, after a line was dropped and before the next one comes."""
        dropped = self.byhand.dropped
        if dropped is not None and not self.over.is_set():
            said = Inject(to, data)
            self.attack.interceptor.interject(dropped.line, said)
            dropped.add(said)

    def end(self) -> None:
        """End it soon."""
        self._ending = True
        self.byhand.news.set()

    def close(self) -> None:
        """End it: what is held passes, and a victim that does not end is cut off. A second call does nothing."""
        self.end()
        self.byhand.release()
        with self._closing:
            if not self.over.is_set():
                self._settle()
        if self._director not in (None, threading.current_thread()):
            self._director.join(FINISH)

    def _settle(self) -> None:
        try:
            self._drain(_SETTLE)  # while the attacker is on the path: leaving it breaks what stands
            self.attack.close()
            self._drain(FINISH)
            self.verdict, self.loot = self.attack.verdict, self.attack.loot
        finally:
            self.over.set()

    def _drain(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        for thread in self._victims:
            thread.join(max(0.0, until - time.monotonic()))

    def _visit(self, victim: RunVictim) -> None:
        try:
            self.outcome = victim()
        except Exception as error:  # it is shown, and raised when the outcome is read
            self.outcome = error
        with self._gate:
            self._left -= 1
        self.byhand.news.set()

    def _direct(self) -> None:
        try:
            while self._goes_on():
                self._show()
                self.byhand.news.wait(_TICK)
                time.sleep(_MOMENT)
                self.byhand.news.clear()
        finally:
            self.close()
            self._show()

    def _goes_on(self) -> bool:
        with self._gate:
            self._ending = self._ending or not self._left
            return not self._ending


def _started(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, name="labkit encounter", daemon=True)
    thread.start()
    return thread
