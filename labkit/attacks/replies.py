"""Which reply of the server answers which phrase of the client, and whether it reports success.

Replies come in the order of what was said (RFC 2920 §3.1), or bear the tag of their command.
"""

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise, takewhile
from typing import NamedTuple

from labkit.decode.event import CLIENT, SERVER, TEXT, Dialogue, Event
from labkit.decode.privacy import as_begun
from labkit.dialects.base import Dialect
from labkit.dialects.writing import DONE, LATER, REFUSED

SAID = ("command", "credential", "message")
"""Kinds of a client's phrases that get one reply each; up to the first message."""
ANSWERS = ("greeting", "reply", "refusal", "go-ahead", "challenge")
"""Kinds of replies. Inside TLS after an upgrade no greeting comes: what is read as one is a reply."""
_MOST_PIPELINED = 100
"""Among how many replies one that reports success or failure is searched, in dialects without tags."""


class Response(NamedTuple):
    """What a reply of the server says."""

    done: bool | None
    """True for success, False for failure, None for neither."""
    line: str
    """Its first line."""


NONE = Response(None, "")
"""No reply."""


class Replies:
    """What the server replied to each phrase of the client in a dialogue whose protocol is known."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialect: Dialect = dialogue.dialect
        self._events = dialogue.events
        self._one_each = dialogue.dialect.accepts is None or bool(dialogue.dialect.in_turn)
        """Whether each command gets exactly one reply, so that replies can be assigned by counting."""
        self._replies: list[int] = []
        """Events of the server that answer something, in order."""
        self._tagged: dict[str, list[int]] = defaultdict(list)
        """Tag, or name of a request -> the replies that bear it."""
        self._commands = [n for n, e in enumerate(dialogue.events) if e.sender == CLIENT and e.kind == "command"]
        self._known = [n for n in self._commands if dialogue.events[n].title in self._dialect.commands]
        """The commands that the dialect knows."""
        self._owed: dict[int, int] = {}
        """Event of the client -> how many replies to its earlier phrases had not come by then."""
        self._early: dict[int, int] = {}
        """Message -> the refusal that came while it was being sent (RFC 5321 §3.8)."""
        self._count()

    def first(self, index: int) -> Response:
        """The first reply to the event of that index."""
        answer = next(self.each(index, 1), NONE)
        return self._in_concluded(index) if answer.done and self._dialect.concludes else answer

    def fate(self, index: int) -> Response:
        """The reply that says what became of the event of that index: after a challenge and its like, the next one
        that does, up to the client's next command. Where none does, the first."""
        if self._dialect.concludes:
            return self._in_concluded(index)
        first, before = None, None
        for number in self._numbers(index, _MOST_PIPELINED):
            if before is not None and not self._tag(index) and self._commanded(before, number):
                break
            answer = self._read(number)
            if answer.done is not None:
                return answer
            first, before = first or answer, number
        return first or self._without_error(index)

    def _without_error(self, index: int) -> Response:
        """What shows that a command which only an error answers was done: the answer to a later command."""
        if self._events[index].title not in self._dialect.only_errors:
            return NONE
        later = self._commands[bisect_right(self._commands, index) :]
        answers = (number for command in later for number in self._numbers(command, 1))
        return next((Response(True, first_line(self._dialect, self._events[number])) for number in answers), NONE)

    def _in_concluded(self, index: int) -> Response:
        """What one answer to several commands says of this one: the error, if there is one in it."""
        said = list(map(self._read, self._concluded(index)))
        ranked = [one for done in (False, True, None) for one in said if one.done is done]
        return ranked[0] if ranked else NONE

    def each(self, index: int, most: int = _MOST_PIPELINED) -> Iterator[Response]:
        """The replies to the event of that index, and without tags also those that follow, at most so many."""
        return map(self._read, self._numbers(index, most))

    def undone(self, index: int) -> bool:
        """Whether what the server did of the event of that index was undone later, or never made to last."""
        return bool(self._undone) and not self._undone.isdisjoint(self._concluded(index))

    @cached_property
    def _undone(self) -> set[int]:
        """The replies that report what does not last."""
        find, events = self._dialect.undone, self._events
        found = find((events[n].title, events[n].data) for n in self._replies) if find else ()
        return {self._replies[number] for number in found}

    def _concluded(self, index: int) -> list[int]:
        """The replies in the answer of which that event has its part, behind those answers that are still to come."""
        start = bisect_right(self._replies, index)
        replies = iter(self._replies[start : start + _MOST_PIPELINED])
        for _ in range(self._owed.get(index, 0)):
            deque(takewhile(self._goes_on, replies), maxlen=0)
        return list(takewhile(self._goes_on, replies))

    def _goes_on(self, number: int) -> bool:
        return self._events[number].title != self._dialect.concludes

    def _numbers(self, index: int, most: int) -> list[int]:
        """Those replies, as their places among the events."""
        if index in self._early:
            return [self._early[index]]
        tag = self._tag(index)
        among = self._tagged[tag] if tag else self._replies
        start = bisect_right(among, self._command(index) if tag else index)  # what was refused may be said all the same
        owed = 0 if tag else self._owed.get(index, 0)
        if self._one_each or start + owed < len(among):
            start += owed
        return among[start:] if tag else among[start : start + most]

    def _read(self, number: int) -> Response:
        event = self._events[number]
        return Response(accepts(self._dialect, event), first_line(self._dialect, event))

    def _commanded(self, after: int, before: int) -> bool:
        """Whether the client has said a command between these two events."""
        return bisect_right(self._commands, after) < bisect_right(self._commands, before)

    def _count(self) -> None:
        owed, early = 0, None
        said = [(n, event) for n, event in enumerate(self._events) if event.layer == TEXT]
        for (number, event), (_, following) in pairwise([*said, (0, None)]):
            if event.sender == CLIENT and early is not None and as_begun(event).kind == "message":
                self._early[number] = early
            elif event.sender == CLIENT and event.kind in SAID:
                self._owed[number] = owed
                owed += self._earns(event, following)
            elif event.sender == SERVER and self._request_id(event):
                self._tagged[self._request_id(event)].append(number)
            elif event.sender == SERVER and self._owed and self._is_reply(event):
                self._replies.append(number)
                if self._dialect.tagged:
                    self._tagged[self._dialect.writes.tag(event.data)].append(number)
                early = number if not owed and accepts(self._dialect, event) is False else None
                owed = max(0, owed - (not self._dialect.concludes or not self._goes_on(number)))
            early = None if event.sender == CLIENT else early

    def _earns(self, event: Event, following: Event | None) -> bool:
        """Whether what the client says there has an answer in its turn."""
        if self._dialect.concludes:
            return event.title in self._dialect.concluded
        if self._dialect.in_turn:
            return event.title in self._dialect.in_turn
        return not _is_answered_with(following) and not self._request_id(event)

    def _is_reply(self, event: Event) -> bool:
        """Whether it answers the client; a list of capabilities that comes unasked as a greeting does not."""
        if self._dialect.in_turn:
            return any(event.title in answers for answers in self._dialect.in_turn.values())
        listing = self._dialect.writes.capabilities
        unasked = event.kind == "greeting" and listing is not None and listing.unasked
        return event.kind in (*ANSWERS, "message") and event.title not in self._dialect.more_follows and not unasked

    def _tag(self, index: int) -> str:
        """The tag of the last command, or the name of the request; empty where there is none."""
        if not self._dialect.tagged:
            return self._request_id(self._events[index])
        command = self._command(index)
        return "" if command is None else self._dialect.writes.tag(self._events[command].data)

    def _request_id(self, event: Event) -> str:
        return self._dialect.request_id(event.data) if self._dialect.request_id else ""

    def _command(self, index: int) -> int | None:
        """The last known command up to this event; a response that the client sent too early may look like one."""
        before = bisect_right(self._known, index)
        return self._known[before - 1] if before else None


def first_line(dialect: Dialect, event: Event) -> str:
    """The first line of a phrase, in words where the dialect is binary."""
    told = dialect.tell(event.title, event.data) if dialect.tell else event.text
    return told.strip().split("\n", 1)[0].rstrip("\r")


def accepts(dialect: Dialect, reply: Event) -> bool | None:
    """True if a reply reports success, False for failure, None for neither."""
    if dialect.accepts is not None:
        return dialect.accepts(reply.title, reply.data)
    if reply.kind == "message":  # it stands after a success, with which it is one phrase
        return True
    if reply.title[:1].isdigit():  # RFC 5321 §4.2.1: 1 and 3 say that the answer is still to come
        return {"2": True, "4": False, "5": False}.get(reply.title[:1])
    return next((kind == DONE for kind in (DONE, REFUSED, LATER) if _word(dialect, kind) == reply.title), None)


def _word(dialect: Dialect, kind: str) -> str:
    """The status of a reply of that kind; empty where the dialect has none."""
    write = dialect.writes.replies.get(kind)
    return write("", "tag").split()[1 if dialect.tagged else 0].decode("latin-1") if write else ""


def _is_answered_with(following: Event | None) -> bool:
    """Whether the answer to a command comes after what follows it: the bytes that it announced."""
    return following is not None and following.sender == CLIENT and following.kind in ("message", "continuation")
