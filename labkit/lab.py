"""The stage: three hosts, the servers that run on them, the client, and the captures; starts and cleans up everything.

What a lesson can do with the lab is here; how it is done is in the rooms below, which load when they are first needed.
"""

import os
import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from labkit import outputs
from labkit.adopting import Adopting
from labkit.capturing import NotBegun, captured
from labkit.errors import LabError
from labkit.interrupts import uninterrupted
from labkit.limits import within_limits
from labkit.network import HOSTS, Host, make, names
from labkit.probing import Probing
from labkit.publishing import Publishing
from labkit.serving import Serving
from labkit.trying import Trying

if TYPE_CHECKING:
    import ssl

    from labkit.attack import Attacker, Site
    from labkit.attacks.victims.report import Report
    from labkit.clients.outcome import Fetched, Outcome, Sent
    from labkit.clients.policies import Policy
    from labkit.mail.mailbox import Mailbox
    from labkit.servers.imap.server import IMAPServer
    from labkit.servers.pop3 import POP3Server
    from labkit.servers.server import Server
    from labkit.servers.smtp import SMTPServer
    from labkit.show.capture import Capture
    from labkit.trust.keylog import KeyLog

    Said = TypeVar("Said", bound=Outcome)

CAPTURES = ("auto", "af_packet", "tap")
"""How packets may be captured; ``auto`` is the first of the others that this machine allows."""


class Lab(Serving, Adopting, Publishing, Probing, Trying):
    """A laboratory with the hosts `alice` (client), `mail` (server) and `mallory` (on the path).

    `hosts` are names of others that are wanted, for example ``("provider",)``.

    Works in plain cells and as a context manager. It is cleaned up by `close`, at the end of ``with``, when nothing
    refers to it any more, and when Python ends; only by the process that made it, not by a fork of it. Raises
    `LabError` for a network or a way to capture that does not exist, and `Exhausted` where the system gives too little.
    """

    def __init__(self, network: str = "auto", capture: str = "auto", hosts: tuple[str, ...] = ()) -> None:
        with within_limits("Making a lab"):
            from labkit.mail.postoffice import PostOffice
            from labkit.trust.certificates import Authority
            from labkit.trust.keylog import KeyLog

        if capture not in CAPTURES:
            raise LabError(
                f"There is no way to capture called {capture!r}: use one of {', '.join(map(repr, CAPTURES))}."
            )
        self.authority = Authority()
        self.post = PostOffice()
        """The mailboxes of all users, which the servers share."""
        self.servers: dict[tuple[str, int], Server] = {}
        """(host name, port) -> the server that runs there."""
        self._started: dict[tuple[str, int], outputs.CellRun | None] = {}
        """(host name, port) -> the execution of a notebook's cell in which the server there was started."""
        self._capture = capture
        self._stage = ExitStack()
        self._finalizer = weakref.finalize(self, _clean_up, self._stage, os.getpid())
        try:
            with uninterrupted(), within_limits("Making a lab"):
                self.keylog = KeyLog()
                self._stage.callback(self.keylog.close)
                self.network = make(network, (*HOSTS, *names(hosts)))
                self._stage.callback(self.network.close)
                self.network.environment = partial(_surroundings, self.keylog)
                self.network.occasion, self.network.repeats = outputs.running, outputs.repeats
                self._stage.callback(_close_all, self.servers)
        except BaseException:
            self._finalizer()
            raise
        outputs.note(self)

    @property
    def alice(self) -> Host:
        """The host of the client."""
        return self.network.host("alice")

    @property
    def mail(self) -> Host:
        """The host of the server."""
        return self.network.host("mail")

    @cached_property
    def mallory(self) -> "Attacker":
        """The host of the attacker; ``lab.mallory(vector)`` puts her on the path between the other two."""
        with within_limits("Starting an attack"):
            from labkit.attack import Attacker

        return Attacker(self.site, self.network.host("mallory"), self._stage)

    @property
    def site(self) -> "Site":
        """The parts of this lab that an attack or a trial uses."""
        from labkit.attack import Site

        capture = partial(captured, self.network, self._capture, self.keylog)
        return Site(self.network, self.authority, self.keylog, self.post, self.servers, capture)

    def mailbox(self, user: str = "bob", name: str = "INBOX") -> "Mailbox":
        """A mailbox of a user, which the lab's SMTP servers fill. Raises `LabError` for one that is not there."""
        return self.post.mailbox(user, name)

    def send(
        self,
        server: "SMTPServer",
        text: str,
        subject: str = "Hello from the lab",
        login: tuple[str, str] | None = None,
        policy: "Policy | None" = None,
        sender: str = "alice@lab.test",
        recipient: str | Sequence[str] = "bob@lab.test",
        tls: tuple[str, ...] = ("TLS 1.2", "TLS 1.3"),
        timeout: float = 5.0,
        requiretls: bool = False,
    ) -> "Sent":
        """Send a message from alice to `server` and return the outcome; a server that refuses or fails raises nothing.

        `login` is (user, password); `policy` is one of `labkit.policies`, opportunistic unless given; `recipient` may
        be several addresses, with commas between them or as a list; `timeout` is the seconds for the whole attempt.
        With `requiretls` the message asks for TLS on every further hop (RFC 8689). Raises `LabError` for arguments
        that cannot be sent, and for a server that was closed and replaced by another.
        """
        with within_limits("Preparing a client"):
            from labkit.clients import smtp
            from labkit.mail.message import compose

        stands = hasattr(server, "host") and hasattr(server, "port") and not isinstance(server, type)
        if not stands or getattr(server, "protocol", "SMTP") != "SMTP":
            raise LabError(f"Mail is sent to an SMTP server, as lab.smtp() starts one, not to {server!r}.")
        policy, context = self._terms(server, policy, tls)
        message = compose(text, subject, sender, recipient, ("REQUIRETLS",) * requiretls)
        return self._reported(
            smtp.send(self.alice, server.host, server.port, message, policy, context, login, timeout), timeout
        )

    def fetch(
        self,
        server: "IMAPServer | POP3Server",
        login: tuple[str, str] = ("bob", "swordfish"),
        policy: "Policy | None" = None,
        tls: tuple[str, ...] = ("TLS 1.2", "TLS 1.3"),
        timeout: float = 5.0,
    ) -> "Fetched":
        """Fetch the mail in a user's inbox to alice and return the outcome; the mail stays on the server, too.

        The arguments are those of `send`; a server that refuses or fails raises nothing. The messages are in the
        outcome. Raises `LabError` for arguments that cannot be sent and for a server that speaks neither IMAP nor POP3.
        """
        with within_limits("Preparing a client"):
            from labkit.clients.fetching import CLIENTS, fetch

        if isinstance(server, type) or getattr(server, "protocol", "") not in CLIENTS:
            raise LabError(f"Mail is fetched from what lab.imap() or lab.pop3() has started, not from {server!r}.")
        policy, context = self._terms(server, policy, tls)
        at = server.protocol, self.alice, server.host, server.port
        return self._reported(fetch(*at, policy, context, login, timeout), timeout)

    def visit(self, victim: str) -> "Report":
        """Run a client of `labkit.attacks.victims`, in any protocol: ``lab.visit("XMPP, careful")``.

        Returns the report that its user reads; a running attack gets it, too. Raises `LabError` for a name that
        does not exist, and where no server speaks the protocol.
        """
        with within_limits("Preparing a client"):
            from labkit.attack import scene
            from labkit.attacks import victims

        self.network.still_open()
        chosen = victims.named(victim)
        attack = self.mallory.attack
        if attack is not None and attack.under_way:
            return attack.visit(victim)
        return chosen.run(scene(self.site, chosen.protocol))

    def capture(self, host: str | None = None) -> "AbstractContextManager[Capture]":
        """Capture what crosses the lab's network inside the ``with`` block; the capture is complete at its end.

        With `host`, what the interface of this host sees; on loopback all hosts share one, so that is everything.
        Raises `CannotSniff` when the lab was told to use AF_PACKET and this process may not.
        """
        return NotBegun(captured(self.network, self._capture, self.keylog, host))

    def close(self) -> None:
        """Stop the servers and remove everything that the lab made. A second call does nothing.

        Nor does one in a forked process, where the lab still belongs to the process that made it.
        """
        if not self.network.is_here:
            return
        with uninterrupted():
            try:
                if "mallory" in vars(self):
                    self.mallory.close()
            finally:
                self._finalizer()

    def _reported(self, outcome: "Said", timeout: float) -> "Said":
        """Pass an outcome on to the attack that is under way, with the client's limit in seconds, and return it."""
        if "mallory" in vars(self):
            self.mallory.note_outcome(outcome, timeout)
        return outcome

    def _terms(
        self, server: "Server", policy: "Policy | None", tls: tuple[str, ...]
    ) -> "tuple[Policy, ssl.SSLContext]":
        """A client's policy, and its TLS context for this server under it."""
        with within_limits("Preparing a client"):
            from labkit.clients import policies
            from labkit.servers.standing import check_not_replaced
            from labkit.trust.contexts import client_context

        self.network.still_open()
        check_not_replaced(server, self.servers)
        if "mallory" in vars(self):
            self.mallory.check()
            self.mallory.expects()
        policy = policies.opportunistic if policy is None else policy
        if not isinstance(policy, policies.Policy):
            raise LabError(f"A policy is one of labkit.policies, for example policies.verified, not {policy!r}.")
        with within_limits("Preparing a client"):
            return policy, client_context(self.authority, policy.verify, tls, keylog=self.keylog.path)

    def __enter__(self) -> "Lab":
        self.network.still_open()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.close()
        except BaseException:  # an interrupt that arrived before it began
            self.close()
            raise

    def _repr_html_(self) -> str:
        from labkit.show.page import sentence
        from labkit.show.stage import stage

        if not self._finalizer.alive:
            return sentence(repr(self)).html
        return stage(self.network, self._standing, self._capture).html

    def __repr__(self) -> str:
        if not self._finalizer.alive:
            return "<Lab, closed>"
        hosts = ", ".join(self.network.hosts)
        lines = [f"<Lab with {hosts}. {self.network.describe()}"]
        lines += [f"  {server!r}" for server in self._standing] or ["  No server runs yet: start one with lab.smtp()."]
        return "\n".join(lines) + ">"


def _surroundings(keylog: "KeyLog") -> dict[str, str]:
    """The environment variables of a program that is started in the lab: where it logs the secrets of TLS."""
    return {"SSLKEYLOGFILE": keylog.shared}


def _clean_up(stage: ExitStack, maker: int) -> None:
    """End a lab, in the process that made it."""
    if os.getpid() == maker:
        with uninterrupted():
            stage.close()


def _close_all(servers: "dict[tuple[str, int], Server]") -> None:
    while servers:
        servers.popitem()[1].close()
