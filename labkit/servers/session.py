"""One client's connection to a server of a line protocol: it reads lines and literals, sends bytes, and starts TLS.

The meaning of the lines does not belong here. Every wait has a time limit, and the buffer of a client's bytes is
bounded.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, ClassVar, NoReturn, TypeVar

from labkit.servers.quirks import KEEPS_BUFFER
from labkit.servers.server import Note, Server
from labkit.servers.tls import ServerTLS, encryption, over

T = TypeVar("T")

LINE_LIMIT = 8192
"""Bytes of a line, its end included; RFC 7162 §4 asks an IMAP server to take as many, RFC 2449 §4 a POP3 server 255."""
SKIPPED_LIMIT = 1 << 20
"""Bytes of a line without end that are passed over before the connection is closed."""
_HEARD_OUT = 1.0
"""Seconds in which a client may still send after the parting reply."""
_AHEAD = 64 << 10
"""How many unread bytes of a client are buffered before reading pauses."""


class TooLong(Exception):
    """A line longer than `LINE_LIMIT` was read to its end and dropped."""


class NegativeReply(Exception):
    """A command that gets a negative reply; the message is its text."""


class Session(asyncio.Protocol, ABC):
    """The server's side of one connection."""

    idle_limit: ClassVar[float]
    """Seconds that the server waits for the client."""

    def __init__(self, server: Server, note: Note) -> None:
        self.server = server
        self.settings = server.settings
        self.note = note
        self.buffer = bytearray()
        """What the client sent and the conversation has not read yet."""
        self._transport: asyncio.Transport | None = None
        self._ended = asyncio.Event()
        """Set when the client has sent FIN."""
        self._lost = False
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    @abstractmethod
    async def talk(self) -> None:
        """The whole conversation, from the greeting to the last reply; the connection is closed when this returns."""

    @abstractmethod
    def parting(self, why: str) -> bytes:
        """What the server says when it ends the conversation by itself."""

    @property
    def encrypted(self) -> bool:
        """Whether TLS protects the connection now."""
        return any(encryption(self._transport))

    @property
    def over(self) -> str:
        """``clear text``, or the TLS version."""
        return over(self._transport)

    # ---- what a conversation is made of

    async def line(self) -> bytes:
        """The next line, without its end. Raises `TooLong`, EOFError when there is none, TimeoutError."""
        skipped = 0
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > LINE_LIMIT:
                skipped += len(self.buffer)
                self.buffer.clear()
            if skipped > SKIPPED_LIMIT:
                await self.dismiss("The line has no end")
            await self.more()
        line = self._take(end + 1)
        if skipped or len(line) > LINE_LIMIT:
            raise TooLong
        return line[:-1].removesuffix(b"\r")

    async def exactly(self, size: int) -> bytes:
        """The next `size` bytes. Raises EOFError and TimeoutError."""
        while len(self.buffer) < size:
            await self.more()
        return self._take(size)

    async def more(self) -> None:
        """Wait until more bytes have arrived. Raises EOFError after FIN, and TimeoutError."""
        self._arrived.clear()
        if self._ended.is_set():
            raise EOFError
        self._transport.resume_reading()
        async with asyncio.timeout(self.idle_limit):
            await self._arrived.wait()

    async def while_here(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which is cancelled when the client sends FIN. Raises EOFError then."""
        working, ended = asyncio.ensure_future(work), asyncio.ensure_future(self._ended.wait())
        try:
            done, _ = await asyncio.wait((working, ended), return_when=asyncio.FIRST_COMPLETED)
            if working not in done:
                raise EOFError
            return working.result()
        finally:
            working.cancel()
            ended.cancel()

    async def send(self, data: bytes) -> None:
        """Send bytes, and wait until the client takes them. Raises OSError if it does not."""
        await asyncio.sleep(0)  # only while this waits is it noticed that a client with many pending commands has gone
        if self._lost or self._transport.is_closing():
            raise ConnectionResetError
        self._transport.write(data)
        try:
            async with asyncio.timeout(self.idle_limit):
                await self._writable.wait()
        except TimeoutError:
            self._transport.abort()
            raise ConnectionAbortedError("the client reads nothing") from None

    async def dismiss(self, why: str) -> NoReturn:
        """Send `parting` to a client that may still be sending, then `drain`. Raises EOFError."""
        await self.send(self.parting(why))
        await self.drain()

    async def drain(self) -> NoReturn:
        """Send FIN, and read for `_HEARD_OUT` seconds what the client still sends. Raises EOFError.

        A connection that is closed with bytes unread is reset (RFC 9293 §3.6.1), and the client may lose the goodbye.
        """
        if self._transport.can_write_eof():
            self._transport.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARD_OUT):
                while True:
                    self.buffer.clear()
                    await self.more()
        raise EOFError

    async def start_tls(self) -> None:
        """Shake hands; the go-ahead was the last thing said in clear text. Raises OSError when TLS does not begin."""
        if self.buffer and KEEPS_BUFFER not in self.settings.quirks:
            self.note(f"{len(self.buffer)} bytes behind the command that starts TLS are thrown away")
            self.buffer.clear()
        if self._transport.is_closing() or self._ended.is_set():
            raise ConnectionResetError
        await ServerTLS(self, self.server.context, self.note).take_over(self._transport)
        if not self.encrypted:
            raise ConnectionAbortedError("TLS did not begin")

    # ---- what asyncio tells

    def connection_made(self, transport: asyncio.Transport) -> None:
        """A new connection; or the same one once more, from now on inside TLS."""
        begins = self._transport is None
        self._transport = transport
        if begins:
            self.server.begin(self._live())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self._arrived.set()
        if len(self.buffer) >= _AHEAD:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._end()
        return not self.encrypted  # in clear text, what was asked before the end is still answered

    def connection_lost(self, _: Exception | None) -> None:
        self._lost = True
        self._end()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _end(self) -> None:
        self._ended.set()
        self._arrived.set()

    async def _live(self) -> None:
        try:
            with suppress(EOFError):
                await self.talk()
        except TimeoutError:
            self._transport.write(self.parting("Nothing was said for too long"))
        except OSError as error:
            self.note(f"connection lost: {error or 'the client has gone'}")
        except Exception as error:
            self.note(f"cannot go on: {error!r}")
            self._transport.write(self.parting("Something is wrong with this server"))
        finally:
            self.note("connection closed")
            self._transport.close()

    def _take(self, size: int) -> bytes:
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken
