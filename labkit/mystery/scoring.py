"""How well a detector finds the attacked sessions of networks that it has not seen: precision and recall.

A detector is a function of a capture. It returns the sessions that it takes for attacked, in whatever form it has them:
dialogues, conversations, events, or numbers of frames.
"""

from collections.abc import Iterable
from itertools import islice
from operator import index
from typing import TYPE_CHECKING, NamedTuple

from labkit.decode.event import Dialogue, Event
from labkit.mystery.key import Incident
from labkit.mystery.unknown import MysteryNetwork

if TYPE_CHECKING:
    from labkit.show.capture import Capture

_MOST = 10_000
"""Sessions of an answer that are looked at."""


class Score(NamedTuple):
    """What a detector found in one network or more."""

    hits: int = 0
    """How many attacks it found: it named a session of each."""
    misses: int = 0
    """How many attacks it missed."""
    false_alarms: int = 0
    """How many sessions it named that belong to no attack."""

    @property
    def precision(self) -> float:
        """Which part of its alarms is true; 1 for a detector without alarms."""
        alarms = self.hits + self.false_alarms
        return self.hits / alarms if alarms else 1.0

    @property
    def recall(self) -> float:
        """Which part of the attacks it has found; 1 where there were none."""
        attacks = self.hits + self.misses
        return self.hits / attacks if attacks else 1.0

    def plus(self, other: "Score") -> "Score":
        """Both together."""
        return Score(*(one + another for one, another in zip(self, other, strict=True)))

    def __repr__(self) -> str:
        return (
            f"precision {self.precision:.2f}, recall {self.recall:.2f}: {self.hits} attacks found, "
            f"{self.misses} missed, {self.false_alarms} false alarms"
        )


class Found(NamedTuple):
    """What a detector found in one network."""

    score: Score
    missed: tuple[Incident, ...]
    wrong: tuple[int, ...]
    """The first frames of the sessions that belong to no attack."""


class NotSessions(ValueError):
    """The answer of a detector cannot be read as sessions; the message says why."""


def compared(network: MysteryNetwork, named: object) -> Found:
    """Compare the named sessions with the key of the network. Raises `NotSessions`."""
    key = network.key
    sessions = sessions_named(network, named)
    hit = {id(incident) for session in sessions if (incident := key.attack_on(session))}
    missed = tuple(incident for incident in key.incidents if id(incident) not in hit)
    conversations = network.capture.conversations
    wrong = tuple(conversations[session].began for session in sorted(sessions) if key.attack_on(session) is None)
    return Found(Score(len(hit), len(missed), len(wrong)), missed, wrong)


def sessions_named(network: MysteryNetwork, named: object) -> set[int]:
    """Which conversations of the network's capture are named, from 0. Raises `NotSessions`."""
    if named is None:
        raise NotSessions("it returns nothing (None): does every way through it end in a `return`?")
    if isinstance(named, str | bytes | dict) or not isinstance(named, Iterable):
        raise NotSessions(f"it returns a {type(named).__name__}, and it should return a list of sessions.")
    places = _places(network.capture)
    return {_session(network, one, places) for one in islice(named, _MOST)}


def _places(capture: "Capture") -> dict[tuple[object, ...], int]:
    """What identifies a conversation -> its index."""
    return {(one.client, one.server, one.began): number for number, one in enumerate(capture.conversations)}


def _session(network: MysteryNetwork, one: object, places: dict[tuple[object, ...], int]) -> int:
    if isinstance(one, Dialogue):
        place = (one.client, one.server, one.events[0].frame) if one.events else ()
        number = places.get(place, -1)
    else:
        number = network.key.session_at.get(_frame(one), -1)
    if number < 0:
        raise NotSessions(f"it names something that is no session of the capture that it was given: {_shown(one)}.")
    return number


def _frame(one: object) -> int:
    """The number of a frame; 0 for what stands for none."""
    if isinstance(one, bool):
        return 0
    if isinstance(one, Event):
        return one.frame
    try:
        return index(getattr(one, "began", one))  # of a conversation, where it begins
    except TypeError:
        return 0


def _shown(one: object) -> str:
    try:
        said = repr(one)
    except Exception:
        said = f"a {type(one).__name__}"
    return said if len(said) <= 60 else f"{said[:59]}…"
