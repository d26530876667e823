"""What an attacker can do with something that crosses her: small records, carried out by `labkit.attacks.engine`.

`Pass`, `Replace`, `Drop` and `Answer` decide what becomes of it; the others go along. Where nothing is decided it is
passed on. `Later` stands for actions that are not known yet.
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
    """Let it go on as it came."""


@dataclass(frozen=True)
class Replace:
    """Let other bytes go on in its place."""

    data: bytes


@dataclass(frozen=True)
class Drop:
    """Let nothing go on."""


@dataclass(frozen=True)
class Answer:
    """Let nothing go on, and say these bytes to the end it came from, as if they came from the other end."""

    data: bytes


@dataclass(frozen=True)
class Inject:
    """Say more to one end: `CLIENT` (the victim) or `SERVER`. Together with what is passed on it makes one segment."""

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
    """What the victim is shown, a kind of `labkit.trust.certificates.KINDS`; None to speak no TLS with the victim."""
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
    """A decision that is not made yet. A vector returns it in the place of actions.

    What it is about waits for it, and with it all that the ends of the same session say meanwhile; other sessions go
    on. The decision may be made in any thread.
    """

    until: float = float("inf")
    """When to ask again at the latest, in seconds of `time.monotonic`."""

    @abstractmethod
    def settled(self, now: float) -> tuple[Action, ...] | None:
        """The actions; None while there is no decision. `now` in seconds of `time.monotonic`.

        May raise, as a vector's own methods may.
        """

    @abstractmethod
    def watch(self, changed: Callable[[], object]) -> None:
        """Call `changed` when there is a decision, or another `until`; at once if there is a decision already."""

    def cancel(self) -> None:  # noqa: B027, most need not know
        """The session has ended without it: no decision is needed any more."""


@dataclass(frozen=True)
class Decision:
    """What a vector returned, as a plain sequence in which the fate of the line is always said."""

    actions: tuple[Action, ...] = field(default=(Pass(),))

    @property
    def edits(self) -> bool:
        """Whether it changes anything that an end could notice in what is said."""
        return self.actions != (Pass(),)

    @property
    def forwards(self) -> bool:
        """Whether anything of it goes on."""
        return any(isinstance(action, (Pass, Replace)) for action in self.actions)


PASSED = Decision()


def decision(returned: object) -> Decision:
    """What a vector returned, put in order: None and nothing else is to pass. Raises `LabError` for no action."""
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
