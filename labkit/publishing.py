"""The part of the stage where mail travels between servers: domains, what they publish, and a provider that sends.

What is published and how a sender decides is in `labkit.defences`, which loads when the first domain is made.
"""

from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from labkit.attacks.engine.misleading import Misleader
    from labkit.attacks.vectors.publication import PublicationVector
    from labkit.clients.policies import Policy
    from labkit.defences.clock import Clock
    from labkit.defences.domain import MailDomain
    from labkit.defences.mta_sts import STSPolicy
    from labkit.defences.registration import Registry
    from labkit.defences.resource_records import DNSAnswer
    from labkit.mail.postoffice import PostOffice
    from labkit.network import Network
    from labkit.servers.provider import Provider
    from labkit.servers.server import Server
    from labkit.servers.smtp import SMTPServer
    from labkit.trust.certificates import Authority, Certificate
    from labkit.trust.keylog import KeyLog


class Publishing:
    """The part of `labkit.lab.Lab` for domains."""

    network: "Network"
    keylog: "KeyLog"
    authority: "Authority"
    post: "PostOffice"
    servers: "dict[tuple[str, int], Server]"
    _stage: ExitStack
    _start: "Callable[..., Any]"
    _stand: "Callable[..., Any]"
    _terms: "Callable[..., tuple[Policy, ssl.SSLContext]]"

    @cached_property
    def registry(self) -> "Registry":
        """The publications of the lab: the zones, the name server, the policy host, and their clock.

        Its hosts are two more than the three: ``Lab(hosts=("dns", "www"))``. Raises `LabError` without them.
        """
        from labkit.defences.registration import Registry

        registry = Registry(self.network, self.authority, self.keylog.path, self.post)
        self._stage.callback(registry.close)
        return registry

    @property
    def _standing(self) -> list[Any]:
        """All running servers, with the name server and the policy host."""
        published = (self.registry.dns, self.registry.www) if "registry" in vars(self) else ()
        return [*self.servers.values(), *published]

    @property
    def clock(self) -> "Clock":
        """The clock that signatures, kept policies and reports go by; ``lab.clock.advance(days=31)``."""
        return self.registry.clock

    def domain(
        self, name: str, mx: Any = ("mail",), behind: "SMTPServer | None" = None, **settings: Any
    ) -> "MailDomain":
        """Publish a mail domain under ``test``, and start its mail servers on port 25 of their hosts.

        `mx` are hosts of the lab, best first, or label -> host; `settings` are those of `smtp`. With a server `behind`
        them they are gateways, which pass everything on to it, opportunistically. The domain is unsigned and has no
        policy at first: ``lab.domain("bob.test").sign().tlsa("3 1 1").sts("enforce")``. One of the same name, and a
        server in the same place, is replaced. Raises `LabError` for a name, a host or a setting that cannot be used.
        """
        from labkit.defences.relaying import PORT
        from labkit.servers.provider import Gateway
        from labkit.servers.settings import settings as checked
        from labkit.servers.smtp import Exchanger

        told = checked(PORT, **settings)

        def start(host: str, shown: "Certificate", of: str) -> "SMTPServer":
            own = partial(Exchanger, domain=of)
            kind = own if behind is None else partial(Gateway, **self._onward(host, behind, None))
            return self._stand(kind, told, shown, host, True)

        return self.registry.domain(name, mx, start)

    def _onward(self, host: str, next_hop: "SMTPServer", policy: "Policy | None") -> dict[str, Any]:
        """How a provider on a host relays to one server."""
        from labkit.clients import smtp
        from labkit.servers.provider import PATIENCE
        from labkit.show.blocks import Blocks

        policy, context = self._terms(next_hop, policy, ("TLS 1.2", "TLS 1.3"))
        at = self.network.host(host), next_hop.host, next_hop.port
        relay = partial(smtp.send, *at, policy=policy, context=context, timeout=PATIENCE)
        return {"relay": relay, "under": f"the policy {policy.name}", "blocks": Blocks()}

    def resolve(self, name: str, type: str = "MX", host: str = "alice") -> "DNSAnswer":
        """What a host finds in the lab's DNS, and whether it is secure, insecure, bogus or indeterminate."""
        return self.registry.resolve(self.network.host(host), name, type)

    @contextmanager
    def spoof(self, vector: "PublicationVector") -> "Iterator[Misleader]":
        """Put mallory on the way to the name server and the policy host for a ``with`` block.

        `vector` is one against what is published, for example ``attacks.HideTLSA()``; an attack of ``lab.mallory(…)``
        on the mail itself may be under way meanwhile. Raises `LabError` for any other vector.
        """
        from labkit.attacks.engine.misleading import Misleader

        _ = self.registry
        with Misleader(self.network, vector, self.authority, self.keylog.path) as misleader:
            yield misleader

    def provider(
        self,
        next_hop: "SMTPServer | None" = None,
        policy: "Policy | None" = None,
        port: int | None = None,
        certificate: str = "right",
        host: str = "provider",
        replace: bool = False,
        level: str = "may",
        mta_sts: str = "before",
        dane: bool = True,
        preload: "dict[str, STSPolicy] | None" = None,
        **settings: Any,
    ) -> "Provider":
        """Start a provider, which takes mail from its customers as `smtp` does and sends it on. alice is a customer.

        With `next_hop` it relays everything to that server under `policy`, opportunistic unless given. Without, it
        sends to the mail servers of each recipient's domain: `level`, `mta_sts`, `dane` and `preload` are those of
        `labkit.defences.sending.Configuration`. What it did not deliver is in `blocks`. Its host is one more than the
        three: ``Lab(hosts=("provider",))``. The settings, and what is raised, are those of `start`.
        """
        from labkit.servers.provider import Provider

        if next_hop is None:
            from labkit.defences.sending import Configuration
            from labkit.show.blocks import Blocks

            configuration = Configuration(level=level, mta_sts=mta_sts, dane=dane, preload=preload)
            sender = self.registry.sender(self.network.host(host), configuration)
            of = {"relay": sender.send, "under": configuration.words, "blocks": Blocks(), "sender": sender}
        else:
            of = self._onward(host, next_hop, policy)
        return self._start(Provider, port, certificate, host, replace, settings, **of)
