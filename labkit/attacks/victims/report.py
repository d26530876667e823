"""What a victim's program reports on its attempt: whether it is done, what its user reads, what it believes."""

from typing import NamedTuple

from labkit.clients.outcome import Outcome

DONE = "done"
"""What a program tells its user that did its work."""
_SHOWN = 200
"""Characters of a text that the report of a program shows."""


class Report(NamedTuple):
    """One attempt as the victim's program reports it."""

    done: bool
    """Whether the program says that it did its work."""
    said: str
    """What it tells its user."""
    believed: tuple[str, ...] = ()
    """What it believes about the server: capabilities, folders, alerts, mail."""
    sessions: tuple[int, int] = (0, 1 << 62)
    """The numbers of the attacker's last session when the program began and when it ended: the report is about those
    between; by default about all."""
    hurried: bool = False
    """Whether its time limit ended while it, or what it waited for, was still at work."""

    @classmethod
    def of(cls, outcome: Outcome) -> "Report":
        """What a client of the lab says."""
        mail = tuple(mail.text for mail in getattr(outcome, "messages", ()))
        return cls(outcome.done, repr(outcome), (outcome.why, *mail))

    def __repr__(self) -> str:
        said = f": {_quoted(self.said)}" if self.said != DONE else ""
        believed = f" It believes of the server: {', '.join(map(_quoted, self.believed))}." if self.believed else ""
        return f"{'Done' if self.done else 'Not done'}{said}.{believed}"


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
