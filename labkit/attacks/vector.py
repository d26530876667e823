"""What an attack is: a vector, a small pure declaration that sees what crosses the attacker and says what to do.

A vector never touches a socket and keeps nothing: everything that it may need to know of the past is in what it is
shown. One vector serves all victims at once.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from labkit.attacks.actions import Action
from labkit.dialects.base import Dialect

Answered = Action | tuple[Action, ...] | None
"""What a vector may return; None lets it pass."""


class Opening(NamedTuple):
    """A victim has connected, and the attacker has not connected to the server yet."""

    port: int
    """The nominal port of the server, host order."""
    dialect: Dialect | None
    """What is spoken on that port; None where the lab does not know it."""
    implicit: bool
    """Whether TLS comes before the first byte (RFC 8314)."""


class Line(NamedTuple):
    """One whole thing that was said and that the attacker can read: see `labkit.dialects.base.Phrase`."""

    sender: str
    """`CLIENT` or `SERVER`."""
    kind: str
    title: str
    data: bytes
    """The bytes as they came, line endings included."""
    inside: bool
    """Whether it came out of a TLS session that the attacker has taken over."""
    dialect: Dialect
    port: int = 0
    """The nominal port that the victim has connected to, host order."""
    earlier: "tuple[Line, ...]" = ()
    """What was said before, by both sides, oldest first, as it came; the last hundred."""
    session: int = 0
    """Which of the attacker's sessions, from 1."""

    @property
    def text(self) -> str:
        """The bytes as text, without the last line ending."""
        return self.data.decode("utf-8", "backslashreplace").rstrip("\r\n")


class Record(NamedTuple):
    """One TLS record that the attacker cannot read (RFC 8446 §5.1)."""

    sender: str
    kind: int
    """Its content type: 20 change_cipher_spec, 21 alert, 22 handshake, 23 application_data."""
    data: bytes
    """The record with its header of five bytes."""
    dialect: Dialect | None
    earlier: "tuple[Record, ...]" = ()
    """The records before it, of both sides, oldest first; the last hundred."""


class Vector:
    """Lets everything pass: an attacker who only reads. An attack overrides one of the three methods.

    Each method returns an action of `labkit.attacks.actions`, a tuple of them, or None to let it pass.
    """

    id: ClassVar[str] = ""
    """Its number in the catalogue: ``N1``."""
    protocols: ClassVar[tuple[str, ...]] = ()
    """The names of the only dialects that it is for; empty for every dialect that has what it needs."""
    needs: ClassVar[tuple[str, ...]] = ()
    """What a dialect must have: kinds of replies, or parts of `labkit.dialects.writing.Writer`."""
    source: ClassVar[str] = ""
    """Where it was described first, or found."""
    marks: ClassVar[tuple[str, ...]] = ()
    """Words that only the attacker says: a victim that repeats them has believed her."""
    injects: ClassVar[bool] = False
    """Whether it injects the dialect's harmless command: a server that answers it inside TLS has run it."""
    lure: ClassVar[int] = 0
    """A port on the attacker's own host at which she waits for victims, too; 0 for none."""
    facade: ClassVar[int] = 0
    """A port on which the server has nothing: only those who come to it are victims, and they are brought to the port
    that the vector's protocol has; 0 for none."""
    server: ClassVar[Mapping[str, Any]] = {}
    """Settings that a server of the lab must have to be open to it."""

    def on_open(self, opening: Opening) -> Answered:
        """A victim has connected."""
        return None

    def on_line(self, line: Line) -> Answered:
        """Something was said that the attacker can read."""
        return None

    def on_record(self, record: Record) -> Answered:
        """A TLS record that the attacker cannot read is about to be passed on."""
        return None

    @classmethod
    def applies_to(cls, dialect: Dialect) -> bool:
        """Whether this attack can be tried on a conversation in this dialect."""
        meant = not cls.protocols or dialect.name in cls.protocols
        return meant and all(dialect.writes.has(need) for need in cls.needs)

    def release(self) -> None:
        """The attack ends: whoever is kept waiting for a decision must go on."""

    @property
    def name(self) -> str:
        """What it is called."""
        return type(self).__name__

    @property
    def summary(self) -> str:
        """What it does, in one sentence."""
        return " ".join((type(self).__doc__ or "").split("\n\n", 1)[0].split())

    def __repr__(self) -> str:
        return f"<{self.name}{f' ({self.id})' if self.id else ''}: {self.summary}>"
