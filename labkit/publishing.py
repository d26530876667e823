"""The part of the stage where mail travels between servers: domains, what they publish, and a provider that sends.

What is published and how a sender decides is in `labkit.defences`, which loads when the first domain is made.
"""

from contextlib import ExitStack
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from labkit.clients.policies import Policy
    from labkit.defences.clock import Clock
    from labkit.defences.domain import MailDomain
    from labkit.defences.mta_sts import STSPolicy
    from labkit.defences.records import Answer
    from labkit.defences.registry import Registry
    from labkit.mail.postoffice import PostOffice
    from labkit.network import Network
    from labkit.servers.provider import Provider
    from labkit.servers.smtp import SMTPServer
    from labkit.trust.certificates import Authority
    from labkit.trust.keylog import KeyLog


class Publishing:
    """What `labkit.lab.Lab` can do with domains."""

    network: "Network"
    keylog: "KeyLog"
    authority: "Authority"
    post: "PostOffice"
    _stage: ExitStack
    _start: "Callable[..., Any]"
    _stand: "Callable[..., Any]"
    _terms: "Callable[..., tuple[Policy, ssl.SSLContext]]"

    @cached_property
    def registry(self) -> "Registry":
        """What is published: the zones, the name server, the policy host, and the clock they go by.

        Its hosts are two more than the three: ``Lab(hosts=("dns", "www"))``. Raises `LabError` without them.
        """
        from labkit.defences.registry import Registry

        registry = Registry(self.network, self.authority, self.keylog.path, self.post)
        self._stage.callback(registry.close)
        return registry

    @property
    def clock(self) -> "Clock":
        """The clock that signatures, kept policies and reports go by; ``lab.clock.advance(days=31)``."""
        return self.registry.clock

    def domain(self, name: str, mx: Any = ("mail",), **settings: Any) -> "MailDomain":
        """Publish a mail domain under ``test``, and start its mail servers on port 25 of their hosts.

        `mx` are hosts of the lab, best first, or label -> host; `settings` are those of `smtp`. The domain is unsigned
        and has no policy until it is told: ``lab.domain("bob.test").sign().tlsa("3 1 1").sts("enforce")``. One of the
        same name, and a server in the same place, is replaced. Raises `LabError` for what cannot be.
        """
        from labkit.defences.relaying import PORT
        from labkit.servers.settings import settings as checked
        from labkit.servers.smtp import SMTPServer

        told = checked(PORT, **settings)
        return self.registry.domain(name, mx, lambda host, shown: self._stand(SMTPServer, told, shown, host, True))

    def resolve(self, name: str, type: str = "MX", host: str = "alice") -> "Answer":
        """What a host finds in the lab's DNS, and whether it is secure, insecure, bogus or indeterminate."""
        return self.registry.resolve(self.network.host(host), name, type)

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
        from labkit.clients import smtp
        from labkit.servers.provider import PATIENCE, Provider
        from labkit.show.blocks import Blocks

        port = Provider.ports[bool(settings.get("implicit"))] if port is None else port
        if next_hop is None:
            from labkit.defences.sending import Configuration

            configuration = Configuration(level, mta_sts, dane, preload)
            sender = self.registry.sender(self.network.host(host), configuration)
            kind = partial(Provider, relay=sender.send, under=configuration.words, blocks=Blocks(), sender=sender)
        else:
            policy, context = self._terms(policy, ("TLS 1.2", "TLS 1.3"))
            at = self.network.host(host), next_hop.host, next_hop.port
            relay = partial(smtp.send, *at, policy=policy, context=context, timeout=PATIENCE)
            kind = partial(Provider, relay=relay, under=f"the policy {policy.name}", blocks=Blocks())
        return self._start(kind, port, certificate, host, replace, settings)
