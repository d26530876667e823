"""The result of decoding: a dialogue of events, each with a name, a meaning and its bytes.

Only records live here. Text phrases are read by `labkit.dialects`, TLS by `labkit.decode.tls`, and
`labkit.decode.dialogue` puts them in order.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from labkit.capture.conversation import CLIENT, SERVER, Endpoint
from labkit.decode.escaped import escaped
from labkit.dialects.base import Dialect

__all__ = [
    "CLIENT",
    "SERVER",
    "TCP",
    "TEXT",
    "TLS",
    "Dialogue",
    "Event",
    "Field",
    "TLSSession",
    "all_fields",
    "fields_named",
]

TCP = "tcp"
TEXT = "text"
TLS = "tls"


class Field(NamedTuple):
    """A named run of bytes inside a message. The children of a field cover it without a hole."""

    name: str
    start: int
    """Offset in bytes from the first byte of the event's data."""
    end: int
    """Offset of the first byte after it."""
    value: str
    """The value as a reader would write it: ``TLS 1.2 (0x0303)``, ``mail.lab.test``."""
    meaning: str
    """A sentence on what it is for, with its source where that helps."""
    children: tuple["Field", ...] = ()


def all_fields(fields: Iterable[Field]) -> list[Field]:
    """Every field in a tree, in the order of the bytes, each before its children."""
    found: list[Field] = []
    for field in fields:
        found.append(field)
        if field.children:
            found += all_fields(field.children)
    return found


def fields_named(fields: Iterable[Field], name: str) -> Iterator[Field]:
    """Those of that name."""
    return (field for field in all_fields(fields) if field.name == name)


class Origin(Protocol):
    """What an event was read from; it describes the event."""

    def meaning(self, event: "Event") -> str: ...
    def lines(self, event: "Event") -> list[tuple[str, str]]: ...
    def fields(self, event: "Event") -> tuple[Field, ...]: ...


class Event(NamedTuple):
    """One thing that happened in a conversation."""

    time: float
    """Seconds since 1970 (UTC)."""
    frame: int
    """The number of the frame that completed it, from 1."""
    sender: str
    """`CLIENT` or `SERVER`."""
    layer: str
    """`TCP` (signals), `TEXT` (phrases of the dialect) or `TLS` (records and handshake messages)."""
    kind: str
    """TCP: syn, syn-ack, ack, fin, rst, gap, again. TEXT: the kinds of `labkit.dialects.base.Phrase`. TLS: handshake,
    change-cipher-spec, alert, application-data, heartbeat, unknown."""
    title: str
    """SYN, EHLO, 250, ClientHello, application data, …"""
    data: bytes
    """Its bytes: as sent, or as decrypted where `encrypted` is true and the secrets were there."""
    encrypted: bool
    """Whether it crossed the wire as ciphertext."""
    wire: int
    """TCP payload bytes that carried it (text inside TLS: bytes of its records); in a gap, how many are missing."""
    origin: Origin

    def __repr__(self) -> str:
        crossed = "sent as ciphertext" if self.encrypted else "in clear"
        return f"<{self.title} from the {self.sender}, {len(self.data):,} bytes, {crossed}>"

    @property
    def text(self) -> str:
        """The bytes as text, without the last line ending; what is not UTF-8 is shown as ``\\xNN``."""
        whole = escaped(self.data)
        return whole[:-1].removesuffix("\r") if whole.endswith("\n") else whole

    @property
    def meaning(self) -> str:
        """One sentence on what the event is."""
        return self.origin.meaning(self)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Each line of a phrase with its own meaning; one pair for anything else."""
        return self.origin.lines(self)

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every byte of `data` as a tree of named fields; parsed on demand."""
        return self.origin.fields(self)


@dataclass(frozen=True, slots=True)
class TLSSession:
    """The facts of the TLS session inside a conversation."""

    started: str
    """``explicit`` (after an upgrade command) or ``implicit`` (from the first byte); where what stood before it is not
    in the capture, what the server's port tells, and empty for a port that tells nothing."""
    version: str
    """``TLS 1.3``; empty when no ServerHello was seen."""
    cipher: str
    """The IANA name of the cipher suite; empty when no ServerHello was seen."""
    server_name: str
    """The SNI that the client sent in clear; empty without."""
    resumed: bool
    """Whether it resumes an earlier session, as far as its hellos show."""
    opened: bool
    """Whether application data could be decrypted."""
    problem: str
    """Why it could not be decrypted, in a sentence; empty if it could."""
    pre_shared_key: bool = False
    """Whether the server of TLS 1.3 took a key that both sides had before (RFC 8446 §2.2): that of an earlier session
    where `resumed`, otherwise one that they were given; unknown without the ClientHello."""
    outer_name: bool = False
    """Whether `server_name` is that of the outer ClientHello, in which another may be encrypted (RFC 9849); the
    extension may also be a decoy."""


@dataclass(frozen=True, slots=True, repr=False)
class Dialogue:
    """One conversation, decoded."""

    client: Endpoint
    server: Endpoint
    client_name: str
    server_name: str
    """What a person calls the two ends: ``alice`` and ``mail``, or ``client`` and ``server``."""
    dialect: Dialect | None
    """None where the conversation is in no dialect that the lab knows."""
    events: tuple[Event, ...]
    session: TLSSession | None
    """None where no TLS was seen."""
    part_of: str = ""
    """``FTP data of 127.0.0.1:50412`` for a further connection of that conversation; otherwise empty."""

    def __repr__(self) -> str:
        protocol = self.dialect.name if self.dialect else "unknown protocol"
        return f"<Dialogue of {self.client_name} with {self.server_name}: {protocol}, {len(self.events):,} events>"
