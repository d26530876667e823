"""What a STARTTLS dialect is: the protocol's facts as data, a reader (bytes to phrases) and a writer (`writing`).

A dialect states how to ask what is offered, how the offer looks, how to upgrade, and what the go-ahead is.
The decoder, the attacks and the pictures all read the same statement. There is no I/O here, and nothing about TLS
records: bytes in, phrases out.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from labkit.errors import LabError

if TYPE_CHECKING:
    from labkit.dialects.writing import Writer

CLIENT = "client"
SERVER = "server"
OTHER = {CLIENT: SERVER, SERVER: CLIENT}
"""Each side -> its peer."""


class Phrase(NamedTuple):
    """One whole thing said in a dialect: a greeting, a command, a reply of one or more lines, a message."""

    sender: str
    """`CLIENT` or `SERVER`."""
    kind: str
    """Its role in the conversation, the same words in every dialect:

    - greeting: the server's first phrase, before or after the client's first one; some dialects have none;
    - command: a request of the client; continuation: the rest of it, after a literal or the server's permission;
    - reply: the server's answer to a command; untagged: what the server sends before an answer, or unasked;
    - go-ahead: the answer to the upgrade command that permits TLS; refusal: any other answer to it;
    - challenge and credential: the server's and the client's part of a login in several steps;
    - message: a mail, or a part of one;
    - injected: clear text between the upgrade command and the handshake that follows;
    - preface: what a proxy says before the conversation (`labkit.decode.preface`);
    - unknown: none of these, or incomplete.
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


class Reader(Protocol):
    """Follows one conversation in a dialect. Bytes may be split anywhere; a phrase comes out when it is whole."""

    upgraded: bool
    """True once the go-ahead was read, or a ClientHello began: what follows should be TLS, and is not read."""
    compressed: bool
    """True once the server has agreed to compress: what follows comes as unknown phrases titled ``compressed``."""
    waits: bool
    """Whether the client's next phrase cannot be read before the server's next answer."""

    def feed(self, sender: str, data: bytes) -> list[Phrase]:
        """Take bytes from one side and return the phrases that they complete, in order."""

    def begun(self, sender: str) -> tuple[str, str]:
        """Kind and title of the incomplete phrase of one side, as far as its bytes show them."""

    def holds(self, sender: str) -> int:
        """How many bytes of one side are buffered: those of its incomplete phrase."""

    def rest(self, sender: str) -> bytes:
        """Return the buffered bytes of one side and forget them.

        Called where the bytes that follow are missing from the capture, or are not text.
        """

    def begin_in_text(self) -> None:
        """The capture begins in a message of the client: read its rest first, if the dialect ends one with a dot."""

    def resume(self) -> None:
        """Read on in clear text: no TLS followed the go-ahead, or compression has ended."""


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
    """How the server's permission to start TLS begins. A protocol whose client starts TLS without permission (MySQL)
    cannot be a dialect."""
    messages: Callable[[bytes], Sequence[tuple[int, int]]]
    """(a phrase of kind message) -> where mail, or parts of it, lie in it: (first byte, byte after the last)."""
    sasl: str
    """A regular expression for the command that begins a SASL login: groups ``mechanism`` and ``initial``, where the
    first part of the login may stand."""
    reader: Callable[[], Reader]
    """Returns a reader for a new conversation."""
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
    """(title, bytes of a phrase) -> a line of text that describes it, for a dialect with binary phrases."""
    begins_phrase: Callable[[str, bytes], bool] | None = None
    """(side, bytes) -> whether they can begin its next phrase, for a dialect with binary phrases."""
    further: Callable[[str, bytes], int] | None = None
    """(title, bytes of a phrase) -> the port at which its sender takes a further connection of the other side, which
    carries content and no phrases (FTP's data); 0 for a phrase that names none. None for a dialect with one
    connection."""
    again: str = ""
    """The title of the phrase, of either side, with which the conversation starts again inside TLS, where that can be
    another one than `ask`: ``USER`` of FTP. In a dialect with neither, it is the client's first phrase there."""
    steps: Mapping[str, str] = field(default_factory=dict)
    """Name of a step of `labkit.decode.steps` -> a sentence on it that replaces the usual one."""
    upgrades_first: bool = False
    """Whether the upgrade command can only be a client's first phrase, so that it never follows a login."""
    client_first: bool = False
    """Whether the client speaks before the server says anything."""
    more_follows: Collection[str] = ()
    """Titles of replies after which more of the same answer follows."""
    concludes: str = ""
    """Title of the reply that ends the answer to several commands, all of which one error in the answer undoes; empty
    where each command has an answer of its own."""
    concluded: Collection[str] = ()
    """Titles of the commands whose answer ends with it."""
    in_turn: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Title of a command -> titles of the replies that can answer it, if only these commands have answers, and these
    answers come in the order of the commands; empty where every command has an answer."""
    only_errors: Collection[str] = ()
    """Titles of commands that have no answer but an error: without one they are done once a later command is answered.
    Commands are carried out in their order."""
    undone: Callable[[Iterable[tuple[str, bytes]]], Collection[int]] | None = None
    """(title and bytes of each of the server's replies) -> the numbers, from 0, of those whose work was undone later or
    never committed. None for a dialect without transactions."""
    request_id: Callable[[bytes], str] | None = None
    """(bytes of a phrase) -> the identifier that a request and its answer share; empty for phrases without one, which
    are answered in their order. None for a dialect without identifiers."""
    accepts: Callable[[str, bytes], bool | None] | None = None
    """(title and bytes of a server's reply) -> True for success, False for failure, None for a reply that announces
    another one. Is None in a dialect whose kinds of replies say it (`labkit.dialects.writing`)."""
    logins: Collection[str] = ()
    """Titles of the commands whose success completes a login."""
    envelope: tuple[str, ...] = ()
    """Titles of the commands that precede a message and have no effect without it, in their order: ``MAIL``."""
    delivers: tuple[str, ...] = ()
    """Titles of the commands that bring a message, or what takes its place, to the server."""
    continues: str = r"(?!)"
    """A regular expression for a command of `delivers` after which the message goes on: a BDAT or BURL without
    LAST."""
    counted: Collection[str] = ()
    """Titles in `delivers` whose command states how many bytes of the message follow: ``BDAT``."""
    works: Collection[str] = ()
    """Titles of further commands that are the purpose of a client's visit: ``RETR``, ``STORE``."""
    changes: str = r"(?!)"
    """A regular expression for a command of `works` that changes what the server keeps: without an answer, it may have
    been done or not."""
    makes: Collection[str] = ()
    """Titles in `works` that create what their last argument names, and are refused if that exists already."""
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
    """Whether commands begin with a tag that their reply repeats; the go-ahead then stands after the tag."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """Verb -> what it asks for."""
    replies: Mapping[str, str] = field(default_factory=dict)
    """Reply code -> what it says."""
    capabilities: Mapping[str, str] = field(default_factory=dict)
    """Capability keyword -> what it offers."""
    discloses: Mapping[str, "str | Callable[[bytes], Iterable[Disclosed]]"] = field(default_factory=dict)
    """Title of a phrase -> a regular expression whose named groups are what it discloses, ``(?P<sender>…)``, or a
    function if bytes have to be counted. An expression must match at the beginning of the phrase, and is tried again
    after each match. A command is read together with its continuations. After a ``"``, a group is a quoted string (RFC
    9051 §4.3). A group ``password_hash`` is made from the password and the timestamp of the greeting. One underscore in
    a name is a space, two are a hyphen."""
    codings: Mapping[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    """Name of a group of `discloses` -> a function that decodes its value from the dialect's coding; never raises."""
    reveals: Callable[[str, bytes], Iterable[Disclosed]] | None = None
    """(title and bytes of a phrase, or of the beginning of one) -> what it discloses beyond `discloses`. A dialect
    that has it finds all steps of its logins here, and `sasl` only where a login begins."""
    also_answers: Collection[str] = ()
    """Statuses of a greeting with which the server answers commands, too: a capture that begins in the middle does not
    tell which of them the first one is, unless it lists capabilities or has a timestamp."""
    timestamp: str = r"(?!)"
    """A regular expression for the challenge in a greeting, as group 1 (RFC 1939 §7); a dialect without one keeps this,
    which matches nothing."""

    def __post_init__(self) -> None:
        if self.upgrade and not self.go_ahead:
            raise LabError(
                f"{self.name} has the upgrade command {self.upgrade!r} and no go-ahead: a dialect is a protocol in "
                "which the server permits TLS before it begins."
            )

    @property
    def upgrades(self) -> tuple[str, ...]:
        """The titles of all commands that ask to start TLS."""
        return (self.upgrade, *self.other_upgrades)

    def __repr__(self) -> str:
        return f"<dialect {self.name}>"
