"""What was seen of a server: facts only, filled in by `observing` and `experiments`, read by the checks."""

from dataclasses import dataclass, field

from labkit.dialects import Dialect
from labkit.dialects.base import Phrase
from labkit.dialects.writing import Capabilities
from labkit.probe.shown_certificate import ShownCertificate
from labkit.probe.tls_survey import VersionSupport
from labkit.probe.visit import CONNECTING, HANDSHAKE, INSIDE


@dataclass(frozen=True)
class RecordCheck:
    """One kind of record: whether it is there, and whether it fits the server. `fits` is None where it is not known."""

    found: bool | None
    fits: bool | None
    said: str
    """What was found, or why it is not known, in words that can stand after *it is*, without a full stop."""


@dataclass(frozen=True)
class DomainRecords:
    """What is published for a server and its domain."""

    mta_sts: RecordCheck
    dane: RecordCheck
    tls_rpt: RecordCheck
    caa: RecordCheck


@dataclass(frozen=True)
class Unseen:
    """Something that could not be seen, and why, in words that go on after *because*."""

    why: str

    def __bool__(self) -> bool:
        return False


@dataclass
class Observation:
    """What was seen of a server. None stands for what was not looked for."""

    dialect: Dialect
    host: str
    port: int
    name: str
    """The reference identifier."""
    implicit: bool
    ours: bool
    relays: bool
    own_address: bool = False
    """Whether the server was reached from the address that it has itself, which some servers trust."""
    trouble: str = ""
    """Why the first visit ended before its end; empty where it did not."""
    step: str = ""
    """The step at which it ended, one of those of `visit`."""
    silent: bool = False
    """Whether it ended because the server said nothing more in time."""
    hint: str = ""
    """What to try instead, a sentence."""
    greeting: Phrase | None = None
    clear: Capabilities | None = None
    """What is offered in clear text; None where nothing was listed."""
    inside: Capabilities | None = None
    """What is offered inside TLS."""
    answered: Phrase | None = None
    """The answer to the request to start TLS."""
    behind: bytes = b""
    """What the server said in clear text after its go-ahead."""
    version: str = ""
    """The TLS version of the first visit; empty where TLS did not begin."""
    cipher: str = ""
    again: Phrase | Unseen | None = None
    """The answer to a request to start TLS inside TLS."""
    waits: int = 0
    """Round trips until the first answer inside TLS."""
    seconds: float = 0.0
    """Seconds until then."""
    certificate: ShownCertificate | None = None
    untrusted: str | Unseen | None = None
    """Why no authority that counts has issued the certificate; empty where one has."""
    resumed: bool | Unseen | None = None
    versions: dict[str, VersionSupport | Unseen] = field(default_factory=dict)
    """Version -> whether and how it is spoken."""
    implicit_port: int = 0
    """The registered port for implicit TLS; 0 where there is none or it is this one."""
    implicit_tls: str | Unseen | None = None
    """The version of TLS that is spoken there; empty where nothing listens."""
    injection: bool | Unseen | None = None
    """Whether a command from the clear text was run inside TLS."""
    early: str | Unseen | None = None
    """What the server did with a command that followed the request to start TLS."""
    login_kept: bool | Unseen | None = None
    clear_login: bool | Unseen | None = None
    """Whether a login in clear text was taken."""
    state_kept: bool | Unseen | None = None
    published: DomainRecords | Unseen | None = None
    """What the domain publishes."""

    @property
    def reached(self) -> bool:
        """Whether something answered the connection."""
        return self.step != CONNECTING

    @property
    def spoken(self) -> bool:
        """Whether the server speaks the dialect: the first visit came at least as far as the handshake."""
        return not self.trouble or self.step in (HANDSHAKE, INSIDE)
