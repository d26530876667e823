"""The verdict on an attack, decided from what crossed both sides of the attacker, and from what the victim says.

No verb is taken for a proof: a leak is a secret that can be read in the bytes, and being unharmed is one that was said
inside TLS with the real server, which only the judge can open.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from labkit.attacks.engine.edits import Edit
from labkit.attacks.engine.victim_session import VictimSession
from labkit.attacks.loot import SECRETS, Item, Loot, as_if_clear, genuine, read_by_attacker, sealed, stored
from labkit.attacks.vector import Vector
from labkit.attacks.vectors.identity import offers_tls13
from labkit.attacks.victims.report import Report
from labkit.decode.dialogue import read
from labkit.decode.event import CLIENT, SERVER, TCP, TEXT, TLS, Event
from labkit.trust.keylog import Secrets

LEAKED = "leaked"
DECEIVED = "deceived"
STOPPED = "stopped"
UNHARMED = "unharmed"
BROKEN = "broken"

OUTCOMES = {
    LEAKED: "the attacker has read a secret",
    DECEIVED: "an end has taken the attacker's words for those of the other, though no secret was read",
    STOPPED: "the client went no further, and no secret was read",
    UNHARMED: "the client did its work inside TLS with the real server",
    BROKEN: "no secret was read, but the work was not done, or not as the client believes",
}
"""What a verdict may be, the gravest first."""


@dataclass(frozen=True)
class Verdict:
    """What came of an attack."""

    outcome: str
    """One of `OUTCOMES`."""
    why: str
    """A sentence."""
    secrets: tuple[str, ...] = ()
    """Which secrets were read: of `labkit.attacks.loot.SECRETS`."""
    evidence: tuple[str, ...] = field(default=(), repr=False)
    """Lines from the wire, or of the victim's report, that show it."""

    def __repr__(self) -> str:
        what = f" ({', '.join(self.secrets)})" if self.secrets else ""
        return "\n".join([f"{self.outcome}{what}: {self.why}", *(f"  {line}" for line in self.evidence)])


@dataclass(frozen=True)
class Case:
    """All that a verdict is decided from."""

    vector: Vector
    sessions: Sequence[VictimSession]
    edits: Sequence[Edit]
    reports: Sequence[Report]
    """What the victims' programs say, in order; there are none where the victim is no program of the lab."""
    secrets: Secrets
    """What opens the TLS sessions between the victim and the real server."""
    mail: Sequence[bytes] = ()
    """What has come into the attacker's own mailboxes since the attack began."""
    as_attacker: Sequence[str] = ()
    """Senders whose mail a server has taken, since then, as the attacker's."""

    @property
    def loot(self) -> Loot:
        """What the attacker has read."""
        read_on_the_way = [item for session in self.sessions for item in read_by_attacker(session)]
        dialect = self.sessions[0].opening.dialect if self.sessions else None
        return Loot([*read_on_the_way, *stored(self.mail, dialect, self.sealed)])

    @property
    def sealed(self) -> list[Item]:
        """The secrets that were said inside TLS with the real server."""
        said = (item for session in self.sessions for item in sealed(session, self.secrets))
        return [item for item in said if item.what in SECRETS]


def judge(case: Case) -> Verdict:
    """The verdict on an attack."""
    loot = case.loot
    if loot.secrets:
        return _leak(case, loot)
    if deceit := _deceit(case):
        return Verdict(DECEIVED, deceit[0], evidence=tuple(deceit[1:]))
    if failure := next((session.failure for session in case.sessions if session.failure), None):
        return Verdict(BROKEN, str(failure))
    return _harmless(case)


def _leak(case: Case, loot: Loot) -> Verdict:
    items = [item for item in loot if item.what in SECRETS]
    places = " and ".join(dict.fromkeys(item.where for item in items))
    how = "" if case.edits else "; nothing had to be changed for it"
    lines = tuple(f"{item.what} {item.value!r} in {item.line!r}" for item in items)
    return Verdict(LEAKED, f"the attacker read it {places}{how}", loot.secrets, lines)


def _deceit(case: Case) -> list[str]:
    """Why and with what evidence an end was deceived; empty where none was."""
    for find in (_believed, _ran_injected, _fixed, _downgraded):
        if found := find(case):
            return found
    return []


def _believed(case: Case) -> list[str]:
    words = [text for report in case.reports for text in (report.said, *report.believed)]
    lines = [text for text in words if any(mark in text for mark in case.vector.marks)]
    return ["the victim repeats what only the attacker has said", *lines] if lines else []


def _ran_injected(case: Case) -> list[str]:
    """Inside TLS a server answers what was asked there; its first words show whether it was asked something else."""
    for session in case.sessions:
        dialect = session.opening.dialect
        clear = dialect is not None and not session.opening.implicit and dialect.writes.injected is not None
        pattern = dialect.writes.injected.reply if clear and case.vector.injects else None
        first = next((event.text for event in _inside(session, case.secrets) if event.sender == SERVER), "")
        if pattern and re.match(pattern, first):
            return ["the server ran the injected command inside TLS, and answered it there", first]
    return []


def _inside(session: VictimSession, secrets: Secrets) -> tuple[Event, ...]:
    """What was said inside TLS with the real server."""
    said = as_if_clear(genuine(session.legs[1], secrets)).events if len(session.legs) > 1 else ()
    return tuple(event for event in said if event.layer == TEXT)


def _fixed(case: Case) -> list[str]:
    lines = [f"from {sender}" for sender in case.as_attacker]
    return ["the server took the victim's mail as the attacker's, who had logged in before", *lines] if lines else []


def _downgraded(case: Case) -> list[str]:
    """A victim that offered TLS 1.3, and came again without offering it."""
    hellos = [hello for session in case.sessions for hello in _hellos(session)]
    if hellos and offers_tls13(hellos[0]) and not offers_tls13(hellos[-1]):
        return ["the victim tried again with less than both ends can", "its last ClientHello does not offer TLS 1.3"]
    return []


def _hellos(session: VictimSession) -> list[bytes]:
    """Each ClientHello of a victim, with its handshake header."""
    said = read(session.legs[0].wire).events
    return [event.data for event in said if event.sender == CLIENT and event.title == "ClientHello"]


# ---- no secret was read and nobody was deceived


def _harmless(case: Case) -> Verdict:
    if not case.sessions:
        return Verdict(UNHARMED, "nobody came by")
    done = case.reports[-1].done if case.reports else bool(case.sealed)
    said = _last_words(case)
    if done and case.sealed:
        return Verdict(
            UNHARMED, "the victim did its work inside TLS with the real server", evidence=_titles(case.sealed)
        )
    if done:
        return Verdict(BROKEN, "the victim says that it is done, but nothing of it came by", evidence=said)
    if case.sealed:
        return Verdict(BROKEN, "the victim began its work inside TLS and could not end it", evidence=said)
    return Verdict(STOPPED, "the victim went no further", evidence=said)


def _titles(items: Iterable[Item]) -> tuple[str, ...]:
    return tuple(f"{item.what}, inside TLS" for item in items)


def _last_words(case: Case) -> tuple[str, ...]:
    """How the victim said that it stops: in its report, and on the wire."""
    wire = [last for session in case.sessions if (last := _farewell(session))]
    return (*(report.said for report in case.reports[-1:]), *wire[-1:])


def _farewell(session: VictimSession) -> str:
    """The last thing that the victim said in a session."""
    said = [event for event in read(session.legs[0].wire).events if event.sender == CLIENT and event.layer != TCP]
    if not said:
        return ""
    last = said[-1]
    return (
        f"on the wire: {last.text if last.layer == TEXT else f'TLS {last.title}' if last.layer == TLS else last.title}"
    )
