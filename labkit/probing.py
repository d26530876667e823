"""The part of the stage that probes servers: those of the lab from every side, those outside as any client does.

What is looked at and what is found is `labkit.probe`, which loads when it is first called.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from labkit.errors import LabError

if TYPE_CHECKING:
    from labkit.mail.postoffice import PostOffice
    from labkit.network import Network
    from labkit.probe.looking_up import Publication
    from labkit.probe.probe_report import ProbeReport
    from labkit.probe.target import ProbeTarget
    from labkit.trust.certificates import Authority


class Probing:
    """The part of `labkit.lab.Lab` that probes servers."""

    network: "Network"
    authority: "Authority"
    post: "PostOffice"
    servers: "dict[tuple[str, int], Any]"

    def probe(
        self,
        server: Any,
        protocol: str = "",
        domain: str = "",
        login: tuple[str, str] = ("alice", "hunter2"),
        implicit: bool | None = None,
        timeout: float | None = None,
    ) -> "ProbeReport":
        """Test a server and return the report: ``lab.probe(lab.smtp())``, or ``lab.probe("mail.example.org:587")``.

        A server of this lab is looked at from alice's host, and attacked, too, with the account `login`. One outside is
        visited as any mail client visits it, and the report says what was left out. `protocol` and `implicit` (TLS
        before the first byte) follow from the server or its port unless given; `domain` is the one whose mail it takes
        and whose publications are looked up. `timeout` is the seconds for each answer of the server (5, or 15 for one
        outside). Raises `LabError` for anything but a server; the faults of a server are in the report.
        """
        from labkit.probe.probe_report import probe

        self.network.still_open()
        if not (isinstance(login, tuple | list) and len(login) == 2 and all(isinstance(word, str) for word in login)):
            raise LabError(f"A login is (user, password), for example ('alice', 'hunter2'), not {login!r}.")
        if "mallory" in vars(self):
            self.mallory.check()  # type: ignore[attr-defined]
        target = self._pointed_at(server, protocol, domain, login, implicit)
        return probe(target if timeout is None else target.within(timeout))

    def _pointed_at(
        self, server: Any, protocol: str, domain: str, login: tuple[str, str], implicit: bool | None
    ) -> "ProbeTarget":
        """The server that is meant: one of the lab, or the address of one outside."""
        from labkit.probe.target import address, outside

        if not isinstance(server, str):
            return self._target(*_placed(server), server, protocol, domain, login, implicit)
        host, port = address(server)
        host = self.network.named(host)
        if host not in self.network.hosts:
            return outside(server, protocol, domain, implicit)
        return self._target(host, port, None, protocol, domain, login, implicit)

    def _target(
        self,
        host: str,
        port: int | None,
        server: Any,
        protocol: str,
        domain: str,
        login: tuple[str, str],
        implicit: bool | None,
    ) -> "ProbeTarget":
        """One of the lab's own hosts as a target."""
        from labkit.dialects import for_port, named
        from labkit.dialects.writing import Credentials
        from labkit.probe.target import ProbeTarget, undecided
        from labkit.servers.standing import check_not_replaced
        from labkit.trust.certificates import DOMAIN, SERVER_NAME

        check_not_replaced(server, self.servers)
        running = server if server is not None else self.servers.get((host, port or 0))
        spoken = protocol or getattr(running, "protocol", "")
        dialect = named(spoken) if spoken else for_port(port or 0)
        if dialect is None or port is None:
            raise undecided(host, port)
        told = getattr(getattr(running, "settings", None), "implicit", None)
        usual = port in dialect.implicit_ports and port not in dialect.explicit_ports
        shown = getattr(getattr(running, "certificate", None), "name", "")
        found = domain or self._domain_of(running)
        return ProbeTarget(
            host=host,
            port=port,
            dialect=dialect,
            name=shown or (SERVER_NAME if host == "mail" else f"{host}.{DOMAIN}"),
            trust=self.authority.trust,
            implicit=next((each for each in (implicit, told) if each is not None), usual),
            inside=self.network.host("alice"),
            login=Credentials(*login, f"{login[0]}@{found or DOMAIN}"),
            domain=found,
            publication=self._publication if "registry" in vars(self) else None,
            unpublished="" if "registry" in vars(self) else "this lab publishes no domain",
        )

    def _domain_of(self, server: Any) -> str:
        """The mail domain that a server of the lab takes mail for; empty without one."""
        domains = self.registry.domains if "registry" in vars(self) else {}  # type: ignore[attr-defined]
        return next((name for name, made in domains.items() if server in made.servers.values()), "")

    def _publication(self) -> "Publication":
        """How alice looks up the publications of the lab's domains."""
        from labkit.defences.policyhost import fetching
        from labkit.probe.looking_up import Publication, address_of
        from labkit.trust.contexts import client_context

        registry = self.registry  # type: ignore[attr-defined]
        alice = self.network.host("alice")
        resolver = registry.resolver(alice)
        context = client_context(self.authority, verify=True)
        return Publication(resolver, fetching(alice, context, partial(address_of, resolver)), registry.clock)


def _placed(server: Any) -> tuple[str, int]:
    """Host and nominal port of a running server. Raises `LabError` for anything else."""
    host, port = getattr(server, "host", None), getattr(server, "port", None)
    if not isinstance(host, str) or not isinstance(port, int):
        raise LabError(
            f"A probe takes a server of the lab, or an address as in 'mail.example.org:587', and not {server!r}."
        )
    return host, port
