"""Binary phrases as the line of text that their dialect writes for each."""

from collections.abc import Iterable

from labkit.decode.event import TEXT, Event
from labkit.decode.privacy import Exposure
from labkit.dialects.base import Dialect


def as_text(dialect: Dialect | None, event: Event) -> Event:
    """The event with the dialect's line in place of its bytes; unchanged for a text dialect or an unknown protocol."""
    if dialect is None or dialect.tell is None or event.layer != TEXT:
        return event
    return event._replace(data=dialect.tell(event.title, event.data).encode("utf-8", "backslashreplace"))


def moved(exposures: Iterable[Exposure], line: bytes) -> list[Exposure]:
    """Move each exposure to its value in `line`; an exposure whose value is not found there covers the whole line."""
    return [_moved(exposure, line) for exposure in exposures]


def _moved(exposure: Exposure, line: bytes) -> Exposure:
    value = exposure.value.encode("utf-8", "backslashreplace")
    start = line.find(value)
    start, end = (0, len(line)) if start < 0 else (start, start + len(value))
    return exposure._replace(start=start, end=end)
