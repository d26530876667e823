"""What became of a message: sent, and how well protected; or not sent, and why. A record, shown as a sentence."""

from dataclasses import dataclass

CLEAR = "clear text"
EXPLICIT_TLS = "explicit TLS"
IMPLICIT_TLS = "implicit TLS"


@dataclass(frozen=True)
class Outcome:
    """The end of one attempt to send a message; true when it was sent."""

    sent: bool
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
    """Why it was not sent, or why it was sent in clear text; empty where there is nothing to explain."""

    def __bool__(self) -> bool:
        return self.sent

    def __repr__(self) -> str:
        return " ".join(filter(None, (self._first(), self._protection(), self._second())))

    def _first(self) -> str:
        if not self.sent:
            return f"Not sent: {self.why}."
        reason = f": {self.why}" if self.why else ""
        return f"Sent in clear text{reason}." if self.how == CLEAR else f"Sent over {self.how}{reason}:"

    def _protection(self) -> str:
        if self.how == CLEAR or not self.sent:
            return ""
        looked_at = "verified" if self.verified else "not verified"
        return f"{self.version} with {self.cipher}, the certificate was {looked_at}."

    def _second(self) -> str:
        return "The password went in clear text too." if self.password == CLEAR else ""
