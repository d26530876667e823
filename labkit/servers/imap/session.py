"""One client's conversation in IMAP: commands are read with their literals, carried out, and answered.

What each command does is in `commands`, `mailboxes` and `selected`.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from labkit.mail.postoffice import Account
from labkit.servers.imap.opened import Selection
from labkit.servers.imap.responses import Refused
from labkit.servers.imap.syntax import Malformed, Scanner
from labkit.servers.quirks import PREAUTH
from labkit.servers.server import Note, Server
from labkit.servers.session import LINE_LIMIT, Session, TooLong
from labkit.servers.settings import Settings
from labkit.trust.certificates import SERVER_NAME

CONNECTED, LOGGED_IN, SELECTED = "before the login", "after the login", "in a mailbox"
"""The states of RFC 3501 §3, in plain words; the fourth is the end."""

MESSAGE_LIMIT = 32 << 20
"""Bytes of a message that a client may upload; as many as the SMTP server takes."""
_PIECE = 64 << 10
"""Bytes of an answer that wait for its end before they are sent."""
_LITERALS_LIMIT = 64 << 10
"""Bytes of all literals in any other command."""
_MISTAKES = 20
"""After this many BAD responses a client is disconnected."""
_BEFORE_TLS = ("CAPABILITY", "NOOP", "LOGOUT", "STARTTLS")
"""The commands that are carried out before TLS where TLS is required."""
_SECRET = {"LOGIN": 0, "AUTHENTICATE": 1}
"""Commands with a password -> how many words of their arguments come before it."""
_PREAUTHENTICATED = "bob"
"""The user that a greeting with PREAUTH logs in."""

_CRLF = b"\r\n"
_COMMAND = re.compile(rb'([^\x00-\x20(){%*"\\+\x7f-\xff]+) ((?:UID )?[A-Za-z]+)', re.IGNORECASE)
_LITERAL = re.compile(rb"\{(\d{1,19})(\+?)\}\Z")


async def _nothing(_: "IMAPSession") -> None:
    """The usual `Command.afterwards`: nothing."""


class Command(NamedTuple):
    """How the server carries out one command, and when."""

    act: "Callable[[IMAPSession, Scanner], Awaitable[str]]"
    """Carries it out and returns the text after OK. Raises `Refused` for NO and `Malformed` for BAD."""
    states: tuple[str, ...]
    """The states in which it is allowed."""
    numbers_stay: bool = False
    """Whether the numbers of messages must not change while it is answered (RFC 3501 §7.4.1)."""
    afterwards: "Callable[[IMAPSession], Awaitable[None]]" = _nothing
    """Called after the response was sent."""


class IMAPSession(Session):
    """The server's side of one connection, and the state of it that commands read and change."""

    idle_limit = 1800.0  # RFC 3501 §5.4 asks for thirty minutes at least

    def __init__(self, server: Server, note: Note, commands: Mapping[str, Command]) -> None:
        super().__init__(server, note)
        self.user = ""
        """The user who is logged in."""
        self.selection: Selection | None = None
        self.open = True
        self._unsent = bytearray()
        self._commands = commands
        self._mistakes = 0

    @property
    def account(self) -> Account:
        """The mailboxes of the user who is logged in."""
        return self.server.post.account(self.user)

    @property
    def state(self) -> str:
        """One of `CONNECTED`, `LOGGED_IN`, `SELECTED`."""
        return SELECTED if self.selection else LOGGED_IN if self.user else CONNECTED

    @property
    def capabilities(self) -> str:
        """What the server offers in this state of the connection."""
        return " ".join(offered(self.settings, self.encrypted, bool(self.user)))

    async def talk(self) -> None:
        await self._greet()
        while self.open:
            tag, verb = "*", ""
            try:
                line = await self.line()
                tag, verb = _read(line)
                self.note(f"C: {_shown(line, verb)}")
                whole = await self._with_literals(line, verb)
                command = self._command(verb)
                done = await command.act(self, Scanner(whole[len(f"{tag} {verb}") :]))
                await self.send_news(expunges=not command.numbers_stay)
                await self.respond(f"{tag} OK {done}")
                await command.afterwards(self)
            except TooLong:
                await self._complain(tag, f"A line has {LINE_LIMIT} bytes at most")
            except Malformed as error:
                await self._complain(tag, str(error))
            except Refused as error:
                await self.respond(f"{tag} NO {error}")

    def parting(self, why: str) -> bytes:
        self.note(f"S: * BYE {why}")
        return f"* BYE {why}\r\n".encode()

    async def respond(self, text: str) -> None:
        """Send one line together with the queued untagged responses, so that an answer is one piece on the wire."""
        self.note(f"S: {text}")
        self._unsent += f"{text}\r\n".encode()
        await self._flush()

    async def untagged(self, *responses: bytes) -> None:
        """Queue untagged responses, which may hold literals; they are sent at the end of the answer, or before."""
        for response in responses:
            self.note(f"S: * {response.partition(_CRLF)[0].decode('ascii', 'backslashreplace')}")
            self._unsent += b"* " + response + _CRLF
        if len(self._unsent) > _PIECE:
            await self._flush()

    async def _flush(self) -> None:
        """Send the queue."""
        unsent, self._unsent = self._unsent, bytearray()
        await self.send(bytes(unsent))

    async def send_news(self, expunges: bool = True) -> None:
        """Send untagged responses on what has changed in the selected mailbox."""
        if self.selection and (news := self.selection.news(expunges)):
            await self.untagged(*news)

    def log_in(self, user: str, password: str) -> str:
        """Check the password and go to the next state. Raises `Refused`."""
        if not self.server.post.authenticate(user, password):
            raise Refused("[AUTHENTICATIONFAILED] The user or the password is wrong")
        self.user = user
        self.note(f"logged in as {user}")
        return f"[CAPABILITY {self.capabilities}] Logged in"

    async def _greet(self) -> None:
        word = "OK"
        if PREAUTH in self.settings.quirks:
            word, self.user = "PREAUTH", _PREAUTHENTICATED
        await self.respond(f"* {word} [CAPABILITY {self.capabilities}] {SERVER_NAME} IMAP4rev1 ready")

    def _command(self, verb: str) -> Command:
        """The command of that name. Raises `Malformed` and `Refused` if it is not possible now."""
        command = self._commands.get(verb)
        if command is None:
            raise Malformed("There is no such command")
        if self.settings.tls_first(self.encrypted) and verb not in _BEFORE_TLS:
            raise Refused("[PRIVACYREQUIRED] Nothing without TLS here: use STARTTLS first")
        if self.state not in command.states:
            raise Malformed(f"{verb} is not possible {self.state}")
        return command

    async def _with_literals(self, command: bytes, verb: str) -> bytes:
        """The whole command: as long as it ends with the size of a literal, there is more of it."""
        limit = MESSAGE_LIMIT if verb == "APPEND" and self.user else _LITERALS_LIMIT
        line = command
        while announced := _LITERAL.search(line):
            size, at_once = int(announced[1]), bool(announced[2])
            if len(command) + size > limit:
                await self._too_big(at_once)
            if not at_once:
                await self.respond("+ Ready for the literal")
            literal = await self.exactly(size)
            line = await self.line()
            command = b"".join((command, _CRLF, literal, line))
        return command

    async def _too_big(self, at_once: bool) -> None:
        """Refuse a literal. One that does not wait for permission cannot be distinguished from commands, so the session
        ends."""
        if at_once:
            await self.dismiss("That literal is too big")
        raise Refused("[TOOBIG] That literal is too big")

    async def _complain(self, tag: str, why: str) -> None:
        await self.respond(f"{tag} BAD {why}")
        self._mistakes += 1
        if self._mistakes >= _MISTAKES:
            await self.dismiss("Too many mistakes")


def offered(settings: Settings, encrypted: bool, logged_in: bool) -> list[str]:
    """The capabilities in a state of the connection."""
    login = settings.login_now(encrypted) and not settings.tls_first(encrypted)
    words = ["IMAP4rev1", "LITERAL+", "SASL-IR", "UIDPLUS"]
    if logged_in:
        return words
    words += ["STARTTLS"] * settings.lists_upgrade(encrypted)
    return [*words, "AUTH=PLAIN" if login else "LOGINDISABLED"]


def _read(line: bytes) -> tuple[str, str]:
    """(tag, verb) of a command. Raises `Malformed`."""
    found = _COMMAND.match(line)
    if found is None:
        raise Malformed("A command is a tag, a space and a word")
    return found[1].decode(), found[2].decode().upper()


def _shown(command: bytes, verb: str) -> str:
    """The first line of a command as it may stand in the log."""
    text = command.decode("ascii", "backslashreplace")
    if verb not in _SECRET:
        return text
    words = text.split(" ")
    kept = words[: 2 + _SECRET[verb]]
    return " ".join(kept if kept == words else [*kept, "********"])
