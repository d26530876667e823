"""Measurements of a conversation that need no decryption: bytes, time, turns, and the entropy of its bytes.

An eavesdropper can do all of this on ciphertext. Entropy is Shannon's, in bits for each byte: 8 for bytes that are all
equally likely, about 4 to 5 for English text.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import log2
from typing import NamedTuple

from labkit.decode.event import CLIENT, SERVER, TCP, TEXT, Dialogue, Event

READABLE, SHAKING, SEALED = "readable", "TLS handshake", "ciphertext"
"""How payload bytes crossed the wire: clear text, TLS records that can be read, TLS records that cannot."""

WINDOW = 128
"""Bytes; they have at most log2(128) = 7 bits each, and random ones come a little short of that."""
_STEP = 16
"""Bytes from one window to the next."""


class Measure(NamedTuple):
    """What was measured of one dialogue."""

    seconds: float
    """From its first event to its last."""
    turns: int
    """How often the client had to wait for an answer before it could go on."""
    payload: dict[str, int]
    """`READABLE`, `SHAKING`, `SEALED` -> how many TCP payload bytes crossed the wire that way."""


def measure(dialogue: Dialogue) -> Measure:
    """Measure a dialogue."""
    events = dialogue.events
    payload = dict.fromkeys((READABLE, SHAKING, SEALED), 0)
    for event in events:
        if event.layer != TCP:
            payload[crossed(event)] += event.wire
    seconds = events[-1].time - events[0].time if events else 0.0
    return Measure(seconds, _turns(events), payload)


def crossed(event: Event) -> str:
    """How an event's payload crossed the wire: `READABLE`, `SHAKING` or `SEALED`."""
    if event.encrypted:
        return SEALED
    return READABLE if event.layer == TEXT else SHAKING


def _turns(events: Sequence[Event]) -> int:
    senders = [event.sender for event in events if event.kind not in ("ack", "fin", "rst", "gap", "again")]
    return sum(1 for before, after in pairwise(senders) if (before, after) == (CLIENT, SERVER))


def entropy(data: bytes) -> float:
    """Shannon's entropy of these bytes, in bits for each byte (0 to 8); 0 for none."""
    size = len(data)
    return -sum(count / size * log2(count / size) for count in Counter(data).values()) if size else 0.0


def entropies(data: bytes) -> list[tuple[int, float]]:
    """The entropy in a window that moves along: (offset of the window's middle in bytes, bits for each byte)."""
    last = max(len(data) - WINDOW, 0)
    return [(at + WINDOW // 2, entropy(data[at : at + WINDOW])) for at in range(0, last + 1, _STEP)]
