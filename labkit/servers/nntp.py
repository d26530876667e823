"""An NNTP server (RFC 3977): the upgrade (RFC 4642), a login (RFC 4643), and one newsgroup for articles."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import ClassVar

from labkit.servers.command_session import CommandSession
from labkit.servers.pop3 import stuffed
from labkit.servers.quirks import KEEPS_LOGIN
from labkit.servers.server import Note, Server
from labkit.servers.session import LINE_LIMIT, NegativeReply
from labkit.trust.certificates import SERVER_NAME

NEWSGROUP = "lab.test"
_LARGEST_ARTICLE = 1 << 20
"""Bytes."""
_NOT_IN_ARTICLES = re.compile(rb"\0|\r(?!\n)")  # RFC 3977 §3.1.1
_BEFORE_TLS = ("CAPABILITIES", "STARTTLS", "HELP", "QUIT", "MODE")
"""Commands that are carried out where TLS is required."""


class NNTPServer(Server):
    """A running server. `articles` are those that were posted, oldest first."""

    protocol = "NNTP"
    ports: ClassVar = {False: 119, True: 563}

    def __init__(self, *arguments: object) -> None:
        self.articles: list[bytes] = []
        super().__init__(*arguments)

    def _session(self, note: Note) -> asyncio.Protocol:
        return _Session(self, note)


class _Session(CommandSession):
    idle_limit = 600.0
    last_reply = "400 {}"
    long_line = f"501 A line has {LINE_LIMIT} bytes at most"
    server: NNTPServer

    def __init__(self, server: Server, note: Note) -> None:
        super().__init__(server, note)
        self._name = ""
        self._user = ""

    async def greet(self) -> None:
        await self.say(f"200 {SERVER_NAME} NNTP of the lab")

    async def act(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        verb, _, argument = text.partition(" ")
        verb = verb.upper()
        self.note(f"C: {'AUTHINFO PASS ********' if text.upper().startswith('AUTHINFO PASS') else text}")
        if verb not in _COMMANDS:
            raise NegativeReply("500 There is no such command")
        if self.settings.tls_first(self.encrypted) and verb not in _BEFORE_TLS:
            raise NegativeReply("483 Nothing without TLS here: use STARTTLS first")
        await _COMMANDS[verb](self, argument)

    async def _lines(self, first: str, following: Iterable[str]) -> None:
        await self.say(first, *following, ".")

    # ---- commands

    async def _capabilities(self, _: str) -> None:
        settings, encrypted = self.settings, self.encrypted
        login = settings.login_now(encrypted) and not settings.tls_first(encrypted) and not self._user
        offered = ["VERSION 2", "READER", "POST"] + ["AUTHINFO USER"] * login
        offered += ["STARTTLS"] * (settings.upgrade_now(encrypted) and not self._user)
        await self._lines("101 This is offered", offered)

    async def _mode(self, argument: str) -> None:
        if argument.upper() != "READER":
            raise NegativeReply("501 MODE READER is all there is")
        await self.say("200 Posting is allowed")

    async def _starttls(self, _: str) -> None:
        if self.encrypted:
            raise NegativeReply("502 TLS is already active")
        if not self.settings.upgrade_now(self.encrypted):
            raise NegativeReply("580 This server does not speak STARTTLS")
        if self._user and KEEPS_LOGIN not in self.settings.quirks:
            raise NegativeReply("502 STARTTLS is not possible after the login")
        await self.say("382 Begin TLS negotiation now")
        self._name = ""
        await self.start_tls()

    async def _authinfo(self, argument: str) -> None:
        if not self.settings.login_now(self.encrypted):
            raise NegativeReply("483 No login in this state of the connection: use STARTTLS first")
        if self._user:
            raise NegativeReply("502 There was a login already")
        part, _, value = argument.partition(" ")
        if part.upper() == "USER" and value:
            self._name = value
            await self.say("381 And the password?")
        elif part.upper() == "PASS" and self._name:
            await self._log_in(value)
        else:
            raise NegativeReply("482 AUTHINFO USER comes first, then AUTHINFO PASS")

    async def _log_in(self, password: str) -> None:
        name, self._name = self._name, ""
        if not self.server.post.authenticate(name, password):
            raise NegativeReply("481 The user or the password is wrong")
        self._user = name
        self.note(f"logged in as {name}")
        await self.say("281 Welcome")

    async def _group(self, name: str) -> None:
        if name != NEWSGROUP:
            raise NegativeReply("411 There is no such newsgroup")
        count = len(self.server.articles)
        await self.say(f"211 {count} {min(1, count)} {count} {NEWSGROUP}")

    async def _article(self, number: str) -> None:
        if not number.isdecimal() or not 1 <= int(number[:9]) <= len(self.server.articles):
            raise NegativeReply("423 There is no article with that number")
        self.note(f"S: article {number}")
        await self.send(
            f"220 {number} <{number}@{SERVER_NAME}>\r\n".encode() + stuffed(self.server.articles[int(number) - 1])
        )

    async def _post(self, _: str) -> None:
        if not self._user:
            raise NegativeReply("480 Posting needs a login")
        await self.say("340 Send the article; a line with a single dot ends it")
        article = bytearray()
        while (line := await self.line()) != b".":
            article += line.removeprefix(b".") + b"\r\n"
            if len(article) > _LARGEST_ARTICLE:
                await self.dismiss(f"An article has {_LARGEST_ARTICLE} bytes at most")
        if _NOT_IN_ARTICLES.search(article):
            raise NegativeReply("441 An article has neither NUL nor CR without LF")
        self.server.articles.append(bytes(article))
        await self.say("240 Taken")

    async def _date(self, _: str) -> None:
        await self.say(f"111 {datetime.now(UTC):%Y%m%d%H%M%S}")

    async def _help(self, _: str) -> None:
        await self._lines("100 These commands are known", sorted(_COMMANDS))

    async def _quit(self, _: str) -> None:
        self.open = False
        await self.say("205 Goodbye")


_COMMANDS: dict[str, Callable[[_Session, str], Awaitable[None]]] = {
    "CAPABILITIES": _Session._capabilities,
    "MODE": _Session._mode,
    "STARTTLS": _Session._starttls,
    "AUTHINFO": _Session._authinfo,
    "GROUP": _Session._group,
    "ARTICLE": _Session._article,
    "POST": _Session._post,
    "DATE": _Session._date,
    "HELP": _Session._help,
    "QUIT": _Session._quit,
}
"""Verb -> what is done."""

SERVER = NNTPServer
