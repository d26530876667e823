"""An LDAP server (RFC 4511) with the operations of an upgrade, a login and a few entries, and no others."""

import asyncio
from typing import ClassVar, NoReturn

from labkit.dialects.ldap import PROTOCOL_ERROR, STARTTLS, SUCCESS, WHO_AM_I
from labkit.dialects.ldap_messages import LDAPMessage, element, elements, entry, message, result
from labkit.servers.quirks import KEEPS_BUFFER
from labkit.servers.server import Note, Server
from labkit.servers.session import Session

_LARGEST = 64 << 10
"""Bytes of a message."""
_OPERATIONS_ERROR, _CONFIDENTIALITY, _WRONG_LOGIN, _NOT_ALLOWED = 1, 13, 49, 50
"""Result codes of RFC 4511 §4.1.9."""
_NOTICE = element(0x8A, b"1.3.6.1.4.1.1466.20036")
"""The name of a notice of disconnection (RFC 4511 §4.4.1)."""
_MALFORMED = "The request is malformed"
_BASE = "dc=lab,dc=test"


class LDAPServer(Server):
    """A running server. `entries` are those that were added, oldest first: (name, the values in it)."""

    protocol = "LDAP"
    ports: ClassVar = {False: 389, True: 636}
    quirks = (KEEPS_BUFFER,)

    def __init__(self, *arguments: object) -> None:
        self.entries: list[tuple[str, tuple[str, ...]]] = []
        super().__init__(*arguments)

    def _session(self, note: Note) -> asyncio.Protocol:
        return _Session(self, note)


class _Session(Session):
    idle_limit = 300.0
    server: LDAPServer

    def __init__(self, server: Server, note: Note) -> None:
        super().__init__(server, note)
        self._user = ""

    async def talk(self) -> None:
        while True:
            data = await self._record()
            read = message(data)
            if read is None:
                await self.dismiss("This is no LDAP message")
            if read.operation not in _OPERATIONS:
                await self.dismiss("This server does not know that operation")
            act, parts = _OPERATIONS[read.operation]
            if len(read.parts) < parts:
                await self.dismiss(_MALFORMED)
            await act(self, read)

    def parting(self, why: str) -> bytes:
        self.note(f"S: disconnects, {why}")
        return result(0, 0x78, PROTOCOL_ERROR, why, _NOTICE)

    async def _record(self) -> bytes:
        head = await self.exactly(1)
        if head[0] != 0x30:
            await self.dismiss("This is no LDAP message")
        head += await self.exactly(1)
        width = head[1] & 0x7F if head[1] & 0x80 else 0
        if width > 4 or head[1] == 0x80:
            await self.dismiss("This is no LDAP message")
        head += await self.exactly(width)
        size = int.from_bytes(head[2:], "big") if width else head[1]
        if size > _LARGEST:
            await self.dismiss(f"A message has {_LARGEST} bytes at most")
        return head + await self.exactly(size)

    async def _say(self, data: bytes, what: str) -> None:
        self.note(f"S: {what}")
        await self.send(data)

    async def _bind(self, read: LDAPMessage) -> None:
        name = read.parts[1].content.decode("utf-8", "replace")
        self.note(f"C: BindRequest of {name!r}")
        user = dict(pair.split("=", 1) for pair in name.split(",") if "=" in pair).get("uid", "")
        password = read.parts[2].content.decode("utf-8", "replace")
        code = SUCCESS
        if name and not self.settings.login_now(self.encrypted):
            code = _CONFIDENTIALITY
        elif name and (read.parts[2].tag != 0x80 or not self.server.post.authenticate(user, password)):
            code = _WRONG_LOGIN
        self._user = user if code == SUCCESS else ""
        await self._say(result(read.number, 0x61, code), f"BindResponse, result {code}")

    async def _unbind(self, _: LDAPMessage) -> NoReturn:
        raise EOFError

    async def _search(self, read: LDAPMessage) -> None:
        base = read.parts[0].content.decode("utf-8", "replace")
        self.note(f"C: SearchRequest below {base!r}")
        if base == "":
            offered = (WHO_AM_I, *((STARTTLS,) if self.settings.upgrade_now(self.encrypted) else ()))
            root = {"supportedExtension": offered, "supportedLDAPVersion": ("3",), "namingContexts": (_BASE,)}
            await self.send(entry(read.number, "", root))
        await self._say(result(read.number, 0x65, SUCCESS), "SearchResultDone")

    async def _add(self, read: LDAPMessage) -> None:
        name = read.parts[0].content.decode("utf-8", "replace")
        self.note(f"C: AddRequest of {name!r}")
        code = _NOT_ALLOWED
        if self._user:
            attributes = [list(elements(one.content)) for one in elements(read.parts[1].content)]
            if any(len(attribute) != 2 for attribute in attributes):
                await self.dismiss(_MALFORMED)
            values = (value.content for _, listed in attributes for value in elements(listed.content))
            self.server.entries.append((name, tuple(value.decode("utf-8", "replace") for value in values)))
            code = SUCCESS
        await self._say(result(read.number, 0x69, code), f"AddResponse, result {code}")

    async def _extended(self, read: LDAPMessage) -> None:
        name = read.parts[0].content.decode("ascii", "replace")
        self.note(f"C: ExtendedRequest {name}")
        if name == WHO_AM_I:
            who = element(0x8B, (f"u:{self._user}" if self._user else "").encode())
            await self._say(result(read.number, 0x78, SUCCESS, "", who), "who the client is")
        elif name != STARTTLS or not self.settings.upgrade_now(self.encrypted):
            code = _OPERATIONS_ERROR if name == STARTTLS and self.encrypted else PROTOCOL_ERROR
            await self._say(result(read.number, 0x78, code, "not possible"), f"ExtendedResponse, result {code}")
        else:
            await self._say(result(read.number, 0x78, SUCCESS, "", element(0x8A, STARTTLS.encode())), "starts TLS")
            self._user = ""  # RFC 4513 §4 lets a server forget who the client was
            await self.start_tls()


_OPERATIONS = {
    0x60: (_Session._bind, 3),
    0x42: (_Session._unbind, 0),
    0x63: (_Session._search, 8),
    0x68: (_Session._add, 2),
    0x77: (_Session._extended, 1),
}
"""Tag of the operation -> what is done, and how many elements the request has at least."""

SERVER = LDAPServer
