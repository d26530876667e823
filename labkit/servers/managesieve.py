"""A ManageSieve server (RFC 5804): the upgrade, a login, and the scripts of each user, which filter nothing here."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import ClassVar

from labkit.dialects.sasl import read_plain
from labkit.servers.command_session import CommandSession
from labkit.servers.quirks import KEEPS_LOGIN
from labkit.servers.server import Note, Server
from labkit.servers.session import NegativeReply

_LONGEST_SCRIPT = 64 << 10
"""Bytes."""
_BEFORE_TLS = ("CAPABILITY", "STARTTLS", "NOOP", "LOGOUT")
"""Commands that are carried out where TLS is required."""
_BEFORE_LOGIN = (*_BEFORE_TLS, "AUTHENTICATE")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ARGUMENT = re.compile(r' +(?:"((?:[^"\\]|\\.)*)"|\{(\d{1,9})\+\}$)')


def _quoted(text: str) -> str:
    """A name or a tag as a quoted string (RFC 5804 §4). Raises `NegativeReply` where it has control characters, which a
    name must not have (§1.6)."""
    if _CONTROL.search(text):
        raise NegativeReply("A name or a tag has no control characters")
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


class ManageSieveServer(Server):
    """A running server. `scripts` are those that were stored: (user, name) -> script."""

    protocol = "ManageSieve"
    ports: ClassVar = {False: 4190}

    def __init__(self, *arguments: object) -> None:
        self.scripts: dict[tuple[str, str], bytes] = {}
        super().__init__(*arguments)

    def _session(self, note: Note) -> asyncio.Protocol:
        return _Session(self, note)


class _Session(CommandSession):
    idle_limit = 1800.0  # RFC 5804 §1.2 asks for 30 minutes at least
    negative = 'NO "{}"'
    last_reply = 'BYE "{}"'
    server: ManageSieveServer

    def __init__(self, server: Server, note: Note) -> None:
        super().__init__(server, note)
        self._user = ""

    async def greet(self) -> None:
        await self._capability([])

    async def act(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        verb, rest = (match := re.match(r"(\w*)(.*)", text, re.DOTALL))[1].upper(), match[2]
        self.note(f"C: {verb}{' ********' if verb == 'AUTHENTICATE' else rest}")
        arguments = await self._arguments(rest)
        command = _COMMANDS.get(verb)
        if command is None:
            raise NegativeReply("There is no such command")
        if self.settings.tls_first(self.encrypted) and verb not in _BEFORE_TLS:
            raise NegativeReply("Nothing without TLS here: use STARTTLS first")
        if not self._user and verb not in _BEFORE_LOGIN:
            raise NegativeReply(f"{verb} is not possible before the login")
        await command(self, arguments)

    async def _arguments(self, text: str) -> list[str]:
        """The arguments of a command: quoted strings and literals (RFC 5804 §1.2)."""
        found, at = [], 0
        while match := _ARGUMENT.match(text, at):
            if match[2] is None:
                found.append(re.sub(r"\\(.)", r"\1", match[1]))
                at = match.end()
                continue
            if int(match[2]) > _LONGEST_SCRIPT:
                await self.dismiss(f"A literal has {_LONGEST_SCRIPT} bytes at most")
            found.append((await self.exactly(int(match[2]))).decode("utf-8", "replace"))
            text, at = (await self.line()).decode("utf-8", "replace"), 0
        return found

    # ---- commands

    async def _capability(self, _: list[str]) -> None:
        settings, encrypted = self.settings, self.encrypted
        login = settings.login_now(encrypted) and not settings.tls_first(encrypted) and not self._user
        offered = ['"IMPLEMENTATION" "labkit"', f'"SASL" "{"PLAIN" if login else ""}"', '"SIEVE" "fileinto"']
        offered += ['"STARTTLS"'] if settings.upgrade_now(encrypted) else []
        await self.say(*offered, '"VERSION" "1.0"', 'OK "ManageSieve of the lab"')

    async def _starttls(self, _: list[str]) -> None:
        if self.encrypted:
            raise NegativeReply("TLS is already active")
        if not self.settings.upgrade_now(self.encrypted):
            raise NegativeReply("This server does not speak STARTTLS")
        if self._user and KEEPS_LOGIN not in self.settings.quirks:
            raise NegativeReply("STARTTLS is not possible after the login")
        await self.say('OK "Begin TLS negotiation now"')
        await self.start_tls()
        await self._capability([])

    async def _authenticate(self, arguments: list[str]) -> None:
        if not self.settings.login_now(self.encrypted):
            raise NegativeReply("No login in this state of the connection: use STARTTLS first")
        if not arguments or arguments[0].upper() != "PLAIN":
            raise NegativeReply("The only mechanism is PLAIN")
        if len(arguments) == 1:
            await self.say('""')
            arguments += await self._arguments(" " + (await self.line()).decode("latin-1"))
        login = read_plain("".join(arguments[1:2]).encode("latin-1", "replace"))
        if login is None or not self.server.post.authenticate(*login):
            raise NegativeReply("The user or the password is wrong")
        self._user = login[0]
        self.note(f"logged in as {self._user}")
        await self.say('OK "Logged in"')

    async def _noop(self, arguments: list[str]) -> None:
        await self.say(f'OK (TAG {_quoted(arguments[0])}) "Still here"' if arguments else 'OK "Still here"')

    async def _logout(self, _: list[str]) -> None:
        self.open = False
        await self.say('OK "Goodbye"')

    async def _listscripts(self, _: list[str]) -> None:
        names = [name for user, name in self.server.scripts if user == self._user]
        await self.say(*map(_quoted, names), 'OK "That is all"')

    async def _putscript(self, arguments: list[str]) -> None:
        if len(arguments) != 2:
            raise NegativeReply("PUTSCRIPT takes a name and a script")
        _quoted(arguments[0])
        self.server.scripts[self._user, arguments[0]] = arguments[1].encode()
        await self.say('OK "Stored"')

    async def _getscript(self, arguments: list[str]) -> None:
        script = self.server.scripts.get((self._user, "".join(arguments[:1])))
        if script is None:
            raise NegativeReply("There is no such script")
        await self.say(f"{{{len(script)}}}", script.decode("utf-8", "replace"), 'OK "That is it"')


_COMMANDS: dict[str, Callable[[_Session, list[str]], Awaitable[None]]] = {
    "CAPABILITY": _Session._capability,
    "STARTTLS": _Session._starttls,
    "AUTHENTICATE": _Session._authenticate,
    "NOOP": _Session._noop,
    "LOGOUT": _Session._logout,
    "LISTSCRIPTS": _Session._listscripts,
    "PUTSCRIPT": _Session._putscript,
    "GETSCRIPT": _Session._getscript,
}
"""Verb -> what is done."""

SERVER = ManageSieveServer
