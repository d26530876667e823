"""Whether the first phrase of a server is its greeting, in a capture that may lack what came before it."""

import re

from labkit.decode.event import CLIENT, TEXT, Event
from labkit.decode.words import DoubtfulWords
from labkit.dialects.base import Dialect


def doubted(events: list[Event], dialect: Dialect | None, begins: bool) -> list[Event]:
    """The events, with a greeting turned into a doubtful reply unless something shows that it greets.

    A client that then asks for the capabilities or the upgrade shows it. `begins` is whether the capture has the
    beginning of the connection.
    """
    if dialect is None or not dialect.also_answers:
        return events
    found = next((number for number, event in enumerate(events) if event.kind == "greeting"), None)
    if found is None or (begins and all(event.kind != "gap" for event in events[:found])):
        return events
    event = events[found]
    asked = next((one.title for one in events[found:] if one.sender == CLIENT and one.layer == TEXT), "")
    begins_session = asked in {dialect.ask, *dialect.upgrades} - {""}
    if event.title in dialect.also_answers and not (begins_session or _greets(dialect, event.data)):
        events[found] = event._replace(kind="reply", origin=DoubtfulWords(dialect))
    return events


def _greets(dialect: Dialect, data: bytes) -> bool:
    """Whether it has what only a greeting has: an unasked list of capabilities, or a timestamp for a login."""
    listing = dialect.writes.capabilities
    lists = listing is not None and listing.find(data) is not None
    return lists or re.match(dialect.timestamp.encode(), data) is not None
