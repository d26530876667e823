"""Every client against every attack: one live session for each, and the verdict on it.

Each attack is run in a lab of its own, on a server that is open to it; the caller says what makes that lab. How the
result looks is for `labkit.show`.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from labkit.aftermath import Aftermath
from labkit.attack import scene, targets
from labkit.attacks import catalogue
from labkit.attacks.account import NAME
from labkit.attacks.engine.interceptor import Interceptor
from labkit.attacks.silence import Watch
from labkit.attacks.vector import Vector
from labkit.attacks.vectors.buffering import MARK
from labkit.attacks.verdict import UNKNOWN, Verdict, judge
from labkit.attacks.victims import LOGIN, TEXT, Victim
from labkit.attacks.victims.report import Report
from labkit.clients import PROTOCOLS, policies
from labkit.clients.fetching import CLIENTS
from labkit.clients.policies import IMPLICIT, Policy
from labkit.dialects import named
from labkit.errors import LabError
from labkit.mail.mailbox import Message
from labkit.show.attack_grid import attack_grid
from labkit.trust.certificates import DOMAIN

if TYPE_CHECKING:
    from labkit.lab import Lab
    from labkit.show.grid import Grid

PATIENCE = (2.0, 8.0, 32.0)
"""Seconds that a client waits, attempt by attempt: under some attacks an answer never comes. Another attempt follows
only where the time ran out while the server was not silent."""
_AT_ONCE = 4
"""Attacks that are run at the same time; waiting attacks use no CPU."""

AttackedClient = Policy | Victim
"""A policy, which the lab's own clients follow, or a victim's program."""


class Trial(NamedTuple):
    """One attack on one client."""

    protocol: str
    vector: str
    """The number of the attack: ``N1``."""
    client: str
    """The name of the policy or of the victim."""
    verdict: Verdict


class Matrix(tuple[Trial, ...]):
    """The cells, attack by attack."""

    def verdict(self, protocol: str, vector: str, client: str) -> Verdict:
        """The verdict in one cell. Raises KeyError where there is none."""
        for cell in self:
            if cell[:3] == (protocol, vector, client):
                return cell.verdict
        raise KeyError((protocol, vector, client))

    @property
    def grid(self) -> "Grid":
        """The cells as a grid of attacks and clients."""
        return attack_grid(self)

    def _repr_html_(self) -> str:
        return self.grid.html

    def __repr__(self) -> str:
        rows = (f"{protocol:5} {vector:4} {client}: {verdict.outcome}" for protocol, vector, client, verdict in self)
        return "\n".join(rows)


def every_attack(
    make: "Callable[[], Lab]",
    vectors: Iterable[type[Vector]] = catalogue.ALL,
    clients: Sequence[AttackedClient] = policies.ALL,
    protocols: Sequence[str] = PROTOCOLS,
    step: Callable[[], object] = lambda: None,
) -> Matrix:
    """Run each attack against each client, in each protocol that both have; `make` makes a lab for each attack.

    `clients` are policies, which the lab's own clients follow, and victims; `step` is called after each session.
    """
    rows = [_Row(protocol, vector(), _able(clients, protocol)) for protocol, vector in _pairs(vectors, protocols)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda row: row.run(make, step), rows)
        return Matrix(chain.from_iterable(found))


def known(clients: Iterable[AttackedClient]) -> tuple[AttackedClient, ...]:
    """These clients. Raises `LabError` for anything but clients, and for an empty list."""
    given = tuple(clients) if isinstance(clients, Iterable) else (clients,)
    for client in given or (None,):
        if not isinstance(client, AttackedClient):
            raise LabError(f"Clients are a list of policies or victims, like [policies.verified], not {client!r}.")
    return given


def count(
    vectors: Iterable[type[Vector]] = catalogue.ALL,
    clients: Sequence[AttackedClient] = policies.ALL,
    protocols: Sequence[str] = PROTOCOLS,
) -> int:
    """How many sessions `every_attack` has with these arguments."""
    return sum(len(_able(clients, protocol)) for protocol, _ in _pairs(vectors, protocols))


def _pairs(vectors: Iterable[type[Vector]], protocols: Sequence[str]) -> list[tuple[str, type[Vector]]]:
    return [(protocol, vector) for vector in vectors for protocol in protocols if vector.applies_to(named(protocol))]


def _able(clients: Sequence[AttackedClient], protocol: str) -> list[AttackedClient]:
    return [client for client in clients if getattr(client, "protocol", protocol) == protocol]


class _Row(NamedTuple):
    """One attack, and all clients that are run under it."""

    protocol: str
    vector: Vector
    clients: list[AttackedClient]

    def run(self, make: "Callable[[], Lab]", step: Callable[[], object]) -> list[Trial]:
        with make() as lab:
            start = getattr(lab, self.protocol.lower())
            servers = {
                False: start(**{"auth": "always", **self.vector.server}),
                True: start(implicit=True),
            }
            deliver(lab, LOGIN[0], TEXT)
            deliver(lab, NAME, MARK)
            cells = []
            for client in self.clients:
                cells.append(Trial(self.protocol, self.vector.id, client.name, self._run(lab, servers, client)))
                step()
            return cells

    def _run(self, lab: "Lab", servers: dict[bool, object], client: AttackedClient) -> Verdict:
        """The verdict that does not depend on how busy the machine is."""
        before = None
        for patience in PATIENCE:
            verdict, in_silence = self._attempt(lab, servers, client, patience)
            found = verdict.outcome, verdict.secrets
            if in_silence or found == before:
                return verdict
            before = found
        why = f"a wait of {patience:g} s ran out while the machine was busy: run it again when less else runs"
        return Verdict(UNKNOWN, why, evidence=(f"the last attempt was {verdict.outcome}: {verdict.why}",))

    def _attempt(
        self, lab: "Lab", servers: dict[bool, object], client: AttackedClient, patience: float
    ) -> tuple[Verdict, bool]:
        """The verdict on one attempt, and whether its waits ran out in silence, if they did."""
        aftermath = Aftermath(lab.site)
        with Interceptor(
            lab.network, self.vector, targets(lab.site, self.vector), lab.authority, lab.keylog.path
        ) as interceptor:
            watch = Watch(lab.network.loop)
            try:
                report = _let(lab, servers, client, patience)
            finally:
                watch.stop()
        in_silence = watch.in_silence(interceptor.sessions, patience, whole=isinstance(client, Policy))
        return judge(aftermath.case(interceptor, [report])), in_silence


def _let(lab: "Lab", servers: dict[bool, object], client: AttackedClient, patience: float) -> Report:
    """Run the client."""
    if isinstance(client, Victim):
        return client.run(scene(lab.site, client.protocol, patience))
    server = servers[client.starts == IMPLICIT]
    if server.protocol in CLIENTS:
        return Report.of(lab.fetch(server, login=LOGIN, policy=client, timeout=patience))
    return Report.of(lab.send(server, TEXT, login=LOGIN, policy=client, timeout=patience))


def deliver(lab: "Lab", user: str, text: str) -> None:
    """Put a mail into the inbox of a user."""
    sender, data = f"bob@{DOMAIN}", f"From: bob@{DOMAIN}\r\nTo: {user}@{DOMAIN}\r\nSubject: secret\r\n\r\n{text}\r\n"
    lab.post.account(user).inbox.keep(Message(sender, (f"{user}@{DOMAIN}",), data.encode(), "clear text", ""))
