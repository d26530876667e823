"""All attacks of the lab, in the order of their numbers, and those that cannot be run, with the reason.

A new vector is a class in the file of its section and a place in `ALL`.
"""

from collections.abc import Iterable

from labkit.attacks.described import Described
from labkit.attacks.vector import Vector
from labkit.attacks.vectors.architecture import ClearToServer, ClearToVictim, FullInterception
from labkit.attacks.vectors.buffering import (
    CommandInjection,
    HostHTTPS,
    ResponseInjection,
    StealByInjection,
    WeakerLogin,
)
from labkit.attacks.vectors.fixation import SessionFixation
from labkit.attacks.vectors.identity import (
    Expired,
    NothingVerified,
    OldVersion,
    RewrittenHello,
    SelfSigned,
    UnknownRoot,
    WrongName,
)
from labkit.attacks.vectors.negotiation import (
    BlockImplicit,
    BreakFirstRecord,
    BreakHandshake,
    CornerCase,
    EarlyOK,
    LureIntoLogin,
    Mangle,
    OldDialect,
    Preauth,
    Referral,
    RefuseForNow,
    RefuseUpgrade,
    SilentDrop,
    StripCapability,
    UnexpectedSuccess,
)
from labkit.attacks.vectors.publication import (
    BlockPolicyHost,
    BlockPolicyRecord,
    DenyTLSA,
    DropSignatures,
    ForgeMX,
    ForgeTLSA,
    HideReports,
    HideTLSA,
    OwnPolicyHost,
    PlantPolicy,
    PublicationVector,
    RedirectPolicy,
)
from labkit.attacks.vectors.spoofing import FalseAlert, FalseError
from labkit.attacks.vectors.tampering import ForgedMailbox, OutOfTurn, StaleCapabilities
from labkit.errors import LabError

ALL: tuple[type[Vector] | type[PublicationVector], ...] = (
    StripCapability,
    RefuseUpgrade,
    RefuseForNow,
    UnexpectedSuccess,
    SilentDrop,
    OldDialect,
    LureIntoLogin,
    Preauth,
    Referral,
    EarlyOK,
    BreakHandshake,
    BreakFirstRecord,
    BlockImplicit,
    Mangle,
    CornerCase,
    CommandInjection,
    ResponseInjection,
    StealByInjection,
    HostHTTPS,
    WeakerLogin,
    ForgedMailbox,
    StaleCapabilities,
    OutOfTurn,
    SessionFixation,
    FalseAlert,
    FalseError,
    SelfSigned,
    UnknownRoot,
    WrongName,
    Expired,
    NothingVerified,
    OldVersion,
    RewrittenHello,
    FullInterception,
    ClearToVictim,
    ClearToServer,
    DropSignatures,
    ForgeMX,
    ForgeTLSA,
    HideTLSA,
    DenyTLSA,
    BlockPolicyRecord,
    BlockPolicyHost,
    OwnPolicyHost,
    RedirectPolicy,
    PlantPolicy,
    HideReports,
)
"""Every vector works as it is made without arguments: those on a conversation with ``lab.mallory(…)``, those on what is
published, P1 to P11, with ``lab.spoof(…)``."""

NOT_RUN = {
    "N9": "FTP's 230 before AUTH TLS (CVE-2021-22946): no client here believes it; Preauth (N8) is the idea in IMAP.",
}
"""Number -> why it is no vector, and what is shown instead."""

_BY_NUMBER = {vector.id: vector for vector in ALL}


def kinds(vectors: Iterable[type[Described]]) -> tuple[type[Described], ...]:
    """These vectors. Raises `LabError` for anything but vectors, and for an empty list."""
    given = tuple(vectors) if isinstance(vectors, Iterable) else (vectors,)
    for kind in given or (None,):
        if not (isinstance(kind, type) and issubclass(kind, Vector | PublicationVector)):
            raise LabError(f"Attacks are given as a list of classes, like [attacks.StripCapability], not {kind!r}.")
    return given


def on_conversations(vectors: Iterable[type[Described]]) -> tuple[type[Vector], ...]:
    """Those of these vectors that are tried on a conversation. Raises `LabError` as `kinds`, and when none is tried on
    one."""
    given = kinds(vectors)
    found = tuple(kind for kind in given if issubclass(kind, Vector))
    if not found:
        names = " and ".join(kind.__name__ for kind in given)
        raise LabError(
            f"{names}: attacks on what a domain publishes change no conversation. "
            "Use lab.spoof(…) for one of them, and lab.defences() for all."
        )
    return found


def vector(number: str) -> Vector | PublicationVector:
    """The vector with that number: ``vector("N1")``. Raises `LabError` for a number that is not in the catalogue."""
    if number in NOT_RUN:
        raise LabError(f"{number} is not run in this lab. {NOT_RUN[number]}")
    if number not in _BY_NUMBER:
        raise LabError(f"There is no attack {number!r}: the catalogue has {', '.join(_BY_NUMBER)}.")
    return _BY_NUMBER[number]()
