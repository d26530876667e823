"""A name server on a host of the lab: UDP and TCP (RFC 1035 §4.2, RFC 7766), and how a client asks one.

What it answers is in `answering`; what a client may believe is in `resolver`.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from labkit.defences.answering import answered_with, asked_for, respond
from labkit.defences.zone import Zone
from labkit.errors import LabError, PortTaken
from labkit.network import TCP, UDP, Host
from labkit.network.datagrams import Datagrams, SendReply
from labkit.network.entrance import Entrance
from labkit.network.streams import accepted
from labkit.servers.log import ServerLog
from labkit.servers.standing import Standing

PORT = 53
PATIENCE = 1.0
"""Seconds for an answer; in the lab it takes milliseconds."""
_TRIES = 2
"""How many times a query is sent: datagrams may be lost (RFC 1035 §4.2.1)."""
_AT_ONCE = 32
_IDLE = 10.0
"""Seconds that a TCP client may be silent (RFC 7766 §6.2.3)."""
_LARGEST = 1 << 16
_LENGTH = struct.Struct("!H")
_TRUNCATED = 0x02
"""The TC bit, in the third byte of a message."""
_PORTS_TRIED = 5


class NameServer(Standing):
    """A running name server for these zones, which may be added to and changed while it runs."""

    protocol = "DNS"

    def __init__(self, host: Host, zones: Sequence[Zone]) -> None:
        self.zones = list(zones)
        self.log = ServerLog()
        self._host = host
        self._loop = host.network.loop
        self._asked = 0
        self._stopped = False
        self._under_way: set[asyncio.Task[Any]] = set()
        self._listener, self._receiver = _both(host)
        self._loop.call(self._start)

    @property
    def facts(self) -> str:
        """What it answers for, in one line."""
        return " and ".join(f"{zone.name} ({'signed' if zone.key else 'not signed'})" for zone in self.zones)

    def answer(self, query: bytes, over: str) -> bytes | None:
        """The response to a query that came over ``UDP`` or ``TCP``; nothing for bytes that are not a query."""
        self._asked += 1
        response = respond(self.zones, query, over)
        self.log.write(self._asked, f"{asked_for(query)} over {over}: {answered_with(response)}")
        return response

    def close(self) -> None:
        """Stop answering. A second call does nothing."""
        if not self._stopped:
            self._loop.call(self._stop)

    def __repr__(self) -> str:
        where = f"port {self.port}{self.elsewhere and f' ({self.elsewhere})'}"
        return f"<name server on {self.host}, {where}: {self.facts}{', closed' if self._stopped else ''}>"

    # ---- in the loop's thread

    def _start(self) -> None:
        events = self._loop.events
        self._datagrams = Datagrams(self._host.network, self._receiver, self._received)
        self._entrance = Entrance(events, self._listener.socket, _AT_ONCE, self._come_in, lambda error: None)

    def _received(self, query: bytes, reply: SendReply) -> None:
        response = self.answer(query, UDP)
        if response:
            reply(response)

    def _come_in(self, sock: socket.socket, _: Any) -> None:
        task = self._loop.events.create_task(serve(sock, self._over_tcp))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _over_tcp(self, query: bytes) -> bytes | None:
        return self.answer(query, TCP)

    def _stop(self) -> None:
        self._stopped = True
        self._entrance.close()
        self._datagrams.close()
        self._receiver.close()
        self._listener.close()
        for task in self._under_way:
            task.cancel()


def _both(host: Host) -> tuple[Any, Any]:
    """The listeners for TCP and UDP: on loopback with the same real port, since tools take one number for both."""
    for _ in range(_PORTS_TRIED):
        listener = host.listen(PORT)
        try:
            receiver = host.listen(PORT, UDP)
        except PortTaken:
            listener.close()
            raise
        if receiver.address[1] == listener.address[1]:
            break
        receiver.close()
        listener.close()
    else:
        raise PortTaken(f"{host.name} finds no port that is free for both UDP and TCP: try again.")
    return listener, receiver


async def serve(sock: socket.socket, answer: Callable[[bytes], Awaitable[bytes | None]]) -> None:
    """Answer one TCP client, whose messages have their length before them (RFC 1035 §4.2.2)."""
    with suppress(OSError, EOFError, TimeoutError):
        reader, writer = await accepted(sock, _LARGEST)
        try:
            while await _answer_next(reader, writer, answer):
                pass
        finally:
            writer.close()


async def _answer_next(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Callable[[bytes], Awaitable[bytes | None]]
) -> bool:
    """Answer the next message of a TCP client; False for bytes that are not a query."""
    async with asyncio.timeout(_IDLE):
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        response = await answer(await reader.readexactly(length))
        if response is not None:
            writer.write(_LENGTH.pack(len(response)) + response)
            await writer.drain()
        return response is not None


def asking(host: Host, server: str = "dns", patience: float = PATIENCE) -> Callable[[bytes], bytes]:
    """How a host asks the name server on another one: bytes of a query in, of the response out.

    A truncated response is asked for again over TCP. Raises `LabError` when nothing comes in time.
    """

    def ask(query: bytes) -> bytes:
        response = _over_udp(host, server, query, patience)
        return _over_tcp(host, server, query, patience) if response[2] & _TRUNCATED else response

    return ask


def _over_udp(host: Host, server: str, query: bytes, patience: float) -> bytes:
    for _ in range(_TRIES):
        with host.connect(server, PORT, patience, UDP) as sock, suppress(TimeoutError):
            sock.send(query)
            return _response(sock, query[:2], time.monotonic() + patience)
    raise LabError(f"the name server on {server} did not answer within {patience:g} s")


def _response(sock: socket.socket, number: bytes, end: float) -> bytes:
    """The next datagram with the ID of the query. Raises TimeoutError at `end`, a time of `time.monotonic`."""
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        response = sock.recv(_LARGEST)
        if len(response) > _LENGTH.size and response[:2] == number:
            return response
    raise TimeoutError


def _over_tcp(host: Host, server: str, query: bytes, patience: float) -> bytes:
    end = time.monotonic() + patience
    with host.connect(server, PORT, patience) as sock:
        sock.sendall(_LENGTH.pack(len(query)) + query)
        (length,) = _LENGTH.unpack(_exactly(sock, _LENGTH.size, end, server))
        return _exactly(sock, length, end, server)


def _exactly(sock: socket.socket, size: int, end: float, server: str) -> bytes:
    data = b""
    while len(data) < size:
        left = end - time.monotonic()
        if left <= 0:
            raise LabError(f"the name server on {server} was too slow over TCP")
        sock.settimeout(left)
        try:
            more = sock.recv(size - len(data))
        except TimeoutError:
            continue
        if not more:
            raise LabError(f"the name server on {server} closed the connection in the middle of its answer")
        data += more
    return data
