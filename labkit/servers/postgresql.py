"""A PostgreSQL server with the messages of an upgrade, a login and a query: SQL is recorded and not run.

The message flow is that of the protocol's documentation (`labkit.dialects.postgresql`); the password is requested as
plain text, as PostgreSQL does where pg_hba.conf says ``password``.
"""

import asyncio
import re
from typing import ClassVar

from labkit.dialects.postgresql import error, message
from labkit.servers.quirks import KEEPS_BUFFER
from labkit.servers.server import Note, Server
from labkit.servers.session import Session

_LONGEST_STARTUP = 10_000
"""Bytes; PostgreSQL's own limit (MAX_STARTUP_PACKET_LENGTH)."""
_LONGEST = 1 << 20
_VERSION_3 = 3
_SSL, _GSS = 80877103, 80877104
_SETTINGS = {"server_version": "17.0", "server_encoding": "UTF8", "client_encoding": "UTF8", "DateStyle": "ISO, MDY"}


class PostgreSQLServer(Server):
    """A running server. `queries` are those that it received, oldest first: (user, SQL)."""

    protocol = "PostgreSQL"
    ports: ClassVar = {False: 5432, True: 5432}
    quirks = (KEEPS_BUFFER,)

    def __init__(self, *arguments: object) -> None:
        self.queries: list[tuple[str, str]] = []
        super().__init__(*arguments)

    def _session(self, note: Note) -> asyncio.Protocol:
        return _Session(self, note)


class _Session(Session):
    idle_limit = 300.0
    server: PostgreSQLServer

    async def talk(self) -> None:
        parameters = await self._startup()
        user = parameters.get("user", "")
        self.note(f"C: startup of {user!r}")
        if self.settings.tls_first(self.encrypted) or not self.settings.login_now(self.encrypted):
            await self._fail("28000", f'no pg_hba.conf entry for user "{user}", no encryption')
        await self._say(message(b"R", (3).to_bytes(4, "big")), "asks for the password")
        kind, body = await self._message()
        password = body.rstrip(b"\0").decode("utf-8", "replace")
        if kind != b"p" or not self.server.post.authenticate(user, password):
            await self._fail("28P01", f'password authentication failed for user "{user}"')
        self.note(f"logged in as {user}")
        await self._say(message(b"R", bytes(4)), "login was right")
        for name, value in _SETTINGS.items():
            await self.send(message(b"S", f"{name}\0{value}\0".encode()))
        await self._ready()
        await self._serve(user)

    def parting(self, why: str) -> bytes:
        self.note(f"S: error, {why}")
        return error("57P01", why)

    async def _startup(self) -> dict[str, str]:
        """The parameters of the client, after an upgrade if it asks for one."""
        while True:
            begins = await self.exactly(1)
            length = int.from_bytes(await self.exactly(3), "big") if begins == b"\0" else 0
            if not 8 <= length <= _LONGEST_STARTUP:
                await self._fail("08P01", "invalid length of startup packet")
            body = await self.exactly(length - 4)
            code = int.from_bytes(body[:4], "big")
            if code == _SSL:
                await self._upgrade()
            elif code == _GSS:
                await self._say(b"N", "no encryption with Kerberos")
            elif code >> 16 == _VERSION_3:
                words = body[4:].decode("utf-8", "replace").split("\0")
                return await self._known(dict(zip(words[::2], words[1::2], strict=False)))
            else:
                await self._fail("0A000", "unsupported frontend protocol")

    async def _upgrade(self) -> None:
        self.note("C: SSLRequest")
        if self.encrypted or not self.settings.upgrade_now(self.encrypted):
            await self._say(b"N", "no TLS")
            return
        if self.buffer and KEEPS_BUFFER not in self.settings.quirks:
            await self._fail("08P01", "received unencrypted data after SSL request")
        await self._say(b"S", "TLS")
        await self.start_tls()

    async def _known(self, parameters: dict[str, str]) -> dict[str, str]:
        """The parameters; options of the protocol that are not known are named to the client."""
        unknown = [name for name in parameters if name.startswith("_pq_.")]
        if unknown:
            names = "".join(f"{name}\0" for name in unknown).encode()
            body = (0).to_bytes(4, "big") + len(unknown).to_bytes(4, "big") + names
            await self._say(message(b"v", body), f"does not know {', '.join(unknown)}")
        return parameters

    async def _serve(self, user: str) -> None:
        while True:
            kind, body = await self._message()
            if kind == b"X":
                return
            if kind != b"Q":
                await self._fail("0A000", "only simple queries here")
            sql = body.rstrip(b"\0").decode("utf-8", "replace")
            self.server.queries.append((user, sql))
            self.note(f"C: {sql[:100]}")
            verb = (re.match(r"\w*", sql.strip())[0] or "OK").upper()
            await self.send(message(b"C", f"{verb}\0".encode()))
            await self._ready()

    async def _message(self) -> tuple[bytes, bytes]:
        head = await self.exactly(5)
        length = int.from_bytes(head[1:], "big")
        if not 4 <= length <= _LONGEST:
            await self._fail("08P01", "invalid message length")
        return head[:1], await self.exactly(length - 4)

    async def _ready(self) -> None:
        await self.send(message(b"Z", b"I"))

    async def _say(self, data: bytes, what: str) -> None:
        self.note(f"S: {what}")
        await self.send(data)

    async def _fail(self, code: str, text: str) -> None:
        """Refuse and end the connection. Raises EOFError."""
        await self._say(error(code, text), text)
        raise EOFError


SERVER = PostgreSQLServer
