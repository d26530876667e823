"""Which clients go on in clear text when TLS is taken away: those of every dialect, live, as users configure them.

The attacker removes the offer of TLS, and refuses it to a client that asks all the same; the verdict is that of
`labkit.attacks.verdict`. How the result looks is for `labkit.show`.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from labkit import dialects
from labkit.attacks import speech
from labkit.attacks.actions import Answer
from labkit.attacks.vector import Answered, Line, Vector
from labkit.attacks.verdict import UNKNOWN, Verdict
from labkit.attacks.victims import habits, of
from labkit.dialects import Dialect
from labkit.dialects.writing import REFUSED
from labkit.errors import LabError

if TYPE_CHECKING:
    from labkit.lab import Lab

_AT_ONCE = 4
"""Dialects that are tried at the same time; each has a lab of its own."""


class TakeTLSAway(Vector):
    """Removes the offer of TLS, and refuses the command that asks for it all the same."""

    needs = (REFUSED,)
    source = "striptls"

    def on_line(self, line: Line) -> Answered:
        if speech.upgrades(line):
            return Answer(speech.reply(line, REFUSED, "Not possible"))
        return speech.stripped(line)


HABITS: dict[str, tuple[habits.Habit, type[Vector]]] = {
    "as it comes, not attacked": (habits.as_it_comes, Vector),
    "as it comes": (habits.as_it_comes, TakeTLSAway),
    "if offered": (habits.if_offered, TakeTLSAway),
    "without looking": (habits.without_looking, TakeTLSAway),
    "careful": (habits.careful, TakeTLSAway),
}
"""How users have their client library, the most careless first -> the habit, and what the attacker does."""


class Fallback(NamedTuple):
    """The verdict on one client from which TLS was taken away."""

    dialect: Dialect
    library: str
    """The client library: ``smtplib``."""
    habit: str
    """How its user configures it: one of `HABITS`."""
    verdict: Verdict


def every_fallback(
    make: "Callable[[], Lab]",
    chosen: Iterable[Dialect] = dialects.ALL,
    step: Callable[[], object] = lambda: None,
) -> list[Fallback]:
    """Try the client of each dialect with each of `HABITS`; `make` makes a lab for each dialect.

    `step` is called after each client. Where there is no server or no client, or its library is not installed, the
    verdict is unknown and says so.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(chain.from_iterable(pool.map(lambda dialect: _tried(make, dialect, step), chosen)))


def _tried(make: "Callable[[], Lab]", dialect: Dialect, step: Callable[[], object]) -> list[Fallback]:
    found = []
    program = next((victim.program for victim in of(dialect)), None)
    library = (program.__doc__ or "").partition(":")[0] if program else "no client"
    with make() as lab:
        missing = _without_server(lab, dialect)
        for name, (habit, vector) in HABITS.items():
            victim = f"{dialect.name}, {habit.__name__.replace('_', ' ')}"
            verdict = Verdict(UNKNOWN, missing) if missing else _verdict(lab, victim, vector())
            found.append(Fallback(dialect, library, name, verdict))
            step()
    return found


def _without_server(lab: "Lab", dialect: Dialect) -> str:
    """Start the server; why it cannot be started, and empty where it can."""
    try:
        lab.start(dialect.name, auth="always")
    except LabError as error:
        return str(error)
    return ""


def _verdict(lab: "Lab", victim: str, vector: Vector) -> Verdict:
    with lab.mallory(vector) as attack:
        try:
            attack.visit(victim)
        except LabError as error:  # there is no such client, or its library is not installed
            return Verdict(UNKNOWN, str(error))
    return attack.verdict
