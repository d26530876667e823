"""Asking a vector: its answer is normalised, a pending decision is kept, an exception becomes `VectorFailed`."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from labkit.attacks.actions import Decision, Later, decision
from labkit.attacks.engine.agenda import AgendaStep
from labkit.attacks.engine.edits import Edit, edit
from labkit.attacks.vector import Line, Opening, Record, Vector
from labkit.dialects.base import Phrase
from labkit.errors import LabError, VectorFailed

Observed = Opening | Line | Record
"""What a vector decides on."""

_REMEMBERED = 100
"""How many earlier lines or records a vector is shown."""
_SHOWN = 4096
"""How many bytes of each of them."""
_ASKED = {Opening: "on_open", Line: "on_line", Record: "on_record"}


class Consultation:
    """The vector of one session. `keep` is called with each change; `clock` returns nanoseconds since 1970."""

    def __init__(
        self,
        vector: Vector,
        number: int,
        opening: Opening,
        keep: Callable[[Edit], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.sees_records = type(vector).on_record is not Vector.on_record
        self.pending: Later | None = None
        """The pending decision."""
        self._vector = vector
        self._number = number
        self._opening = opening
        self._lines: deque[Line] = deque(maxlen=_REMEMBERED)
        self._records: deque[Record] = deque(maxlen=_REMEMBERED)
        self._keep = keep
        self._clock = clock
        self._event: Observed
        self._then: Callable[[Decision], None]

    def line(self, phrase: Phrase, inside: bool) -> Line:
        """A phrase in the form that a vector gets."""
        opening = self._opening
        return Line(*phrase, inside, opening.dialect, opening.port, tuple(self._lines), self._number)

    def record(self, sender: str, kind: int, data: bytes) -> Record:
        """A TLS record in the form that a vector gets."""
        return Record(sender, kind, data, self._opening.dialect, tuple(self._records))

    def ask(self, event: Observed, then: Callable[[Decision], None]) -> None:
        """Call `then` with the vector's decision, now or in `settled`. Raises `VectorFailed`."""
        self._event, self._then = event, then
        ask = getattr(self._vector, _ASKED[type(event)])
        with self._blamed():
            returned = ask(event)
            if isinstance(returned, Later):
                self.pending = returned
                return
            chosen = decision(returned)
        self._decided(chosen)

    def settled(self, now: float) -> AgendaStep | None:
        """The step that carries out the pending decision; None while it is pending. `now` is in seconds of
        `time.monotonic`. Raises `VectorFailed`."""
        with self._blamed():
            actions = self.pending.settled(now)
            if actions is None:
                return None
            chosen = decision(actions)
        self.pending = None
        return partial(self._decided, chosen)

    def cancel(self) -> None:
        """Drop the pending decision."""
        if self.pending is not None:
            self.pending.cancel()
            self.pending = None

    def note(self, event: Observed, chosen: Decision) -> None:
        """Report what a decision changes to `keep`."""
        if chosen.edits:
            self._keep(edit(self._number, self._clock(), event, chosen))

    def _decided(self, chosen: Decision) -> None:
        self.note(self._event, chosen)
        self._remember(self._event)
        self._then(chosen)

    def _remember(self, event: Observed) -> None:
        past = {Line: self._lines, Record: self._records}.get(type(event))
        if past is not None:
            past.append(event._replace(data=event.data[:_SHOWN], earlier=()))

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Turn an exception of the vector into `VectorFailed`."""
        try:
            yield
        except Exception as error:
            raise VectorFailed(self._mistake(error)) from error

    def _mistake(self, error: Exception) -> str:
        event = self._event
        what = f"a connection to port {event.port}" if isinstance(event, Opening) else f"the line {event.data[:200]!r}"
        kind = "" if isinstance(error, LabError) else f"{type(error).__name__}: "
        return f"The vector {type(self._vector).__name__} failed in {_ASKED[type(event)]} on {what}: {kind}{error}."
