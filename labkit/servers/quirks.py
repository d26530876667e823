"""Mistakes that real servers made, each to be switched on by its name: ``lab.imap(quirks=("keeps the buffer",))``.

In most of them something of the clear text crosses into TLS, which RFC 3207 §4.2, RFC 9051 §6.2.1 and RFC 2595 §4
forbid. A server makes the mistake where it uses the name; the attacks that exploit it are `labkit.attacks`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.errors import LabError

KEEPS_BUFFER = "keeps the buffer"
KEEPS_LOGIN = "keeps the login"
PREAUTH = "PREAUTH"
REFUSES = "refuses the upgrade"
KEEPS_OFFER = "keeps the offer"
MAIL = (KEEPS_BUFFER, KEEPS_LOGIN, REFUSES, KEEPS_OFFER)
"""The mistakes that the servers of SMTP, IMAP and POP3 can make."""


@dataclass(frozen=True)
class Quirk:
    """One mistake."""

    name: str
    what: str
    """What the server does."""
    rule: str
    """What it should do, and where that is written."""
    seen: tuple[str, ...]
    """Where it was found."""


ALL = (
    Quirk(
        KEEPS_BUFFER,
        "Commands that came in clear text in one piece with STARTTLS wait in the buffer and are run inside TLS, "
        "as if the client had sent them there: command injection.",
        "Nothing that was received before the TLS handshake may be used after it (RFC 3207 §4.2, RFC 9051 §6.2.1).",
        ("Postfix before 2.7.3: CVE-2011-0411", "aiosmtpd before 1.4.6: CVE-2024-34083", "Courier: CVE-2021-38084"),
    ),
    Quirk(
        KEEPS_LOGIN,
        "Who logged in before STARTTLS is still logged in after it, so an attacker can lend a client her own account: "
        "session fixation.",
        "STARTTLS is refused after a login (RFC 9051 §6.2.1, RFC 2595 §4), or the login is forgotten (RFC 3207 §4.2).",
        ("Citadel: CVE-2021-37845",),
    ),
    Quirk(
        PREAUTH,
        "The greeting says that the client is logged in already, and then STARTTLS comes too late: "
        "it is only valid before a login.",
        "PREAUTH is for connections that are protected by other means; a client that wants TLS hangs up "
        "(RFC 9051 §7.1.4).",
        ("Thunderbird before 68.9 went on in clear text: CVE-2020-12398", "Trojita before 0.4.1: CVE-2014-2567"),
    ),
    Quirk(
        REFUSES,
        "The server offers to start TLS, and refuses when it is asked, as one does that cannot read its certificate.",
        "What is listed can be asked for; a client then decides whether it goes on without TLS (RFC 3207 §4).",
        (),
    ),
    Quirk(
        KEEPS_OFFER,
        "The list of capabilities inside TLS still has the offer to start TLS.",
        "Inside TLS no server offers to start it (RFC 3207 §4.2, RFC 9051 §6.2.1, RFC 2595 §4).",
        (),
    ),
)


def check(names: Sequence[str], possible: Sequence[str], protocol: str) -> None:
    """Raises `LabError` for a name that is not among the `possible` mistakes of a server of this protocol."""
    if isinstance(names, str) or not set(names) <= set(possible):
        told = ", ".join(map(repr, possible)) or "nothing, because it can make no mistake"
        raise LabError(f"The quirks of an {protocol} server are given as a tuple of {told}, not as {names!r}.")
