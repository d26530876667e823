"""What an attacker can do with a line, a record or a connection: small records, carried out by `labkit.attacks.engine`.

`Pass`, `Replace`, `Drop` and `Answer` decide whether it is forwarded; the others are done in addition. Without such a
decision it is forwarded unchanged. `Later` stands for actions that are decided later.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from labkit.dialects.base import CLIENT, SERVER
from labkit.errors import LabError

LONGEST_DELAY = 30.0
"""Seconds."""


@dataclass(frozen=True)
class Pass:
    """Forward it unchanged."""


@dataclass(frozen=True)
class Replace:
    """Forward other bytes in its place."""

    data: bytes


@dataclass(frozen=True)
class Drop:
    """Forward nothing."""


@dataclass(frozen=True)
class Answer:
    """Forward nothing, and send these bytes back to the end it came from, as if they came from the other end."""

    data: bytes


@dataclass(frozen=True)
class Inject:
    """Send more to one end, `CLIENT` (the victim) or `SERVER`, in one segment with what is forwarded."""

    to: str
    data: bytes

    def __post_init__(self) -> None:
        if self.to not in (CLIENT, SERVER):
            raise LabError(f"Bytes are injected to {CLIENT!r} or {SERVER!r}, not to {self.to!r}.")


@dataclass(frozen=True)
class Delay:
    """Hold up the session before what follows; `seconds` at most `LONGEST_DELAY`.

    Nothing passes meanwhile, in either direction; other sessions go on. A client that waits longer than its own limit
    takes the server for dead, and hangs up or tries again: the clients of the lab wait `timeout` seconds for each
    answer (`Lab.send`, `Lab.fetch`), smtplib, imaplib and poplib for ever unless they are told.
    """

    seconds: float

    def __post_init__(self) -> None:
        if not 0 <= self.seconds <= LONGEST_DELAY:
            raise LabError(f"A delay lasts 0 to {LONGEST_DELAY:g} seconds, not {self.seconds!r}.")


@dataclass(frozen=True)
class TakeOverTLS:
    """Terminate the TLS that follows: with the victim, with the server, or with both."""

    certificate: str | None = None
    """The certificate for the victim, a kind of `labkit.trust.certificates.KINDS`; None for no TLS with the victim."""
    server: bool = True
    """Whether to speak TLS with the server, as its client."""


@dataclass(frozen=True)
class Close:
    """End the connections to both ends once everything said was sent (FIN); with `reset` abort them at once (RST)."""

    reset: bool = False


@dataclass(frozen=True)
class Begin:
    """For a new connection: before the victim is read, send this to the server, after its greeting.

    The server's answer, up to the first whole line, is kept from the victim.
    """

    data: bytes


Action = Pass | Replace | Drop | Answer | Inject | Delay | TakeOverTLS | Close | Begin

DECIDING = (Pass, Replace, Drop, Answer)


class Later(ABC):
    """A pending decision. A vector returns it instead of actions.

    What it is about waits for it, and with it all that the ends of the same session say meanwhile; other sessions go
    on. The decision may be made in any thread.
    """

    until: float = float("inf")
    """When to call `settled` again at the latest, in seconds of `time.monotonic`."""

    @abstractmethod
    def settled(self, now: float) -> tuple[Action, ...] | None:
        """The actions; None while the decision is pending. `now` is in seconds of `time.monotonic`.

        May raise, as a vector's own methods may.
        """

    @abstractmethod
    def watch(self, changed: Callable[[], object]) -> None:
        """Call `changed` when there is a decision, or another `until`; at once if there is a decision already."""

    def cancel(self) -> None:  # noqa: B027, most need not know
        """The session has ended, so the decision is no longer needed."""


@dataclass(frozen=True)
class Decision:
    """What a vector returned, as actions among which is always a `Pass`, `Replace`, `Drop` or `Answer`."""

    actions: tuple[Action, ...] = field(default=(Pass(),))

    @property
    def edits(self) -> bool:
        """Whether it does anything but forward unchanged."""
        return self.actions != (Pass(),)

    @property
    def forwards(self) -> bool:
        """Whether it forwards anything of the line."""
        return any(isinstance(action, (Pass, Replace)) for action in self.actions)


PASSED = Decision()


def decision(returned: object) -> Decision:
    """Normalise what a vector returned; None means `Pass`. Raises `LabError` for anything that is not an action."""
    if returned is None:
        return PASSED
    actions = returned if isinstance(returned, tuple) else (returned,)
    for action in actions:
        if not isinstance(action, Action):
            raise LabError(
                f"it returned {action!r}, which is no action: return Pass(), Drop(), Replace(data) or another of "
                "labkit.attacks, or a tuple of them"
            )
    if any(isinstance(action, DECIDING) for action in actions):
        return Decision(actions)
    waits = tuple(action for action in actions if isinstance(action, Delay))
    others = tuple(action for action in actions if not isinstance(action, Delay))
    return Decision((*waits, Pass(), *others))
