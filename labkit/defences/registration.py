"""What a lab publishes: the zone ``test``, the domains below it, a name server, a policy host, and the clock.

Everything is made with the first domain; resolvers and senders on any host believe the zone's key and the lab's
authority.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from labkit.clients.outcome import CLEAR
from labkit.defences import caa
from labkit.defences.clock import Clock
from labkit.defences.domain import MailDomain, Place, Start, settled
from labkit.defences.nameserver import NameServer, asking
from labkit.defences.policyhost import PolicyHost
from labkit.defences.relaying import ANY, VERIFYING
from labkit.defences.resolver import Resolver
from labkit.defences.resource_records import DNSAnswer
from labkit.defences.sending import Configuration, MailSender, Relayed
from labkit.defences.zone import Zone, ZoneKey
from labkit.errors import LabError
from labkit.mail.mailbox import Message
from labkit.mail.message import Outgoing, compose
from labkit.mail.postoffice import PostOffice
from labkit.network import Host, Network
from labkit.trust.certificates import Authority, Certificate
from labkit.trust.contexts import client_context

TOP = "test"
"""The zone whose key every resolver of the lab trusts; RFC 6761 keeps the name for this."""
HOSTS = ("dns", "www")
ISSUER = "ca.lab.test"
"""The lab's authority, as CAA records name it."""


class Registry:
    """The domains of a lab. Raises `LabError` where it lacks the hosts for them."""

    def __init__(self, network: Network, authority: Authority, keylog: str | None, post: PostOffice) -> None:
        missing = [host for host in HOSTS if host not in network.hosts]
        if missing:
            raise LabError(f"This lab has no host {' and no '.join(missing)}: make one with Lab(hosts={HOSTS!r}).")
        self.clock = Clock()
        self.domains: dict[str, MailDomain] = {}
        self.top = Zone(TOP, ZoneKey(), self.clock)
        self.top.put("ns", "A", network.published("dns"))
        self.dns = NameServer(network.host("dns"), [self.top])
        self.www = PolicyHost(network.host("www"), keylog)
        self._network = network
        self._authority = authority
        self._keylog = keylog
        self._post = post

    @property
    def anchors(self) -> Mapping[str, str]:
        """The trust anchors: zone -> DS record."""
        return {TOP: self.top.ds}

    def domain(self, name: str, mx: Any, start: Start) -> MailDomain:
        """Publish a mail domain, in the place of an earlier one of this name."""
        place = Place(self._network, self._authority, self._keylog, self.top, self.www, self.clock)
        made = MailDomain(name, settled(mx), place, start)
        self.dns.zones = [zone for zone in self.dns.zones if zone.origin != made.zone.origin] + [made.zone]
        self._post.domains.add(made.name)
        self.domains[made.name] = made
        return made

    def resolver(self, host: Host) -> Resolver:
        """A resolver on a host, which asks afresh."""
        return Resolver(asking(host), self.anchors, self.clock)

    def resolve(self, host: Host, name: str, type: str) -> DNSAnswer:
        """What a host finds in the DNS for a name."""
        return self.resolver(host).resolve(name, type)

    def sender(self, host: Host, configuration: Configuration) -> MailSender:
        """A sending mail server on a host."""
        contexts = {
            VERIFYING: client_context(self._authority, verify=True, keylog=self._keylog),
            ANY: client_context(self._authority, verify=False, keylog=self._keylog),
        }
        return MailSender(host, partial(self.resolver, host), contexts, self.clock, configuration, self._return)

    def issue(self, name: str, for_whom: Host) -> Certificate:
        """A certificate of the lab's authority, which reads CAA first. Raises `LabError` when a domain forbids it."""
        why = caa.issuing(name, ISSUER, lambda domain, type: self.resolve(for_whom, domain, type))
        if why:
            raise LabError(f"The authority {ISSUER} issues nothing for {name}: {why}.")
        return self._authority.certificate("right", name)

    def close(self) -> None:
        """Stop the name server and the policy host. A second call does nothing."""
        self.dns.close()
        self.www.close()

    def _return(self, mail: Outgoing, outcome: Relayed) -> None:
        """Put a notice that a message came back into its author's inbox, with its header alone (RFC 8689 §5)."""
        header = mail.data.partition(b"\r\n\r\n")[0].decode("utf-8", "backslashreplace")
        text = f"Your message was not delivered: {outcome.why} ({outcome.code}).\n\nIts header:\n{header}"
        report = compose(text, "Undelivered mail", "mailer-daemon@lab.test", mail.sender)
        self._post.deliver(Message("", (mail.sender,), report.data, CLEAR, ""))
