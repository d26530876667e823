"""The kinds of attacks in a mystery network: the name of each, the clients that it is tried on, and the defences that
stop it.

The attacks themselves are those of `labkit.attacks`. Nothing here is drawn and nothing runs.
"""

from dataclasses import dataclass

from labkit.clients import PROTOCOLS

MANDATORY = "mandatory TLS"
VERIFIED = "verified TLS"
IMPLICIT = "implicit TLS"
SERVER_FORGETS = "a server that forgets its buffer"
CLIENT_FORGETS = "a client that forgets its buffer"
POLICY_KNOWN = "a policy known beforehand"
NO_SECOND_TRY = "no second try with less"

DEFENCES = {
    MANDATORY: "the client stops where it cannot have TLS (RFC 8314 §5.2)",
    VERIFIED: "the same, and the certificate has to be right (RFC 9525)",
    IMPLICIT: "TLS from the first byte, and the certificate has to be right (RFC 8314 §3)",
    SERVER_FORGETS: "what came before TLS is thrown away when TLS begins (RFC 3207 §4.2)",
    CLIENT_FORGETS: "the same, at the other end (RFC 3207 §4.2)",
    POLICY_KNOWN: "the sender knows before it connects that the domain has TLS: MTA-STS that is kept, or DANE",
    NO_SECOND_TRY: "a handshake that fails is an error, and not tried again with an older version (RFC 7507)",
}
"""Name of a defence -> what it is."""

RELAYING = "relay"
"""Mail between servers: SMTP on port 25, to the mail servers of a domain."""

KEEPING, OLDER_TLS, FIRST_CONTACT, KNOWN = "keeping", "older TLS", "first contact", "known"
"""Manners of clients beside the names of `labkit.policies`: keeps its buffer across the upgrade; tries again with TLS
1.2; a relay that has never sent to the domain; a relay that has kept the domain's policy."""


@dataclass(frozen=True)
class Kind:
    """One kind of attack."""

    word: str
    """Its name in an answer."""
    sign: str
    """What reveals it in a capture without secrets."""
    vectors: tuple[str, ...]
    """Numbers in the catalogue of attacks; one of them is drawn."""
    protocols: tuple[str, ...]
    manner: str
    """How the victim treats TLS: the name of one of `labkit.policies`, or one of the other manners."""
    defences: tuple[str, ...]
    """Of `DEFENCES`: each of them would have stopped it."""
    resists: str = "verified"
    """The manner of a client against which the attack gains nothing; empty if no client can resist it."""
    versions: tuple[str, ...] = ("TLS 1.2", "TLS 1.3")
    """The versions of TLS that the victims offer. In TLS 1.3 the certificate is hidden (RFC 8446 §4.4.2)."""


KINDS = (
    Kind(
        "offer removed",
        "The server offers STARTTLS in other sessions, and not in this one.",
        ("N1",),
        PROTOCOLS,
        "opportunistic",
        (MANDATORY, VERIFIED, IMPLICIT),
    ),
    Kind(
        "upgrade refused",
        "The server offers STARTTLS and refuses it when it is asked for, in this session only.",
        ("N2", "N3"),
        PROTOCOLS,
        "opportunistic",
        (MANDATORY, VERIFIED, IMPLICIT),
    ),
    Kind(
        "offer mangled",
        "A word of X stands in the place of STARTTLS.",
        ("N15",),
        ("SMTP",),
        "opportunistic",
        (MANDATORY, VERIFIED, IMPLICIT),
    ),
    Kind(
        "forged certificate",
        "The server shows another certificate than in other sessions.",
        ("C1", "C2", "C3", "C4"),
        PROTOCOLS,
        "mandatory",
        (VERIFIED, IMPLICIT),
        versions=("TLS 1.2",),
    ),
    Kind(
        "command injection",
        "On the way to the server, more stands after the upgrade command than the victim has said.",
        ("B1", "B3"),
        ("SMTP",),
        "verified",
        (SERVER_FORGETS, IMPLICIT),
        resists="",
    ),
    Kind(
        "response injection",
        "More stands after the go-ahead, in the clear, than the server has said.",
        ("B2",),
        PROTOCOLS,
        KEEPING,
        (CLIENT_FORGETS, IMPLICIT),
    ),
    Kind(
        "policy blocked",
        "The policy host hangs up before TLS, and then the domain's server seems to have no TLS.",
        ("P7",),
        (RELAYING,),
        FIRST_CONTACT,
        (POLICY_KNOWN,),
        resists="",
    ),
    Kind(
        "version lowered",
        "An alert protocol_version comes from a server that has TLS 1.3, and the client comes again with less.",
        ("C6",),
        PROTOCOLS,
        OLDER_TLS,
        (NO_SECOND_TRY,),
    ),
)

BY_WORD = {kind.word: kind for kind in KINDS}
