"""A UDP socket that is read in the loop's thread; its datagrams may be answered from any thread."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from labkit.network.listener import Address, Listener

if TYPE_CHECKING:
    from labkit.network.hosts import Network

_LARGEST = 1 << 16
_AT_ONCE = 64
"""Datagrams that are read before others get their turn."""

SendReply = Callable[[bytes], None]
"""Sends a datagram back to the sender of one; any thread may call it."""
DatagramWitness = Callable[[Address, Listener, bool, bytes], None]
"""Called with each datagram at once, in any thread: the client's address, the server's listener, whether the server has
sent it, and its bytes."""


class Datagrams:
    """Reads from construction to `close`; `received` gets each datagram, and how to answer it, in the loop's thread.

    The network's `witnesses` are called with each.
    """

    def __init__(self, network: "Network", listener: Listener, received: Callable[[bytes, SendReply], None]) -> None:
        self._network = network
        self._listener = listener
        self._events: asyncio.AbstractEventLoop = network.loop.events
        self._socket: socket.socket = listener.socket
        self._received = received
        self._closed = False
        self._socket.setblocking(False)
        self._events.call_soon_threadsafe(self._open)

    def close(self) -> None:
        """Stop reading; the caller still owns the socket. For the loop's thread."""
        self._closed = True
        self._events.remove_reader(self._socket)

    def _open(self) -> None:
        if not self._closed:
            self._events.add_reader(self._socket, self._read)

    def _read(self) -> None:
        with suppress(BlockingIOError, ConnectionError):  # a client may be gone already, which Windows reports here
            for _ in range(_AT_ONCE):
                data, client = self._socket.recvfrom(_LARGEST)
                self._notify(client, False, data)
                self._received(data, self._reply_to(client))

    def _reply_to(self, client: Any) -> SendReply:
        def reply(data: bytes) -> None:
            with suppress(OSError):  # the socket is closed, or the network has no room: as if it was lost on the way
                self._notify(client, True, data)
                self._socket.sendto(data, client)

        return reply

    def _notify(self, client: Any, answers: bool, data: bytes) -> None:
        for witness in tuple(self._network.witnesses):
            witness(client[:2], self._listener, answers, data)
