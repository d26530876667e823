"""Phrases of dialects whose bytes are no text, as the line of text that the dialect gives for each."""

from collections.abc import Iterable

from labkit.decode.event import TEXT, Event
from labkit.decode.privacy import Exposure
from labkit.dialects.base import Dialect


def as_text(dialect: Dialect | None, event: Event) -> Event:
    """The event with that line as its bytes; of a dialect in text, and outside of any, the event as it is."""
    if dialect is None or dialect.tell is None or event.layer != TEXT:
        return event
    return event._replace(data=dialect.tell(event.title, event.data).encode("utf-8", "backslashreplace"))


def moved(exposures: Iterable[Exposure], line: bytes) -> list[Exposure]:
    """The exposures where their values stand in the line; one whose value does not stand there covers all of it."""
    return [_moved(exposure, line) for exposure in exposures]


def _moved(exposure: Exposure, line: bytes) -> Exposure:
    value = exposure.value.encode("utf-8", "backslashreplace")
    start = line.find(value)
    start, end = (0, len(line)) if start < 0 else (start, start + len(value))
    return exposure._replace(start=start, end=end)
