"""Checks and findings as data. The checks themselves are declared in the files `…_checks`.

A grade is the worst letter that a fault leaves. What is unknown lowers no grade, and the report says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from labkit.dialects import Dialect
from labkit.probe.observation import Observation, Unseen

GOOD, NOTE, FAULT, UNKNOWN, LEFT_OUT = "good", "note", "fault", "unknown", "left out"
"""Verdicts: right; worth knowing; wrong; not seen; not tried."""

UPGRADE, TLS, CERTIFICATE, STATE, DOMAIN = (
    "The way into TLS",
    "TLS itself",
    "The certificate",
    "What crosses into TLS",
    "What the domain publishes",
)
"""The groups of checks, in order."""

GRADES = {
    "A": "no fault was found",
    "B": "a fault that only helps together with another one",
    "C": "TLS that is obsolete or weak is spoken",
    "D": "a careful client cannot tell the server from an impostor, or a careless one gives its password away",
    "F": "there is no TLS to be had, or an attacker's command or login from before TLS counts inside it",
}
"""Letter -> what the worst fault means."""
NO_GRADE = "-"
RULE = (
    "The grade is the letter of the worst fault: "
    + "; ".join(f"{letter}, {what}" for letter, what in GRADES.items())
    + ". Notes, and what is unknown or left out, change nothing. A server that could not be talked to has no grade."
)
CANNOT_SHOW = (
    "No test from outside can show whether an attacker strips the upgrade on somebody else's path to this server: that "
    "happens between its clients and the server, and each path is another one. What protects against it is the client, "
    "which has to require TLS and verify the certificate (RFC 8314 §3, RFC 3207 §6), and between mail servers MTA-STS "
    "(RFC 8461) or DANE (RFC 7672). Nor can it show what the server does with mail once it has it."
)


class Said(NamedTuple):
    """The result of a check."""

    verdict: str
    sentence: str


def good(sentence: str) -> Said:
    """As it should be."""
    return Said(GOOD, sentence)


def note(sentence: str) -> Said:
    """Worth knowing, and no fault."""
    return Said(NOTE, sentence)


def fault(sentence: str) -> Said:
    """Wrong."""
    return Said(FAULT, sentence)


def unknown(why: str) -> Said:
    """Not seen; `why` is a clause that follows *because*."""
    return Said(UNKNOWN, f"Unknown, because {why}.")


def unseen(what: Unseen, ours: bool) -> Said:
    """Not tried: it takes an attack, and none is run on a server outside the lab."""
    return unknown(what.why) if ours else Said(LEFT_OUT, f"Not tried, because {what.why}.")


@dataclass(frozen=True, kw_only=True)
class ServerCheck:
    """One question about a server."""

    id: str
    """``clear-login``: the same in every report."""
    title: str
    group: str
    """One of the groups above."""
    rule: str
    """The RFC and section that says what a server has to do; or a key of `Dialect.sections`."""
    look: Callable[[Observation], Said | None]
    """(observation) -> the result; None if the question does not apply."""
    means: str = ""
    """What a fault means for the people who use the server."""
    mend: Mapping[str, str] = field(default_factory=dict)
    """Program -> lines of its configuration that mend it; under an empty name, what to do in words."""
    leaves: str = "A"
    """The best grade that a fault leaves."""


@dataclass(frozen=True)
class ServerFinding:
    """What one check found at one server."""

    id: str
    title: str
    group: str
    verdict: str
    """One of the verdicts above."""
    said: str
    """One sentence."""
    rule: str
    """The RFC and its section."""
    means: str = ""
    """What a fault means for a user; empty where there is none."""
    mend: Mapping[str, str] = field(default_factory=dict)
    """Program -> how to mend a fault there; only of programs that speak the protocol, and under an empty name in
    words."""
    leaves: str = "A"
    """The best grade that it leaves."""

    def __bool__(self) -> bool:
        return self.verdict != FAULT


def find(check: ServerCheck, seen: Observation) -> ServerFinding | None:
    """The finding of a check in an observation; None if it does not apply."""
    said = check.look(seen)
    if said is None:
        return None
    where = _section(check.rule, seen.dialect)
    if said.verdict != FAULT:
        return ServerFinding(check.id, check.title, check.group, said.verdict, said.sentence, where)
    mend = {program: lines for program, lines in check.mend.items() if program in ("", *seen.dialect.programs)}
    return ServerFinding(
        check.id, check.title, check.group, FAULT, said.sentence, where, check.means, mend, check.leaves
    )


def _section(rule: str, dialect: Dialect) -> str:
    known = {"upgrade", "forget", "login"}
    return dialect.sections.get(rule, dialect.source) if rule in known else rule
