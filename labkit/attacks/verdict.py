"""The verdict on an attack, decided from what crossed both sides of the attacker, and from what the victims say.

A command alone proves nothing. *Leaked* means that a secret can be read in the bytes of the victim's connection.
*Unharmed* means that the real server did the work inside TLS with the victim, which only the judge can decrypt. What
cannot be known is *unknown*, and the verdict says what is missing. What one session shows is `evidence`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from labkit.attacks.account import ADDRESS, NAME
from labkit.attacks.deeds import LOGIN, Deed, last_of_each
from labkit.attacks.engine.side import KEPT
from labkit.attacks.evidence import Evidence
from labkit.attacks.loot import SECRETS, Item, Loot, stored
from labkit.attacks.vector import Vector
from labkit.attacks.vectors.identity import offers_tls13
from labkit.attacks.victims.report import Report

LEAKED = "leaked"
DECEIVED = "deceived"
STOPPED = "stopped"
UNHARMED = "unharmed"
BROKEN = "broken"
UNKNOWN = "unknown"

OUTCOMES = {
    LEAKED: "the attacker has read a secret",
    DECEIVED: "an end has taken the attacker's words for those of the other, though no secret was read",
    STOPPED: "the client went no further, and no secret was read",
    UNHARMED: "the client did its work inside TLS with the real server",
    BROKEN: "no secret was read, but the work was not done, or not as the client believes",
    UNKNOWN: "no secret was read, and what became of the work cannot be known; the verdict says what is missing",
}
"""Outcome -> what it means."""
_GRAVEST = (LEAKED, DECEIVED, BROKEN, UNKNOWN, STOPPED, UNHARMED)


@dataclass(frozen=True)
class Verdict:
    """The outcome of an attack, and why."""

    outcome: str
    """One of `OUTCOMES`."""
    why: str
    """A sentence."""
    secrets: tuple[str, ...] = ()
    """The kinds of secrets that were read, of `labkit.attacks.loot.SECRETS`."""
    evidence: tuple[str, ...] = field(default=(), repr=False)
    """Lines from the wire, or of the victim's report, that show it."""
    each: tuple["Verdict", ...] = field(default=(), repr=False)
    """A verdict for each victim, if there were several."""

    def __repr__(self) -> str:
        what = f" ({', '.join(self.secrets)})" if self.secrets else ""
        return "\n".join([f"{self.outcome}{what}: {self.why}", *(f"  {line}" for line in self.evidence)])


@dataclass(frozen=True)
class Case:
    """The facts that decide a verdict."""

    vector: Vector
    sessions: Sequence[Evidence]
    edited: bool
    """Whether the attacker changed anything."""
    reports: Sequence[Report]
    """What the victims' programs report, in order; empty if the victim is not a program of the lab."""
    mail: Sequence[bytes] = ()
    """Mail that reached the attacker's own mailboxes since the attack began."""
    as_attacker: Sequence[str] = ()
    """Senders of mail that a server accepted since then in a session logged in as the attacker."""
    knows: Callable[[tuple[str, ...]], bool] = lambda login: False
    """Whether this user name, or user name and password, belong to an account of the lab; true for an empty tuple."""

    @property
    def loot(self) -> Loot:
        """What the attacker has read."""
        on_the_way = [item for session in self.sessions for item in session.read]
        dialect = self.sessions[0].dialect if self.sessions else None
        invited = any(ADDRESS in session.addressed for session in self.sessions)  # a victim has written to her itself
        return Loot([*on_the_way, *stored(() if invited else self.mail, dialect, self.sealed)])

    @property
    def sealed(self) -> list[Item]:
        """The secrets that were said inside TLS with the real server."""
        return _sealed(self.sessions)


def _sealed(sessions: Sequence[Evidence]) -> list[Item]:
    return [item for session in sessions for item in session.sealed if item.what in SECRETS]


def judge(case: Case) -> Verdict:
    """The verdict on an attack."""
    victims = _victims(case)
    if not victims:
        why = "no client has connected through the attacker, so nothing is known of what one would do"
        return Verdict(UNKNOWN, why, evidence=tuple(report.said for report in case.reports))
    verdicts = (*_forgotten(case), *(_judge(case, victim, alone=len(victims) == 1) for victim in victims))
    return verdicts[0] if len(verdicts) == 1 else _together(verdicts)


def _forgotten(case: Case) -> tuple[Verdict, ...]:
    """A verdict on the first connections, if only later ones are recorded."""
    gone = case.sessions[0].number - 1
    why = f"the connections up to number {gone} are not kept any more, so what their victims did is not known"
    return (Verdict(UNKNOWN, why),) if gone else ()


class Visit(NamedTuple):
    """One victim: its sessions, and its reports on them."""

    sessions: tuple[Evidence, ...]
    reports: tuple[Report, ...]
    """One; none for a program that is not the lab's; several if programs ran at the same time, so that their sessions
    cannot be assigned."""

    @property
    def sealed(self) -> list[Item]:
        """The secrets that it sent or received inside TLS with the real server."""
        return _sealed(self.sessions)

    @property
    def idle(self) -> bool:
        """Whether it has no report, and sent no command in any of its sessions."""
        return not self.reports and not any(session.begun for session in self.sessions)

    @property
    def goes_on(self) -> bool:
        """Whether it has no report, and one of its connections is still open."""
        return not self.reports and any(session.open for session in self.sessions)

    @property
    def breaks_off(self) -> bool:
        """Whether it says nothing of itself, and its last connection ended without a farewell."""
        return not self.reports and not self.sessions[-1].takes_leave

    @property
    def done(self) -> bool | None:
        """Whether it reports that its work is done; None without a report."""
        return all(report.done for report in self.reports) if self.reports else None


def _victims(case: Case) -> list[Visit]:
    """The victims, in the order of their first sessions. A session without a report is a victim of its own; an idle
    victim counts only if there is no other.
    """
    found: list[Visit] = []
    for report in case.reports:
        first, last = report.sessions
        own = Visit(tuple(session for session in case.sessions if first < session.number <= last), (report,))
        same = [victim for victim in found if set(victim.sessions) & set(own.sessions)]  # they ran at the same time
        found = [victim for victim in found if victim not in same]
        found += [_joined([*same, own])] if own.sessions else []
    told = {session for victim in found for session in victim.sessions}
    found += [Visit((session,), ()) for session in case.sessions if session not in told]
    found = [victim for victim in found if not victim.idle] or found
    return sorted(found, key=lambda victim: victim.sessions[0].number)


def _joined(victims: list[Visit]) -> Visit:
    sessions = {session.number: session for victim in victims for session in victim.sessions}
    reports = tuple(report for victim in victims for report in victim.reports)
    return Visit(tuple(sessions[number] for number in sorted(sessions)), reports)


def _together(verdicts: tuple[Verdict, ...]) -> Verdict:
    """The gravest of several verdicts, with all of them in the evidence."""
    gravest = min(verdicts, key=lambda verdict: _GRAVEST.index(verdict.outcome))
    secrets = tuple(what for what in SECRETS if any(what in verdict.secrets for verdict in verdicts))
    lines = []
    for number, verdict in enumerate(verdicts, 1):
        lines += [f"victim {number}, {verdict.outcome}: {verdict.why}", *verdict.evidence]
    count = f"victim {verdicts.index(gravest) + 1} of {len(verdicts)}"
    return Verdict(gravest.outcome, f"{gravest.why} ({count})", secrets, tuple(lines), verdicts)


def _judge(case: Case, victim: Visit, alone: bool) -> Verdict:
    own = replace(case, sessions=victim.sessions, reports=victim.reports)
    loot = own.loot if alone else _own_loot(own)
    if loot.secrets:
        return _with_rewritten(_leak(own, loot), victim)
    if deceit := _deceit(own, victim):
        return _with_rewritten(Verdict(DECEIVED, deceit[0], evidence=tuple(deceit[1:])), victim)
    if failure := next((session.failure for session in victim.sessions if session.failure), None):
        return Verdict(BROKEN, str(failure))
    return _harmless(victim)


def _own_loot(case: Case) -> Loot:
    """What was read of one of several victims; in the attacker's mailbox, only what this one is known to have sent."""
    known = {(item.what, item.value) for item in case.sealed}
    return Loot([item for item in case.loot if item.session or (item.what, item.value) in known])


def _leak(case: Case, loot: Loot) -> Verdict:
    items = [item for item in loot if item.what in SECRETS]
    places = " and ".join(dict.fromkeys(item.where for item in items))
    how = "" if case.edited else "; nothing had to be changed for it"
    lines = tuple(f"{item.what} {item.value!r} in {item.line!r}" for item in items)
    return Verdict(LEAKED, f"the attacker read it {places}{how}", loot.secrets, lines)


# ---- an end was deceived


def _deceit(case: Case, victim: Visit) -> list[str]:
    """Why an end counts as deceived, then the lines that show it; empty if none was."""
    for find in (_believed, _ran_injected, _fixed, _downgraded, _rewritten, _trusted):
        if found := find(case, victim):
            return found
    return []


def _believed(case: Case, victim: Visit) -> list[str]:
    words = [text for report in victim.reports for text in (report.said, *report.believed)]
    lines = [text for text in words if any(mark in text for mark in case.vector.marks)]
    return ["the victim repeats what only the attacker has said", *lines] if lines else []


def _ran_injected(case: Case, victim: Visit) -> list[str]:
    proof = next((session.proof for session in victim.sessions if session.proof), "")
    if proof and case.vector.injects:
        return ["the server ran the injected command inside TLS, and answered it there", proof]
    unasked = next((session.unasked for session in victim.sessions if session.unasked), "")
    if unasked and case.vector.steals:
        return ["the server ran the injected commands, and answered them inside TLS", unasked]
    return []


def _fixed(case: Case, victim: Visit) -> list[str]:
    if lines := [f"from {sender or 'no sender'}" for sender in case.as_attacker]:
        return ["the server took the victim's mail as the attacker's, who had logged in before", *lines]
    for session in victim.sessions:
        hers = next((d for d in session.clear if d.what == LOGIN and d.accepted and d.values[:1] == (NAME,)), None)
        if hers is None:
            continue
        before = f"to the attacker, in clear text: {hers.reply}"
        inside = (deed for deed in session.inside if deed.what == LOGIN and deed.accepted is False)
        if refused := next((deed for deed in inside if case.knows(deed.values)), None):
            why = "the server kept the attacker's login across the upgrade, and refused the victim's, which is right"
            return [why, before, f"to the victim, inside TLS: {refused.reply}"]
        if session.shut_out and not any(deed.what == LOGIN for deed in session.inside):
            return ["the server kept the attacker's login across the upgrade: it offers the victim none", before]
    return []


def _downgraded(case: Case, victim: Visit) -> list[str]:
    """A victim that offered TLS 1.3, and then connected again without offering it."""
    hellos = [hello for session in victim.sessions for hello in session.hellos]
    if len(victim.reports) < 2 and hellos and offers_tls13(hellos[0]) and not offers_tls13(hellos[-1]):
        return ["the victim tried again with less than both ends can", "its last ClientHello does not offer TLS 1.3"]
    return []


def _rewritten(case: Case, victim: Visit) -> list[str]:
    lines = _rewritten_lines(victim)
    return ["an end took the attacker's words on a mail for the other's", *lines] if lines else []


def _trusted(case: Case, victim: Visit) -> list[str]:
    asked = next((session.trusted for session in victim.sessions if session.trusted), "")
    return ["the victim took the attacker's TLS for the server's", f"it asked inside: {asked}"] if asked else []


def _rewritten_lines(victim: Visit) -> list[str]:
    return [
        f"the mail for {', '.join(session.recipients)} went to {', '.join(session.passed_on)}"
        for session in victim.sessions
        if session.recipients and session.passed_on and session.passed_on != session.recipients
    ] + [line for session in victim.sessions for line in session.changed]


def _with_rewritten(verdict: Verdict, victim: Visit) -> Verdict:
    """The verdict, extended by what the attacker changed in the mail."""
    lines = [line for line in _rewritten_lines(victim) if line not in verdict.evidence]
    if not lines:
        return verdict
    return replace(verdict, why=f"{verdict.why}; {lines[0]}", evidence=(*verdict.evidence, *lines))


# ---- no secret was read and no end was deceived


def _harmless(victim: Visit) -> Verdict:
    said = _last_words(victim)
    last = _last_deeds(victim)
    if any(session.cut for session in victim.sessions):
        why = f"more crossed than the {KEPT >> 20} MiB of a connection that are kept: what became of it is not known"
        return Verdict(UNKNOWN, why, evidence=said)
    if unopened := next((session.unopened for session in victim.sessions if session.unopened), ""):
        return Verdict(UNKNOWN, f"what the victim said inside TLS is not known: {unopened}", evidence=said)
    if any(report.hurried for report in victim.reports):
        why = "the victim's time ran out while something was still at work for it: what it would have done is not known"
        return Verdict(UNKNOWN, why, evidence=said)
    if victim.goes_on:
        return Verdict(UNKNOWN, "the victim's connection is still open: what becomes of it is not known yet")
    if victim.idle:
        why = "the victim connected and asked for nothing, so what it would have done is not known"
        return Verdict(UNKNOWN, why, evidence=said)
    if refused := next((deed for deed in last if deed.accepted is False), None):
        return Verdict(BROKEN, f"the server refused the victim's {refused.what}", evidence=(refused.reply, *said))
    if doubtful := next((deed for deed in last if deed.in_doubt), None):
        why = f"the server refused a {doubtful.what} and did a later one: whether both are of one message is not known"
        return Verdict(UNKNOWN, why, evidence=(doubtful.reply, *said))
    if unheard := next((deed for session in victim.sessions for deed in session.unheard if deed in last), None):
        return Verdict(
            BROKEN, f"the server did the victim's {unheard.what}, and the victim was not told", evidence=said
        )
    if victim.breaks_off and last and all(deed.what == LOGIN and deed.accepted for deed in last):
        why = "the victim logged in inside TLS and was gone without a farewell: whether it wanted more is not known"
        return Verdict(UNKNOWN, why, evidence=said)
    if last and victim.done is not False and not any(deed.unanswered for deed in last):
        why = "the victim did its work inside TLS with the real server"
        return Verdict(UNHARMED, why, evidence=_shown(victim, last))
    if lost := next((deed for deed in last if deed.unanswered and deed.lasting), None):
        return Verdict(
            UNKNOWN, f"the server never answered the victim's {lost.what}, and may have done it", evidence=said
        )
    if victim.sealed or any(deed.values for deed in last):  # what was handed out may be what the attacker asked for
        return Verdict(BROKEN, "the victim began its work inside TLS and did not end it", evidence=said)
    if victim.done:
        return Verdict(BROKEN, "the victim says that it is done, but nothing of it came by", evidence=said)
    in_clear = any(session.in_clear for session in victim.sessions)
    why = "the victim said nothing in clear text that is secret, and" if in_clear else "the victim"
    return Verdict(STOPPED, f"{why} went no further", evidence=said)


def _last_deeds(victim: Visit) -> list[Deed]:
    """The last attempt of each deed; if programs ran at the same time, the last of each session."""
    if len(victim.reports) > 1:
        return [deed for session in victim.sessions for deed in last_of_each(session.inside)]
    return last_of_each(deed for session in victim.sessions for deed in session.inside)


def _shown(victim: Visit, last: list[Deed]) -> tuple[str, ...]:
    """The evidence of work inside TLS: the secrets that were sent there, or else the server's replies."""
    secrets = tuple(f"{item.what}, inside TLS" for item in victim.sealed)
    return secrets or tuple(f"{deed.what}, inside TLS: {deed.reply}" for deed in last)


def _last_words(victim: Visit) -> tuple[str, ...]:
    """The victim's last words: its report, and its last phrase on the wire."""
    wire = [f"on the wire: {session.farewell}" for session in victim.sessions if session.farewell]
    return (*(report.said for report in victim.reports), *wire[-1:])
