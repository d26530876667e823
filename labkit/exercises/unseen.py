"""Answers that are tried on fresh networks: a policy that all mail programs follow, a detector.

The networks are small, and recorded when the first answer of their kind is checked.
"""

import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, reduce
from typing import Any

from labkit.attacks.verdict import DECEIVED, LEAKED
from labkit.clients.policies import ALL, Policy
from labkit.exercises.checkers import shown, spelled_alike
from labkit.exercises.functions import returned
from labkit.exercises.parts import AnswerPart, InParts
from labkit.lab import Lab
from labkit.mystery.kinds import RELAYING
from labkit.mystery.scoring import Found, NotSessions, Score, compared
from labkit.mystery.unknown import MysteryNetwork, record

HIDDEN = 10
"""How many networks a detector is scored on."""
PRECISION, RECALL = 0.9, 0.75
"""The precision and recall that a detector must reach."""
_SIZE = 32
"""Visits in each network."""
_AT_ONCE = 4
"""Networks that are recorded at the same time; a client that waits uses no CPU."""


def fresh(policy: Policy | None = None) -> MysteryNetwork:
    """A small network of a seed that was drawn just now."""
    return record(Lab, secrets.token_hex(4), _SIZE, policy)


# ---- a policy


def complaint_about_policy(answer: object) -> str:
    """What is wrong with a policy for all mail programs, or with that of this name; empty where nothing leaks under it,
    and mail flows.
    """
    answer = next((one for one in ALL if spelled_alike(answer, one.name)), answer)
    if not isinstance(answer, Policy):
        return f"The answer is a policy, one of `policies` or a `Policy(…)` of your own, and yours is {shown(answer)}."
    network = fresh(answer)
    return _robbed(network) or _in_the_clear(network) or _held_up(network)


def _robbed(network: MysteryNetwork) -> str:
    """An attack that still gains something."""
    for one in network.happened.records:
        visit = one.visit
        if visit.kind and visit.protocol != RELAYING and one.verdict.outcome in (LEAKED, DECEIVED):
            return (
                f"In a fresh network, {visit.client} was still the victim of {visit.kind} at {visit.house} "
                f"({visit.protocol}): {one.verdict.outcome}, {one.verdict.why}."
            )
    return ""


def _in_the_clear(network: MysteryNetwork) -> str:
    """A password that crosses in the clear, also without any attack."""
    password = next((seen for seen in network.capture.visible() if seen.what == "password"), None)
    if password is None:
        return ""
    return (
        f"In a fresh network, the password {password.value} crossed in the clear, though nobody had to attack for it."
    )


def _held_up(network: MysteryNetwork) -> str:
    """Work that a good server would have let the client do."""
    for one in network.happened.records:
        visit = one.visit
        good = network.key.plan.house(visit.house).certificate == "right"
        if good and not visit.attacker and visit.protocol != RELAYING and not one.report.done:
            return (
                f"Nothing leaks, but {visit.client} could not work at {visit.house}, whose certificate is right and "
                f"whom nobody attacked: {one.report.said} Which kind of TLS does every server of the network have?"
            )
    return ""


# ---- a detector


def hidden() -> tuple[MysteryNetwork, ...]:
    """The networks on which detectors are scored in this process."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(pool.map(_hidden, range(HIDDEN)))


@cache
def _hidden(number: int) -> MysteryNetwork:
    """One of them, decoded before a student's time runs."""
    network = fresh()
    _ = network.capture.dialogues, network.key
    return network


def detectors() -> InParts:
    """The checker of a detector: its precision, and its recall."""
    return InParts(
        AnswerPart("precision", _imprecise, 3, lambda answer: _points(answer, "precision", PRECISION)),
        AnswerPart("recall", _forgetful, 3, lambda answer: _points(answer, "recall", RECALL)),
    )


def _imprecise(answer: object) -> str:
    if not callable(answer):
        return f"The answer is a function, given by its name alone, and yours is {shown(answer)}."
    every, complaint = _everywhere(answer)
    score = _together(every)
    if complaint or (score.hits and score.precision >= PRECISION):
        return complaint
    if not score.hits + score.false_alarms:
        return f"{_in_words(score)} It raises no alarm at all."
    network, frame = next((network, one.wrong[0]) for network, one in every if one.wrong)
    talk = network.capture.dialogues[network.key.session_at[frame]]
    return _with_example(
        score, network, f"it suspects {talk.client_name} with {talk.server_name}, whom nobody attacked"
    )


def _forgetful(answer: object) -> str:
    every, complaint = _everywhere(answer)
    score = _together(every)
    if complaint or score.recall >= RECALL:
        return complaint
    network, incident = next((network, one.missed[0]) for network, one in every if one.missed)
    what = f"it misses {incident.kind} on {incident.victim} at {incident.server} ({incident.protocol})"
    return _with_example(score, network, what)


def _points(answer: object, measure: str, wanted: float) -> float:
    """The share of the points of a detector that does not reach what is wanted."""
    every, complaint = _everywhere(answer) if callable(answer) else ([], "no function")
    score = _together(every)
    return 0.0 if complaint or not score.hits else getattr(score, measure) / wanted


def _everywhere(detector: Callable[[Any], Any]) -> tuple[list[tuple[MysteryNetwork, Found]], str]:
    """What a detector finds in every hidden network, or the sentence for one that cannot be run on all."""
    every = []
    for network in hidden():
        found, complaint = scored(detector, network)
        if found is None:
            return [], complaint
        every.append((network, found))
    return every, ""


def _together(every: Iterable[tuple[MysteryNetwork, Found]]) -> Score:
    return reduce(Score.plus, (found.score for _, found in every), Score())


def _in_words(score: Score) -> str:
    return f"On {HIDDEN} networks that neither of us had seen: {score!r}."


def _with_example(score: Score, network: MysteryNetwork, what: str) -> str:
    look = f"`lab.mystery_network({network.seed!r}, {network.size})`"
    return f"{_in_words(score)} For example, {what}. Look at it: {look}."


def scored(detector: Callable[[Any], Any], network: MysteryNetwork) -> tuple[Found | None, str]:
    """(what a detector finds in a network, complaint if it finds nothing usable)."""
    where = f"the network {network.seed!r} of {network.size} visits"

    def tried(capture: Any) -> Found | str:
        named = detector(capture)
        try:
            return compared(network, named)  # what it names may do anything when it is looked at
        except NotSessions as error:
            return f"On {where} {error}"

    found, complaint = returned(tried, network.capture, on=where)
    if complaint or isinstance(found, str):
        return None, complaint or found
    return found, ""
