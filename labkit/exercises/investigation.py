"""Findings about a mystery network, compared with its key part by part.

A finding is a dictionary: the number of a frame, and statements on the session that the frame belongs to.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from itertools import islice
from operator import index
from typing import Any, NamedTuple

from labkit.attacks import catalogue
from labkit.exercises.checkers import as_text, shown, spelled_alike
from labkit.exercises.drawn import Draw
from labkit.exercises.keeping import draw
from labkit.exercises.parts import AnswerPart, InParts
from labkit.mystery.key import GRAVE, NOTHING, Incident
from labkit.mystery.kinds import BY_WORD, DEFENCES, KINDS
from labkit.mystery.unknown import MysteryNetwork

PARTS = ("frame", "attack", "victim", "attacker", "leaked", "defence")
"""The parts of a finding."""
_LEAKS = (*GRAVE, NOTHING)
_MOST = 1000
"""How many findings are checked."""


class Examined(NamedTuple):
    """The result of checking a finding."""

    incident: Incident | None
    """The attack that its frame belongs to; None for a frame of no attack."""
    wrong: Mapping[str, str]
    """Which of its `PARTS` are wrong, and why."""


class Findings(InParts):
    """The checker of a list of findings: one part for each thing that a finding says, and every kind of attack counts.

    The faults of the given findings are named before the missing ones.
    """

    def __init__(self) -> None:
        names = {PARTS[0]: "evidence"}
        super().__init__(
            *(AnswerPart(names.get(part, part), partial(_complaint, part), 2, partial(_share, part)) for part in PARTS)
        )

    def __call__(self, answer: object, network: object) -> str:
        said = (_wrong(part, answer, network) for part in PARTS)
        return next(filter(None, said), "") or _missing(answer, network)


def _complaint(part: str, answer: object, network: object) -> str:
    """What is wrong with that part of the findings; empty where it is right for every kind of attack."""
    return _wrong(part, answer, network) or _missing(answer, network)


def _wrong(part: str, answer: object, network: object) -> str:
    """What is wrong with that part of the given findings."""
    if complaint := about_network(network):
        return complaint
    if not _listed(answer):
        return f"The answer is a list of dictionaries, one for each attack, and yours is {shown(answer)}."
    wrong = ((number, one.wrong.get(part)) for number, one in enumerate(_looked_at(answer, network), 1))
    return next((f"Finding {number}: {why}" for number, why in wrong if why), "")


def _missing(answer: Any, network: MysteryNetwork) -> str:
    """The kinds of attack that no finding points at, in a sentence."""
    there = {incident.kind for incident in network.key.incidents}
    left = there - {one.incident.kind for one in _looked_at(answer, network) if one.incident}
    told = ", ".join(kind.word for kind in KINDS if kind.word in left)
    return f"{len(there) - len(left)} of {len(there)} kinds are found. There is still: {told}." if left else ""


def _share(part: str, answer: object, network: object) -> float:
    """The share of the kinds of attack for which that part is right, times the share of the findings in which it is.

    So guesses cost what they gain.
    """
    if about_network(network) or not _listed(answer):
        return 0.0
    looked = _looked_at(answer, network)
    right = [one.incident.kind for one in looked if one.incident and part not in one.wrong]
    kinds = {incident.kind for incident in network.key.incidents}
    return len(set(right)) / len(kinds) * len(right) / max(len(looked), 1)


def about_network(network: object) -> str:
    """What is wrong with what an answer is about; empty for the student's own network."""
    if not isinstance(network, MysteryNetwork):
        return (
            "What the answer is about is your network, the one that `lab.mystery_network` has recorded, and you gave "
            f"{shown(network)}."
        )
    if network.seed != seed_of(draw()):
        return f'This is the network {network.seed!r}, and yours is another one: `given("15.1")` is your seed.'
    return ""


def seed_of(of: Draw) -> str:
    """The seed of a student's own network."""
    return f"{of.word('15.1')}-{of.number('15.1', 1000, 9999)}"


def _listed(answer: object) -> bool:
    return isinstance(answer, Mapping) or (isinstance(answer, Collection) and not isinstance(answer, str | bytes))


def _looked_at(answer: Any, network: MysteryNetwork) -> list[Examined]:
    every = [answer] if isinstance(answer, Mapping) else islice(answer, _MOST)
    return [look(finding, network) for finding in every]


def look(finding: object, network: MysteryNetwork) -> Examined:
    """Compare one finding with the key."""
    incident, complaint = _pointed_at(finding, network)
    if incident is None:
        return Examined(None, {PARTS[0]: complaint})
    checked = ((part, check(finding[part], incident, network)) for part, check in _CHECKS.items())
    return Examined(incident, {part: why for part, why in checked if why})


def _pointed_at(finding: object, network: MysteryNetwork) -> tuple[Incident | None, str]:
    """The attack that a finding points at, or what is wrong with it."""
    if not isinstance(finding, Mapping):
        return (
            None,
            f"It is a dictionary, {{{', '.join(f'{part!r}: …' for part in PARTS)}}}, and yours is {shown(finding)}.",
        )
    if missing := [part for part in PARTS if part not in finding or finding[part] is ...]:
        return None, f"It says nothing of {' and '.join(map(repr, missing))}."
    try:
        frame = 0 if isinstance(finding["frame"], bool) else index(finding["frame"])
    except TypeError:
        frame = 0
    last, key = len(network.capture.frames), network.key
    if frame not in key.session_at and 0 < frame <= last:
        return None, (
            f"Frame {frame} belongs to no session: it is a question to the name server, or the answer to one. "
            "'frame' is the number of a frame of the session itself."
        )
    if frame not in key.session_at:
        return None, f"'frame' is the number of a frame, from 1 to {last}, and yours is {shown(finding['frame'])}."
    session = key.session_at[frame]
    if incident := key.attack_on(session):
        return incident, ""
    talk = network.capture.dialogues[session]
    return None, (
        f"Frame {frame} belongs to a session of {talk.client_name} with {talk.server_name}, which went as these two "
        "wanted: compare it with other sessions of the same server."
    )


def _attack(said: object, incident: Incident, network: MysteryNetwork) -> str:
    kind = catalogue.vector(incident.vector).name
    if any(spelled_alike(said, name) for name in (incident.kind, incident.vector, kind)):
        return ""
    word = next((word for word in BY_WORD if spelled_alike(said, word)), None)
    if word is None:
        return f"'attack' is one of {', '.join(BY_WORD)}, and yours is {shown(said)}."
    return f"The session was attacked, but not so. What is called {word} shows otherwise: {BY_WORD[word].sign}"


def _host(part: str, otherwise: str) -> Callable[[object, Incident, MysteryNetwork], str]:
    def check(said: object, incident: Incident, network: MysteryNetwork) -> str:
        name = getattr(incident, part)
        names = {host: address for address, host in network.capture.names.items()}
        if spelled_alike(said, name) or spelled_alike(said, names[name]):
            return ""
        if not any(spelled_alike(said, each) for each in (*names, *names.values())):
            return f"'{part}' is the name of a host of this network, and yours is {shown(said)}."
        return f"The {part} is not {as_text(said)}. {otherwise}"

    return check


def _leaked(said: object, incident: Incident, network: MysteryNetwork) -> str:
    things = [said] if isinstance(said, str | bytes) or not isinstance(said, Collection) else list(said) or [NOTHING]
    if strange := [thing for thing in things if not any(spelled_alike(thing, leak) for leak in _LEAKS)]:
        return f"'leaked' is one of {', '.join(map(repr, _LEAKS))}, and yours is {shown(strange[0])}."
    gravest = next(leak for leak in _LEAKS if any(spelled_alike(thing, leak) for thing in things))
    if gravest == incident.leaked:
        return ""
    if gravest == NOTHING:
        return "Something did leak: what did the victim say after the attack, and who could read it then?"
    return f"The {gravest} did not leak in that session: did the client go on, and who held the keys of what it said?"


def _defence(said: object, incident: Incident, network: MysteryNetwork) -> str:
    things = [said] if isinstance(said, str | bytes) or not isinstance(said, Collection) else list(said)
    if not things:
        return "'defence' is empty: which one would have stopped it?"
    if strange := [thing for thing in things if not any(spelled_alike(thing, defence) for defence in DEFENCES)]:
        return f"'defence' is one of {', '.join(map(repr, DEFENCES))}, and yours is {shown(strange[0])}."
    useless = [thing for thing in things if not any(spelled_alike(thing, defence) for defence in incident.defences)]
    if not useless:
        return ""
    return f"{as_text(useless[0])} would not have stopped it: what does this attack live on?"


_CHECKS = {
    "attack": _attack,
    "victim": _host("victim", "Whose connection was it, before anything was done to it?"),
    "attacker": _host("attacker", "Who connected to the same server while the victim's connection was open?"),
    "leaked": _leaked,
    "defence": _defence,
}
"""Part of a finding -> what is wrong with it."""
