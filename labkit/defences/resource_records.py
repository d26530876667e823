"""What the DNS says, as a sender of mail uses it: records as small values, and an answer with its security status.

RFC 4035 §4.3 names the four states; `INDETERMINATE` is used as there and in RFC 7672 §2.1.1: the records could not be
had. How an answer is found and validated is in `resolver`.
"""

from dataclasses import dataclass
from typing import NamedTuple

SECURE = "secure"
INSECURE = "insecure"
BOGUS = "bogus"
INDETERMINATE = "indeterminate"
STATES = (SECURE, INSECURE, BOGUS, INDETERMINATE)


class Question(NamedTuple):
    """What a query asks."""

    name: str
    """Without the last dot, in small letters."""
    type: str
    """``MX``."""


class MX(NamedTuple):
    """A mail exchanger (RFC 5321 §5.1); the lowest preference is tried first."""

    preference: int
    host: str

    def __str__(self) -> str:
        return f"{self.preference} {self.host}."


class TLSA(NamedTuple):
    """A TLSA record (RFC 6698 §2.1)."""

    usage: int
    """0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE."""
    selector: int
    """0 the whole certificate, 1 its public key (SubjectPublicKeyInfo)."""
    matching: int
    """0 the bytes themselves, 1 their SHA-256, 2 their SHA-512."""
    data: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"


class CAA(NamedTuple):
    """A CAA record (RFC 8659 §4.1)."""

    flags: int
    tag: str
    value: str

    def __str__(self) -> str:
        return f'{self.flags} {self.tag} "{self.value}"'


ResourceRecord = str | MX | TLSA | CAA
"""An address, a target or a text; or one of the above."""


@dataclass(frozen=True)
class DNSAnswer:
    """What a resolver found for a name and a type. True when there are records."""

    name: str
    """The name that was asked for, without the last dot."""
    type: str
    """``MX``."""
    status: str
    """One of `STATES`; of a chain of aliases it is the weakest."""
    records: tuple[ResourceRecord, ...] = ()
    why: str = ""
    """Why it is not secure, or why there is nothing; empty otherwise."""
    canonical: str = ""
    """The name at the end of a chain of CNAMEs; `name` where there is none."""
    first: str = ""
    """The status of the first step of that chain; `status` where there is none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "canonical", self.canonical or self.name)
        object.__setattr__(self, "first", self.first or self.status)

    @property
    def failed(self) -> bool:
        """Whether the lookup failed (RFC 7672 §2.1.1): bogus and indeterminate answers say nothing at all."""
        return self.status in (BOGUS, INDETERMINATE)

    @property
    def secure(self) -> bool:
        """Whether it was validated, the absence of records included."""
        return self.status == SECURE

    def __bool__(self) -> bool:
        return bool(self.records) and not self.failed

    def __repr__(self) -> str:
        found = ", ".join(map(str, self.records)) or "no records"
        said = "nothing that counts" if self.failed else found
        return f"<{self.name} {self.type}: {self.status}, {said}{f' ({self.why})' if self.why else ''}>"
