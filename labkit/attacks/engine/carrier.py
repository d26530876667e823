"""Two connections carried in one thread: each side is heard, neither is read faster than the other one takes it.

What becomes of the bytes is for the caller to say. The end of one direction alone (FIN) is passed on like the bytes. A
victim that breaks the connection off (RST) is not waited for, but what it said before still reaches the server.
"""

import selectors
import time
from collections.abc import Callable

from labkit.attacks.engine.side import Side

IDLE_LIMIT = 300.0
"""Seconds without a byte from either side, after which the connections end; servers of mail wait as long."""
_LINGER = 1.0
"""Seconds that a closed pair goes on listening, because an end that is still speaking would lose our last words."""

Heard = Callable[[Side, bytes], None]
"""(side, what its end said)."""


class Carrier:
    """A victim's side and a server's side."""

    def __init__(self, victim: Side, server: Side) -> None:
        self.victim = victim
        self.server = server
        self._deadline = float("inf")

    @property
    def ending(self) -> bool:
        """Whether the last words have been said."""
        return self._deadline < float("inf")

    def other(self, side: Side) -> Side:
        """The side that faces the other end."""
        return self.server if side is self.victim else self.victim

    def run(self, heard: Heard, stopping: Callable[[], bool]) -> None:
        """Carry until both directions have ended, `stopping` says so, or nothing happens any more. Raises `OSError`."""
        with selectors.DefaultSelector() as selector:
            while self._watch(selector) and not stopping():
                ready = selector.select(max(0.0, min(IDLE_LIMIT, self._deadline - time.monotonic())))
                if not ready:
                    return
                for key, events in ready:
                    self._serve(key.data, events, heard)

    def close(self) -> None:
        """Say to both ends that no more follows, and listen a moment longer."""
        self._deadline = time.monotonic() + _LINGER
        for side in (self.victim, self.server):
            side.finish()

    def _watch(self, selector: selectors.BaseSelector) -> bool:
        """Wait for what can come next; False when nothing can."""
        for side in (self.victim, self.server):
            self._flush(side)
        room = not (self.victim.busy or self.server.busy)
        for side in (self.victim, self.server):
            events = side.events(reading=room)
            registered = selector.get_map().get(side.socket)
            if registered is None and events:
                selector.register(side.socket, events, side)
            elif registered and not events:
                selector.unregister(side.socket)
            elif registered and registered.events != events:
                selector.modify(side.socket, events, side)
        return bool(selector.get_map())

    def _serve(self, side: Side, events: int, heard: Heard) -> None:
        if events & selectors.EVENT_READ:
            try:
                data = side.hear()
            except OSError:
                self._lose(side)
            else:
                if not self.ending:
                    heard(side, data)

    def _flush(self, side: Side) -> None:
        try:
            side.flush()
        except OSError:
            self._lose(side)

    def _lose(self, side: Side) -> None:
        """An end has broken the connection off; called while its error is handled."""
        if side is self.server:
            raise
        side.lose()
        self.close()
