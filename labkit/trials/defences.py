"""Every attack on mail between servers against every defence: one live message for each, and a machine's verdict on it.

A row is what happens, a column what the sender or the domain does against it. The verdict is decided from what the
attacker has read, what lies in the mailboxes, and what the sender says. The caller makes the lab.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from labkit.attacks.actions import Close
from labkit.attacks.loot import CLEAR
from labkit.attacks.vector import Answered, Opening, Vector
from labkit.attacks.vectors import publication as published
from labkit.attacks.vectors.buffering import MARK, CommandInjection, ResponseInjection
from labkit.attacks.vectors.fixation import SessionFixation
from labkit.attacks.vectors.identity import MisIssued, UnknownRoot, WrongName
from labkit.attacks.vectors.negotiation import BreakHandshake, RefuseUpgrade, StripCapability
from labkit.attacks.vectors.publication import PublicationVector
from labkit.attacks.verdict import DECEIVED
from labkit.clients import policies
from labkit.defences.sending import Configuration
from labkit.errors import LabError
from labkit.mail.message import compose
from labkit.show.defence_grid import defence_grid
from labkit.trust.contexts import server_context

if TYPE_CHECKING:
    from labkit.defences.domain import MailDomain
    from labkit.defences.sending import MailSender
    from labkit.lab import Lab
    from labkit.servers.server import Server
    from labkit.show.grid import Grid

LEAKED, THEFT, INJECTED, HELD, BOUNCED, SAFE, UNKNOWN = (
    "leaked",
    "theft",
    "injected",
    "held",
    "bounced",
    "safe",
    "unknown",
)
OUTCOMES = {
    LEAKED: "the message crossed the wire in clear text",
    THEFT: "the message went inside TLS, to the attacker",
    INJECTED: "the attacker's words were taken for those of an end",
    HELD: "the sender keeps the message and tries again",
    BOUNCED: "the message went back to its author",
    SAFE: "the message arrived inside TLS, and the attacker read nothing",
    UNKNOWN: "what became of the message cannot be told",
}
"""What a verdict may be, the gravest first."""

HOSTS = ("dns", "www", "provider", "inner")
"""The hosts that a lab needs for this, beside the usual three."""
SECRET = "The PIN is 4921"
_DOMAIN = "bob.test"
_RECIPIENT = f"bob@{_DOMAIN}"
_HER_HOST = "mail.mallory.test"
_PATIENCE = 2.0


class _DropAll(Vector):
    """Drops every connection."""

    def on_open(self, opening: Opening) -> Answered:
        return Close()


@dataclass(frozen=True)
class Defence:
    """One defence."""

    name: str
    sender: Mapping[str, Any]
    """What the sending server does: see `labkit.defences.sending.Configuration`."""
    publish: Callable[["MailDomain"], object] = lambda bob: None
    """What the domain publishes."""
    kept: bool = False
    """Whether the sender has sent to the domain before, in peace."""
    submits: bool = False
    """Whether the sender is a mail program, which submits inside implicit TLS and verifies the certificate."""


_ALONE = {"mta_sts": "never", "dane": False}
COLUMNS = (
    Defence("may", {"level": "may", **_ALONE}),
    Defence("encrypt", {"level": "encrypt", **_ALONE}),
    Defence("verify", {"level": "verify", **_ALONE}),
    Defence("MTA-STS testing", {"dane": False}, lambda bob: bob.sts("testing"), kept=True),
    Defence("MTA-STS, kept", {"dane": False}, lambda bob: bob.sts("enforce"), kept=True),
    Defence("MTA-STS, first contact", {"dane": False}, lambda bob: bob.sts("enforce")),
    Defence("DANE", {"mta_sts": "never"}, lambda bob: bob.sign().tlsa("3 1 1")),
    Defence("implicit TLS", {}, submits=True),
)
"""The defences, as a sender or a domain can choose them."""
FETCHED_LATER = Defence(
    "MTA-STS, fetched later", {"dane": False, "mta_sts": "afterwards"}, lambda bob: bob.sts("enforce")
)
"""First contact of a sender that fetches a policy only after its first message, as RFC 8461 §5.1 allows. It runs where
it is asked for by name: its first message is that of a sender without MTA-STS."""
_NAMES = tuple(column.name for column in (*COLUMNS, FETCHED_LATER))
_RELAYING = tuple(column.name for column in (*COLUMNS, FETCHED_LATER) if not column.submits)
_STS = tuple(name for name in _NAMES if name.startswith("MTA-STS"))


@dataclass(frozen=True)
class Threat:
    """What happens."""

    number: str
    what: str
    source: str
    vector: Callable[[], Vector] | None = None
    """The attack on the way to the mail server."""
    misleads: Callable[[], PublicationVector] | None = None
    """The attack on the way to the name server and the policy host."""
    columns: Sequence[str] = _NAMES
    """For which defences it means anything."""
    server: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the domain's mail server."""
    sender: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[["Lab", "MailDomain"], object] = lambda lab, bob: None
    """What changes at the domain, or with time, before the message."""
    waits: float = 0.0
    """Days for which the publications are attacked before the message is sent."""
    later: bool = False
    """Whether the verdict is on a message that is sent in peace, after the attack."""
    inner: bool = False
    """Whether the attack is on the hop behind the domain's mail server."""
    certificate: str = "right"
    """What the server of a mail program shows."""
    wildcard: bool = False
    """Whether the policy names every host of the domain, and one of them is the attacker's."""


def _wildcard(lab: "Lab", bob: "MailDomain") -> None:
    bob.zone.put("dhcp-7", "A", lab.network.published("mallory"))
    if bob.policy is not None:
        bob.sts(bob.policy.mode, mx=(f"*.{bob.name}",))


def _unsigned(lab: "Lab", bob: "MailDomain") -> None:
    bob.unsign()


def _silent(lab: "Lab", bob: "MailDomain") -> None:
    """The domain has no policy of its own."""
    bob.sts(None)


def _expired(lab: "Lab", bob: "MailDomain") -> None:
    """The TLSA record names the key, which is still the one in the certificate."""
    bob.certificate("expired")
    if bob.zone.get("_25._tcp.mail", "TLSA"):
        bob.tlsa("3 1 1")


def _expired_below_anchor(lab: "Lab", bob: "MailDomain") -> None:
    bob.tlsa("2 0 1").certificate("expired")


def _new_key(lab: "Lab", bob: "MailDomain") -> None:
    bob.new_key()


def _strip() -> Vector:
    return StripCapability()


def _both() -> PublicationVector:
    return published.Together(published.BlockPolicyRecord(), published.BlockPolicyHost())


def _forge() -> PublicationVector:
    return published.ForgeMX(_DOMAIN, _HER_HOST)


def _forge_dhcp() -> PublicationVector:
    return published.ForgeMX(_DOMAIN, f"dhcp-7.{_DOMAIN}")


def _plant() -> PublicationVector:
    return published.Together(_forge(), published.PlantPolicy(_DOMAIN, _HER_HOST))


_Q = (*_STS, "DANE")
"""Columns to which an MTA-STS policy applies, and those to which it does not."""

ROWS = (
    Threat("1", "mallory listens", "RFC 7435", Vector),
    Threat("2", "strips the capability", "RFC 3207 §6", _strip),
    Threat("3", "refuses STARTTLS", "RFC 3207 §4", RefuseUpgrade),
    Threat("4", "breaks the handshake", "RFC 8461 §4", BreakHandshake),
    Threat("5", "own certificate, unknown authority", "RFC 8461 §4.2", UnknownRoot),
    Threat("6", "certificate for another name", "RFC 8461 §4.2", WrongName),
    Threat("7", "mis-issued certificate for the right name", "RFC 8461 §10.1", MisIssued),
    Threat("8", "forges the MX to her own host", "RFC 7672 §2.2.1", None, _forge, _RELAYING),
    Threat("8b", "the same, and the domain is unsigned", "RFC 7672 §2.2.1", None, _forge, ("DANE",), before=_unsigned),
    Threat("9", "hides the TLSA records, and strips", "RFC 7672 §2.1.2", _strip, published.HideTLSA, ("DANE",)),
    Threat("10", "blocks the policy record, and strips", "RFC 8461 §10.2", _strip, published.BlockPolicyRecord, _Q),
    Threat("11", "blocks the policy host, and strips", "RFC 8461 §10.2", _strip, published.BlockPolicyHost, _Q),
    Threat("12", "policy with a bad certificate, and strips", "RFC 8461 §3.3", _strip, published.OwnPolicyHost, _Q),
    Threat("12b", "policy by redirect, and strips", "RFC 8461 §3.3", _strip, published.RedirectPolicy, _Q),
    Threat("13", "blocks both until the policy expires, strips", "RFC 8461 §10.2", _strip, _both, _RELAYING, waits=8),
    Threat("14", "is a host under mx: *, forges the MX", "RFC 8461 §10.4", None, _forge_dhcp, _RELAYING, wildcard=True),
    Threat("15", "injects commands; server unfixed", "RFC 3207 §4.2", CommandInjection, server=CommandInjection.server),
    Threat("16", "injects answers; client unfixed", "RFC 3207 §4.2", ResponseInjection, sender={"careless": True}),
    Threat("17", "logs in before TLS; server unfixed", "RFC 3207 §4.2", SessionFixation, server=SessionFixation.server),
    Threat("18", "drops every connection", "RFC 8460 §4.3.4", _DropAll),
    Threat("19", "strips, and hides the record for reports", "RFC 8460 §7", _strip, published.HideReports, _RELAYING),
    Threat(
        "20", "planted a long policy; later mail", "RFC 8461 §10.3", None, _plant, _RELAYING, before=_silent, later=True
    ),
    Threat("21", "strips on the next hop only", "RFC 8689 §1", _strip, inner=True),
    Threat("22", "no attack: the certificate has expired", "RFC 7671 §5.1", before=_expired, certificate="expired"),
    Threat("22b", "the same, with TLSA 2 0 1", "RFC 7671 §5.2", columns=("DANE",), before=_expired_below_anchor),
    Threat("23", "no attack: a new key, the old TLSA record", "RFC 7671 §8", columns=_RELAYING, before=_new_key),
)


class Finding(NamedTuple):
    """The verdict on one message."""

    outcome: str
    """One of `OUTCOMES`."""
    why: str
    """A sentence."""
    evidence: tuple[str, ...] = ()
    """Lines from the wire, from a mailbox, or of the sender's story, that show it."""

    def __repr__(self) -> str:
        return "\n".join([f"{self.outcome}: {self.why}", *(f"  {line}" for line in self.evidence)])


class DefenceMatrix(dict[tuple[str, str], Finding]):
    """(number of the row, name of the column) -> finding; a pair that means nothing is not there."""

    def why(self, row: str, column: str) -> Finding:
        """What became of the message in one cell, with the evidence. Raises `LabError` for one that was not run."""
        if (row, column) not in self:
            rows, columns = (", ".join(dict.fromkeys(names)) for names in zip(*self, strict=True))
            raise LabError(
                f"There is no cell ({row!r}, {column!r}): a row is one of {rows}, a column one of {columns}, "
                "and not every row means something in every column."
            )
        return self[row, column]

    @property
    def grid(self) -> "Grid":
        """The cells as a grid."""
        return defence_grid(self, {row.number: row.what for row in ROWS}, OUTCOMES)

    def _repr_html_(self) -> str:
        return self.grid.html

    def __repr__(self) -> str:
        return repr(self.grid)


def chosen(rows: Iterable[str] | None, columns: Iterable[str] | None) -> tuple[tuple[Threat, ...], tuple[Defence, ...]]:
    """The rows with these numbers and the columns with these names, all unless given. Raises `LabError`.

    `FETCHED_LATER` is a column only where it is named.
    """
    found = _named((*COLUMNS, FETCHED_LATER), "name", columns, "column")
    return _named(ROWS, "number", rows, "row"), COLUMNS if columns is None else found


def _named(all_: tuple[Any, ...], by: str, wanted: Iterable[str] | None, what: str) -> tuple[Any, ...]:
    if wanted is None:
        return all_
    names = [str(each) for each in ([wanted] if isinstance(wanted, str) else wanted)]
    known = {getattr(each, by): each for each in all_}
    missing = [name for name in names if name not in known]
    if missing or not names:
        raise LabError(f"There is no {what} {', '.join(map(repr, missing))}: use {', '.join(map(repr, known))}.")
    return tuple(known[name] for name in dict.fromkeys(names))


def count(rows: Sequence[Threat] = ROWS, columns: Sequence[Defence] = COLUMNS) -> int:
    """How many messages `every_defence` sends with these arguments."""
    return sum(column.name in row.columns for row in rows for column in columns)


def of_the_lab(lab: "Lab", settings: Mapping[str, Any]) -> "MailSender":
    """The lab's own sending server, on the host provider, with these settings of its configuration."""
    return lab.registry.sender(lab.network.host("provider"), Configuration(**settings))


def every_defence(
    lab: "Lab",
    rows: Sequence[Threat] = ROWS,
    columns: Sequence[Defence] = COLUMNS,
    step: Callable[[], object] = lambda: None,
    sender: "Callable[[Lab, Mapping[str, Any]], MailSender]" = of_the_lab,
) -> DefenceMatrix:
    """Try every row against every column for which it means anything, in a lab with the hosts `HOSTS`.

    `sender` makes the server that sends; another one than the lab's has its `send`, `refresh`, `story` and `offered`.
    """
    found = DefenceMatrix()
    for row in rows:
        for column in columns:
            if column.name in row.columns:
                cell = _submit(lab, row, column) if column.submits else _relay(lab, row, column, sender)
                found[row.number, column.name] = cell
                step()
    return found


# ---- one cell: mail between servers


def _relay(lab: "Lab", row: Threat, column: Defence, made: "Callable[[Lab, Mapping[str, Any]], MailSender]") -> Finding:
    lab.clock.offset = 0.0
    inner = lab.smtp(port=25, host="inner", replace=True) if row.inner else None
    bob = lab.domain(_DOMAIN, behind=inner, **row.server)
    column.publish(bob)
    if row.wildcard:
        _wildcard(lab, bob)
    sender = made(lab, {**column.sender, **row.sender})
    if column.kept:
        _send(sender)
    row.before(lab, bob)
    with ExitStack() as stack:
        if row.misleads:
            stack.enter_context(lab.spoof(row.misleads()))
        if row.waits:
            sender.refresh()
            lab.clock.advance(days=row.waits)
        at = inner or bob.server
        attack = stack.enter_context(lab.mallory(row.vector(), at=at) if row.vector else _her_server(lab, row))
        known = _known(lab)
        del sender.story[:]
        outcome = _send(sender)
    if row.later:
        known = _known(lab)
        outcome = _send(sender)
    return _judged(lab, attack, known, outcome, sender)


@contextmanager
def _her_server(lab: "Lab", row: Threat) -> Iterator[None]:
    """A mail server of mallory's own, with a good certificate for a name that is really hers."""
    her = lab.domain("mallory.test", mx={"mail": "mallory"}).sign().tlsa("3 1 1")
    if row.wildcard:
        issued = lab.authority.certificate("right", f"dhcp-7.{_DOMAIN}")
        her.server.certificate, her.server.context = issued, server_context(issued, keylog=lab.keylog.path)
    yield
    her.server.close()


def _send(sender: "MailSender") -> Any:
    return sender.send(compose(SECRET, "secret", "alice@lab.test", _RECIPIENT))


# ---- one cell: a mail program


def _submit(lab: "Lab", row: Threat, column: Defence) -> Finding:
    inner = lab.smtp(port=25, host="inner", replace=True) if row.inner else None
    if inner:
        server = lab.provider(inner, implicit=True, host="mail", replace=True)
    else:
        server = lab.smtp(implicit=True, certificate=row.certificate, replace=True, **row.server)
    known = _known(lab)
    with ExitStack() as stack:
        attack = stack.enter_context(lab.mallory(row.vector(), at=inner or server)) if row.vector else None
        outcome = lab.send(
            server,
            SECRET,
            "secret",
            ("alice", "hunter2"),
            policies.implicit,
            recipient="bob@lab.test",
            timeout=_PATIENCE,
        )
    return _judged(lab, attack, known, outcome, None)


# ---- the verdict


def _known(lab: "Lab") -> set[int]:
    return {id(message) for server in lab.servers.values() for message in getattr(server, "mailbox", ())}


def _judged(lab: "Lab", attack: Any, known: set[int], outcome: Any, sender: "MailSender | None") -> Finding:
    story = tuple(sender.story) if sender else (repr(outcome),)
    if sender and MARK in " ".join(sender.offered).upper():
        return Finding(INJECTED, "the sender believes a capability that only the attacker has named", (MARK, *story))
    verdict = attack.verdict if attack else None
    if verdict and verdict.outcome == DECEIVED:
        return Finding(INJECTED, verdict.why, verdict.evidence)
    read = [item for item in (attack.loot if attack else ()) if item.what == "message" and SECRET in item.value]
    if read:
        where = LEAKED if read[0].where == CLEAR else THEFT
        return Finding(where, f"the attacker read the message {read[0].where}", (repr(read[0]), *story))
    arrived = [
        (server, message)
        for server in lab.servers.values()
        for message in getattr(server, "mailbox", ())
        if id(message) not in known and SECRET.encode() in message.data
    ]
    return _by_mailboxes(arrived, outcome, story)


def _by_mailboxes(arrived: "list[tuple[Server, Any]]", outcome: Any, story: tuple[str, ...]) -> Finding:
    """The verdict where the attacker has read nothing on the way: it depends on the mailbox that holds the message."""
    for server, message in arrived:
        if message.over == "clear text":
            return Finding(LEAKED, f"it came to {server.host} in clear text", story)
        if server.host == "mallory":
            return Finding(THEFT, "it lies in the mailbox of the attacker's own server", (repr(message), *story))
    state = getattr(outcome, "state", "delivered" if outcome else "held")
    if state == "delivered" and arrived:
        return Finding(SAFE, "it arrived inside TLS, and the attacker has read nothing", story)
    if state == "held":
        return Finding(HELD, outcome.why, story)
    if state == "returned":
        return Finding(BOUNCED, outcome.why, story)
    return Finding(UNKNOWN, "the sender says that it is delivered, and it lies nowhere", story)
