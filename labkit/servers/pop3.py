"""A POP3 server (RFC 1939) over the lab's mailboxes, with CAPA (RFC 2449), STLS (RFC 2595) and AUTH PLAIN (RFC 5034).

A session sees its inbox as it was at the login. Nothing is locked: two sessions may read the same inbox, and what one
of them deletes is gone after its QUIT.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import ClassVar, NamedTuple

from labkit.dialects.sasl import read_plain
from labkit.mail.mailbox import Entry, Mailbox
from labkit.servers.command_session import CommandSession
from labkit.servers.quirks import KEEPS_LOGIN, MAIL, REFUSES
from labkit.servers.server import Note, Server
from labkit.servers.session import NegativeReply
from labkit.trust.certificates import SERVER_NAME

AUTHORIZATION, TRANSACTION = "before the login", "after the login"
"""The states of RFC 1939 §3, in plain words; the third, UPDATE, begins and ends with QUIT."""

_SECRET = {"PASS": 0, "AUTH": 1}
"""Commands with a password -> how many words of their argument come before it."""
_BEFORE_TLS = ("CAPA", "STLS", "QUIT")
"""The commands that are carried out before TLS where TLS is required."""


class POP3Server(Server):
    """A running server."""

    protocol = "POP3"
    ports: ClassVar = {False: 110, True: 995}
    quirks = MAIL

    def _session(self, note: Note) -> asyncio.Protocol:
        return _Session(self, note)


class _Session(CommandSession):
    idle_limit = 600.0  # RFC 1939 §3 asks for ten minutes at least
    negative = "-ERR {}"
    last_reply = "-ERR {}"

    def __init__(self, server: Server, note: Note) -> None:
        super().__init__(server, note)
        self._name = ""
        self._mailbox = Mailbox()
        self._entries: tuple[Entry, ...] = ()
        self._deleted: set[int] = set()
        self._state = AUTHORIZATION

    async def greet(self) -> None:
        await self._ok(f"{SERVER_NAME} POP3 ready")

    async def act(self, line: bytes) -> None:
        verb, argument = _read(line)
        self.note(f"C: {_shown(verb, argument)}")
        command = _COMMANDS.get(verb)
        if command is None:
            raise NegativeReply("There is no such command")
        if self.settings.tls_first(self.encrypted) and verb not in _BEFORE_TLS:
            raise NegativeReply("Nothing without TLS here: use STLS first")
        if self._state not in command.states:
            raise NegativeReply(f"{verb} is not possible {self._state}")
        if command.argument is not None and command.argument != bool(argument):
            raise NegativeReply(f"{verb} takes {'an' if command.argument else 'no'} argument")
        await command.act(self, argument)

    # ---- answers

    async def _ok(self, text: str) -> None:
        await self.say(f"+OK {text}")

    async def _lines(self, text: str, lines: Iterable[str]) -> None:
        await self.say(f"+OK {text}", *lines, ".")

    async def _message(self, entry: Entry, data: bytes) -> None:
        self.note(f"S: +OK, and {len(data)} bytes of message {entry.uid}")
        await self.send(f"+OK {len(data)} octets\r\n".encode() + stuffed(data))

    # ---- before the login

    async def _capa(self, _: str) -> None:
        settings, encrypted = self.settings, self.encrypted
        login = settings.login_now(encrypted) and not settings.tls_first(encrypted)
        upgrade = settings.lists_upgrade(encrypted) and self._state == AUTHORIZATION
        offered = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE"]
        offered += ["USER", "SASL PLAIN"] * login + ["STLS"] * upgrade
        await self._lines("This is offered", offered)

    async def _stls(self, _: str) -> None:
        if self.encrypted:
            raise NegativeReply("TLS is already active")
        if not self.settings.upgrade_now(self.encrypted):
            raise NegativeReply("This server does not speak STLS")
        if self._state == TRANSACTION and KEEPS_LOGIN not in self.settings.quirks:
            raise NegativeReply("STLS is not possible after the login")
        if REFUSES in self.settings.quirks:
            raise NegativeReply("TLS is not available just now")
        await self._ok("Begin TLS negotiation now")
        self._name = ""
        await self.start_tls()

    async def _user(self, name: str) -> None:
        self._may_log_in()
        self._name = name
        await self._ok("And the password?")

    async def _pass(self, password: str) -> None:
        self._may_log_in()
        if not self._name:
            raise NegativeReply("USER comes before PASS")
        await self._log_in(self._name, password)

    async def _auth(self, argument: str) -> None:
        self._may_log_in()
        mechanism, _, response = argument.partition(" ")
        if mechanism.upper() != "PLAIN":
            raise NegativeReply("The only mechanism is PLAIN")
        if not response:
            self.note("S: +")
            await self.send(b"+ \r\n")
            response = (await self.line()).decode("latin-1")
            self.note("C: ********")
        login = None if response == "*" else read_plain(response.encode("latin-1"))
        if login is None:
            raise NegativeReply("The login was given up" if response == "*" else "That is not a login with PLAIN")
        await self._log_in(*login)

    def _may_log_in(self) -> None:
        if not self.settings.login_now(self.encrypted):
            raise NegativeReply("[AUTH] No login in this state of the connection: use STLS first")

    async def _log_in(self, user: str, password: str) -> None:
        self._name = ""
        if not self.server.post.authenticate(user, password):
            raise NegativeReply("[AUTH] The user or the password is wrong")
        self._mailbox = self.server.post.account(user).inbox
        self._entries = self._mailbox.entries
        self._state = TRANSACTION
        self.note(f"logged in as {user}")
        await self._ok(f"{len(self._entries)} messages")

    # ---- after the login

    async def _stat(self, _: str) -> None:
        sizes = [len(entry.message.data) for _, entry in self._remaining()]
        await self._ok(f"{len(sizes)} {sum(sizes)}")

    async def _list(self, number: str) -> None:
        await self._listing(number, lambda entry: str(len(entry.message.data)))

    async def _uidl(self, number: str) -> None:
        await self._listing(number, lambda entry: f"{self._mailbox.validity}.{entry.uid}")

    async def _listing(self, number: str, tell: Callable[[Entry], str]) -> None:
        if number:
            await self._ok(f"{_number(number)} {tell(self._entry(number))}")
        else:
            await self._lines("One line each", [f"{n} {tell(entry)}" for n, entry in self._remaining()])

    async def _retr(self, number: str) -> None:
        entry = self._entry(number)
        await self._message(entry, entry.message.data)

    async def _top(self, argument: str) -> None:
        number, _, lines = argument.partition(" ")
        entry = self._entry(number)
        await self._message(entry, top(entry.message.data, _number(lines)))

    async def _dele(self, number: str) -> None:
        self._deleted.add(self._entry(number).uid)
        await self._ok("Will be deleted with QUIT")

    async def _rset(self, _: str) -> None:
        self._deleted.clear()
        await self._ok("Nothing is deleted")

    async def _noop(self, _: str) -> None:
        await self._ok("Still here")

    async def _quit(self, _: str) -> None:
        self._mailbox.remove(entry for entry in self._entries if entry.uid in self._deleted)
        self.open = False
        await self._ok("Goodbye")

    def _remaining(self) -> list[tuple[int, Entry]]:
        return [pair for pair in enumerate(self._entries, 1) if pair[1].uid not in self._deleted]

    def _entry(self, number: str) -> Entry:
        found = dict(self._remaining()).get(_number(number))
        if found is None:
            raise NegativeReply("There is no such message")
        return found


def _read(line: bytes) -> tuple[str, str]:
    """(verb, argument) of a command. Raises `NegativeReply` for bytes that no command holds."""
    text = line.decode("ascii", "replace")
    if not text.isprintable() or not text.isascii():
        raise NegativeReply("A command is printable ASCII")
    verb, _, argument = text.partition(" ")
    return verb.upper(), argument


def _shown(verb: str, argument: str) -> str:
    """A command as it may stand in the log."""
    words = argument.split(" ")[: _SECRET.get(verb)] + ["********"] * (verb in _SECRET)
    return " ".join([verb, *words]) if argument else verb


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise NegativeReply("A number is missing")
    return int(text)


def stuffed(data: bytes) -> bytes:
    """Lines as POP3 sends them: a dot before each that begins with one, and one alone at the end (RFC 1939 §3)."""
    end = b"" if not data or data.endswith(b"\n") else b"\r\n"
    dotted = (b"\n" + data).replace(b"\n.", b"\n..")[1:]
    return dotted + end + b".\r\n"


def top(data: bytes, lines: int) -> bytes:
    """The header, the blank line, and this many lines of the body (RFC 1939 §7)."""
    header, blank, body = data.partition(b"\r\n\r\n")
    return header + blank + b"".join(body.splitlines(keepends=True)[:lines])


class _Command(NamedTuple):
    act: Callable[[_Session, str], Awaitable[None]]
    states: tuple[str, ...] = (TRANSACTION,)
    argument: bool | None = False
    """Whether the command has an argument; None where it is optional."""


_BOTH = (AUTHORIZATION, TRANSACTION)
_COMMANDS = {
    "CAPA": _Command(_Session._capa, _BOTH),
    "STLS": _Command(_Session._stls, _BOTH),
    "USER": _Command(_Session._user, (AUTHORIZATION,), True),
    "PASS": _Command(_Session._pass, (AUTHORIZATION,), True),
    "AUTH": _Command(_Session._auth, (AUTHORIZATION,), True),
    "STAT": _Command(_Session._stat),
    "LIST": _Command(_Session._list, argument=None),
    "UIDL": _Command(_Session._uidl, argument=None),
    "RETR": _Command(_Session._retr, argument=True),
    "TOP": _Command(_Session._top, argument=True),
    "DELE": _Command(_Session._dele, argument=True),
    "RSET": _Command(_Session._rset),
    "NOOP": _Command(_Session._noop),
    "QUIT": _Command(_Session._quit, _BOTH),
}
"""Verb -> what is done, when it is possible, and with what."""


SERVER = POP3Server
