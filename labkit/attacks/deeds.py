"""What a client requested in one dialogue, and what the server did: logins, messages, and other work.

Each request is decided by the server's own reply. The dialect states which commands are work, and which of them a
message needs.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import groupby, islice, takewhile, zip_longest
from typing import NamedTuple

from labkit.attacks.replies import NONE, Replies, Response, first_line
from labkit.decode.event import CLIENT, SERVER, TEXT, Dialogue, Event
from labkit.decode.privacy import Exposure, as_begun, visible
from labkit.dialects.base import Dialect

LOGIN, MESSAGE = "login", "message"
CREDENTIALS = ("password", "user name and password", "bearer token", "password hash")
"""The kinds of values with which a client authenticates."""
_CONTENT = ("message", "attachment")


class Deed(NamedTuple):
    """A request to the real server, and what the server did."""

    what: str
    """`LOGIN`, `MESSAGE` (with an envelope, or handed out by the server), or the title of a command: ``RETR``."""
    values: tuple[str, ...]
    """For a login the user name and what goes with it; a user name alone, or the mechanism, may be refused already.

    For a message to whom or where it goes, and its text as far as it was said; for another command its line."""
    accepted: bool | None
    """Whether the server did it; None where it has not answered, or the answer is not understood."""
    reply: str
    """The first line of its answer; empty where there is none, or only one that promises another."""
    lasting: bool = False
    """Whether the server was asked, to the last byte, to keep something: it may have done so though its answer never
    came (RFC 1047)."""

    @property
    def unanswered(self) -> bool:
        """Whether the server has not said whether it was done."""
        return self.accepted is None and not self.reply

    @property
    def names_nothing(self) -> bool:
        """Whether it is a refused request to take a message, which does not say what message: ``POST``."""
        return self.accepted is False and self.values == (self.what, "")

    @property
    def in_doubt(self) -> bool:
        """Whether it was refused, and a later one done that may be the same or another."""
        return self.accepted is None and bool(self.reply)


def deeds(dialogue: Dialogue) -> list[Deed]:
    """The deeds in the clear text of a dialogue; none if its protocol is unknown."""
    return list(_Reading(dialogue).deeds()) if dialogue.dialect else []


def last_of_each(done: Iterable[Deed]) -> list[Deed]:
    """The last login, and the last attempt of each other deed, in order; earlier attempts no longer matter.

    Where the last one was refused, an earlier one whose answer never came takes its place: that one may have been done.
    """
    asked = list(done)
    logs_in = any(deed.what == LOGIN for deed in asked)
    found: dict[tuple[str, ...], dict[str, Deed]] = {}
    order: list[tuple[tuple[str, ...], str]] = []
    for deed in reversed(asked):
        key, text = ((LOGIN,), "") if deed.what == LOGIN else ((deed.what, *deed.values[:1]), "".join(deed.values[1:]))
        tried = found.setdefault(key, {})
        cut = deed.unanswered or not text
        same = next((said for said in tried if (said.startswith(text) if cut else said == text)), None)
        if same is None or (deed.names_nothing and not logs_in and same):
            order.append((key, text))
            tried[text] = deed if same is None else deed._replace(accepted=None)
        elif tried[same].accepted is False and deed.unanswered and deed.lasting:
            tried[same] = deed
    return sorted((found[key][text] for key, text in reversed(order)), key=lambda deed: deed.what != LOGIN)


class _Reading:
    """One dialogue, read for what the server did."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialect: Dialect = dialogue.dialect
        self._events = dialogue.events
        self._spoken = {
            number: as_begun(event)
            for number, event in enumerate(dialogue.events)
            if event.sender == CLIENT and event.layer == TEXT
        }
        """Index of an event -> what the client said in it; an incomplete phrase as the phrase that it began."""
        ends = {title for titles in dialogue.dialect.settled_by.values() for title in titles}
        self._settling = [number for number, event in self._spoken.items() if event.title in ends]
        """The indices of the commands that carry out, or cancel, what was requested before."""
        self._replies = Replies(dialogue)
        self._seen: dict[int, list[Exposure]] = {
            index: list(found) for index, found in groupby(visible(dialogue, whole=True), lambda one: one.event_index)
        }
        """Index of an event -> what can be read in it."""

    def deeds(self) -> Iterator[Deed]:
        """Every deed."""
        yield from self._logins()
        yield from self._messages()
        yield from self._handed_out()
        yield from self._other_work()

    def _settled(self, index: int) -> Response:
        """The final reply to the event; a reply that only announces another one does not count."""
        answer = self._replies.fate(index)
        return NONE if answer.done is None else answer

    def _values(self, index: int, *whats: str) -> list[str]:
        return [one.value for one in self._seen.get(index, ()) if one.what in whats]

    def _line(self, index: int) -> str:
        """The request in this event, without its tag."""
        event = self._spoken[index]
        if self._dialect.tell:
            return self._dialect.tell(event.title, event.data)
        return event.text.removeprefix(self._dialect.writes.tag(event.data)).strip()

    # ---- logins

    def _logins(self) -> Iterator[Deed]:
        name: list[str] = []
        for index, event in self._spoken.items():
            said = self._values(index, "user name")
            name = said[-1:] or name
            if proofs := self._values(index, *CREDENTIALS):
                yield from (Deed(LOGIN, (*name, proof), *self._settled(index)) for proof in proofs)
                continue
            done, reply = self._replies.first(index)
            is_step = event.kind == "credential" or event.title in self._dialect.logins
            if (is_step and done is not None) or (said and done is False):
                yield Deed(LOGIN, tuple(said[-1:]), done, reply)

    # ---- messages

    def _messages(self) -> Iterator[Deed]:
        dialect = self._dialect
        begins = dialect.envelope[:1] or dialect.delivers
        parts: list[int] = []
        for index, event in self._spoken.items():
            named = event.kind == "command" and event.title in (*dialect.envelope, *dialect.delivers)
            if named and event.title in begins:
                yield from self._delivery(parts)
                parts = []
            if named or (parts and event.kind in ("message", "continuation")):
                parts.append(index)
            elif event.title in dialect.commands and self._values(index, *_CONTENT):  # it is the message itself
                answer = self._replies.fate(index)
                if answer == NONE and self._dialect.in_turn:  # only a failure has an answer
                    answer = self._replies.reading_on(index)
                yield Deed(MESSAGE, (event.title, self._text([index])), *answer, self._is_whole(index))
        yield from self._delivery(parts)

    def _delivery(self, parts: list[int]) -> Iterator[Deed]:
        """The deeds of one message, whose commands and text are `parts`: its envelope, then its delivery to each
        recipient. A message that was begun and not ended has no answer."""
        envelope = [index for index in parts if self._spoken[index].title in self._dialect.envelope]
        goals, named = [], False
        for index in envelope:
            recipient, answer = self._values(index, "recipient")[:1], self._settled(index)
            goal = (recipient or self._values(index, "sender") or [self._line(index)])[0]
            yield Deed(MESSAGE, (goal, ""), *answer)
            if recipient and not named:
                goals, named = [], True
            if answer.done and bool(recipient) == named:
                goals.append(goal)
        rest = [index for index in parts if index not in envelope]
        what = MESSAGE
        if rest and not envelope:
            what, goals = self._spoken[rest[0]].title, [self._line(rest[0])]
        ended = bool(rest) and self._ends(rest) and self._is_whole(rest[-1]) and not self._replies.undone(rest[-1])
        for goal, answer in zip(goals, self._answers(rest, len(goals)), strict=True):
            yield Deed(what, (goal, self._text(rest)), *answer, ended)

    def _answers(self, parts: list[int], count: int) -> list[Response]:
        """The reply to the message that consists of these commands and texts, once for each of `count` recipients."""
        if not parts:
            return [NONE] * count
        refused = next((answer for index in parts if (answer := self._replies.first(index)).done is False), None)
        if self._dialect.replies_to_message and self._spoken[parts[-1]].kind == "message":
            each = islice(self._replies.each(parts[-1], count), count)
            return [answer for _, answer in zip_longest(range(count), each, fillvalue=NONE)]
        kept = self._ends(parts) and not self._replies.undone(parts[-1])
        return [refused or (self._settled(parts[-1]) if kept else NONE)] * count

    def _ends(self, parts: list[int]) -> bool:
        """Whether these commands and texts are the whole message."""
        said = [index for index in parts if self._spoken[index].kind == "command"]
        return not (said and re.fullmatch(self._dialect.continues, self._line(said[-1]), re.IGNORECASE))

    def _is_whole(self, index: int) -> bool:
        """Whether the event is complete, and so is what it announced."""
        event = self._events[index]
        if event.origin.begun is not None or (event.kind == "command" and self._owes([event])):
            return False
        return index != next(reversed(self._spoken)) or not self._unfinished

    @cached_property
    def _unfinished(self) -> bool:
        """Whether, at the end of the dialogue, something that the client announced is incomplete."""
        return self._owes(self._events)

    def _owes(self, events: Iterable[Event]) -> bool:
        """Whether, after these events, something that the client announced is incomplete."""
        reader = self._dialect.reader()
        for event in events:
            if event.layer == TEXT:
                reader.feed(event.sender, event.data)
        return reader.begun(CLIENT)[0] in ("message", "continuation")

    def _text(self, parts: list[int]) -> str:
        return "\n".join(value for index in parts for value in self._values(index, "subject", *_CONTENT))

    def _handed_out(self) -> Iterator[Deed]:
        """Messages that the server sent completely."""
        for index, event in enumerate(self._events):
            if event.sender == SERVER and self._values(index, *_CONTENT) and event.origin.begun is None:
                yield Deed(MESSAGE, (), True, first_line(self._dialect, event))

    # ---- other work

    def _other_work(self) -> Iterator[Deed]:
        for index, event in self._spoken.items():
            if self._is_work(index, event) and not self._asks(index):
                answer, ends = self._settled(index), self._done_by(index)
                if answer.done is False and self._is_there(index):
                    continue
                if answer.done is not False and ends != index:
                    answer = NONE if ends is None else self._settled(ends)
                changes = ends != index or re.match(self._dialect.changes, self._line(index), re.IGNORECASE)
                lasting = ends is not None and bool(changes) and self._is_whole(ends)
                yield Deed(event.title, (self._line(index),), *answer, lasting)

    def _is_work(self, index: int, event: Event) -> bool:
        """Whether the client asks for work; in some dialects a client answers with what looks like a command."""
        dialect = self._dialect
        answers = dialect.accepts is not None and dialect.accepts(event.title, event.data) is not None
        return event.kind == "command" and event.title in dialect.works and not answers

    def _is_there(self, index: int) -> bool:
        """Whether what the client could not make is there all the same: the server does a later command on it."""
        if self._spoken[index].title not in self._dialect.makes:
            return False
        name = self._line(index).replace('"', "").split()[-1]
        later = (
            number
            for number, event in self._spoken.items()
            if number > index and event.title in (*self._dialect.works, *self._dialect.delivers)
        )
        return any(self._names(number, name) and self._settled(number).done for number in later)

    def _names(self, index: int, name: str) -> bool:
        """Whether a command has this name, or what lies in it, among its words."""
        words = self._line(index).replace('"', "").split()[1:]
        return any(word == name or word.startswith(f"{name}/") for word in words)

    def _done_by(self, index: int) -> int | None:
        """The index of the command that carries this one out, often its own; None if it was cancelled or never came."""
        title = self._spoken[index].title
        if title not in self._dialect.settled_by:
            return index
        place = bisect_right(self._settling, index)
        ends = self._settling[place] if place < len(self._settling) else index
        return ends if self._spoken[ends].title == self._dialect.settled_by[title][0] else None

    def _asks(self, index: int) -> bool:
        """Whether it asks what the server offers, in a dialect where other requests have the same title."""
        listing = self._dialect.writes.capabilities
        if listing is None or self._spoken[index].title != self._dialect.ask:
            return False
        said = takewhile(lambda event: event.sender == SERVER, self._events[index + 1 :])
        return any(listing.find(event.data) is not None for event in said if event.layer == TEXT)
