"""An FTP server (RFC 959) with TLS (RFC 4217): the upgrade, a login, and files that each user stores and fetches.

Data connections are passive: the server listens on a free port for each of them, and protects it after PROT P.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import ClassVar

from labkit.network import Host, Listener
from labkit.servers.command_session import CommandSession
from labkit.servers.quirks import KEEPS_LOGIN
from labkit.servers.server import Note, Server
from labkit.servers.session import LINE_LIMIT, NegativeReply
from labkit.trust.certificates import SERVER_NAME

_LARGEST_FILE = 1 << 20
"""Bytes."""
_DATA_LIMIT = 10.0
"""Seconds for a client to open its data connection, and for each transfer."""
_BEFORE_TLS = ("FEAT", "AUTH", "NOOP", "QUIT", "SYST", "OPTS", "STAT")
"""Commands that are carried out where TLS is required."""
_BEFORE_LOGIN = (*_BEFORE_TLS, "USER", "PASS", "PBSZ", "PROT")


class FTPServer(Server):
    """A running server. `files` are those that were stored: (user, name) -> content."""

    protocol = "FTP"
    ports: ClassVar = {False: 21, True: 990}

    def __init__(self, host: Host, *arguments: object) -> None:
        self.on = host
        """The host that listens for data connections."""
        self.files: dict[tuple[str, str], bytes] = {}
        super().__init__(host, *arguments)

    def _session(self, note: Note) -> asyncio.Protocol:
        return _Session(self, note)


class _Session(CommandSession):
    idle_limit = 300.0
    last_reply = "421 {}"
    long_line = f"500 A line has {LINE_LIMIT} bytes at most"
    server: FTPServer

    def __init__(self, server: Server, note: Note) -> None:
        super().__init__(server, note)
        self._name = ""
        self._user = ""
        self._private = False
        """Whether data connections have TLS."""
        self._data: Listener | None = None
        """The listener for the next data connection."""

    async def greet(self) -> None:
        await self.say(f"220 {SERVER_NAME} FTP of the lab")

    async def talk(self) -> None:
        try:
            await super().talk()
        finally:
            self._close_data()

    async def act(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        verb, _, argument = text.partition(" ")
        verb = verb.upper()
        self.note(f"C: {'PASS ********' if verb == 'PASS' else text}")
        if verb not in _COMMANDS:
            raise NegativeReply("502 There is no such command here")
        if self.settings.tls_first(self.encrypted) and verb not in _BEFORE_TLS:
            raise NegativeReply("534 Nothing without TLS here: use AUTH TLS first")
        if not self._user and verb not in _BEFORE_LOGIN:
            raise NegativeReply("530 Log in first")
        await _COMMANDS[verb](self, argument)

    # ---- the upgrade and the login

    async def _feat(self, _: str) -> None:
        offered = ["AUTH TLS", "PBSZ", "PROT"] * self.settings.upgrade_now(self.encrypted) + ["UTF8", "EPSV"]
        await self.say("211-This is offered", *(f" {one}" for one in offered), "211 End")

    async def _auth(self, mechanism: str) -> None:
        if mechanism.upper() not in ("TLS", "SSL"):
            raise NegativeReply("504 TLS is all there is")
        if self.encrypted:
            raise NegativeReply("503 TLS is already active")
        if not self.settings.upgrade_now(self.encrypted):
            raise NegativeReply("502 This server does not speak TLS")
        await self.say("234 Begin TLS negotiation now")
        if KEEPS_LOGIN not in self.settings.quirks:
            self._name = self._user = ""  # RFC 4217 §4: the login starts over
        await self.start_tls()

    async def _pbsz(self, size: str) -> None:
        if not self.encrypted:
            raise NegativeReply("503 AUTH comes first")
        await self.say("200 PBSZ=0" if size.strip() != "0" else "200 Right")

    async def _prot(self, level: str) -> None:
        if not self.encrypted:
            raise NegativeReply("503 AUTH comes first")
        if level.upper() not in ("P", "C"):
            raise NegativeReply("536 P and C are all there is")
        self._private = level.upper() == "P"
        await self.say(f"200 Data connections are {'protected' if self._private else 'in the clear'}")

    async def _name_user(self, name: str) -> None:
        if not self.settings.login_now(self.encrypted):
            raise NegativeReply("534 No login in this state of the connection: use AUTH TLS first")
        self._name = name
        await self.say("331 And the password?")

    async def _password(self, password: str) -> None:
        name, self._name = self._name, ""
        if not name:
            raise NegativeReply("503 USER comes before PASS")
        if not self.server.post.authenticate(name, password):
            raise NegativeReply("530 The user or the password is wrong")
        self._user = name
        self.note(f"logged in as {name}")
        await self.say("230 Welcome")

    # ---- files

    async def _pasv(self, _: str) -> None:
        address, port = self._listen()
        numbers = ",".join((*address.split("."), str(port >> 8), str(port & 0xFF)))
        await self.say(f"227 Entering passive mode ({numbers})")

    async def _epsv(self, _: str) -> None:
        await self.say(f"229 Entering extended passive mode (|||{self._listen()[1]}|)")

    def _listen(self) -> tuple[str, int]:
        self._close_data()
        self._data = self.server.on.listen_anywhere()
        return self._data.address

    def _close_data(self) -> None:
        if self._data is not None:
            self._data.close()
            self._data = None

    async def _stor(self, name: str) -> None:
        if not name.isprintable():
            raise NegativeReply("553 A name has no control characters")
        reader, writer = await self._transfer(name)
        with closing(writer):
            async with asyncio.timeout(_DATA_LIMIT):
                content = await _file_from(reader)
        self.server.files[self._user, name] = content
        await self.say(f"226 Stored {len(content)} bytes")

    async def _retr(self, name: str) -> None:
        content = self.server.files.get((self._user, name))
        if content is None:
            raise NegativeReply("550 There is no such file")
        await self._give(name, content)

    async def _nlst(self, _: str) -> None:
        names = [name for user, name in self.server.files if user == self._user]
        await self._give("the list", "".join(f"{name}\r\n" for name in names).encode())

    async def _give(self, what: str, content: bytes) -> None:
        _, writer = await self._transfer(what)
        with closing(writer):
            writer.write(content)
            async with asyncio.timeout(_DATA_LIMIT):
                await writer.drain()
        await self.say("226 That is all")

    async def _transfer(self, what: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The data connection that the client opens now."""
        if self._data is None:
            raise NegativeReply("425 PASV or EPSV comes first")
        loop = asyncio.get_running_loop()
        await self.say(f"150 {what}, {'protected' if self._private else 'in the clear'}")
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            async with asyncio.timeout(_DATA_LIMIT):
                self._data.socket.setblocking(False)
                sock, _ = await self.while_here(loop.sock_accept(self._data.socket))
                tls = self.server.context if self._private else None
                transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=tls)
        except (OSError, TimeoutError) as error:
            raise NegativeReply("425 The data connection did not come about") from error
        finally:
            self._close_data()
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    # ---- the rest

    async def _right(self, _: str) -> None:
        await self.say("200 Right")

    async def _syst(self, _: str) -> None:
        await self.say("215 UNIX Type: L8")

    async def _stat(self, _: str) -> None:
        await self.say("211 Everything is in order")

    async def _pwd(self, _: str) -> None:
        await self.say('257 "/"')

    async def _quit(self, _: str) -> None:
        self.open = False
        await self.say("221 Goodbye")


async def _file_from(reader: asyncio.StreamReader) -> bytes:
    """What comes until the client closes the data connection. Raises `NegativeReply` for too much."""
    content = await reader.read(_LARGEST_FILE)
    while more := await reader.read(_LARGEST_FILE):
        content += more
        if len(content) > _LARGEST_FILE:
            raise NegativeReply(f"552 A file has {_LARGEST_FILE} bytes at most")
    return content


_COMMANDS: dict[str, Callable[[_Session, str], Awaitable[None]]] = {
    "FEAT": _Session._feat,
    "AUTH": _Session._auth,
    "PBSZ": _Session._pbsz,
    "PROT": _Session._prot,
    "USER": _Session._name_user,
    "PASS": _Session._password,
    "PASV": _Session._pasv,
    "EPSV": _Session._epsv,
    "STOR": _Session._stor,
    "RETR": _Session._retr,
    "NLST": _Session._nlst,
    "LIST": _Session._nlst,
    "TYPE": _Session._right,
    "OPTS": _Session._right,
    "NOOP": _Session._right,
    "CWD": _Session._right,
    "SYST": _Session._syst,
    "STAT": _Session._stat,
    "PWD": _Session._pwd,
    "QUIT": _Session._quit,
}
"""Verb -> what is done."""

SERVER = FTPServer
