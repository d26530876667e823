"""What the transcripts of page and terminal share: the two ends, the protocol, the summary on TLS, the events."""

from collections.abc import Sequence
from itertools import dropwhile, takewhile
from operator import attrgetter
from typing import NamedTuple

from labkit.decode.event import CLIENT, SERVER, TCP, TEXT, TLS, Dialogue, Event, TLSSession
from labkit.decode.privacy import Exposure
from labkit.decode.tls_start import is_text
from labkit.dialects.base import Dialect, Phrase
from labkit.show.printed import printable
from labkit.show.readable import as_text, moved

EVENTS_SHOWN = 400
_kind = attrgetter("kind")


class Reading(NamedTuple):
    """A dialogue together with what an eavesdropper can read of it."""

    dialogue: Dialogue
    exposures: Sequence[Exposure]


def heading(dialogue: Dialogue) -> str:
    """The two ends: ``alice (127.0.0.1:50412) → mail (127.0.0.1:587)``."""
    return printable(f"{dialogue.client_name} ({dialogue.client}) → {dialogue.server_name} ({dialogue.server})")


def summary(dialogue: Dialogue) -> str:
    """One to three sentences: the protocol, and whether and how TLS was started."""
    protocol = _protocol(dialogue)
    size = f"{len(dialogue.events):,} {plural(len(dialogue.events), 'event')}"
    return printable(f"{protocol[0].upper()}{protocol[1:]}, {size}. {_tls(dialogue)}")


def _protocol(dialogue: Dialogue) -> str:
    """The name of the protocol, and whether only the port tells it."""
    if dialogue.dialect is None:
        return dialogue.part_of or "a protocol that the lab does not know"
    return dialogue.dialect.name if is_in_words(dialogue) else f"{dialogue.dialect.name} to judge by the port"


def is_in_words(dialogue: Dialogue) -> bool:
    """Whether what was said can only be of the dialogue's protocol; otherwise its port tells it.

    What each side says has to be in it, and something has to be that few protocols say: ``220``, ``+OK`` and QUIT are
    also words of DICT or Redis.
    """
    dialect = dialogue.dialect
    if dialogue.server.port not in dialect.explicit_ports + dialect.implicit_ports:
        return True
    said = [event for event in dialogue.events if event.layer == TEXT and event.kind != "preface"]
    by_side = {side: [event for event in said if event.sender == side] for side in (SERVER, CLIENT)}
    first = (b"".join(event.data for event in by_side[side][:_FIRST]) for side in (SERVER, CLIENT))
    if dialect.recognises(*first):
        return True
    phrases = {side: _phrases(dialect, events) for side, events in by_side.items() if events}
    return all(phrases.values()) and any(_tells(dialect, phrase) for said in phrases.values() for phrase in said)


def _phrases(dialect: Dialect, said: Sequence[Event]) -> list[Event | Phrase]:
    """What one side says that is in the dialect; the beginning of a phrase counts where there is no whole one."""
    whole: list[Event | Phrase] = [event for event in said if event.title != "unfinished"]
    if not whole:
        reader = dialect.reader()
        whole = [phrase for event in said for phrase in reader.feed(event.sender, event.data + b"\r\n")]
    return [one for one in whole if one.kind != "unknown" and one.title != "unknown command"]


def _tells(dialect: Dialect, phrase: Event | Phrase) -> bool:
    """Whether few other protocols say this: a command, what is said unasked, a list of capabilities."""
    if phrase.sender == CLIENT:
        return phrase.title in dialect.commands and phrase.title not in _COMMON
    listing = dialect.writes.capabilities
    unasked = phrase.kind == "untagged" and phrase.title in dialect.replies
    return unasked or (listing is not None and listing.find(phrase.data) is not None)


_COMMON = frozenset({"AUTH", "HELP", "LOGOUT", "NOOP", "QUIT"})
"""Commands of many protocols."""
_FIRST = 3
"""How many phrases of a side are asked what the protocol is."""


def _tls(dialogue: Dialogue) -> str:
    session = dialogue.session
    said = [event for event in dialogue.events if event.layer == TEXT]
    if session is None and not said:
        return _nothing(dialogue.events)
    if session is None and _is_all_read(dialogue, said):
        return _ALL_CLEAR if _ended(dialogue.events) else _CLEAR_SO_FAR
    if session is None:
        return "No TLS was seen in what was captured."
    facts = [_version(session, dialogue), session.cipher, _server_name(session, dialogue)]
    facts.append("resumed session" if session.resumed else "pre-shared key" if session.pre_shared_key else "")
    start, end = _start(session.started, dialogue), _afterwards(dialogue.events)
    return f"{start}: {', '.join(fact for fact in facts if fact)}. {_state(session)}{end}"


def _nothing(events: Sequence[Event]) -> str:
    """A sentence for a dialogue in which nothing was said, or nothing of it was captured."""
    if "gap" in map(_kind, events):
        return "What was said is missing from the capture."
    return "Nothing was said." if is_whole(events) and _ended(events) else "Nothing was said in what was captured."


_ALL_CLEAR = "No TLS: everything crossed the wire in clear text."
_CLEAR_SO_FAR = "No TLS: everything crossed the wire in clear text as far as it was captured; the end was not."


def _is_all_read(dialogue: Dialogue, said: Sequence[Event]) -> bool:
    """Whether every byte so far was captured and read as text of a known protocol."""
    if dialogue.part_of:
        return is_whole(dialogue.events)
    both = {event.sender for event in said} == {CLIENT, SERVER}
    unread = any(event.kind == "unknown" and not is_text(event.data) for event in said)
    return dialogue.dialect is not None and is_whole(dialogue.events) and both and not unread


def is_whole(events: Sequence[Event]) -> bool:
    """Whether the events begin with the connection and no bytes are missing between them."""
    return bool(events) and events[0].kind in ("syn", "syn-ack") and "gap" not in map(_kind, events)


def _ended(events: Sequence[Event]) -> bool:
    """Whether a side has closed the connection, or broken it off and sent nothing more."""
    return "fin" in map(_kind, events) or "rst" in {event.sender: event.kind for event in events}.values()


def _version(session: TLSSession, dialogue: Dialogue) -> str:
    """The version of TLS; "no version agreed" only where the capture shows that."""
    if session.version:
        return session.version
    behind = list(dropwhile(lambda event: event.layer != TLS, dialogue.events))
    failed = any(event.kind == "alert" or event.layer == TEXT for event in behind) or _ended(behind)
    seen = is_whole(dialogue.events) and not any(event.encrypted for event in behind)
    return "no version agreed" if failed and seen else "version not seen"


def _server_name(session: TLSSession, dialogue: Dialogue) -> str:
    said = any(event.title in _CLIENT_HELLOS for event in dialogue.events)
    if session.outer_name:
        return f"{_OUTER} {session.server_name or 'none'}, beside encrypted_client_hello, which may hold another"
    return f"server name {session.server_name}" if session.server_name else _NO_NAME[said]


_OUTER = "outer server name"
_CLIENT_HELLOS = ("ClientHello", "CLIENT-HELLO")
_NO_NAME = {True: "no server name sent", False: "server name not seen"}


def _state(session: TLSSession) -> str:
    """A sentence on what was opened."""
    if session.opened:
        return f"Opened in part. {session.problem}" if session.problem else "Opened with the session's secrets."
    return session.problem or "Not opened."


def _afterwards(events: Sequence[Event]) -> str:
    """A sentence on clear text after TLS; empty where there is none."""
    behind = dropwhile(lambda event: not event.encrypted, events)
    outside = (event for event in behind if event.layer == TEXT and event.wire == len(event.data))  # in no record
    clear = any(not event.encrypted for event in outside)
    return " Behind TLS, the conversation goes on in clear text." if clear else ""


def _start(started: str, dialogue: Dialogue) -> str:
    """How TLS was started, as far as the capture shows it."""
    before = list(takewhile(lambda event: event.layer != TLS, dialogue.events))
    kinds = [event.kind for event in before]
    if "go-ahead" in kinds:
        return "Explicit TLS, after an upgrade"
    asked = any(event.title in dialogue.dialect.upgrades for event in before) if dialogue.dialect else False
    unheard = bool(before) and CLIENT not in {event.sender for event in dialogue.events if event.layer != TCP}
    if not asked and (unheard or not is_whole(dialogue.events[: max(len(before), 1)])):
        return "TLS, and what was said before it was not all captured"
    if started == "explicit":
        return "Explicit TLS, whose go-ahead was not seen"
    spoken = any(event.layer == TEXT and event.kind != "preface" for event in before)
    if not spoken:
        return "Implicit TLS, from the first byte"
    strange = any(event.kind == "unknown" or event.title == "unknown command" for event in before)
    return "TLS, after words that the lab does not know" if strange else "TLS that was not asked for"


def shown(reading: Reading) -> list[tuple[Event, Sequence[Exposure]]]:
    """The events of a transcript with what each discloses; binary phrases as their line of text."""
    dialogue = reading.dialogue
    by_event: dict[int, list[Exposure]] = {}
    for exposure in reading.exposures:
        by_event.setdefault(exposure.event_index, []).append(exposure)
    events = [(event, by_event.get(index, ())) for index, event in enumerate(dialogue.events[:EVENTS_SHOWN])]
    if dialogue.dialect is None or dialogue.dialect.tell is None:
        return events
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
