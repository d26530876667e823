"""What the transcripts of page and terminal share: the two ends, the protocol, the summary on TLS, the events."""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from labkit.decode.event import CLIENT, SERVER, TEXT, TLS, Dialogue, Event
from labkit.decode.privacy import Exposure
from labkit.decode.tls_start import is_text
from labkit.show.printed import printable
from labkit.show.readable import as_text, moved

EVENTS_SHOWN = 400


class Reading(NamedTuple):
    """A dialogue together with what an eavesdropper can read of it."""

    dialogue: Dialogue
    exposures: Sequence[Exposure]


def heading(dialogue: Dialogue) -> str:
    """The two ends: ``alice (127.0.0.1:50412) → mail (127.0.0.1:587)``."""
    return printable(f"{dialogue.client_name} ({dialogue.client}) → {dialogue.server_name} ({dialogue.server})")


def summary(dialogue: Dialogue) -> str:
    """One to three sentences: the protocol, and whether and how TLS was started."""
    protocol = (
        dialogue.dialect.name if dialogue.dialect else dialogue.part_of or "a protocol that the lab does not know"
    )
    size = f"{len(dialogue.events):,} {plural(len(dialogue.events), 'event')}"
    return printable(f"{protocol[0].upper()}{protocol[1:]}, {size}. {_tls(dialogue)}")


def _tls(dialogue: Dialogue) -> str:
    session = dialogue.session
    said = [event for event in dialogue.events if event.layer == TEXT]
    if session is None and not said:
        missing = any(event.kind == "gap" for event in dialogue.events)
        return "What was said is missing from the capture." if missing else "Nothing was said."
    if session is None:
        return _ALL_CLEAR if _is_all_read(dialogue, said) else "No TLS was seen in what was captured."
    start = _start(session.started, dialogue)
    facts = [session.version or "no version agreed", session.cipher]
    facts.append(f"server name {session.server_name}" if session.server_name else "no server name sent")
    facts.append("resumed session" if session.resumed else "pre-shared key" if session.pre_shared_key else "")
    state = "Opened with the session's secrets." if session.opened else session.problem or "Not opened."
    return f"{start}: {', '.join(fact for fact in facts if fact)}. {state}"


_ALL_CLEAR = "No TLS: everything crossed the wire in clear text."


def _is_all_read(dialogue: Dialogue, said: Sequence[Event]) -> bool:
    """Whether every byte from the first was captured and read as text of a known protocol."""
    begins = dialogue.events[0].kind in ("syn", "syn-ack")
    both = {event.sender for event in said} == {CLIENT, SERVER}
    missing = any(event.kind == "gap" for event in dialogue.events)
    unread = any(event.kind == "unknown" and not is_text(event.data) for event in said)
    if dialogue.part_of:
        return begins and not missing
    return dialogue.dialect is not None and begins and both and not (missing or unread)


def _start(started: str, dialogue: Dialogue) -> str:
    """How TLS was started, as far as the capture shows it."""
    before = [event.kind for event in takewhile(lambda event: event.layer != TLS, dialogue.events)]
    if started == "implicit":
        spoken = any(event.layer == TEXT and event.kind != "preface" for event in dialogue.events[: len(before)])
        return "TLS that was not asked for" if spoken else "Implicit TLS, from the first byte"
    return "Explicit TLS, after an upgrade" if "go-ahead" in before else "Explicit TLS, whose go-ahead was not seen"


def shown(reading: Reading) -> list[tuple[Event, list[Exposure]]]:
    """The events of a transcript with what each discloses; binary phrases as their line of text."""
    by_event: dict[int, list[Exposure]] = {}
    for exposure in reading.exposures:
        by_event.setdefault(exposure.event_index, []).append(exposure)
    dialogue = reading.dialogue
    events = ((event, by_event.get(index, [])) for index, event in enumerate(dialogue.events[:EVENTS_SHOWN]))
    if dialogue.dialect is None or dialogue.dialect.tell is None:
        return list(events)
    readable = ((event, as_text(dialogue.dialect, event), exposures) for event, exposures in events)
    return [(line, exposures if line is event else moved(exposures, line.data)) for event, line, exposures in readable]


def milliseconds(dialogue: Dialogue, event: Event) -> str:
    """Milliseconds since the first event of the dialogue."""
    return f"{(event.time - dialogue.events[0].time) * 1000:.1f}"


def direction(dialogue: Dialogue, sender: str) -> str:
    """Sender and receiver: ``alice → mail``."""
    ends = (dialogue.client_name, dialogue.server_name)
    return printable(" → ".join(ends if sender == CLIENT else ends[::-1]))


def more_events(dialogue: Dialogue) -> str:
    """A sentence with the number of events that are not shown; empty when all are."""
    rest = len(dialogue.events) - EVENTS_SHOWN
    return f"… {rest:,} more {plural(rest, 'event')}." if rest > 0 else ""


def left_out(size: int) -> str:
    """A note with the number of bytes of a long phrase that are not shown."""
    return f"… {size:,} {plural(size, 'byte')} more"


def plural(number: int, noun: str) -> str:
    """The noun in the singular or plural that this number needs."""
    return noun if number == 1 else f"{noun}s"
