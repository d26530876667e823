"""Findings about a mystery network, held against its key: each by its evidence, part by part.

A finding is a dictionary: the number of a frame, and what is said of the session that it belongs to.
"""

from collections.abc import Collection, Mapping
from operator import index
from typing import NamedTuple

from labkit.attacks import catalogue
from labkit.exercises.checkers import as_text, shown, spelled_alike
from labkit.mystery.key import GRAVE, NOTHING, Incident
from labkit.mystery.kinds import BY_WORD, DEFENCES, KINDS
from labkit.mystery.unknown import MysteryNetwork

PARTS = ("frame", "attack", "victim", "attacker", "leaked", "defence")
"""What a finding says."""
_LEAKS = (*GRAVE, NOTHING)
_MOST = 1000
"""Findings that are looked at."""


class Looked(NamedTuple):
    """What is right of a finding."""

    incident: Incident | None
    """The attack that its frame belongs to; None where it belongs to none."""
    right: frozenset[str]
    """Which of its `PARTS` are right."""
    complaint: str
    """What is wrong with the first part that is not; empty where everything is right."""


def complaint_about(findings: object, network: MysteryNetwork) -> str:
    """What is wrong with findings; empty where each is right and every kind of attack was found."""
    if isinstance(findings, Mapping):
        findings = [findings]
    if isinstance(findings, str | bytes) or not isinstance(findings, Collection):
        return f"The answer is a list of dictionaries, one for each attack, and yours is {shown(findings)}."
    looked = [look(finding, network) for finding in list(findings)[:_MOST]]
    for number, one in enumerate(looked, 1):
        if one.complaint:
            return f"Finding {number}: {one.complaint}"
    found = {one.incident.kind for one in looked if one.incident}
    there = {incident.kind for incident in network.key.incidents}
    left = [kind.word for kind in KINDS if kind.word in there - found]
    if not left:
        return ""
    return f"{len(found)} of {len(there)} kinds of attack are found and right. There is still: {', '.join(left)}."


def look(finding: object, network: MysteryNetwork) -> Looked:
    """Hold one finding against the key."""
    incident, complaint = _pointed_at(finding, network)
    if incident is None:
        return Looked(None, frozenset(), complaint)
    assert isinstance(finding, Mapping)
    wrong = {part: why for part, check in _CHECKS.items() if (why := check(finding[part], incident, network))}
    return Looked(incident, frozenset(PARTS) - set(wrong), next(iter(wrong.values()), ""))


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
    kind = catalogue.vector(incident.vector).name if incident.vector in _NUMBERS else ""
    if any(spelled_alike(said, name) for name in (incident.kind, incident.vector, kind) if name):
        return ""
    word = next((word for word in BY_WORD if spelled_alike(said, word)), None)
    if word is None:
        return f"'attack' is one of {', '.join(BY_WORD)}, and yours is {shown(said)}."
    return f"The session was attacked, but not so. What is called {word} shows otherwise: {BY_WORD[word].sign}"


_NUMBERS = {kind.id for kind in catalogue.ALL}


def _host(part: str, right: str, otherwise: str) -> "object":
    def check(said: object, incident: Incident, network: MysteryNetwork) -> str:
        name = getattr(incident, right)
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
    "victim": _host("victim", "victim", "Whose connection was it, before anything was done to it?"),
    "attacker": _host(
        "attacker", "attacker", "Who connected to the same server while the victim's connection was open?"
    ),
    "leaked": _leaked,
    "defence": _defence,
}
"""Part of a finding -> what is wrong with it."""
