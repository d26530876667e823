"""What one session of an attack shows, read once from the bytes of its two legs: what the attacker could read, what
crossed inside TLS with the real server, and what the server did.

The judge may open the TLS between the victim and the server; the attacker may not. What follows from it is `verdict`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import dropwhile, takewhile

from labkit.attacks.deeds import Deed, deeds
from labkit.attacks.engine.side import Leg
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
    """The facts of one session.

    `secrets` open the TLS between the victim and the real server. `others` returns the conversations of the same
    network; those that this session announced (FTP's data) are read with it. `passwords` are those of the accounts on
    the server, without the attacker's.
    """

    # ---- the session

    open: bool
    """Whether the session is not over."""
    cut: bool
    """Whether more bytes crossed than are recorded and read here."""

    # ---- from the bytes between the victim and the attacker

    read: list[Item]
    """What the attacker could read."""
    sealed: list[Item]
    """What was said inside TLS with the real server."""
    hellos: list[bytes]
    """Each ClientHello of the victim, with its handshake header."""
    farewell: str
    """The victim's last phrase or alert; empty if it sent none."""
    takes_leave: bool
    """Whether the victim sent its farewell, as a program does whose work is done."""
    begun: bool
    """Whether the victim sent a command other than its farewell, or began TLS."""
    trusted: str
    """The victim's first command inside the attacker's own TLS, its farewell apart; empty without one."""
    in_clear: bool
    """Whether, without any TLS, the server did something for the victim."""
    unopened: str
    """Why it is unknown what the victim said inside TLS; empty if it is known, or nothing was said."""
    recipients: tuple[str, ...]
    """The recipients of the victim's mail that the attacker could read."""
    addressed: tuple[str, ...]
    """All recipients of the victim's mail, those inside TLS included."""

    # ---- from the bytes between the attacker and the real server

    clear: Sequence[Deed] = ()
    """What was requested of the server where the attacker could read it."""
    inside: Sequence[Deed] = ()
    """What was requested of the server inside TLS with the victim."""
    proof: str = ""
    """A reply inside TLS that only an injected command can have caused; empty without one."""
    unasked: str = ""
    """A success that the server reports inside TLS without having been asked there; empty without one."""
    shut_out: bool = False
    """Whether the server offers a login in clear text but none inside TLS after the upgrade."""
    passed_on: tuple[str, ...] = ()
    """The recipients that reached the server where the attacker could read them."""
    changed: tuple[str, ...] = ()
    """Sentences on what of a mail was forwarded with changes, as far as the attacker could read it."""

    # ---- from both

    unheard: Sequence[Deed] = ()
    """Deeds of `inside` that the server did, and whose reply never reached the victim."""

    def __init__(
        self, session: VictimSession, secrets: Secrets, others: Others = tuple, passwords: Sequence[str] = ()
    ) -> None:
        self.number = session.number
        self.failure = session.failure
        self.dialect = session.opening.dialect
        self.implicit = session.opening.implicit
        self.open = not session.over.is_set()
        self.cut = any(leg.cut for leg in session.legs)
        victim, *rest = session.legs
        opened = self._read_victim(victim, secrets, others, passwords)
        for server in rest:  # none where the server was never reached
            self._read_server(server, secrets)
            if victim.wire.stream(SERVER) != server.wire.stream(SERVER):
                heard = {deed[:2] for deed in deeds(as_if_clear(opened)) if deed.accepted}
                self.unheard = [d for d in self.inside if d.values and d.accepted and d[:2] not in heard]

    def _read_victim(self, victim: Leg, secrets: Secrets, others: Others, passwords: Sequence[str]) -> Dialogue:
        """Read the victim's leg. Returns its dialogue, opened where the TLS is with the real server."""
        outside, own = read(victim.wire), read(victim.inside, usual=self.dialect)
        opened = genuine(victim, secrets) if outside.session else outside
        self.read = [*items(outside, CLEAR, self.number), *items(own, OWN_TLS, self.number)]
        self.read += [item for one in _belonging(opened, others) for item in items(one, CLEAR, self.number)]
        for dialogue, where in ((outside, CLEAR), (own, OWN_TLS)):
            self.read += overheard(dialogue, passwords, self.read, where, self.number)
        self.sealed = items(as_if_clear(opened), "", self.number)
        self.hellos = [event.data for event in outside.events if _is_hello(event)]
        self.farewell = _farewell(outside)
        self.takes_leave = any(
            event.sender == CLIENT and event.title == _goodbye(self.dialect) for event in (*opened.events, *own.events)
        )
        self.begun = _begun(outside, self.dialect)
        self.trusted = _asked(own, self.dialect)
        self.in_clear = outside.session is None and any(deed.accepted for deed in deeds(outside))
        self.unopened = _unopened(opened) if not victim.inside.said else ""
        self.recipients = _recipients(self.read)
        self.addressed = _recipients([*self.read, *self.sealed])
        return opened

    def _read_server(self, server: Leg, secrets: Secrets) -> None:
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
            self.unasked = _unasked(self.dialect, inside.events)
            self.shut_out = _offers_login(self.dialect, outside) and _offers_login(self.dialect, inside) is False


def _is_hello(event: Event) -> bool:
    return event.sender == CLIENT and event.layer == TLS and event.title == "ClientHello"


def _recipients(found: Iterable[Item]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.value for item in found if item.what == "recipient"))


def _changes(sender: str, said: list[Item], heard: list[Item], how: str) -> Iterator[str]:
    """One sentence for each thing that this side said of a mail and that reached the other end changed."""
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
"""How many characters of a changed text are shown."""


def _unopened(dialogue: Dialogue) -> str:
    """Why something that the client said inside TLS could not be decrypted."""
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
    """The title of the client's first command, its farewell apart; empty without one."""
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
    """Whether the first list of capabilities offers a way to log in; None without a list."""
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
    """A reply to the dialect's injected command that no command inside TLS accounts for; empty without one.

    Each command gets one reply, in order. A server that sent more replies than it got commands here, or whose replies
    are one late, has run a command that did not come inside TLS. That command came before all others, so its reply is
    the first one, after a list that comes unasked. More replies must match it than the client itself sent the command.
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


def _unasked(dialect: Dialect, events: Iterable[Event]) -> str:
    """The first success that the server reports before the client has said what it would answer; empty without one."""
    owed, tags = 0, set()
    for event in takewhile(lambda event: event.kind != "message", (one for one in events if one.layer == TEXT)):
        if event.sender == CLIENT and event.kind in SAID:
            owed += 1
            tags.add(dialect.writes.tag(event.data))
        elif event.sender == SERVER and event.kind in ANSWERS:
            early = dialect.writes.tag(event.data) not in tags if dialect.tagged else not owed
            if early and accepts(dialect, event):
                return event.text
            owed = max(0, owed - 1)
    return ""


def _more_replies(dialect: Dialect, said: list[Event]) -> bool:
    """Whether the server has, up to some point, sent more replies than it got commands. The last phrase counts only if
    it is a success, or no refusal behind the client's farewell: a server may close unasked (RFC 5321 §3.8)."""
    leaves = any(event.sender == CLIENT and event.title == _goodbye(dialect) for event in said)
    last = accepts(dialect, said[-1]) if said else None
    owed = 0
    for event in said if last or (leaves and last is not False) else said[:-1]:
        owed += event.sender == CLIENT and event.kind in SAID
        owed -= event.sender == SERVER and event.kind in ANSWERS
        if owed < 0:
            return True
    return False


def _answers_late(dialect: Dialect, commands: list[Event], replies: list[Event]) -> bool:
    """Whether the list of capabilities has a later place among the replies than its request among the commands."""
    listing = dialect.writes.capabilities
    if listing is None or listing.unasked:
        return False
    asked = next((number for number, event in enumerate(commands) if event.title == dialect.ask), None)
    listed = next((number for number, event in enumerate(replies) if listing.find(event.data)), None)
    return asked is not None and listed is not None and listed > asked


def _fits_better(dialect: Dialect, said: list[Event]) -> bool:
    """Whether the replies match the commands only if the injected command came first.

    If each reply is read as the reply to the wrong command, replies of several lines fall apart into unknown phrases.
    """
    injected = dialect.writes.command(dialect.writes.injected.command, "mallory")
    return _senseless(dialect, said, injected) < _senseless(dialect, said, b"")


def _senseless(dialect: Dialect, said: list[Event], first: bytes) -> int:
    """How many phrases of the server are unknown if the client sent `first` and then the rest."""
    reader = dialect.reader()
    reader.feed(CLIENT, first)
    phrases = [phrase for event in said for phrase in reader.feed(event.sender, event.data)]
    return sum(phrase.sender == SERVER and phrase.kind == "unknown" for phrase in phrases)


def _without_its_tag(dialect: Dialect, said: list[Event]) -> str:
    """In a dialect with tags: a matching reply whose tag came more often than the client sent it; empty without one."""
    asked = Counter(dialect.writes.tag(e.data) for e in said if e.sender == CLIENT and e.kind == "command")
    for event in said:
        if event.sender == SERVER and re.match(dialect.writes.injected.reply, event.text):
            tag = dialect.writes.tag(event.data)
            if not asked[tag]:
                return event.text
            asked[tag] -= 1
    return ""
