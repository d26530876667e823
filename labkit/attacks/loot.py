"""What an attacker has read: in clear text, inside her own TLS, and in her own mailbox.

It is read from the bytes that crossed her, by the same decoder as any capture.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import NamedTuple

from labkit.attacks.engine.side import Leg
from labkit.capture.conversation import CLIENT, SERVER, Chunk, Conversation, Endpoint
from labkit.decode.dialogue import read
from labkit.decode.event import TEXT, Dialogue
from labkit.decode.privacy import visible
from labkit.dialects.base import Dialect
from labkit.trust.keylog import Secrets

SECRETS = (
    *("password", "user name and password", "old password", "new password", "bearer token", "password hash"),
    *("user name", "message", "file", "attachment", "subject"),
    *("script text", "query", "parameter", "value", "data", "entry", "stored password"),
)
"""The kinds of things that are secret, first of logins, then of content; names and addresses are not among them."""

CLEAR, OWN_TLS, MAILBOX = "in clear text", "inside TLS of her own", "in her own mailbox"


class Item(NamedTuple):
    """One thing that the attacker has read."""

    what: str
    """password, bearer token, user name, message, sender, … as in `labkit.decode.privacy`."""
    value: str
    """The value, decoded."""
    where: str
    """`CLEAR`, `OWN_TLS` or `MAILBOX`."""
    line: str
    """The line that held it, as it crossed the wire."""
    session: int
    """Which of the attacker's sessions, from 1; 0 for a mailbox."""
    sender: str = CLIENT
    """Which side sent it, or the attacker in its name."""

    def __repr__(self) -> str:
        return f"{self.what}: {self.value!r}, {self.where}: {self.line[:120]!r}"


class Loot(list[Item]):
    """What the attacker has read, in the order in which it was sent; printed one item a line."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Which of `SECRETS` are among it."""
        found = {item.what for item in self}
        return tuple(what for what in SECRETS if what in found)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or "<nothing was read>"


def items(dialogue: Dialogue, where: str, session: int) -> list[Item]:
    """What can be read in a dialogue."""
    found = []
    for exposure in visible(dialogue, whole=True):
        event = dialogue.events[exposure.event_index]
        line = event.data[: exposure.end].rpartition(b"\n")[2] + event.data[exposure.end :].split(b"\n", 1)[0]
        shown = line.decode("utf-8", "backslashreplace").strip() if event.layer == TEXT else event.title
        found.append(Item(exposure.what, exposure.value, where, shown, session, event.sender))
    return found


def genuine(leg: Leg, secrets: Secrets) -> Dialogue:
    """The dialogue of a leg, decrypted unless the TLS is the attacker's own."""
    return read(leg.wire, None if leg.inside.said else secrets)


def as_if_clear(dialogue: Dialogue) -> Dialogue:
    """A dialogue of what was said inside TLS alone, as if it had crossed in clear text."""
    inside = (event._replace(encrypted=False) for event in dialogue.events if event.encrypted)
    return replace(dialogue, events=tuple(inside))


def stored(mail: Iterable[bytes], dialect: Dialect | None, known: Iterable[Item]) -> list[Item]:
    """What the attacker's mailbox holds: commands of the victim, and items that are `known` to be the victim's."""
    kept = [item._replace(where=MAILBOX, session=0) for item in known]
    found: dict[tuple[str, str], Item] = {}
    for data in mail:
        spoken = _spoken(data, dialect)
        more = (item for item in _quoted(data, kept) if not _repeats(item, spoken))
        for item in (*spoken, *more):
            found.setdefault((item.what, item.value), item)
    return list(found.values())


def _repeats(item: Item, spoken: Iterable[Item]) -> bool:
    """Whether it is a message that was read before, together with what stands around it.

    How much of what a victim said inside TLS the server took for a message depends on when its replies came.
    """
    return item.what == "message" and any(one.what == item.what and one.value in item.value for one in spoken)


def _spoken(data: bytes, dialect: Dialect | None) -> list[Item]:
    """The secrets in a message that holds what a victim said to a server."""
    if dialect is None:
        return []
    nobody, server = Endpoint("0.0.0.0", 0), Endpoint("0.0.0.0", dialect.explicit_ports[0])
    whole = data + dialect.writes.message_end
    return items(read(Conversation(nobody, server, list(_answered(whole, dialect)))), MAILBOX, 0)


def _answered(data: bytes, dialect: Dialect) -> Iterator[Chunk]:
    """The client's bytes with the replies of a server that accepts them, so that a reader can follow them."""
    reader, numbers = dialect.reader(), count(1)
    waiting = deque(reader.feed(CLIENT, data))
    while waiting:
        phrase = waiting.popleft()
        reply = dialect.writes.willing(phrase)
        for sender, said in ((CLIENT, phrase.data), (SERVER, reply)):
            yield Chunk(0, next(numbers), sender, "data", said, len(said))
        waiting += (more for more in reader.feed(SERVER, reply) if more.sender == CLIENT)


def _quoted(data: bytes, known: Iterable[Item]) -> list[Item]:
    text = data.decode("utf-8", "backslashreplace")
    found = []
    for item in known:
        place = re.search(rf"(?<!\w){re.escape(item.value)}(?!\w)", text) if item.what in SECRETS else None
        if place:
            line = text[: place.start()].rpartition("\n")[2] + text[place.start() :].split("\n", 1)[0]
            found.append(item._replace(line=line.strip()))
    return found


def overheard(
    dialogue: Dialogue, passwords: Iterable[str], read: Iterable[Item], where: str, session: int
) -> list[Item]:
    """Those of these passwords that a client sent as a word of its own and that are not in `read` yet: in a
    command that the dialect does not know, or where the protocol expects something else."""
    known = {item.value for item in read if item.what in SECRETS}
    wanted = [Item("password", password, where, "", session) for password in passwords if password not in known]
    said = (e for e in dialogue.events if e.sender == CLIENT and e.layer == TEXT and not e.encrypted)
    return _quoted(b"".join(event.data for event in said if event.kind != "message"), wanted) if wanted else []
