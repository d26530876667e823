"""What one session of an attack shows, read once from the bytes of its two legs: what the attacker could read, what was
sealed in TLS with the real server, and what the server did.

The judge may open the TLS between the victim and the server; the attacker may not. What follows from it is `verdict`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import dropwhile, takewhile

from labkit.attacks.deeds import Deed, deeds
from labkit.attacks.engine.victim_session import VictimSession
from labkit.attacks.loot import CLEAR, OWN_TLS, Item, as_if_clear, genuine, items, overheard
from labkit.attacks.replies import ANSWERS, SAID, accepts
from labkit.capture.conversation import Conversation
from labkit.decode.dialogue import read
from labkit.decode.event import CLIENT, SERVER, TCP, TEXT, TLS, Dialogue, Event
from labkit.decode.further import joined
from labkit.dialects.base import Dialect
from labkit.trust.keylog import Secrets

Others = Callable[[], Iterable[Conversation]]


class Evidence:
    """Of one session. `secrets` open the TLS between the victim and the real server; `others` gives the conversations
    that crossed the same network, among which are those that belong to this one; `passwords` are those of accounts on
    the server that are not the attacker's."""

    def __init__(
        self, session: VictimSession, secrets: Secrets, others: Others = tuple, passwords: Sequence[str] = ()
    ) -> None:
        self.number = session.number
        self.failure = session.failure
        self.dialect = session.opening.dialect
        self.implicit = session.opening.implicit
        self.open = not session.over.is_set()
        """Whether the victim or the server may still say something."""
        self.cut = any(leg.cut for leg in session.legs)
        """Whether more crossed than is kept, and read here."""
        victim = session.legs[0]
        outside, own = read(victim.wire), read(victim.inside, usual=self.dialect)
        opened = genuine(victim, secrets) if outside.session else outside
        self.read = [*items(outside, CLEAR, self.number), *items(own, OWN_TLS, self.number)]
        self.read += [item for one in _belonging(opened, others) for item in items(one, CLEAR, self.number)]
        """What the attacker could read."""
        for dialogue, where in ((outside, CLEAR), (own, OWN_TLS)):
            self.read += overheard(dialogue, passwords, self.read, where, self.number)
        self.sealed = items(as_if_clear(opened), "", self.number)
        """What was said inside TLS with the real server."""
        self.hellos = [event.data for event in outside.events if _is_hello(event)]
        """Each ClientHello of the victim, with its handshake header."""
        self.farewell = _farewell(outside)
        """The last thing that the victim said; empty where it said nothing."""
        self.takes_leave = any(
            event.sender == CLIENT and event.title == _goodbye(self.dialect) for event in (*opened.events, *own.events)
        )
        """Whether the victim said goodbye, as a program does that has done what it wanted."""
        self.begun = _begun(outside, self.dialect)
        """Whether the victim asked for something, or began TLS; to say goodbye is neither."""
        self.trusted = _asked(own, self.dialect)
        """What the victim asked first of the attacker inside TLS of her own; empty where it only took its leave."""
        self.in_clear = outside.session is None and any(deed.accepted for deed in deeds(outside))
        """Whether the victim did something without TLS."""
        self.unopened = _unopened(opened) if not victim.inside.said else ""
        """Why it is not known what the victim said inside TLS; empty where it is known, or nothing was said."""
        self.recipients = _recipients(self.read)
        """Whom the victim's mail was for, where the attacker could read it."""
        self.addressed = _recipients([*self.read, *self.sealed])
        """Whom it was for, read or not."""
        self.clear: list[Deed] = []
        """What was asked of the server where the attacker could read it."""
        self.inside: list[Deed] = []
        """What was asked of it inside TLS with the victim."""
        self.unheard: list[Deed] = []
        """Those of them that the server has done for the victim, and whose answer never reached it."""
        self.proof = ""
        """A reply inside TLS that only an injected command can have caused; empty without one."""
        self.shut_out = False
        """Whether the server offers a login in clear text, and inside TLS, behind an upgrade, none any more."""
        self.passed_on: tuple[str, ...] = ()
        """Recipients that the server was told, where the attacker could read it."""
        self.changed: tuple[str, ...] = ()
        """What of a mail went on in other words than it came in, where the attacker could read both; sentences."""
        if len(session.legs) > 1:
            self._read_server(session, secrets)
            if session.legs[0].wire.stream(SERVER) != session.legs[1].wire.stream(SERVER):
                heard = {deed[:2] for deed in deeds(as_if_clear(opened)) if deed.accepted}
                self.unheard = [d for d in self.inside if d.values and d.accepted and d[:2] not in heard]

    def _read_server(self, session: VictimSession, secrets: Secrets) -> None:
        server = session.legs[1]
        outside, own = read(server.wire), read(server.inside, usual=self.dialect)
        inside = as_if_clear(genuine(server, secrets) if outside.session else outside)
        self.clear = [*deeds(outside), *deeds(own)]
        self.inside = deeds(inside)
        crossed = [*items(outside, CLEAR, self.number), *items(own, OWN_TLS, self.number)]
        self.passed_on = _recipients(crossed)
        self.changed = tuple(_changes(CLIENT, self.read, crossed, "went on"))
        self.changed += tuple(_changes(SERVER, crossed, self.read, "reached the victim"))
        if self.dialect is not None and not self.implicit:
            self.proof = injection_proof(self.dialect, inside.events)
            self.shut_out = _offers_login(self.dialect, outside) and _offers_login(self.dialect, inside) is False


def _is_hello(event: Event) -> bool:
    return event.sender == CLIENT and event.layer == TLS and event.title == "ClientHello"


def _recipients(found: Iterable[Item]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.value for item in found if item.what == "recipient"))


def _changes(sender: str, said: list[Item], heard: list[Item], how: str) -> Iterator[str]:
    """What this side said of a mail that was heard otherwise at the other end, one sentence each."""
    for what in ("sender", "subject", "message"):
        before, after = (
            [item.value for item in found if (item.what, item.sender) == (what, sender)] for found in (said, heard)
        )
        if len(before) == len(after):
            yield from (
                f"the {what} {one[:_SHOWN]!r} {how} as {other[:_SHOWN]!r}"
                for one, other in zip(before, after, strict=True)
                if not one.startswith(other)  # what was cut off was not changed
            )


_SHOWN = 60
"""Letters of a text that was changed that are shown."""


def _unopened(dialogue: Dialogue) -> str:
    """Why something that the client said inside TLS could not be opened."""
    session = dialogue.session
    if session is None:
        return ""
    said = [event for event in dialogue.events if event.sender == CLIENT and event.encrypted]
    behind = list(dropwhile(lambda event: event.layer != TEXT, said))
    sealed = [event for event in behind or said if event.kind == "application-data"]
    own = 1 if session.version == "TLS 1.3" and not behind else 0  # the Finished, or the alert, is such a record, too
    return (session.problem or "there are no secrets for it") if len(sealed) > own else ""


def _belonging(dialogue: Dialogue, others: Others) -> Iterator[Dialogue]:
    """The further connections of a conversation, as they crossed the wire."""
    if dialogue.dialect is not None and dialogue.dialect.further is not None:
        yield from (one for one in joined([dialogue, *map(read, others())]) if one.part_of)


def _begun(dialogue: Dialogue, dialect: Dialect | None) -> bool:
    said_tls = any(event.sender == CLIENT and event.layer == TLS for event in dialogue.events)
    return said_tls or bool(_asked(dialogue, dialect))


def _asked(dialogue: Dialogue, dialect: Dialect | None) -> str:
    """The title of the first thing that the client asked for; empty where it asked for nothing."""
    said = (event for event in dialogue.events if event.sender == CLIENT and event.layer == TEXT)
    return next((one.title for one in said if one.kind != "unknown" and one.title != _goodbye(dialect)), "")


def _goodbye(dialect: Dialect | None) -> str:
    """The title of the command with which a client leaves; empty where the dialect has none."""
    if dialect is None:
        return ""
    reader, writes = dialect.reader(), dialect.writes
    reader.feed(CLIENT, writes.begin("a", "a") if writes.begin else b"")
    said = reader.feed(CLIENT, writes.leave("b"))
    return said[-1].title if said else ""


def _farewell(dialogue: Dialogue) -> str:
    said = [event for event in dialogue.events if event.sender == CLIENT and event.layer != TCP]
    if not said:
        return ""
    last, tell = said[-1], dialogue.dialect.tell if dialogue.dialect else None
    text = tell(last.title, last.data) if tell else last.text
    return {TEXT: text, TLS: f"TLS {last.title}"}.get(last.layer, last.title)


# ---- what the server offers


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


def injection_proof(dialect: Dialect, events: Iterable[Event]) -> str:
    """A reply to the dialect's injected command that no command inside TLS has asked for; empty where there is none.

    Each command is replied to once, in order. A server that has replied more often, or whose replies lag behind, has
    run a command that was not said here. It came before all others, so its reply is the first one, behind a list that
    comes unasked; more replies must fit than the client has said that command itself.
    """
    injected = dialect.writes.injected
    if injected is None:
        return ""
    said = [event for event in events if event.layer == TEXT]
    if dialect.tagged:
        return _without_its_tag(dialect, said)
    one_each = list(takewhile(lambda event: event.kind != "message", said))  # a message may earn more (RFC 2033 §4.2)
    commands = [event for event in one_each if event.sender == CLIENT and event.kind in SAID]
    replies = [event for event in one_each if event.sender == SERVER and event.kind in ANSWERS]
    listing = dialect.writes.capabilities
    unasked = listing is not None and listing.unasked
    answers = [event.text for event in replies if not (unasked and listing.find(event.data) is not None)]
    fitting = [text for text in answers if re.match(injected.reply, text)]
    own = sum(event.title == injected.command.split()[0].upper() for event in commands)
    more = (
        _more_replies(dialect, one_each) or _answers_late(dialect, commands, replies) or _fits_better(dialect, one_each)
    )
    return fitting[0] if more and len(fitting) > own and answers[0] == fitting[0] else ""


def _more_replies(dialect: Dialect, said: list[Event]) -> bool:
    """Whether there is a point up to which the server has replied more often than it was spoken to. The last thing
    that is said counts only where it lets the client go that has taken its leave: a server may take its own unasked,
    and refuses then (RFC 5321 §3.8)."""
    leaves = any(event.sender == CLIENT and event.title == _goodbye(dialect) for event in said)
    owed = 0
    for event in said if leaves and accepts(dialect, said[-1]) is not False else said[:-1]:
        owed += event.sender == CLIENT and event.kind in SAID
        owed -= event.sender == SERVER and event.kind in ANSWERS
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
