"""Threats to mail between servers, and defences: the rows and the columns of a defence matrix.

How a message is sent in each cell is in `labkit.trials.defences`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labkit.attacks.actions import Close
from labkit.attacks.vector import Answered, Opening, Vector
from labkit.attacks.vectors import publication as published
from labkit.attacks.vectors.buffering import CommandInjection, ResponseInjection
from labkit.attacks.vectors.fixation import SessionFixation
from labkit.attacks.vectors.identity import MisIssued, UnknownRoot, WrongName
from labkit.attacks.vectors.negotiation import BreakHandshake, RefuseUpgrade, StripCapability
from labkit.attacks.vectors.publication import PublicationVector
from labkit.errors import LabError

if TYPE_CHECKING:
    from labkit.defences.domain import MailDomain
    from labkit.lab import Lab

DOMAIN = "bob.test"
"""The domain that mail is sent to."""
_HER_HOST = "mail.mallory.test"


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
    """One threat."""

    number: str
    what: str
    source: str
    vector: Callable[[], Vector] | None = None
    """The attack on the way to the mail server."""
    misleads: Callable[[], PublicationVector] | None = None
    """The attack on the way to the name server and the policy host."""
    columns: Sequence[str] = _NAMES
    """The defences to which it applies."""
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
    """Whether the attack is on the hop after the domain's mail server."""
    certificate: str = "right"
    """The certificate that the server of a mail program shows."""
    wildcard: bool = False
    """Whether the policy names every host of the domain, and one of them is the attacker's."""


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
    return published.ForgeMX(DOMAIN, _HER_HOST)


def _forge_dhcp() -> PublicationVector:
    return published.ForgeMX(DOMAIN, f"dhcp-7.{DOMAIN}")


def _plant() -> PublicationVector:
    return published.Together(_forge(), published.PlantPolicy(DOMAIN, _HER_HOST))


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
