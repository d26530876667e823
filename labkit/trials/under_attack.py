"""A client under one attack, in a lab of its own: its servers, its settings, and the verdict on it.

What the client is, and how it is run, does not belong here. The servers have no faults, because a verdict on a client
must
not depend on a fault of its server.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from labkit.aftermath import Aftermath
from labkit.attack import targets
from labkit.attacks.account import NAME
from labkit.attacks.engine.interceptor import Interceptor
from labkit.attacks.evidence import Others
from labkit.attacks.vector import Vector
from labkit.attacks.vectors.buffering import MARK
from labkit.attacks.vectors.spoofing import WORDS
from labkit.attacks.verdict import DECEIVED, LEAKED, UNHARMED, UNKNOWN, Verdict, judge
from labkit.attacks.victims import LOGIN, TEXT
from labkit.attacks.victims.programs import MAIL
from labkit.attacks.victims.report import Report
from labkit.dialects import named
from labkit.limits import within_limits
from labkit.scratch import temporary
from labkit.servers import server_for
from labkit.trials.attacks import deliver
from labkit.trust.certificates import SERVER_NAME
from labkit.trust.contexts import client_context

if TYPE_CHECKING:
    import ssl

    from labkit.lab import Lab
    from labkit.servers.server import Server

CLEAR, UPGRADED, IMPLICIT = "in the clear", "upgraded", "implicit"
MODES = {
    CLEAR: "a server without TLS, on the port where the conversation starts in clear text",
    UPGRADED: "a server that offers to upgrade, on the same port",
    IMPLICIT: "a server on the port where TLS comes before the first byte (RFC 8314)",
}
"""The address that the client connects to."""


class UnderAttack:
    """The settings of a client and, after it has done its work, the verdict."""

    def __init__(
        self, lab: "Lab", server: "Server", vector: Vector, mode: str, folder: Path, others: Others = tuple
    ) -> None:
        self.mode = mode
        """One of `MODES`."""
        self.vector = vector
        """The attack; `Vector` itself only reads."""
        self.user, self.password = LOGIN
        self.message = MAIL
        """A mail with a secret, from alice@lab.test to bob@lab.test (RFC 5322)."""
        self.folder = folder
        """A folder that goes with the attack."""
        self.ca = folder / "authority.pem"
        """The authority that issues the server's certificate, as a PEM file."""
        self.mail = folder / "mail.eml"
        """The message as a file."""
        self.scheme = server.protocol.lower() + "s" * server.settings.implicit
        """``smtp``, or ``smtps`` where TLS is implicit."""
        self._lab = lab
        self._aftermath = Aftermath(lab.site, others)
        with within_limits("Writing files for the program"):
            self.ca.write_bytes(lab.authority.pem)
            self.mail.write_bytes(MAIL.encode())
        self.interceptor = Interceptor(lab.network, vector, targets(lab.site, vector), lab.authority, lab.keylog.path)
        local = lab.network.kind == "loopback"
        self.host, self.port = self.interceptor.address(server.port) if local else (SERVER_NAME, server.port)
        """Where the server is, and its port."""

    @cached_property
    def context(self) -> "ssl.SSLContext":
        """A context that trusts the authority, and compares the name."""
        return client_context(self._lab.authority, verify=True)

    @property
    def seen(self) -> bool:
        """Whether the client has connected."""
        return bool(self.interceptor.sessions)

    def close(self) -> None:
        """Remove the attacker, and end open conversations. A second call does nothing."""
        self.interceptor.close()

    def verdict(self, done: bool, said: str, shown: Iterable[str] = (), cut: str = "") -> Verdict:
        """The verdict from the bytes of the client's connections; unknown where it was not seen, or not to its end.

        `done` is whether it says that it did its work, `said` how it ended, `shown` what its user reads, and `cut` why
        it was ended before its time, empty where it was not. What a user reads deceives with the words of the attacks
        that are meant for users; a client that quotes what else it was told may have refused it.
        """
        spoofed = tuple(line for line in shown if WORDS in line)
        if not self.seen:
            return Verdict(UNKNOWN, f"the client never came by: {said}; what it did elsewhere is not seen")
        report = Report(done, cut or ("it says that it is done" if done else "it says that it failed"), spoofed)
        found = judge(self._aftermath.case(self.interceptor, [report]))
        if cut and found.outcome not in (LEAKED, DECEIVED, UNHARMED):
            why = f"the client {cut} and was ended: what it would have done later is not known"
            return Verdict(UNKNOWN, why, evidence=found.evidence)
        return found


@contextmanager
def under_attack(lab: "Lab", protocol: str, vector: Vector, mode: str) -> Iterator[UnderAttack]:
    """Start the servers of a mode in this lab, and put the attacker on the path to them, for a ``with`` block.

    Raises `LabError` for a protocol that has no such server.
    """
    server = _servers(lab, protocol, vector, mode)
    deliver(lab, LOGIN[0], TEXT)
    deliver(lab, NAME, MARK)
    with ExitStack() as stack:
        folder = stack.enter_context(
            temporary(partial(TemporaryDirectory, prefix="labkit-", ignore_cleanup_errors=True))
        )
        others: Others = tuple
        if named(protocol).further is not None:  # what is carried elsewhere is seen by a capture alone
            capture = stack.enter_context(lab.capture())
            others = partial(getattr, capture, "conversations")
        attacked = UnderAttack(lab, server, vector, mode, Path(folder), others)
        stack.callback(attacked.close)
        yield attacked


def _servers(lab: "Lab", protocol: str, vector: Vector, mode: str) -> "Server":
    """Start the servers of a mode. Returns the one that the client connects to."""
    for server in list(lab.servers.values()):
        server.close()
    lab.servers.clear()
    name = lab.alice.address if lab.network.kind == "loopback" else SERVER_NAME
    start = partial(lab.start, protocol, name=name)
    open_to_it = {key: value for key, value in vector.server.items() if key != "quirks"}
    if mode == CLEAR:
        return start(**{"auth": "always", **open_to_it, "starttls": "off"})
    ports = server_for(protocol).ports
    kinds = {False, True} if len(set(ports.values())) == 2 else {mode == IMPLICIT}  # two that share a port exclude
    started = {kind: start(implicit=True) if kind else start(**{"auth": "always", **open_to_it}) for kind in kinds}
    return started[mode == IMPLICIT]
