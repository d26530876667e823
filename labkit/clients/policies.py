"""What a client does about TLS, on two axes that are often confused: *when* TLS starts, *what happens without it*.

RFC 3207 has the explicit way, RFC 8314 the implicit one and the advice to submitters, RFC 7435 the word
opportunistic. A policy is data; `clients.smtp` follows it.
"""

from dataclasses import dataclass

NEVER = "never"
EXPLICIT = "explicit"
IMPLICIT = "implicit"

GO_ON = "go on"
STOP = "stop"


@dataclass(frozen=True)
class Policy:
    """How a client treats TLS."""

    name: str
    starts: str
    """When TLS starts: `NEVER`, `EXPLICIT` (after an upgrade command) or `IMPLICIT` (before the first byte)."""
    without: str
    """What the client does when it cannot have TLS: `GO_ON` in clear text, or `STOP`."""
    verify: bool
    """Whether the certificate must come from a trusted authority and bear the name that was wanted (RFC 9525)."""

    def __repr__(self) -> str:
        otherwise = "goes on" if self.without == GO_ON else "stops"
        verified = "the certificate is verified" if self.verify else "the certificate is not looked at"
        return f"<policy {self.name}: {self.starts} TLS, {otherwise} without it, {verified}>"


none = Policy("none", NEVER, GO_ON, verify=False)
opportunistic = Policy("opportunistic", EXPLICIT, GO_ON, verify=False)
mandatory = Policy("mandatory", EXPLICIT, STOP, verify=False)
verified = Policy("verified", EXPLICIT, STOP, verify=True)
implicit = Policy("implicit", IMPLICIT, STOP, verify=True)

ALL = (none, opportunistic, mandatory, verified, implicit)
