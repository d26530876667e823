"""You are Mallory: a console on which each line of a conversation waits until you say what becomes of it.

Where no person can click, because a notebook is run from top to bottom, a vector decides instead. What happens
behind the console is `labkit.byhand.encounter`, and what is clicked `labkit.byhand.desk`.
"""

from functools import cached_property, partial
from inspect import signature
from typing import TYPE_CHECKING, Any

from labkit.attacks.vector import Vector
from labkit.attacks.vectors.negotiation import StripCapability
from labkit.byhand.desk import Desk
from labkit.byhand.encounter import FINISH, Encounter, RunVictim
from labkit.byhand.situation import Situation, ending, page, sentences
from labkit.byhand.waiting import ByHand
from labkit.dialects.base import CLIENT, SERVER
from labkit.errors import LabError
from labkit.show import html
from labkit.show.frontend import attended, bundle, when_hurried
from labkit.show.page import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from labkit.attack import Attack
    from labkit.attacks.engine.edits import Edits
    from labkit.attacks.loot import Loot
    from labkit.attacks.verdict import Verdict
    from labkit.lab import Lab
    from labkit.show.twosided import TwoSided

PATIENCE = 600.0
"""Seconds that a victim has for all it does while a person decides, unless given."""


def you_are_mallory(lab: "Lab", seconds: float = 60.0, script: "Vector | None" = None) -> "Console":
    """A console from which a person attacks the servers of the lab.

    A line is held for `seconds`, and passes then. `script` is the vector that decides where no person can click; unless
    given it removes the offer of TLS. Raises `LabError` for an invalid time and for anything but a vector.
    """
    script = StripCapability() if script is None else script
    if not isinstance(script, Vector):
        raise LabError(f"A script is a vector, for example attacks.StripCapability(), not {script!r}.")
    ByHand(seconds)  # complains at once
    return Console(lab, seconds, script)


class Console:
    """In a notebook with a person in front of it, buttons and a text; elsewhere a list of the lines and decisions."""

    def __init__(self, lab: "Lab", seconds: float, script: "Vector") -> None:
        self.seconds = seconds
        self.script = script
        self.scripted = False
        """Whether the script has decided, because no person did."""
        self._lab = lab
        self._encounter: Encounter | None = None
        self._patience = 0.0

    def run(self, action: "Callable[..., object]", *arguments: Any, **more: Any) -> "Console":
        """Let a victim do something: ``console.run(lab.send, mail, "The PIN is 4921")``.

        In a notebook with a person in front of it this returns at once, and the victim gets `PATIENCE`, if it takes a
        ``timeout``; elsewhere the script decides, and it returns when all is over. A second victim that is run before
        the first is done is on the console, too. Raises `LabError` where there is no server to attack.
        """
        if attended():
            patient = {"timeout": PATIENCE} if "timeout" in signature(action).parameters else {}
            told = patient | more
            self._patience = told.get("timeout", 0.0)
            self._expect(partial(action, *arguments, **told))
            # A person who wants to decide waits before the next cell runs.
            when_hurried(partial(self.let_script_decide, "Nobody clicked before the next cell began"))
        else:
            self._encounter = self._fresh()
            self._depute("Nobody could click here")
            self._encounter.run(partial(action, *arguments, **more))
        return self

    def _expect(self, victim: "RunVictim") -> None:
        self._paint()  # makes the desk, before another thread paints on it
        if self._encounter is None or not self._encounter.expect(victim):
            self._encounter = self._fresh()
            self._encounter.expect(victim)

    def let_script_decide(self, why: str) -> None:
        """Let the script decide from now on, where no person has decided anything yet; `why` is told as a sentence."""
        if self._encounter is not None and not self._encounter.byhand.decided:
            self._depute(why)

    def _fresh(self) -> "Encounter":
        self.scripted = False
        return Encounter(self._lab, ByHand(self.seconds), self._paint)

    def _depute(self, why: str) -> None:
        """Let the script decide from now on."""
        encounter = self._encounter
        if not encounter.over.is_set():
            self.scripted = True
            encounter.note = f"{why}, so {self.script.name} decided. {_ALONE}"
            encounter.byhand.follow(self.script, "")

    # ---- what came of it

    @property
    def outcome(self) -> Any:
        """The outcome that the last victim returned. Raises what the victim raised."""
        said = self._of_the_encounter(lambda encounter: encounter.outcome)
        if isinstance(said, Exception):
            raise said
        return said

    @property
    def verdict(self) -> "Verdict | UnderWay":
        """The verdict, from the bytes on both sides."""
        return self._of_the_encounter(lambda encounter: encounter.verdict)

    @property
    def loot(self) -> "Loot | UnderWay":
        """What you have read."""
        return self._of_the_encounter(lambda encounter: encounter.loot)

    @property
    def edits(self) -> "Edits | UnderWay":
        """What was changed, oldest first."""
        return self._of_the_encounter(lambda encounter: encounter.attack.edits)

    @property
    def attack(self) -> "Attack | UnderWay":
        """The attack itself, with the captures of both sides."""
        return self._of_the_encounter(lambda encounter: encounter.attack)

    @property
    def sides(self) -> "TwoSided | UnderWay":
        """What both ends saw of the last conversation. Raises `LabError` where there were no two."""
        return self._of_the_encounter(lambda encounter: encounter.attack.sides)

    def _of_the_encounter(self, of: "Callable[[Encounter], Any]") -> Any:
        encounter = self._encounter
        if encounter is None:
            raise LabError(_NOBODY)
        if not encounter.held_up:
            encounter.over.wait(FINISH)
        if encounter.over.is_set():
            return of(encounter)
        return UnderWay(" ".join(sentences(self._situation())))

    # ---- what is shown

    @cached_property
    def _names(self) -> dict[str, str]:
        hosts = {server.host for server in self._lab.servers.values()}
        return {CLIENT: self._lab.alice.name, SERVER: hosts.pop() if len(hosts) == 1 else "the server"}

    @cached_property
    def _desk(self) -> "Desk":
        desk = Desk(self._names, self._end, self._speak)
        desk.paint(self._situation())
        return desk

    def _end(self) -> None:
        if self._encounter is not None:
            self._encounter.end()

    def _speak(self, to: str, data: bytes) -> None:
        if self._encounter is not None:
            self._encounter.speak(to, data)

    def _paint(self) -> None:
        self._desk.paint(self._situation())

    def _situation(self) -> "Situation":
        encounter = self._encounter
        if encounter is None:
            return Situation(self._names, None, _NOBODY)
        over = encounter.over.is_set()
        end = ending(encounter.outcome, encounter.verdict, self._names) if over else None
        return Situation(self._names, encounter.byhand, encounter.note, end, self._patience)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return bundle(self._desk.box) if attended() else {}

    def _repr_html_(self) -> str:
        return page(self._situation()).html

    def __repr__(self) -> str:
        return page(self._situation()).text


class UnderWay(Page):
    """A result that does not exist yet: it is false, and reading an attribute of it raises an error."""

    def __init__(self, state: str) -> None:
        text = f"Still under way. {state} Decide what is held, or wait, and run this cell again."
        super().__init__(lambda: html.p[text], text)

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise LabError(f"There is no {name} yet. {self.text}")


_NOBODY = 'Nobody has come by yet: console.run(lab.send, mail, "Hello") lets alice do so.'
_ALONE = "Run the cell with console.run alone, in JupyterLab, to decide by yourself."
