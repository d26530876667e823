"""One end of a connection that is carried on the loop: a non-blocking socket, and the bytes queued for it.

The relay of a capture and an attacker's machine use two of these for each connection. What the bytes mean, and where
they go, does not belong here. All of it runs in the loop's thread.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress

from labkit.network.listener import reset_on_close

_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


class CarriedEnd:
    """Owns a TCP socket from construction to `close` or `reset`.

    `drained` is called when all that waited was taken, `lost` with the error when the end takes nothing any more.
    """

    def __init__(
        self,
        events: asyncio.AbstractEventLoop,
        sock: socket.socket,
        drained: Callable[["CarriedEnd"], object],
        lost: Callable[["CarriedEnd", OSError], object],
    ) -> None:
        self.socket = sock
        self.fileno = sock.fileno()
        """A short text: asyncio formats each new socket, and the usual text takes system calls."""
        self.pending = bytearray()
        """Bytes that are queued for this end."""
        self._events = events
        self._drained = drained
        self._lost = lost
        self._writing = False
        self._hearing: Callable[[], object] | None = None
        sock.setblocking(False)

    def connect(self, address: tuple[object, ...], connected: Callable[[int], object]) -> None:
        """Connect to an address; `connected` gets the error number (errno.h), 0 for none."""
        error = self.socket.connect_ex(address)
        if error in _UNDER_WAY:
            self._events.add_writer(self.fileno, self._connected, connected)
        else:
            self._events.call_soon(connected, error)

    def _connected(self, then: Callable[[int], object]) -> None:
        self._events.remove_writer(self.fileno)
        then(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def on_readable(self, call: Callable[[], object] | None) -> None:
        """Call `call` whenever bytes, or the end of them, can be received; None to leave them in the system."""
        if call is not None and self._hearing is None:
            self._events.add_reader(self.fileno, call)
        elif call is None and self._hearing is not None:
            self._events.remove_reader(self.fileno)
        self._hearing = call

    def receive(self, size: int) -> bytes | None:
        """At most `size` bytes; empty at the end of the stream (FIN), None while there are none. Raises `OSError`."""
        try:
            return self.socket.recv(size)
        except BlockingIOError:
            return None

    def send(self, data: bytes) -> None:
        """Queue bytes to be sent after those that are queued already."""
        self.pending += data
        self._push()

    def finish(self) -> None:
        """Send FIN; for an end with nothing pending."""
        with suppress(OSError):  # it may have gone altogether
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Reset the connection (RST), after writing what it accepts without waiting."""
        with suppress(OSError):
            self.socket.send(self.pending)
        with suppress(OSError):
            reset_on_close(self.socket)
        self.close()

    def close(self) -> None:
        """Close the socket. A second call does nothing."""
        if self.socket.fileno() >= 0:
            self._events.remove_reader(self.fileno)
            self._events.remove_writer(self.fileno)
            self._hearing = None
            self.pending.clear()
            self.socket.close()

    def _push(self) -> None:
        try:
            del self.pending[: self.socket.send(self.pending)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._write(False)
            self._lost(self, error)
            return
        if self._writing and not self.pending:
            self._write(False)
            self._drained(self)
        else:
            self._write(bool(self.pending))

    def _write(self, wanted: bool) -> None:
        if wanted and not self._writing:
            self._events.add_writer(self.fileno, self._push)
        elif self._writing and not wanted:
            self._events.remove_writer(self.fileno)
        self._writing = wanted
