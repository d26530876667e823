"""What an attack is: a vector, a small pure declaration that sees what crosses the attacker and says what to do.

A vector never touches a socket, does not wait (`Delay` and `Later` do) and keeps nothing: everything that it may need
to know of the past is in what it is shown. One vector serves all victims at once; its methods run in the lab's network
thread.
"""

from collections.abc import Mapping
from inspect import get_annotations
from typing import Any, ClassVar, NamedTuple

from labkit import dialects
from labkit.attacks.actions import Action, Later
from labkit.attacks.described import Described
from labkit.dialects.base import Dialect
from labkit.dialects.writing import KINDS, Writer
from labkit.errors import LabError
from labkit.servers.settings import settings

Answered = Action | tuple[Action, ...] | Later | None
"""What a vector may return; None stands for `Pass`."""


class Opening(NamedTuple):
    """A victim has connected, and the attacker has not connected to the server yet."""

    port: int
    """The nominal port of the server, host order."""
    dialect: Dialect | None
    """What is spoken on that port; None where the lab does not know it."""
    implicit: bool
    """Whether TLS comes before the first byte (RFC 8314)."""


class Line(NamedTuple):
    """One whole thing that an end has said and that the attacker can read: a phrase of the dialect, of one or more
    lines.
    """

    sender: str
    """Which end said it: `CLIENT`, the victim, or `SERVER`, the real server. What the attacker says herself is not
    shown to her vector."""
    kind: str
    """What it is in the conversation. Of a client: command; continuation (of a command, once the server or a literal
    let it go on); credential (a step of a SASL login); message (a mail, or a piece of one longer than 16 MiB). Of a
    server: greeting; reply; untagged (IMAP's response without the tag of a command); challenge (it asks for the next
    credential); go-ahead and refusal (its answers to the upgrade command). Of both: injected (what stood after the
    upgrade command or the go-ahead in clear text), unknown (what no reader of the dialect expects here, and what was
    begun and not finished when its sender hung up)."""
    title: str
    """Its name: the verb of a command in upper case (``EHLO``), the code or status of a reply (``250``, ``OK``,
    ``+OK``), ``CAPABILITY`` and the like for untagged; otherwise the kind."""
    data: bytes
    """The bytes as they came, line endings included; at most 16 MiB."""
    inside: bool
    """Whether it came out of a TLS session that the attacker has taken over."""
    dialect: Dialect
    """The protocol in which it was read: what its commands and capabilities are called, how it writes replies."""
    port: int = 0
    """The nominal port that the victim has connected to, host order."""
    earlier: "tuple[Line, ...]" = ()
    """What was said before, by both ends, oldest first, as it came and not as it went on; the last hundred, with at
    most 4,096 bytes of each, and without an `earlier` of their own."""
    session: int = 0
    """The number of the attacker's session, from 1: each connection of a victim is one."""

    @property
    def text(self) -> str:
        """The bytes as text, without the last line ending."""
        return self.data.decode("utf-8", "backslashreplace").rstrip("\r\n")


class Record(NamedTuple):
    """One TLS record that the attacker cannot read (RFC 8446 §5.1)."""

    sender: str
    """Which end sent it: `CLIENT` or `SERVER`."""
    kind: int
    """Its content type: 20 change_cipher_spec, 21 alert, 22 handshake, 23 application_data; negative for bytes that
    are no record (`labkit.decode.tls.records`)."""
    data: bytes
    """The record with its header of five bytes."""
    dialect: Dialect | None
    """What is spoken on that port; None where the lab does not know it."""
    earlier: "tuple[Record, ...]" = ()
    """The records before it, of both ends, oldest first; the last hundred, with at most 4,096 bytes of each."""


class Vector(Described):
    """Lets everything pass: an attacker who only reads. An attack overrides one of the three methods.

    Each method returns an action of `labkit.attacks.actions`, a tuple of them, `Later`, or None to let it pass.

    A class with an attribute that means nothing raises `LabError` when it is made (`labkit.attacks.described`), and so
    does one with a name in `protocols` or `needs`, or a setting in `server`, that does not exist.
    """

    protocols: ClassVar[tuple[str, ...]] = ()
    """The names of the dialects it is limited to; empty for every dialect that has what it needs."""
    needs: ClassVar[tuple[str, ...]] = ()
    """What a dialect must have: kinds of replies, or parts of `labkit.dialects.writing.Writer`."""
    marks: ClassVar[tuple[str, ...]] = ()
    """Words that only the attacker sends: a victim that repeats them was deceived."""
    injects: ClassVar[bool] = False
    """Whether it injects the dialect's harmless command: a server that answers it inside TLS has run it."""
    steals: ClassVar[bool] = False
    """Whether it injects commands that need not be harmless: a server that reports a success inside TLS before the
    victim has asked for one there has run them."""
    lure: ClassVar[int] = 0
    """A port on the attacker's own host at which she waits for victims, too; 0 for none."""
    facade: ClassVar[int] = 0
    """A port on which the server has nothing: only clients that connect to it are victims, and they are brought to the
    port that the vector's protocol has; 0 for none."""
    server: ClassVar[Mapping[str, Any]] = {}
    """Arguments of `Lab.start` for a server that is open to it: settings, and `certificate`."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        _check_names(cls, "protocols", {dialect.name for dialect in dialects.ALL})
        _check_names(cls, "needs", {*KINDS, *get_annotations(Writer)})
        try:
            settings(0, **{name: value for name, value in cls.server.items() if name != "certificate"})
        except LabError as error:
            raise LabError(f"{cls.__name__}.server means nothing. {error}") from None

    def on_open(self, opening: Opening) -> Answered:
        """A victim has connected."""
        return None

    def on_line(self, line: Line) -> Answered:
        """An end has said something that the attacker can read."""
        return None

    def on_record(self, record: Record) -> Answered:
        """A TLS record that the attacker cannot read is about to be passed on."""
        return None

    @classmethod
    def spoken(cls) -> tuple[str, ...]:
        """The names of the dialects in whose conversations it can be tried."""
        return tuple(dialect.name for dialect in dialects.ALL if cls.applies_to(dialect))

    @classmethod
    def applies_to(cls, dialect: Dialect) -> bool:
        """Whether this attack can be tried on a conversation in this dialect."""
        meant = not cls.protocols or dialect.name in cls.protocols
        return meant and all(dialect.writes.has(need) for need in cls.needs)

    def release(self) -> None:
        """Called when the attack ends: settle each pending `Later`."""


def check_vector(vector: object) -> None:
    """Raises `LabError` for anything but an object of a vector's class."""
    if not isinstance(vector, Vector):
        raise LabError(f"A vector is an object like attacks.StripCapability(), not {vector!r}.")


def _check_names(cls: type["Vector"], attribute: str, known: set[str]) -> None:
    """Raises `LabError` for a name that is not known."""
    unknown = next((name for name in getattr(cls, attribute) if name not in known), None)
    if unknown is not None:
        raise LabError(f"{cls.__name__}.{attribute} names {unknown!r}: there are {', '.join(sorted(known))}.")
