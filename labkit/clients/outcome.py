"""The outcome of an attempt to send or fetch mail: how well it was protected, or why it failed, as a sentence."""

from dataclasses import dataclass
from typing import ClassVar

from labkit.mail.message import Mail

CLEAR = "clear text"
EXPLICIT_TLS = "explicit TLS"
IMPLICIT_TLS = "implicit TLS"


@dataclass(frozen=True)
class Outcome:
    """The outcome of one attempt; true if it was successful."""

    done: bool
    policy: str
    """The name of the policy that the client followed."""
    how: str = CLEAR
    """What the connection was when it ended: `CLEAR`, `EXPLICIT_TLS` or `IMPLICIT_TLS`."""
    version: str = ""
    """``TLS 1.3``; empty in clear text."""
    cipher: str = ""
    """The cipher suite as OpenSSL names it; empty in clear text."""
    verified: bool = False
    """Whether the certificate was compared with the trusted authority and the name that was wanted."""
    password: str = ""
    """How the password went: empty when none was sent, otherwise like `how`."""
    why: str = ""
    """Why it failed, or why it went in clear text; empty where there is nothing to explain."""

    _verb: ClassVar = "done"

    def __bool__(self) -> bool:
        return self.done

    def __repr__(self) -> str:
        return " ".join(filter(None, (self._first(), self._protection(), self._second())))

    @property
    def _what(self) -> str:
        return self._verb

    def _first(self) -> str:
        if not self.done:
            return f"Not {self._verb}: {self.why}."
        reason = f": {self.why}" if self.why else ""
        way = f"in clear text{reason}." if self.how == CLEAR else f"over {self.how}{reason}:"
        return f"{self._what.capitalize()} {way}"

    def _protection(self) -> str:
        if self.how == CLEAR or not self.done:
            return ""
        looked_at = "verified" if self.verified else "not verified"
        return f"{self.version} with {self.cipher}, the certificate was {looked_at}."

    def _second(self) -> str:
        return "The password went in clear text too." if self.password == CLEAR else ""


@dataclass(frozen=True, repr=False)
class Sent(Outcome):
    """The outcome of sending a message."""

    refused: tuple[str, ...] = ()
    """The recipients that the server refused while it accepted others: address and reply of each."""

    _verb = "sent"

    @property
    def sent(self) -> bool:
        """Whether the server took it, for one recipient at least."""
        return self.done

    def _second(self) -> str:
        refused = f"The server refused {' and '.join(self.refused)}." if self.refused else ""
        return " ".join(filter(None, (refused, super()._second())))


@dataclass(frozen=True, repr=False)
class Fetched(Outcome):
    """The outcome of fetching the mail from a mailbox."""

    messages: tuple[Mail, ...] = ()
    """The messages in the mailbox, oldest first."""

    _verb = "fetched"

    @property
    def _what(self) -> str:
        return f"{self._verb} {len(self.messages)} message{'s' * (len(self.messages) != 1)}"
