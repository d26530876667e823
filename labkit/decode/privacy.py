"""What an eavesdropper can read in a dialogue: addresses, passwords, names, and where each of them stands.

Only what crossed the wire in clear counts, whatever the reader's own secrets opened; a phrase without its end counts as
far as it goes. The dialect states what its phrases disclose and where mail lies in them; `labkit.dialects.sasl` reads
logins, `labkit.decode.told_in_mail` mail, `labkit.decode.told_in_handshake` the handshake.
"""

import re
from base64 import b64decode
from bisect import bisect_right
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate, groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

from labkit.decode import preface, told_in_handshake, told_in_mail
from labkit.decode.event import CLIENT, TEXT, TLS, Dialogue, Event
from labkit.decode.tls_start import is_text
from labkit.decode.told_in_mail import ValueInEvent
from labkit.dialects import sasl
from labkit.dialects.base import CHALLENGE, MECHANISM, RESPONSE, Dialect, Disclosed
from labkit.dialects.reader import text_end
from labkit.mail.charset import text, unbase64
from labkit.mail.mime import as_read

_LONGEST = 2048
"""How many bytes of a command or reply one match may span."""


class Exposure(NamedTuple):
    """One value that can be read on the wire."""

    what: str
    """password, bearer token, password hash, user name, sender, recipient, subject, message, encrypted content, …"""
    value: str
    """What an eavesdropper learns, decoded."""
    event_index: int
    """Which event of the dialogue, from 0."""
    start: int
    """Offset in bytes in that event's data."""
    end: int


def visible(dialogue: Dialogue, whole: bool = False) -> list[Exposure]:
    """Every value that an eavesdropper can read, in the order in which it was sent.

    `whole` says that the dialogue begins where the conversation does; otherwise that is known from its SYN.
    """
    texts: list[_Numbered] = []
    found: list[Exposure] = []
    for index, event in enumerate(dialogue.events):
        _, _, _, layer, kind, title, data, encrypted, _, _ = event
        if encrypted:
            continue
        if layer == TEXT:
            texts.append((index, as_begun(event)))
        elif layer == TLS and title in told_in_handshake.TITLES:
            found += [Exposure(what, value, index, *span) for what, value, *span in told_in_handshake.in_message(event)]
        if kind == "again" and (said := data.rstrip(b"\r\n")) and is_text(said):
            found.append(Exposure("text", text(said), index, 0, len(said)))
    if texts and texts[0][1].kind == "preface":
        found += _to_proxies(texts)
    if dialogue.dialect:
        begins = whole or not dialogue.events or dialogue.events[0].kind in ("syn", "syn-ack", "greeting")
        found += _said(dialogue.dialect, texts, begins, _behind_gaps(dialogue.events))
    else:
        what = "file" if dialogue.part_of else "text"
        said = (one for one in texts if dialogue.part_of or is_text(one[1].data))
        found += [Exposure(what, text(event.data), index, 0, len(event.data)) for index, event in said]
    return sorted(found, key=attrgetter("event_index", "start"))


def _behind_gaps(events: Sequence[Event]) -> dict[int, int]:
    """For each gap in the client's direction: the index of the client's first event after it, and that of the gap."""
    if "gap" not in map(_kind, events):
        return {}
    own = [(index, event.kind) for index, event in enumerate(events) if event.sender == CLIENT]
    return {index: gap for (gap, before), (index, _) in pairwise(own) if before == "gap"}


def _to_proxies(events: "list[_Numbered]") -> Iterator[Exposure]:
    """What a login to a proxy discloses before the conversation."""
    for index, event in events:
        for one in preface.reveals(event.title, event.data) if event.kind == "preface" else ():
            if one.value:
                yield Exposure(one.what, text(one.value), index, one.start, one.end)


def as_begun(event: Event) -> Event:
    """An incomplete phrase as an event of the phrase that it began."""
    if not event.origin.begun:
        return event
    kind, title = event.origin.begun
    return event._replace(kind=kind, title=title)


_kind = attrgetter("kind")
_Numbered = tuple[int, Event]


def _said(
    dialect: Dialect, events: list[_Numbered], begins: bool, behind_gaps: Mapping[int, int]
) -> Iterator[Exposure]:
    """What phrases of a dialect disclose; `begins` is whether the conversation was captured from its beginning.

    `behind_gaps` are the indices of the client's phrases before which bytes of it are missing, and of these gaps.
    """
    login = _Steps(dialect.reveals) if dialect.reveals else _Login(dialect.sasl)
    command, asked, told_of = "", -1, set()
    for index, event in events:
        command = event.title if event.kind == "command" else command
        asked = index if event.kind == "challenge" else asked
        in_part = event.kind == "credential" and behind_gaps.get(index, -1) > asked
        seen = _in_part(event) if in_part else login.read(event)
        counted = event.sender == CLIENT and command in dialect.counted
        told = told_in_mail.in_phrase(dialect, event, counted) if event.kind == "message" else ()
        for what, value, *span in (*seen, *told):
            told_of.add(index)
            if value:  # a header field without its text tells nothing
                yield Exposure(what, value, index, *span)
        if event.kind == "unknown" and is_text(event.data) and len(said := event.data.rstrip(b"\r\n")) > 1:
            yield Exposure("text", text(said), index, 0, len(said))
    yield from _unknown_commands(dialect, events, begins, behind_gaps, told_of)
    for phrases in _with_continuations(dialect.discloses, events):
        title = phrases[0][1].title
        reads = dialect.discloses[title]
        found = _told(dialect, reads, phrases) if isinstance(reads, str) else _counted(reads, phrases)
        for what, value, *place in found:
            hashed = what == sasl.HASH
            timestamp = _timestamp(dialect, events) if hashed else b""
            yield Exposure(what, sasl.offline(title, timestamp, value) if hashed else text(value), *place)


def _in_part(event: Event) -> list[ValueInEvent]:
    """A line of a login behind a gap: what it answers, and whether it is whole, is not known."""
    said = event.data.strip()
    return [("text", text(_decoded(said, False)), 0, len(said))] if said and is_text(said) else []


def _timestamp(dialect: Dialect, events: list[_Numbered]) -> bytes:
    """The challenge in the greeting; empty where there is none."""
    greeting = next((event.data for _, event in events if event.kind == "greeting"), b"")
    match = _compiled(dialect.timestamp).match(greeting)
    return match[1] if match else b""


def _with_continuations(titles: Container[str], events: list[_Numbered]) -> list[list[_Numbered]]:
    """The phrases with these titles; each command together with its continuations."""
    found: list[list[_Numbered]] = []
    command: list[_Numbered] | None = None
    for one in events:
        _, event = one
        if event.kind == "continuation" and command is not None:
            command.append(one)
            continue
        phrases = [one]
        if event.title in titles:
            found.append(phrases)
        if event.kind == "command":
            command = phrases
    return found


def _told(dialect: Dialect, pattern: str, phrases: list[_Numbered]) -> Iterator[tuple[str, bytes, int, int, int]]:
    """What a phrase discloses: the groups of the pattern's matches, each of which may reach over several phrases."""
    whole = phrases[0][1].data if len(phrases) == 1 else b"".join(event.data for _, event in phrases)
    longest = len(whole) if phrases[0][1].kind == "message" else _LONGEST
    starts: list[int] = []
    for name, first, behind in _groups(_compiled(pattern), whole, longest):
        starts = starts or list(accumulate((len(event.data) for _, event in phrases), initial=0))
        for number, start, end in _pieces(starts, first, behind):
            if value := whole[start:end].rstrip(b"\r\n"):
                plain = re.sub(rb"\\(.)", rb"\1", value) if whole[start - 1 : start] == b'"' else value
                plain = dialect.codings[name](plain) if name in dialect.codings else plain
                place = start - starts[number]
                yield _name(name), plain, phrases[number][0], place, place + len(value)


def _groups(pattern: re.Pattern[bytes], whole: bytes, longest: int) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of each group: the pattern is matched at the beginning, and again after each match."""
    position, match = 0, pattern.match(whole, 0, longest)
    while match:
        for name in match.groupdict():
            yield name, *match.span(name)
        position, before = match.end(), position
        match = pattern.match(whole, position, position + longest) if before < position < len(whole) else None


def _counted(
    reads: Callable[[bytes], Iterable[Disclosed]], phrases: list[_Numbered]
) -> Iterator[tuple[str, bytes, int, int, int]]:
    """What the dialect's own function finds in a phrase."""
    whole = b"".join(event.data for _, event in phrases)
    whole = whole if phrases[0][1].kind == "message" else whole[:_LONGEST]
    starts = list(accumulate((len(event.data) for _, event in phrases), initial=0))
    for what, value, start, end in reads(whole):
        if value:
            number = bisect_right(starts, start) - 1
            yield what, value, phrases[number][0], start - starts[number], end - starts[number]


@cache
def _name(group: str) -> str:
    return group.replace("__", "-").replace("_", " ")


def _pieces(starts: list[int], start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The range from `start` to `end` cut at the phrases: (number of the phrase, start, end) of each part."""
    while start < end:
        number = bisect_right(starts, start) - 1
        behind = min(end, starts[number + 1])
        yield number, start, behind
        start = behind


@cache
def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode(), re.IGNORECASE)


class _Steps:
    """What the dialect itself finds in a phrase, and the SASL logins whose steps it finds."""

    def __init__(self, reveals: Callable[[str, bytes], Iterable[Disclosed]]) -> None:
        self._reveals = reveals
        self._login: sasl.Login | None = None
        self._mechanism = b""
        self._challenge: bytes | None = None
        """The last challenge, until it is responded to."""

    def read(self, event: Event) -> list[ValueInEvent]:
        found: list[ValueInEvent] = []
        for what, value, start, end in self._reveals(event.title, event.data):
            if what == MECHANISM:
                self._begin(value)
            elif what == CHALLENGE:
                self._challenge = value
            elif what == RESPONSE:
                found += [(told, said, start, end) for told, said in self._respond(value)]
            elif value:
                found.append((what, text(value), start, end))
        return found

    def _begin(self, mechanism: bytes) -> None:
        """A client may repeat the mechanism in each step of one login (RFC 4511 §4.2.1)."""
        if self._challenge is None or mechanism != self._mechanism:
            self._login, self._mechanism = sasl.Login(text(mechanism)), mechanism

    def _respond(self, payload: bytes) -> list[sasl.Told]:
        if self._login is None:
            return []
        if self._challenge is not None:
            self._login.challenge(self._challenge)
        self._challenge = None
        return self._login.respond(payload)


class _Login:
    """Follows SASL logins over several lines."""

    def __init__(self, pattern: str) -> None:
        self._begins = _compiled(pattern)
        self._login: sasl.Login | None = None

    def read(self, event: Event) -> list[ValueInEvent]:
        cut = event.origin.begun is not None
        if event.kind == "command" and not _is_sent_ahead(event):
            return self._begin(event, cut)
        if event.kind == "challenge":
            self._ask(_decoded(_CHALLENGE.search(event.data.strip(b"\r\n"))[1], cut))
        if event.kind in ("command", "credential"):
            self._login = self._login or sasl.without_beginning(b"", _decoded(event.data.strip().strip(b'"'), cut))
            return [
                seen
                for line in _RESPONSE.finditer(event.data)
                for seen in self._part(line[line.lastindex], line.start(line.lastindex), cut)
            ]
        return []

    def _ask(self, challenge: bytes) -> None:
        self._login = self._login or sasl.without_beginning(challenge, b"")
        if self._login:
            self._login.challenge(challenge)

    def _begin(self, event: Event, cut: bool) -> list[ValueInEvent]:
        match = self._begins.match(event.data)
        if match and match["initial"] and _is_sentence(match["initial"], event.data[match.end() :]):
            match = None
        self._login = sasl.Login(text(match["mechanism"])) if match else None
        return self._part(match["initial"], match.start("initial"), cut) if match and match["initial"] else []

    def _part(self, coded: bytes, start: int, cut: bool) -> list[ValueInEvent]:
        if coded == _CANCELLED:
            self._login = None
        if not self._login:
            return []
        told = self._login.respond(_decoded(coded, cut))
        return [(what, value, start, start + len(coded)) for what, value in told]


def _is_sent_ahead(event: Event) -> bool:
    """Whether it is a response, in base64 of text, that the client sent although its login was refused."""
    coded = event.data.strip().strip(b'"')
    if event.title != "unknown command" or len(coded) < _SHORTEST:
        return False
    try:
        return b64decode(coded, validate=True).decode().translate(_SEPARATORS).isprintable()
    except ValueError:
        return False


def _is_sentence(word: bytes, behind: bytes) -> bool:
    """Whether this word is no base64, and others stand behind it: a line of a mail, captured from its middle."""
    return bool(behind.strip()) and _decoded(word, False) == word


_SEPARATORS = dict.fromkeys((0, 1))
"""The separators of the parts of a response (RFC 4616 §2, RFC 7628 §3.1)."""
_SHORTEST = 8
"""From this many bytes on, base64 is not taken for a word of a command."""
_CHALLENGE = re.compile(rb'(?:^\S+ )?"?([^\s"]*)"?$')
"""The text after the status of a line, or in quotes."""
_RESPONSE = re.compile(rb'^(?!\{\d+\+?\}\r?$)(?:"([^"\r\n]*)(?:"|(?=\r?\n?\Z))|([^\r\n]+))\r?$', re.MULTILINE)
"""A line that does not announce a literal; a quoted string may lack its end if the phrase is incomplete."""
_CANCELLED = b"*"
"""The line that cancels a login (RFC 4954 §4)."""
_EMPTY = b"="
"""The line for an empty response (RFC 4954 §4)."""


def _decoded(coded: bytes, cut: bool) -> bytes:
    """Base64 decoded, whose end may be `cut` off or whose padding may be wrong; other text is returned unchanged."""
    try:
        return b"" if coded == _EMPTY else b64decode(coded, validate=True)
    except ValueError:
        return unbase64(coded) if cut and _BASE64.fullmatch(coded) else _padded_anew(coded)


def _padded_anew(coded: bytes) -> bytes:
    """Base64 with blanks around it or with wrong padding, decoded if the result is text."""
    letters = coded.strip(b" \t=")
    try:
        found = b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
        return found if found.decode().translate(_SEPARATORS).isprintable() else coded
    except ValueError:
        return coded


_BASE64 = re.compile(rb"[A-Za-z0-9+/]+=?")


def _unknown_commands(
    dialect: Dialect, events: list[_Numbered], begins: bool, behind_gaps: Collection[int], told_of: Collection[int]
) -> Iterator[Exposure]:
    """Commands that the dialect does not know, and mail that was read as such because the server had refused it.

    `told_of` are the indices of the events of which something is told already. A capture that does not begin with the
    conversation may begin in a message, and in its text; after a gap the command that announces a message may be
    missing.
    """
    if not any(event.title == "unknown command" for _, event in events):
        return
    announced, in_text = not begins, not begins
    said = (one for one in events if one[1].sender == CLIENT)
    for unknown, run in groupby(said, lambda one: one[1].kind == "command" and one[1].title == "unknown command"):
        phrases = list(run)
        before, announced = announced, phrases[-1][1].title in dialect.delivers
        before = before or phrases[0][0] in behind_gaps
        is_mail = unknown and before and (in_text or _FIELD.match(phrases[0][1].data))
        in_text = False
        if not is_mail:
            yield from _as_they_stand(phrases if unknown else (), told_of)
            continue
        starts = list(accumulate((len(event.data) for _, event in phrases), initial=0))
        whole = b"".join(event.data for _, event in phrases)
        for what, value, start, end in told_in_mail.in_message(as_read(whole[: text_end(whole)]), 0):
            number = bisect_right(starts, start) - 1
            index, event = phrases[number]
            yield Exposure(what, value, index, start - starts[number], min(end - starts[number], len(event.data)))


def _as_they_stand(commands: Iterable[_Numbered], told_of: Collection[int]) -> Iterator[Exposure]:
    for index, event in commands:
        if index not in told_of and is_text(event.data) and (said := event.data.rstrip(b"\r\n")):
            yield Exposure("text", text(said), index, 0, len(said))


_FIELD = re.compile(rb"[A-Za-z][A-Za-z-]*:[ \t]")
