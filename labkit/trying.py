"""The part of the stage where everything is tried against everything, live.

A verb hands what it needs of the lab to a room that knows how, which loads when it is called.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from labkit.attacks.vector import Vector
    from labkit.clients.policies import Policy
    from labkit.mystery.unknown import MysteryNetwork
    from labkit.network import Network
    from labkit.show.grid import Grid
    from labkit.trials.any_client import ClientMatrix
    from labkit.trials.attacks import AttackedClient, Matrix
    from labkit.trials.cost import Costs
    from labkit.trials.defences import DefenceMatrix
    from labkit.trials.hidden_faults import MysteryServers
    from labkit.trust.certificates import Authority


class Trying:
    """What `labkit.lab.Lab` can try."""

    network: "Network"
    authority: "Authority"
    start: "Callable[..., Any]"
    smtp: "Callable[..., Any]"
    send: "Callable[..., Any]"

    def versions(self, ranges: "Mapping[str, tuple[str, ...]] | None" = None) -> "Grid":
        """Connect a client with each range of TLS versions to a server with each range, live, and show what they agree
        on.

        `ranges` is name -> versions, oldest first, from ``SSL 2.0`` to ``TLS 1.3``; unless given it is
        `labkit.trials.versions.RANGES`. Raises `LabError` for a range that nothing here speaks.
        """
        from labkit.show.version_grid import version_grid
        from labkit.trials.versions import every_session

        self.network.still_open()
        return version_grid(every_session(self.network, self.authority, ranges))

    def policies(self) -> "Grid":
        """Let a client try to send a mail under every policy to every kind of server, live, and show what became of it.

        The kinds are `labkit.trials.policies.SERVERS`; they stand in for each other on port 25 of the host mail.
        """
        from labkit.show.policy_grid import policy_grid
        from labkit.trials.policies import PATIENCE, every_policy

        start = partial(self.smtp, port=25)
        return policy_grid(
            every_policy(start, lambda server, policy: self.send(server, "Hello", policy=policy, timeout=PATIENCE)),
            "SMTP",
        )

    def attacks(
        self, vectors: "Iterable[type[Vector]] | None" = None, clients: "Sequence[AttackedClient] | None" = None
    ) -> "Matrix":
        """Run every attack on every client in SMTP, IMAP and POP3, live, each in a lab of its own on loopback.

        `vectors` are classes of `labkit.attacks`, all unless given; `clients` are policies or victims, all policies
        unless given. A progress bar shows how far it is. Raises `LabError` for anything but attacks and clients.
        """
        from tqdm.auto import tqdm

        from labkit.attacks import ALL
        from labkit.attacks.catalogue import on_conversations
        from labkit.clients import policies
        from labkit.trials.attacks import count, every_attack, known

        self.network.still_open()
        tried = on_conversations(ALL if vectors is None else vectors)
        chosen = tried, known(policies.ALL if clients is None else clients)
        with tqdm(total=count(*chosen), desc="attacks", unit="session") as bar:
            return every_attack(partial(type(self), "loopback"), *chosen, step=bar.update)

    def victim(
        self,
        command: "Sequence[str] | str",
        protocol: str = "smtp",
        implicit: "Sequence[str] | str" = (),
        timeout: float = 8.0,
        vectors: "Iterable[type[Vector]] | None" = None,
    ) -> "ClientMatrix":
        """Run a mail program under every attack on its protocol: in the clear, upgraded and with implicit TLS.

        `command` are its words, with ``{host}``, ``{port}``, ``{user}``, ``{password}``, ``{ca}``, ``{message}`` and
        ``{scheme}`` where it takes them (`labkit.trials.any_client.PLACEHOLDERS`); `implicit` are its words for
        implicit TLS where they are others. It runs once for each attack and mode, `timeout` seconds at most, on the
        host alice of a lab of its own on a network of this kind: ``lab.victim("curl --ssl smtp://{host}:{port} …")``.
        `vectors` are classes of `labkit.attacks`, all unless given. A progress bar shows how far it is. Raises
        `LabError` for a command that cannot be run or has no place for the server, and for anything but an attack.
        """
        from tqdm.auto import tqdm

        from labkit.attacks import ALL
        from labkit.trials.any_client import count, every_run, mail_program

        self.network.still_open()
        program = mail_program(command, protocol, implicit, timeout, ALL if vectors is None else vectors)
        with tqdm(total=count(program), desc="attacks", unit="run") as bar:
            return every_run(partial(type(self), self.network.kind), program, bar.update)

    def defences(self, rows: "Iterable[str] | None" = None, columns: "Iterable[str] | None" = None) -> "DefenceMatrix":
        """Try every attack on mail between servers against every defence, live, in a lab of its own on loopback.

        `rows` are numbers and `columns` names from `labkit.trials.threats`, all unless given. A progress bar shows how
        far it is. Raises `LabError` for one that does not exist.
        """
        from tqdm.auto import tqdm

        from labkit.trials.defences import HOSTS, every_defence
        from labkit.trials.threats import chosen, count

        self.network.still_open()
        wanted = chosen(rows, columns)
        with (
            type(self)("loopback", hosts=HOSTS) as lab,
            tqdm(total=count(*wanted), desc="defences", unit="message") as bar,
        ):
            return every_defence(lab, *wanted, step=bar.update)

    def cost(self, ways: "Iterable[str] | str | None" = None, delays: "Iterable[float] | None" = None) -> "Costs":
        """Measure what each way to a server costs, live, in a lab of its own on the same kind of network.

        `ways` are words, for example ``"STARTTLS, TLS 1.3, login"`` (`labkit.trials.way`), and `delays` the seconds of
        a round trip; `labkit.trials.cost.WAYS` and `DELAYS` unless given. Returns the round trips that are predicted,
        counted in the capture and measured. A progress bar shows how far it is. Raises `LabError` for words or delays
        that cannot be used, and where a session fails.
        """
        from tqdm.auto import tqdm

        from labkit.trials.cost import chosen, clients, count, every_way

        self.network.still_open()
        wanted, distances = chosen(ways, delays)
        with (
            type(self)(self.network.kind, hosts=clients(distances)) as lab,
            tqdm(total=count(wanted, distances), desc="cost", unit="session") as bar,
        ):
            return every_way(lab, wanted, distances, step=bar.update)

    def fallbacks(self) -> "Grid":
        """Take TLS away from the client of every dialect that the lab speaks, live, and show who goes on without it.

        Each dialect has a lab of its own on loopback. A progress bar shows how far it is.
        """
        from tqdm.auto import tqdm

        from labkit import dialects
        from labkit.show.fallback_grid import fallback_grid
        from labkit.trials.fallbacks import HABITS, every_fallback

        self.network.still_open()
        with tqdm(total=len(dialects.ALL) * len(HABITS), desc="fallbacks", unit="session") as bar:
            return fallback_grid(every_fallback(partial(type(self), "loopback"), step=bar.update))

    def mystery(self, seed: object) -> "MysteryServers":
        """Start five servers on the host mail, each with one fault that is not shown and is drawn from `seed`.

        ``five = lab.mystery("a seed")``, ``lab.probe(five[587])``, ``five.mend(587, certificate="right")``; `key` is
        the solution. What runs on their ports already is replaced.
        """
        from labkit.trials.hidden_faults import MysteryServers

        self.network.still_open()
        return MysteryServers(self.start, seed)

    def mystery_network(
        self, seed: object, size: int = 300, policy: "Policy | None" = None, folder: "str | Path | None" = None
    ) -> "MysteryNetwork":
        """Record, live, a network of `size` visits of clients to servers, drawn from a seed, with attackers among them.

        It runs in a lab of its own on loopback. The seed is text or a whole number, and no two give the same network.
        With a `policy`, all mail programs follow that one instead of their own. With a `folder`, the recording is kept
        there, and read again the next time, with the same frames. Raises `LabError` for a seed, a size, a policy or a
        folder that makes no sense.
        """
        from labkit.mystery.unknown import record

        self.network.still_open()
        return record(type(self), seed, size, policy, folder)
