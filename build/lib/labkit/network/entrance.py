"""Where clients come in: a listening socket whose connections are accepted in the loop's thread.

asyncio's own Server, when closed, loses the connections that it is just accepting; so we accept here.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
BREATH = 0.5
"""Seconds without accepting when the system has no socket left."""


class Entrance:
    """Accepts from construction to `close`; its methods are for the loop's thread.

    `welcome` gets each connection and the address of its client, `at_once` of them before those that are here already
    get their turn; `exhausted` is told why, each time the system has no socket left for one.
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

    def let_in(self) -> bool:
        """Welcome those who wait. False when nobody does, or nobody can be let in."""
        accepted = 0
        try:
            while accepted < self._at_once:
                sock, address = self._socket.accept()
                accepted += 1
                self._welcome(sock, address)
        except OSError as error:  # nobody else waits, or the client has gone again
            if error.errno in EXHAUSTED:
                self._exhausted(error)
                self._rest()
        return accepted > 0

    def close(self) -> None:
        """Accept no more; the socket stays its owner's."""
        self._closed = True
        self._events.remove_reader(self._socket)

    def _open(self) -> None:
        if not self._closed:
            self._events.add_reader(self._socket, self.let_in)

    def _rest(self) -> None:
        self._events.remove_reader(self._socket)
        self._events.call_later(BREATH, self._open)
