"""The steps of STARTTLS in a dialogue: greet, ask, offer, upgrade, go ahead, shake hands; then forget, and ask again.

RFC 3207 §4 for SMTP, RFC 9051 §6.2.1 for IMAP, RFC 2595 §4 for POP3: one idea, whose words are the dialect's. A step
that did not happen, or that the dialect does not have, is left out.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from labkit.decode.event import TEXT, TLS, Dialogue, Event
from labkit.dialects.base import CLIENT, SERVER, Dialect
from labkit.dialects.writing import LISTING_KINDS, keyword


class Step(NamedTuple):
    """One step of the upgrade."""

    number: int
    """1 to 7."""
    name: str
    """greeting, question, offer, upgrade, go-ahead, handshake or first words in TLS."""
    sentence: str
    """What happens in it."""
    event_index: int
    """The index of the event in which it happens; of several, the first."""


def steps(dialogue: Dialogue) -> list[Step]:
    """The steps that happened, in the order in which they did."""
    return [] if dialogue.dialect is None else list(_walk(dialogue.dialect, dialogue.events))


def _walk(dialect: Dialect, events: tuple[Event, ...]) -> Iterator[Step]:
    index = 0
    for number, (name, sentence, happens) in enumerate(_STEPS, 1):
        found = next((at for at in range(index, len(events)) if happens(dialect, events[at])), None)
        if found is not None:
            yield Step(number, name, dialect.steps.get(name, sentence).format(dialect=dialect), found)
            index = found


def _greets(_: Dialect, event: Event) -> bool:
    return event.layer == TEXT and event.kind == "greeting" and not event.encrypted


def _asks(dialect: Dialect, event: Event) -> bool:
    return event.sender == CLIENT and event.layer == TEXT and not event.encrypted and event.title == dialect.ask


def _offers(dialect: Dialect, event: Event) -> bool:
    listing = dialect.writes.capabilities
    if listing is None or event.sender != SERVER or event.encrypted or event.kind not in LISTING_KINDS:
        return False
    token = dialect.token.upper()
    return any(token in (one.upper(), keyword(one)) for one in listing.find(event.data) or ())


def _upgrades(dialect: Dialect, event: Event) -> bool:
    return event.sender == CLIENT and event.layer == TEXT and event.title in dialect.upgrades


def _goes_ahead(_: Dialect, event: Event) -> bool:
    return event.kind == "go-ahead"


def _shakes_hands(_: Dialect, event: Event) -> bool:
    return event.layer == TLS and event.kind == "handshake"


def _asks_again(dialect: Dialect, event: Event) -> bool:
    if not event.encrypted or event.layer != TEXT:
        return False
    known = {dialect.again, dialect.ask} - {""}
    return event.title in known if known else bool(dialect.upgrade) and event.sender == CLIENT


_STEPS: tuple[tuple[str, str, Callable[[Dialect, Event], bool]], ...] = (
    ("greeting", "The server greets, and says which protocol it speaks.", _greets),
    ("question", "The client asks what the server can do: {dialect.ask}.", _asks),
    ("offer", "The server offers {dialect.token} in its answer.", _offers),
    ("upgrade", "The client asks to start TLS: {dialect.upgrade}.", _upgrades),
    ("go-ahead", "The server agrees: {dialect.go_ahead}. The next byte is to be TLS.", _goes_ahead),
    (
        "handshake",
        "Both sides shake hands on the same connection, and are to forget what was said before.",
        _shakes_hands,
    ),
    ("first words in TLS", "Inside TLS the client asks afresh: only this answer counts.", _asks_again),
)
"""(name, what happens, how to recognise it), in the order of the protocol."""

NAMES = tuple(name for name, _, _ in _STEPS)
"""The names of the steps, in order."""
