"""A listening socket whose connections are accepted in the loop's thread.

asyncio's own Server, when closed, loses the connections that it is just accepting; so we accept here.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

from labkit.network.neighbours import is_stranger

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
BREATH = 0.5
"""Seconds without accepting when the system has no socket left."""


class Entrance:
    """Accepts connections from construction to `close`; its methods are for the loop's thread.

    `welcome` is called with each connection and the address of its client; after `at_once` of them, open connections
    get their turn. A connection of another user of the machine is closed at once. `exhausted` is called with the error
    each time the system has no socket left for a connection.
    """

    def __init__(
        self,
        events: asyncio.AbstractEventLoop,
        sock: socket.socket,
        at_once: int,
        welcome: Callable[[socket.socket, Any], object],
        exhausted: Callable[[OSError], object],
    ) -> None:
        self._events = events
        self._socket = sock
        self._at_once = at_once
        self._welcome = welcome
        self._exhausted = exhausted
        self._closed = False
        sock.setblocking(False)
        events.call_soon_threadsafe(self._open)

    def accept_pending(self) -> bool:
        """Accept the waiting connections. False if there were none."""
        accepted = 0
        try:
            while accepted < self._at_once:
                sock, address = self._socket.accept()
                accepted += 1
                if is_stranger(sock):
                    sock.close()
                else:
                    self._welcome(sock, address)
        except OSError as error:  # no other connection waits, or the client has closed its own again
            if error.errno in EXHAUSTED:
                self._exhausted(error)
                self._rest()
        return accepted > 0

    def close(self) -> None:
        """Accept no more. The socket stays open: its owner closes it."""
        self._closed = True
        self._events.remove_reader(self._socket)

    def _open(self) -> None:
        if not self._closed:
            self._events.add_reader(self._socket, self.accept_pending)

    def _rest(self) -> None:
        self._events.remove_reader(self._socket)
        self._events.call_later(BREATH, self._open)
