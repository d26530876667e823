"""What a STARTTLS dialect is: the protocol's facts as data, a reader (bytes to phrases) and a writer (`writing`).

A dialect states how to ask what is offered, how the offer looks, how to upgrade, and what the go-ahead is.
The decoder, the attacks and the pictures all read the same statement. There is no I/O here, and nothing about TLS
records: bytes in, phrases out.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from labkit.dialects.writing import Writer

CLIENT = "client"
SERVER = "server"
OTHER = {CLIENT: SERVER, SERVER: CLIENT}
"""One side -> the one that it talks to."""


class Phrase(NamedTuple):
    """One whole thing said in a dialect: a greeting, a command, a reply of one or more lines, a message."""

    sender: str
    """`CLIENT` or `SERVER`."""
    kind: str
    """What part it has in the conversation, in every dialect:

    - greeting: with which the server begins, before or behind the client's first words; some dialects have none;
    - command: what the client asks; continuation: what it adds to a command once a literal or the server lets it go on;
    - reply: the server's answer; untagged: what the server tells before an answer, or without being asked;
    - go-ahead: the answer that starts TLS; refusal: the one that does not;
    - challenge and credential: what the server asks and the client answers in a login;
    - message: mail, or a part of it;
    - injected: clear text between the upgrade command and the handshake that follows;
    - preface: what a proxy says before the conversation (`labkit.decode.preface`);
    - unknown: what is nothing of these, or was never completed.
    """
    title: str
    """Its name: the verb (``EHLO``), the reply code (``250``), or ``message``."""
    data: bytes
    """The bytes as sent, line endings included; about `labkit.dialects.reader.LARGEST` at most."""


class Disclosed(NamedTuple):
    """A value that a phrase discloses, in a dialect in which a regular expression cannot find it."""

    what: str
    """What it is, as in `labkit.decode.privacy.Exposure`; or `MECHANISM`, `CHALLENGE` or `RESPONSE`, a step of a SASL
    login, which `labkit.dialects.sasl` reads."""
    value: bytes
    """Without the encoding of the protocol around it."""
    start: int
    """Offset in bytes in the phrase."""
    end: int


MECHANISM, CHALLENGE, RESPONSE = "mechanism", "challenge", "response"
"""Steps of a SASL login (RFC 4422 §3): `Disclosed.what`."""

phrase = partial(tuple.__new__, Phrase)
"""`Phrase` of a tuple, in half the time of `Phrase(…)`; there are many."""


class Reader(Protocol):
    """Follows one conversation in a dialect. Bytes may be split anywhere; a phrase comes out when it is whole."""

    upgraded: bool
    """True once the go-ahead was read, or a ClientHello began: what follows should be TLS, and is not read."""
    compressed: bool
    """True once the server has agreed to compress: what follows comes as unknown phrases titled ``compressed``."""
    waits: bool
    """Whether only the server's next answer tells what the client says next."""

    def feed(self, sender: str, data: bytes) -> list[Phrase]:
        """Take bytes from one side and return the phrases that they complete, in order."""

    def begun(self, sender: str) -> tuple[str, str]:
        """Kind and title of the phrase that the bytes of one side begin that belong to no phrase yet."""

    def holds(self, sender: str) -> int:
        """How many bytes of one side belong to no phrase yet."""

    def rest(self, sender: str) -> bytes:
        """Return the bytes of one side that belong to no phrase yet, and forget them.

        What that side says next is missing, or is no text.
        """

    def resume(self) -> None:
        """Read on in clear text: no TLS has followed, or what follows is no longer compressed."""


@dataclass(frozen=True, eq=False, repr=False)
class Dialect:
    """One protocol that can be upgraded to TLS."""

    name: str
    """The protocol's own name: ``SMTP``."""
    source: str
    """Where it is specified: ``RFC 5321, RFC 3207``."""
    explicit_ports: tuple[int, ...]
    """Ports on which the conversation starts in clear text."""
    implicit_ports: tuple[int, ...]
    """Ports on which TLS comes before the first byte of the protocol (RFC 8314)."""
    ask: str
    """The title of the command that asks what is offered; empty where nothing is asked."""
    token: str
    """How the capability is named in the answer; empty where nothing is offered."""
    upgrade: str
    """The title of the command that asks to start TLS."""
    go_ahead: str
    """How the server's permission to start TLS begins."""
    messages: Callable[[bytes], Sequence[tuple[int, int]]]
    """Where mail, or parts of it, lie in a phrase of kind message: (first byte, the one behind the last)."""
    sasl: str
    """A regular expression for the command that begins a SASL login: groups ``mechanism`` and ``initial``, where the
    first part of the login may stand."""
    reader: Callable[[], Reader]
    """Makes a reader for a new conversation."""
    writes: "Writer"
    """How the dialect is written."""
    recognises: Callable[[bytes, bytes], bool]
    """(first bytes of the server, first bytes of the client) -> whether they are this dialect. Either may be empty or
    cut off. A greeting that other protocols use too must be confirmed by the other side."""
    explain: Callable[[str, str, str], str]
    """(kind and title of a phrase, one line of its text) -> a sentence on what that line means."""
    other_upgrades: Collection[str] = ()
    """Titles of further commands that ask to start TLS: ``AUTH SSL`` of FTP."""
    tell: Callable[[str, bytes], str] | None = None
    """(title, bytes of a phrase) -> a line of text on what is in it, for a dialect whose phrases are no text."""
    begins_phrase: Callable[[str, bytes], bool] | None = None
    """(side, bytes) -> whether they can begin its next phrase, for a dialect whose phrases are no text."""
    further: Callable[[str, bytes], int] | None = None
    """(title, bytes of a phrase) -> the port at which its sender takes a further connection of the other side, which
    carries content and no phrases (FTP's data); 0 for a phrase that names none. None for a dialect with one
    connection."""
    again: str = ""
    """The title of the phrase that begins afresh inside TLS, of either side; by default the one that asks."""
    steps: Mapping[str, str] = field(default_factory=dict)
    """Name of a step of `labkit.decode.steps` -> a sentence on what happens in it, where that is not the usual."""
    upgrades_first: bool = False
    """Whether the upgrade can only be the first thing that a client says, so that none follows a login."""
    client_first: bool = False
    """Whether the client speaks before the server says anything."""
    more_follows: Collection[str] = ()
    """Titles of replies behind which more of the same answer follows."""
    concludes: str = ""
    """Title of the reply that ends the answer to what was asked before, all of which an error in it undoes; empty where
    each command is answered by itself."""
    undone: Callable[[Iterable[tuple[str, bytes]]], Collection[int]] | None = None
    """(title and bytes of each of the server's replies) -> the numbers, from 0, of those that report what was undone
    later, or was never made to last. None for a dialect without transactions."""
    request_id: Callable[[bytes], str] | None = None
    """(bytes of a phrase) -> what a request and its answer both bear, in a dialect in which some do; empty for the
    other phrases, which are answered in their turn."""
    concluded: Collection[str] = ()
    """Titles of the commands whose answer ends with it."""
    accepts: Callable[[str, bytes], bool | None] | None = None
    """(title and bytes of a server's reply) -> whether it says that what was asked is done; None where it says neither,
    because the answer is still to come. None for a dialect whose kinds of replies tell (`labkit.dialects.writing`)."""
    logins: Collection[str] = ()
    """Titles of the commands that log in, or go on with a login; not of one whose success only asks for more."""
    envelope: tuple[str, ...] = ()
    """Titles of the commands that come before a message and are nothing without it, the first one first: ``MAIL``."""
    delivers: tuple[str, ...] = ()
    """Titles of the commands that bring a message, or what takes its place, to the server."""
    continues: str = r"(?!)"
    """A regular expression for a command of `delivers` behind which the message goes on: a BDAT or BURL without
    LAST."""
    counted: Collection[str] = ()
    """Those of them that tell how many bytes the message has, so that none of these is its end: ``BDAT``."""
    works: Collection[str] = ()
    """Titles of further commands that are a client's work: what is refused was not done."""
    changes: str = r"(?!)"
    """A regular expression for a command of `works` that changes what the server keeps: where no answer came, it may
    have done so."""
    makes: Collection[str] = ()
    """Titles of those of `works` that make what their last word names; they are refused, too, where it is there."""
    settled_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Command of `works` that the server does only later -> the command whose success does it, and those that call it
    off: ``DELE``, ``QUIT``, ``RSET``."""
    replies_to_message: str = ""
    """The command whose every success brings one more reply to the message: ``RCPT`` in LMTP (RFC 2033 §4.2)."""
    smuggled: Callable[[bytes], int] | None = None
    """(a client's message) -> where commands begin in it for a server that takes another line than the specified one
    for the end of a message; 0 where none do. None for a dialect in which each message has as many replies."""
    relay_ports: tuple[int, ...] = ()
    """Ports on which servers talk to each other, and not a person's client to a server."""
    sections: Mapping[str, str] = field(default_factory=dict)
    """``upgrade``, ``forget`` (what was said before TLS), ``login`` -> the section that says what a server has to do;
    `source` by default."""
    programs: tuple[str, ...] = ()
    """Well-known server programs that speak it: ``Postfix``."""
    tagged: bool = False
    """Whether each command begins with a tag, which the reply to it repeats: so the go-ahead stands behind the tag."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """Verb -> what it asks for."""
    replies: Mapping[str, str] = field(default_factory=dict)
    """Reply code -> what it says."""
    capabilities: Mapping[str, str] = field(default_factory=dict)
    """Capability keyword -> what it offers."""
    discloses: Mapping[str, "str | Callable[[bytes], Iterable[Disclosed]]"] = field(default_factory=dict)
    """Title of a phrase -> a regular expression whose named groups are what it tells: ``(?P<sender>…)``, or a function
    where bytes have to be counted. An expression must match where the phrase begins, and is tried again behind each
    match. A command is read together with its continuations. Behind a ``"``, a group is a quoted string (RFC 9051
    §4.3). A group ``password_hash`` is made from the password and the timestamp of the greeting. One underscore in a
    name is a space, two are a hyphen."""
    codings: Mapping[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    """Name of a group of `discloses` -> what undoes the dialect's own coding of its value; it raises for no bytes."""
    reveals: Callable[[str, bytes], Iterable[Disclosed]] | None = None
    """(title and bytes of a phrase, or of the beginning of one) -> what it tells that `discloses` cannot say. A dialect
    that has it says all steps of its logins here, and `sasl` only tells where one begins."""
    also_answers: Collection[str] = ()
    """Statuses of a greeting with which the server answers commands, too: a capture that begins in the middle does not
    tell which of them the first one is, unless it lists capabilities or has a timestamp."""
    timestamp: str = r"(?!)"
    """A regular expression for the challenge in a greeting, as group 1 (RFC 1939 §7); a dialect without one keeps this,
    which matches nothing."""

    @property
    def upgrades(self) -> tuple[str, ...]:
        """The titles of all commands that ask to start TLS."""
        return (self.upgrade, *self.other_upgrades)

    def __repr__(self) -> str:
        return f"<dialect {self.name}>"
