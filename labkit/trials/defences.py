"""Every attack on mail between servers against every defence: one live message for each, and a machine's verdict on it.

The rows and columns are in `labkit.trials.threats`. The verdict is decided from what the
attacker has read, what lies in the mailboxes, and what the sender says. The caller makes the lab.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from labkit.attacks.loot import CLEAR
from labkit.attacks.vectors.buffering import MARK
from labkit.attacks.verdict import DECEIVED
from labkit.clients import policies
from labkit.defences.sending import Configuration
from labkit.errors import LabError
from labkit.mail.message import compose
from labkit.show.defence_grid import defence_grid
from labkit.trials.threats import COLUMNS, DOMAIN, ROWS, Defence, Threat
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
_RECIPIENT = f"bob@{DOMAIN}"
_PATIENCE = 2.0


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
    """(number of the row, name of the column) -> finding; a row is missing for columns to which it does not apply."""

    def why(self, row: str, column: str) -> Finding:
        """The finding of one cell, with the evidence. Raises `LabError` for a cell that was not run."""
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
    """Try every row against every column to which it applies, in a lab with the hosts `HOSTS`.

    `sender` makes the server that sends; another one than the lab's has its `send`, `refresh`, `story` and `offered`.
    """
    found = DefenceMatrix()
    for row in rows:
        for column in columns:
            if column.name in row.columns:
                cell = _submit(lab, row) if column.submits else _relay(lab, row, column, sender)
                found[row.number, column.name] = cell
                step()
    return found


# ---- one cell: mail between servers


def _relay(lab: "Lab", row: Threat, column: Defence, made: "Callable[[Lab, Mapping[str, Any]], MailSender]") -> Finding:
    lab.clock.offset = 0.0
    inner = lab.smtp(port=25, host="inner", replace=True) if row.inner else None
    bob = lab.domain(DOMAIN, behind=inner, **row.server)
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


def _wildcard(lab: "Lab", bob: "MailDomain") -> None:
    bob.zone.put("dhcp-7", "A", lab.network.published("mallory"))
    if bob.policy is not None:
        bob.sts(bob.policy.mode, mx=(f"*.{bob.name}",))


@contextmanager
def _her_server(lab: "Lab", row: Threat) -> Iterator[None]:
    """A mail server of mallory's own, with a good certificate for a name that is really hers."""
    her = lab.domain("mallory.test", mx={"mail": "mallory"}).sign().tlsa("3 1 1")
    if row.wildcard:
        issued = lab.authority.certificate("right", f"dhcp-7.{DOMAIN}")
        her.server.certificate, her.server.context = issued, server_context(issued, keylog=lab.keylog.path)
    yield
    her.server.close()


def _send(sender: "MailSender") -> Any:
    return sender.send(compose(SECRET, "secret", "alice@lab.test", _RECIPIENT))


# ---- one cell: a mail program


def _submit(lab: "Lab", row: Threat) -> Finding:
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
