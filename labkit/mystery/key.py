"""The answer key of a mystery network: the sessions that were attacked, the attackers, what leaked, and what would have
stopped it.

It is made from the lab's records of each visit. Every secret that it says to have crossed in clear text is searched in
the frames before the key is returned.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.attacks.loot import CLEAR
from labkit.capture.frames import find
from labkit.decode.dialogue import read
from labkit.decode.privacy import visible
from labkit.defences.relaying import PORT
from labkit.errors import LabError
from labkit.mystery.kinds import BY_WORD, RELAYING
from labkit.mystery.plan import Plan
from labkit.mystery.staging import Staged, VisitRecord
from labkit.servers import server_for
from labkit.show.table import table

if TYPE_CHECKING:
    from labkit.capture.trace import Trace
    from labkit.show.page import Page

GRAVE = ("password", "message")
"""The kinds of leaks, the gravest first."""
NOTHING = "nothing"


@dataclass(frozen=True)
class Incident:
    """One visit that was attacked."""

    kind: str
    """One of the words of `labkit.mystery.kinds`."""
    vector: str
    """The number of the attack in the catalogue."""
    attacker: str
    victim: str
    server: str
    """The names of the hosts."""
    protocol: str
    port: int
    """The nominal port of the server, host order."""
    sessions: tuple[int, ...]
    """The victim's conversations: which of the capture's, from 0."""
    onward: tuple[int, ...]
    """The attacker's own conversations with the server, as numbers of the same kind."""
    frames: tuple[int, int]
    """The first and the last frame of the victim's conversations, from 1."""
    outcome: str
    """Of `labkit.attacks.verdict.OUTCOMES`."""
    leaked: str
    """The gravest thing that the attacker has read: of `GRAVE`, or `NOTHING`."""
    secrets: tuple[str, ...]
    """The passwords and messages that the attacker has read."""
    defences: tuple[str, ...]
    """Of `labkit.mystery.kinds.DEFENCES`: each of them would have stopped it."""
    changed: tuple[str, ...]
    """What the attacker did."""


class Key:
    """The attacked sessions of a network, and the careless ones."""

    def __init__(self, plan: Plan, happened: Staged) -> None:
        self.plan = plan
        self._capture = happened.capture
        self._owners = _owners(happened)
        attacked = [(record, sessions) for record, sessions in self._owners if record.visit.kind and record.changed]
        self.incidents = tuple(self._incident(record, sessions) for record, sessions in attacked)
        """In order."""
        self.session_at = _sessions_by_frame(happened.capture)
        """The number of a frame, from 1 -> which conversation it belongs to, from 0."""
        self._by_session = {
            session: incident for incident in self.incidents for session in (*incident.sessions, *incident.onward)
        }

    def attack_on(self, session: int) -> Incident | None:
        """The attack to which that conversation belongs, counted from 0; None where it belongs to none."""
        return self._by_session.get(session)

    @property
    def never_offer(self) -> tuple[str, ...]:
        """The servers that offer no upgrade to any client."""
        return tuple(house.name for house in self.plan.houses if not house.offers)

    @property
    def robbed(self) -> tuple[str, ...]:
        """The people whose passwords an attacker has read."""
        read = (incident.victim for incident in self.incidents if incident.leaked == GRAVE[0])
        return tuple(dict.fromkeys(read))

    def table(self) -> "Page":
        """The key as a table."""
        columns = ("frames", "attack", "victim", "server", "attacker", "outcome", "leaked", "stopped by")
        rows = [
            (
                f"{each.frames[0]} to {each.frames[1]}",
                f"{each.vector} {each.kind}",
                each.victim,
                f"{each.server}:{each.port}",
                each.attacker,
                each.outcome,
                each.leaked,
                "; ".join(each.defences),
            )
            for each in self.incidents
        ]
        return table(f"Key of the network {self.plan.seed!r}", columns, rows)

    def _repr_html_(self) -> str:
        return self.table().html

    def __repr__(self) -> str:
        return repr(self.table())

    def _incident(self, record: VisitRecord, sessions: list[int]) -> Incident:
        conversations = self._capture.conversations
        visit = record.visit
        called = {number: self._capture.names[conversations[number].client.host] for number in sessions}
        own = tuple(number for number in sessions if called[number] == visit.client)
        onward = tuple(number for number in sessions if called[number] == visit.attacker)
        read = {what: value for what, value, *_ in reversed(record.loot) if what in GRAVE}
        self._check(record, own)
        said = [chunk for number in own for chunk in conversations[number].said]
        return Incident(
            kind=visit.kind,
            vector=visit.vector,
            attacker=visit.attacker,
            victim=visit.client,
            server=visit.house,
            protocol="SMTP" if visit.protocol == RELAYING else visit.protocol,
            port=PORT if visit.protocol == RELAYING else server_for(visit.protocol).ports[False],
            sessions=own,
            onward=onward,
            frames=(min(chunk[1] for chunk in said), max(chunk[1] for chunk in said)),
            outcome=record.verdict.outcome,
            leaked=next((what for what in GRAVE if what in read), NOTHING),
            secrets=tuple(read[what] for what in GRAVE if what in read),
            defences=BY_WORD[visit.kind].defences,
            changed=record.changed,
        )

    def _check(self, record: VisitRecord, own: Iterable[int]) -> None:
        """Raises `LabError` if something that was read in clear text, by the record, is not in the victim's frames."""
        conversations = self._capture.conversations
        seen = {(it.what, it.value) for number in own for it in visible(read(conversations[number]))}
        missing = [item for item in record.loot if item.where == CLEAR and (item.what, item.value) not in seen]
        if missing or not own:
            raise LabError(
                f"The recording of the network {self.plan.seed!r} lacks what the lab has seen happen in the visit of "
                f"{record.visit.client} to {record.visit.house}: record it again."
            )


def _owners(happened: Staged) -> list[tuple[VisitRecord, list[int]]]:
    """Each visit with its conversations: those that began while it lasted. One visit comes after the other."""
    began = [conversation.said[0][0] for conversation in happened.capture.conversations]
    found = []
    for record in happened.records:
        own = [number for number, at in enumerate(began) if record.began <= at <= record.ended]
        found.append((record, own))
    return found


def _sessions_by_frame(trace: "Trace") -> dict[int, int]:
    """The number of each frame, from 1 -> which conversation it belongs to, from 0."""
    starting: dict[int, int] = {}
    for number, conversation in enumerate(trace.conversations):
        starting[conversation.began] = number
    at: dict[frozenset[tuple[bytes, int]], int] = defaultdict(lambda: -1)
    found = {}
    for frame_number, frame in enumerate(trace.frames, 1):
        segment = find(frame.link, frame.data)
        if segment is None:
            continue
        ends = _pair(segment[0])
        at[ends] = starting.get(frame_number, at[ends])
        found[frame_number] = at[ends]
    return found


def _pair(both: bytes) -> frozenset[tuple[bytes, bytes]]:
    """The two ends of a connection, the same for both directions (`labkit.capture.frames.ends`)."""
    return frozenset(((both[:4], both[8:10]), (both[4:8], both[10:12])))
