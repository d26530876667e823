"""mallory: a host like the others, and an attacker on the path when she is called with a vector.

What an attack is and does is `labkit.attacks`; here it is tied to the servers, the mail, the secrets and the captures
of a lab.
"""

import threading
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from labkit.aftermath import Aftermath
from labkit.errors import LabError
from labkit.interrupts import uninterrupted
from labkit.limits import within_limits
from labkit.network import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from labkit.attacks.engine.edits import Edits
    from labkit.attacks.engine.interceptor import Interceptor, Target
    from labkit.attacks.loot import Loot
    from labkit.attacks.silence import Watch
    from labkit.attacks.vector import Vector
    from labkit.attacks.verdict import Case, Verdict
    from labkit.attacks.victims import Scene
    from labkit.attacks.victims.report import Report
    from labkit.capture.conversation import Conversation
    from labkit.clients.outcome import Outcome
    from labkit.mail.postoffice import PostOffice
    from labkit.network import Network
    from labkit.network.interception import Interception
    from labkit.network.listener import Address
    from labkit.servers.server import Server
    from labkit.show.capture import Capture
    from labkit.show.twosided import TwoSided
    from labkit.trust.certificates import Authority
    from labkit.trust.keylog import KeyLog


class Site(NamedTuple):
    """The parts of a lab that an attack uses."""

    network: "Network"
    authority: "Authority"
    keylog: "KeyLog"
    post: "PostOffice"
    servers: "Mapping[tuple[str, int], Server]"
    """(host name, nominal port) -> the server that runs there now."""
    capture: "Callable[[], AbstractContextManager[Capture]]"
    """Starts a capture of everything that crosses the network."""


class Attacker:
    """The host of that name with all its verbs, and ``lab.mallory(vector)``, which puts her on the path."""

    def __init__(self, site: Site, host: Host, stage: ExitStack) -> None:
        self.attack: Attack | None = None
        """The last one."""
        self._site = site
        self._host = host
        self.before_close = ExitStack()
        """Called before the attack that is under way ends."""
        self._running: list[Interceptor] = []
        self._begun = threading.local()
        stage.callback(_close_all, self._running)  # for an attack that is not closed, in a lab that is not closed

    def __getattr__(self, name: str) -> Any:
        """An attribute of the host: see `labkit.network.Host`."""
        return getattr(self._host, name)

    def __call__(self, vector: "Vector", at: "Server | None" = None) -> "Attack":
        """Attack the server `at`, or all servers of the lab whose protocol the vector knows, until it is closed.

        An attack that is still under way is closed first. Raises `LabError` for anything but a vector, and where there
        is nothing to attack.
        """
        self.network.still_open()
        self.close()
        try:
            with uninterrupted(), within_limits("Starting an attack"):
                self.attack = Attack(self._site, self.name, vector, at)
                self._running[:] = [self.attack.interceptor]
        except BaseException:  # also an interrupt that arrived meanwhile: its user does not have the attack to end it
            self.close()
            raise
        return self.attack

    def expects(self) -> None:
        """Tell the running attack that a client of the lab begins in this thread."""
        under_way = self.attack is not None and self.attack.under_way
        self._begun.sessions = self.attack.sessions if self.attack is not None else 0
        self._begun.watch = self.attack.watch() if under_way else None

    def note_outcome(self, outcome: "Outcome", timeout: float) -> None:
        """Give the running attack a client's outcome; `timeout` are the seconds that it had."""
        if self.attack is not None and self.attack.under_way:
            with within_limits("Observing an attack"):
                from labkit.attacks.victims.report import Report

            begun, watch = getattr(self._begun, "sessions", 0), getattr(self._begun, "watch", None)
            hurried = watch is not None and not outcome.done and not self.attack.was_silent(watch, begun, timeout)
            self.attack.report(Report.of(outcome)._replace(hurried=hurried), begun)

    def close(self) -> None:
        """End the attack that is under way."""
        with uninterrupted():
            try:
                self.before_close.close()
            finally:
                if self.attack is not None:
                    self.attack.close()

    def check(self) -> None:
        """Raises `LabError` if an interrupted attack is still on the path, where its victims would wait in vain."""
        if self.attack is not None and self.attack.cut_off:
            raise LabError(
                f"The attack {self.attack.vector.name} was cut off and is still on the path: "
                "end it with lab.mallory.close(), then go on."
            )

    def __repr__(self) -> str:
        return repr(self._host)


class Attack:
    """An attack on servers of the lab, with a capture of both of its sides, from construction to `close`.

    At the end of a ``with`` block a mistake in the vector itself is raised, as `VectorFailed`.
    """

    def __init__(self, site: Site, attacker: str, vector: "Vector", at: "Server | None") -> None:
        from labkit.attacks.engine.interceptor import Interceptor

        self.name = attacker
        self.vector = vector
        self.reports: list[Report] = []
        """The reports of the victims' programs."""
        self._site = site
        self._aftermath = Aftermath(site, lambda: self._capture.conversations)
        self._before = frozenset(site.network.interceptions.values())
        self._taken: frozenset[Interception] | None = None
        """The interceptions of this attack; None until it has begun."""
        chosen = targets(site, vector, at)
        self._judged: tuple[Case, Verdict] | None = None
        with ExitStack() as stack:
            stack.callback(self._leave)
            self._capture: Capture = stack.enter_context(site.capture())
            self.interceptor: Interceptor = stack.enter_context(
                Interceptor(site.network, vector, chosen, site.authority, site.keylog.path, attacker)
            )
            self._stage = stack.pop_all()
        self._taken = frozenset(site.network.interceptions.values()) - self._before
        self.under_way = True

    @property
    def cut_off(self) -> bool:
        """Whether it was ended by an interrupt and is still on the path."""
        return not self.under_way and bool(self._paths())

    @property
    def edits(self) -> "Edits":
        """What was changed, oldest first."""
        return self.interceptor.edits

    @property
    def loot(self) -> "Loot":
        """What the attacker has read."""
        with within_limits("Reading the loot"):
            return self._case().loot

    @property
    def verdict(self) -> "Verdict":
        """The verdict, from the bytes on both sides and the victims' reports; kept until either changes."""
        with within_limits("Judging an attack"):
            from labkit.attacks.verdict import judge

            case = self._case()
            if self._judged is None or self._judged[0] != case:
                self._judged = case, judge(case)
            return self._judged[1]

    @cached_property
    def victim_side(self) -> "Capture":
        """What the victims saw: their connections to the attacker. Complete when the attack is closed."""
        doorways, names = self.interceptor.called, self._capture.names
        return self._side(lambda one: (names.get(f"{one.client}>", ""), one.server.port) in doorways)

    @cached_property
    def server_side(self) -> "Capture":
        """What the real servers saw: the attacker's connections to them. Complete when the attack is closed."""
        legs = [session.legs[1] for session in self.interceptor.sessions if len(session.legs) > 1]
        onward = {leg.wire.client for leg in legs}
        return self._side(lambda one: one.client in onward)

    @property
    def sides(self) -> "TwoSided":
        """What both ends saw of the last conversation, aligned, opened with the secrets of the lab. Raises `LabError`
        where there were no two."""
        from labkit.show.twosided import TwoSided

        victim, server = (side.decrypted().dialogues for side in (self.victim_side, self.server_side))
        if not victim or not server:
            raise LabError(
                "There are no two sides: either no victim came by, or the attacker did not go on to the server. "
                "Let a client come by while the attack is under way, and take a vector that lets it through."
            )
        return TwoSided(victim[-1], server[-1], self.name)

    def address(self, server: "Server") -> "Address":
        """Where a tool outside the lab connects to become a victim: (IP address, real port)."""
        return self.interceptor.address(server.port)

    def visit(self, victim: str) -> "Report":
        """Run a victim of `labkit.attacks.victims`. Returns the report that its user reads."""
        from labkit.attacks import victims

        chosen = victims.named(victim)
        begun = self.sessions
        return self.report(chosen.run(scene(self._site, chosen.protocol)), begun)

    def watch(self) -> "Watch":
        """Observe whether the lab is at work while this thread runs a client."""
        with within_limits("Observing an attack"):
            from labkit.attacks.silence import Watch

        watch = Watch(self._site.network.loop)
        self._stage.callback(watch.stop)
        return watch

    def was_silent(self, watch: "Watch", begun: int, timeout: float) -> bool:
        """Whether an observed client, whose sessions come after number `begun`, waited in silence when its `timeout`
        (seconds) ran out; true if it did not run out."""
        watch.stop()
        own = [session for session in list(self.interceptor.sessions) if session.number > begun]
        return watch.in_silence(own, timeout, whole=True)

    def report(self, report: "Report", begun: int) -> "Report":
        """Record a victim's report on the sessions after number `begun`."""
        self.reports.append(report._replace(sessions=(begun, self.sessions)))
        return self.reports[-1]

    @property
    def sessions(self) -> int:
        """How many connections of victims there were."""
        sessions = self.interceptor.sessions
        return sessions[-1].number if sessions else 0

    def close(self) -> None:
        """Leave the path and undo what was changed there. A second call does nothing."""
        if not self._site.network.is_here:
            return
        with uninterrupted():
            self.under_way = False
            try:
                self._stage.close()
            finally:
                self._leave()

    def __enter__(self) -> "Attack":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except BaseException:  # an interrupt that arrived before it began
            self.close()
            raise
        for session in self.interceptor.sessions:
            if session.failure is not None and kind is None:
                raise session.failure

    def __repr__(self) -> str:
        state = "under way" if self.under_way else "over"
        changed, victims = len(self.edits), self.sessions
        return f"<attack {self.vector.name}, {state}: {victims} connections, {changed} changes>\n{self.verdict!r}"

    def _paths(self) -> "list[Interception]":
        """The attacker's interceptions that were made since the attack began."""
        now = self._site.network.interceptions.values()
        taken = now if self._taken is None else self._taken.intersection(now)
        return [path for path in taken if path.attacker == self.name and path not in self._before]

    def _leave(self) -> None:
        """Leave the path, even if the interceptor could not."""
        for path in self._paths():
            path.close()

    def _case(self) -> "Case":
        return self._aftermath.case(self.interceptor, self.reports)

    def _side(self, belongs: "Callable[[Conversation], bool]") -> "Capture":
        """A capture of the conversations for which `belongs` is true."""
        if self.under_way:
            raise LabError("The captures of both sides are complete when the attack is over: close it first.")
        from labkit.capture.frame_selection import frames_of
        from labkit.show.capture import Capture

        whole = self._capture
        chosen = {str(conversation.client) for conversation in whole.conversations if belongs(conversation)}
        return Capture(frames_of(whole.frames, chosen), whole.keylog, whole.names, whole.how)


def _close_all(running: "list[Interceptor]") -> None:
    for interceptor in running:
        interceptor.close()


def targets(site: Site, vector: "Vector", at: "Server | None" = None) -> "list[Target]":
    """The servers that an attack is on: `at`, or all whose protocol the vector knows. Raises `LabError` for none."""
    from labkit.attacks.engine.interceptor import Target
    from labkit.attacks.vector import check_vector
    from labkit.attacks.vectors.publication import PublicationVector
    from labkit.dialects import ALL, named
    from labkit.servers.standing import check_not_replaced

    if isinstance(vector, PublicationVector):
        raise LabError(
            f"{vector.name} changes what a domain publishes, and no conversation: "
            f"use lab.spoof(attacks.{vector.name}())."
        )
    check_vector(vector)
    if at is not None and not hasattr(at, "settings"):
        raise LabError(f"An attack is on a server of the lab, as lab.smtp() starts one, not on {at!r}.")
    check_not_replaced(at, site.servers)
    servers = [server for server in site.servers.values() if vector.applies_to(named(server.protocol))]
    chosen = servers if at is None else [at]
    if not chosen:
        known = " or ".join(f'lab.start("{dialect.name.lower()}")' for dialect in ALL if vector.applies_to(dialect))
        running = " or ".join(sorted({server.protocol for server in site.servers.values()}))
        other = f", which does not apply to {running}" if running else ""
        raise LabError(f"There is nothing to attack for {vector.name}{other}: start a server first, with {known}.")
    return [
        Target(one.host, one.port, named(one.protocol), one.settings.implicit, one.certificate.name) for one in chosen
    ]


def scene(site: Site, protocol: str, timeout: float = 5.0) -> "Scene":
    """Where a victim of this protocol does its work; `timeout` is the seconds for each of its waits. Raises `LabError`
    where no server speaks it."""
    from labkit.attacks.victims import Scene
    from labkit.trust.contexts import client_context

    ports = {one.settings.implicit: one.port for one in site.servers.values() if one.protocol == protocol}
    if not ports:
        raise LabError(f'No {protocol} server runs here: start one with lab.start("{protocol.lower()}").')
    trust = client_context(site.authority, verify=True, keylog=site.keylog.path)
    return Scene(site.network.host("alice"), ports.get(False, 0), ports.get(True, 0), trust, timeout)
