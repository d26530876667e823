"""What one session of an attack shows, read once from the bytes of its two legs: what the attacker could read, what was
sealed in TLS with the real server, and what the server did.

The judge may open the TLS between the victim and the server; the attacker may not. What follows from it is `verdict`.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise, takewhile
from typing import NamedTuple

from labkit.attacks.engine.victim_session import VictimSession
from labkit.attacks.loot import CLEAR, OWN_TLS, Item, as_if_clear, genuine, items
from labkit.capture.conversation import Conversation
from labkit.decode.dialogue import read
from labkit.decode.event import CLIENT, SERVER, TCP, TEXT, TLS, Dialogue, Event
from labkit.decode.further import joined
from labkit.decode.privacy import visible
from labkit.dialects.base import Dialect
from labkit.dialects.writing import DONE, LATER, REFUSED
from labkit.trust.keylog import Secrets

Others = Callable[[], Iterable[Conversation]]

LOGIN, MESSAGE = "login", "message"
CREDENTIALS = ("password", "bearer token", "password hash")
"""What a client proves with that it is the user."""
_CONTENT = ("message", "attachment")
_SAID = ("command", "credential", "message")
"""What a client says and a server replies to, once to each; before the first message."""
_MOST_PIPELINED = 100
"""Replies among which that of a tagged command is looked for."""
_REPLIES = ("greeting", "reply", "refusal", "go-ahead", "challenge")
"""Inside TLS, behind an upgrade, there is no greeting: what is read as one is a reply."""


class Deed(NamedTuple):
    """Something that was asked of the real server, and what it did."""

    what: str
    """`LOGIN` or `MESSAGE`: sent to the server, or handed out by it."""
    values: tuple[str, ...]
    """The user name and what goes with it, for a login; a user name alone, or the mechanism, may be refused already."""
    accepted: bool | None
    """Whether the server did it; None where it has not answered, or the answer is not understood."""
    reply: str
    """The first line of its answer; empty where there is none."""


class Evidence:
    """Of one session. `secrets` open the TLS between the victim and the real server; `others` gives the conversations
    that crossed the same network, among which are those that belong to this one."""

    def __init__(self, session: VictimSession, secrets: Secrets, others: Others = tuple) -> None:
        self.number = session.number
        self.failure = session.failure
        self.dialect = session.opening.dialect
        self.implicit = session.opening.implicit
        victim = session.legs[0]
        outside, own = read(victim.wire), read(victim.inside, usual=self.dialect)
        opened = genuine(victim, secrets) if outside.session else outside
        self.read = [*items(outside, CLEAR, self.number), *items(own, OWN_TLS, self.number)]
        self.read += [item for one in _belonging(opened, others) for item in items(one, CLEAR, self.number)]
        """What the attacker could read."""
        self.sealed = items(as_if_clear(opened), "", self.number)
        """What was said inside TLS with the real server."""
        self.hellos = [event.data for event in outside.events if _is_hello(event)]
        """Each ClientHello of the victim, with its handshake header."""
        self.farewell = _farewell(outside)
        """The last thing that the victim said; empty where it said nothing."""
        self.begun = _begun(outside, self.dialect)
        """Whether the victim asked for something, or began TLS; to say goodbye is neither."""
        self.unopened = _unopened(opened) if not victim.inside.said else ""
        """Why it is not known what the victim said inside TLS; empty where it is known, or nothing was said."""
        self.recipients = _recipients(self.read)
        """Whom the victim's mail was for, where the attacker could read it."""
        self.clear: list[Deed] = []
        """What was asked of the server where the attacker could read it."""
        self.inside: list[Deed] = []
        """What was asked of it inside TLS with the victim."""
        self.proof = ""
        """A reply inside TLS that only an injected command can have caused; empty without one."""
        self.shut_out = False
        """Whether the server offers a login in clear text, and inside TLS, behind an upgrade, none any more."""
        self.passed_on: tuple[str, ...] = ()
        """Recipients that the server was told, where the attacker could read it."""
        if len(session.legs) > 1:
            self._read_server(session, secrets)

    def _read_server(self, session: VictimSession, secrets: Secrets) -> None:
        server = session.legs[1]
        outside, own = read(server.wire), read(server.inside, usual=self.dialect)
        inside = as_if_clear(genuine(server, secrets) if outside.session else outside)
        self.clear = [*_deeds(outside), *_deeds(own)]
        self.inside = _deeds(inside)
        self.passed_on = _recipients([*items(outside, CLEAR, self.number), *items(own, OWN_TLS, self.number)])
        if self.dialect is not None and not self.implicit:
            self.proof = _unasked(self.dialect, inside.events)
            self.shut_out = _offers_login(self.dialect, outside) and _offers_login(self.dialect, inside) is False


def _is_hello(event: Event) -> bool:
    return event.sender == CLIENT and event.layer == TLS and event.title == "ClientHello"


def _recipients(found: Iterable[Item]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.value for item in found if item.what == "recipient"))


def _unopened(dialogue: Dialogue) -> str:
    """Why something that the client said inside TLS could not be opened."""
    session = dialogue.session
    if session is None or session.opened:
        return ""
    sealed = [e for e in dialogue.events if e.sender == CLIENT and e.kind == "application-data" and e.encrypted]
    own = 1 if session.version == "TLS 1.3" else 0  # the Finished, or the alert, is a record of that kind too
    return (session.problem or "there are no secrets for it") if len(sealed) > own else ""


def _belonging(dialogue: Dialogue, others: Others) -> Iterator[Dialogue]:
    """The further connections of a conversation, as they crossed the wire."""
    if dialogue.dialect is not None and dialogue.dialect.further is not None:
        yield from (one for one in joined([dialogue, *map(read, others())]) if one.part_of)


def _begun(dialogue: Dialogue, dialect: Dialect | None) -> bool:
    said = [event for event in dialogue.events if event.sender == CLIENT]
    asked = (event.title for event in said if event.layer == TEXT and event.kind != "unknown")
    return any(event.layer == TLS for event in said) or any(title != _goodbye(dialect) for title in asked)


def _goodbye(dialect: Dialect | None) -> str:
    """The title of the command with which a client leaves; empty where the dialect has none."""
    said = dialect.reader().feed(CLIENT, dialect.writes.leave("a")) if dialect else []
    return said[-1].title if said else ""


def _farewell(dialogue: Dialogue) -> str:
    said = [event for event in dialogue.events if event.sender == CLIENT and event.layer != TCP]
    if not said:
        return ""
    last = said[-1]
    return {TEXT: last.text, TLS: f"TLS {last.title}"}.get(last.layer, last.title)


# ---- what the server did


def _deeds(dialogue: Dialogue) -> list[Deed]:
    """The logins and messages of what is said in clear in a dialogue, and what the server did."""
    return list(_found(dialogue)) if dialogue.dialect else []


def _found(dialogue: Dialogue) -> Iterator[Deed]:
    names: list[str] = []
    recipients: set[int] = set()
    replies = _Replies(dialogue)
    begins = re.compile(dialogue.dialect.sasl.encode(), re.IGNORECASE)
    for index, event in enumerate(dialogue.events):
        match = begins.match(event.data) if event.sender == CLIENT and event.kind == "command" else None
        if match and not match["initial"] and replies.fate(index)[0] is False:
            yield Deed(LOGIN, (), *replies.fate(index))
    for exposure in visible(dialogue):
        event = dialogue.events[exposure.event_index]
        if exposure.what == "user name":
            names.append(exposure.value)
            accepted, reply = replies.fate(exposure.event_index)
            if accepted is False:
                yield Deed(LOGIN, (exposure.value,), False, reply)
        if exposure.what == "recipient" and event.title in dialogue.dialect.delivers:
            recipients.add(exposure.event_index)
            yield Deed(MESSAGE, (exposure.value,), *replies.fate(exposure.event_index))
        elif exposure.what in CREDENTIALS:
            yield Deed(LOGIN, (*names[-1:], exposure.value), *replies.fate(exposure.event_index))
        elif exposure.what in _CONTENT and event.sender == CLIENT:
            yield Deed(MESSAGE, (), *replies.fate_of_message(exposure.event_index))
        elif exposure.what in _CONTENT:
            yield Deed(MESSAGE, (), True, _first_line(dialogue.dialect, event))
    for index, event in enumerate(dialogue.events):
        if event.sender == CLIENT and event.title in dialogue.dialect.delivers and index not in recipients:
            yield Deed(MESSAGE, (event.title,), *replies.fate(index))


class _Replies:
    """What the server replied to each thing that a client said in a dialogue."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialect = dialogue.dialect
        self._events = dialogue.events
        self._replies: list[int] = []
        self._commands = [n for n, e in enumerate(dialogue.events) if e.sender == CLIENT and e.kind == "command"]
        self._owed: dict[int, int] = {}
        """Event of the client -> how many replies to what it said before are still to come."""
        self._count()

    def _count(self) -> None:
        owed = 0
        said = [(n, event) for n, event in enumerate(self._events) if event.layer == TEXT]
        for (number, event), (_, following) in pairwise([*said, (0, None)]):
            if event.sender == CLIENT and event.kind in _SAID:
                self._owed[number] = owed
                owed += not _is_answered_with(following)
            elif event.sender == SERVER and self._owed and self._is_reply(event):
                self._replies.append(number)
                owed = max(0, owed - 1)

    def _is_reply(self, event: Event) -> bool:
        """Whether it answers the client; a list that the server gives unasked in the place of a greeting does not."""
        listing = self._dialect.writes.capabilities
        unasked = event.kind == "greeting" and listing is not None and listing.unasked
        return event.kind in (*_REPLIES, "message") and not unasked

    def fate(self, index: int) -> tuple[bool | None, str]:
        """Whether the server did what was asked in the event of that index, and its reply.

        A challenge and its like say neither; the reply is the next one that says it.
        """
        first = None
        for done, reply in self._answers(index):
            if done is not None:
                return done, reply
            first = first or (None, reply)
        return first or (None, "")

    def fate_of_message(self, index: int) -> tuple[bool | None, str]:
        """Likewise, of a message; where it is answered for each recipient, one that is refused counts."""
        each = self._dialect.replies_to_message
        if not each:
            return self.fate(index)
        before = max((n for n in self._owed if n < index and self._events[n].kind == "message"), default=-1)
        recipients = [n for n in self._owed if before < n < index and self._events[n].title == each]
        accepted = sum(self.fate(n)[0] is True for n in recipients)
        replies = self._answers(index, accepted)
        return next((fate for fate in replies if fate[0] is False), self.fate(index))

    def _answers(self, index: int, most: int = _MOST_PIPELINED) -> Iterator[tuple[bool | None, str]]:
        """The replies to the event of that index, and those that follow, at most so many: what each of them says."""
        tag = self._tag(index)
        start = bisect_right(self._replies, index)
        if not tag and start + self._owed.get(index, 0) < len(self._replies):
            start += self._owed.get(index, 0)
        for number in self._replies[start : start + most]:
            reply = self._events[number]
            if not tag or self._dialect.writes.tag(reply.data) == tag:
                yield accepts(self._dialect, reply), _first_line(self._dialect, reply)

    def _tag(self, index: int) -> str:
        """The tag of the last command; empty where there are no tags."""
        before = bisect_right(self._commands, index)
        if not (self._dialect.tagged and before):
            return ""
        return self._dialect.writes.tag(self._events[self._commands[before - 1]].data)


def _first_line(dialect: Dialect, event: Event) -> str:
    told = dialect.tell(event.title, event.data) if dialect.tell else event.text
    return told.split("\n", 1)[0].rstrip("\r")


def accepts(dialect: Dialect, reply: Event) -> bool | None:
    """Whether a reply says that something was done; None where it says neither that nor that it was not."""
    if dialect.accepts is not None:
        return dialect.accepts(reply.title, reply.data)
    if reply.title[:1].isdigit():  # RFC 5321 §4.2.1: 1 and 3 say that the answer is still to come
        return {"2": True, "4": False, "5": False}.get(reply.title[:1])
    return next((kind == DONE for kind in (DONE, REFUSED, LATER) if _word(dialect, kind) == reply.title), None)


def _word(dialect: Dialect, kind: str) -> str:
    """The status of a reply of that kind; empty where the dialect has none."""
    write = dialect.writes.replies.get(kind)
    return write("", "tag").split()[1 if dialect.tagged else 0].decode("latin-1") if write else ""


def _is_answered_with(following: Event | None) -> bool:
    """Whether a command has its answer with what follows: the bytes that it has announced."""
    return following is not None and following.sender == CLIENT and following.kind in ("message", "continuation")


def _offers_login(dialect: Dialect, dialogue: Dialogue) -> bool | None:
    """Whether a way to log in is offered in the first list of what is offered; None where there is no list."""
    listing = dialect.writes.capabilities
    said = (
        event for event in dialogue.events if event.sender == SERVER and event.layer == TEXT and not event.encrypted
    )
    lists = (listing.find(event.data) for event in said) if listing else ()
    offered = next((found for found in lists if found), None)
    if offered is None:
        return None
    return any(re.split(r"[ =]", one, maxsplit=1)[0].upper() in dialect.writes.login_names for one in offered)


# ---- what was injected


def _unasked(dialect: Dialect, events: Iterable[Event]) -> str:
    """A reply to the dialect's injected command that no command inside TLS has asked for; empty where there is none.

    Each command is replied to once, in order. A server that has replied more often, or whose replies lag behind, has
    run a command that was not said here. The reply to it is the one that fits, provided that more replies fit than the
    client has said that command itself.
    """
    injected = dialect.writes.injected
    if injected is None:
        return ""
    said = [event for event in events if event.layer == TEXT]
    if dialect.tagged:
        return _without_its_tag(dialect, said)
    one_each = list(takewhile(lambda event: event.kind != "message", said))  # a message may earn more (RFC 2033 §4.2)
    commands = [event for event in one_each if event.sender == CLIENT and event.kind in _SAID]
    replies = [event for event in one_each if event.sender == SERVER and event.kind in _REPLIES]
    fitting = [event.text for event in replies if re.match(injected.reply, event.text)]
    own = sum(event.title == injected.command.split()[0].upper() for event in commands)
    more = _more_replies(one_each) or _answers_late(dialect, commands, replies) or _fits_better(dialect, one_each)
    return fitting[0] if more and len(fitting) > own else ""


def _more_replies(said: list[Event]) -> bool:
    """Whether there is a point up to which the server has replied more often than it was spoken to."""
    owed = 0
    for event in said:
        owed += event.sender == CLIENT and event.kind in _SAID
        owed -= event.sender == SERVER and event.kind in _REPLIES
        if owed < 0:
            return True
    return False


def _answers_late(dialect: Dialect, commands: list[Event], replies: list[Event]) -> bool:
    """Whether the list of what is offered is a later reply than the question is a command."""
    listing = dialect.writes.capabilities
    if listing is None or listing.unasked:
        return False
    asked = next((number for number, event in enumerate(commands) if event.title == dialect.ask), None)
    listed = next((number for number, event in enumerate(replies) if listing.find(event.data)), None)
    return asked is not None and listed is not None and listed > asked


def _fits_better(dialect: Dialect, said: list[Event]) -> bool:
    """Whether the replies are replies to what was said only if the injected command was said first.

    Where each reply is taken for one to the command before, those of several lines fall apart into lines without sense.
    """
    injected = dialect.writes.command(dialect.writes.injected.command, "mallory")
    return _senseless(dialect, said, injected) < _senseless(dialect, said, b"")


def _senseless(dialect: Dialect, said: list[Event], first: bytes) -> int:
    """How many phrases of the server fit nowhere if the client has said `first` and then the rest."""
    reader = dialect.reader()
    reader.feed(CLIENT, first)
    phrases = [phrase for event in said for phrase in reader.feed(event.sender, event.data)]
    return sum(phrase.sender == SERVER and phrase.kind == "unknown" for phrase in phrases)


def _without_its_tag(dialect: Dialect, said: list[Event]) -> str:
    """Where replies bear the tag of their command: a fitting one whose tag was not said so often."""
    asked = Counter(dialect.writes.tag(e.data) for e in said if e.sender == CLIENT and e.kind == "command")
    for event in said:
        if event.sender == SERVER and re.match(dialect.writes.injected.reply, event.text):
            tag = dialect.writes.tag(event.data)
            if not asked[tag]:
                return event.text
            asked[tag] -= 1
    return ""
