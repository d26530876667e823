"""A mail domain of the lab: what it publishes in the DNS and over HTTPS, and the mail servers that it names.

Every part can be changed while the lab runs, and nothing else changes with it: a new key leaves the old TLSA record in
place.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from labkit.defences.dane import tlsa_for
from labkit.defences.mta_sts import STSPolicy
from labkit.defences.policyhost import PolicyHost, WebPage
from labkit.defences.zone import Zone, ZoneKey
from labkit.errors import LabError
from labkit.network import Network
from labkit.servers.smtp import SMTPServer
from labkit.trust.certificates import Authority, Certificate
from labkit.trust.contexts import server_context

WEEK = 604_800
"""Seconds."""
_ids = itertools.count(1)
"""Counts the policies, so that each has an id of its own."""

Start = Callable[[str, Certificate, str], SMTPServer]
"""Starts a mail server on a host, on port 25, with this certificate, for a domain."""


class Place(NamedTuple):
    """The zones, hosts and authority that a domain is published with."""

    network: Network
    authority: Authority
    keylog: str | None
    parent: Zone
    """The zone above, which delegates to the domain."""
    www: PolicyHost
    clock: Callable[[], float]


class MailDomain:
    """A domain under ``test``. `mx` is label -> host of the lab, in the order of preference.

    Raises `LabError` for a name, a host or a record that cannot be.
    """

    def __init__(self, name: str, mx: Mapping[str, str], place: Place, start: Start) -> None:
        self.zone = Zone(name, None, place.clock)
        self.policy: STSPolicy | None = None
        """The policy that is served."""
        self._place = place
        self._mx = dict(mx)
        parent = place.parent
        if not self.zone.origin.is_subdomain(parent.origin) or self.zone.origin == parent.origin:
            raise LabError(f"A domain of the lab ends in .{parent.name}, as in 'bob.test'; {name!r} does not.")
        parent.put(f"{self.name}.", "NS", f"ns.{self.name}.")
        parent.put(f"{self.name}.", "DS")  # of an earlier domain of this name
        self.zone.put("ns", "A", place.network.published("dns"))
        self.zone.put("mta-sts", "A", place.network.published("www"))
        self.zone.put("@", "MX", *(f"{10 * number} {label}" for number, label in enumerate(self._mx, 1)))
        for label, host in self._mx.items():
            place.network.host(host)
            self.zone.put(label, "A", place.network.published(host))
        self.servers = {label: start(host, self._shown("right", label), self.name) for label, host in self._mx.items()}
        """Label -> the mail server of that name."""

    @property
    def name(self) -> str:
        """The domain: ``bob.test``."""
        return self.zone.name

    @property
    def server(self) -> SMTPServer:
        """The mail server that is tried first."""
        return next(iter(self.servers.values()))

    def hosts(self) -> tuple[str, ...]:
        """The names of the mail servers, best first."""
        return tuple(f"{label}.{self.name}" for label in self._mx)

    # ---- DNSSEC

    def sign(self) -> "MailDomain":
        """Sign the zone with a fresh key, and publish its DS record in the parent zone (RFC 4034 §5)."""
        self.zone.sign_with(ZoneKey())
        self._place.parent.put(f"{self.name}.", "DS", self.zone.ds)
        return self

    def unsign(self) -> "MailDomain":
        """Remove the DS record from the parent zone, then the signatures."""
        self._place.parent.put(f"{self.name}.", "DS")
        self.zone.sign_with(None)
        return self

    # ---- the mail servers

    def certificate(self, kind: str) -> "MailDomain":
        """Show another certificate from now on: see `labkit.trust.certificates.KINDS`. TLSA records stay."""
        for label in self._mx:
            self._show(label, self._shown(kind, label))
        return self

    def new_key(self) -> "MailDomain":
        """Renew the certificates, with new keys. TLSA records stay."""
        for label in self._mx:
            kind = self.servers[label].certificate.kind
            self._place.authority.renewed(kind, f"{label}.{self.name}")
            self._show(label, self._shown(kind, label))
        return self

    def tlsa(self, *records: str) -> "MailDomain":
        """Publish TLSA records for the certificates that are shown now, such as ``"3 1 1"``; without any, none.

        The usages 0 and 2 name the authority, 1 and 3 the server's own certificate.
        """
        for label, server in self.servers.items():
            made = [self._tlsa(server, record) for record in records]
            self.zone.put(f"_25._tcp.{label}", "TLSA", *made)
        return self

    # ---- what is published

    def sts(
        self,
        mode: str | None = "enforce",
        mx: tuple[str, ...] = (),
        max_age: int = WEEK,
        certificate: str = "right",
        status: int = 200,
        announced: bool = True,
    ) -> "MailDomain":
        """Publish a policy of MTA-STS and the record that announces it under a new id; with None, take both away.

        `mx` are patterns, the mail servers' names unless given; the policy host shows a `certificate` of this kind and
        answers with this `status`.
        """
        name = f"mta-sts.{self.name}"
        if mode is None:
            self.policy = None
            self._place.www.withdraw(name)
            self.zone.put("_mta-sts", "TXT")
            return self
        number = f"{int(self._place.clock())}{next(_ids):06d}"
        self.policy = STSPolicy(mode, mx or self.hosts(), max_age, number)
        page = WebPage(self.policy.text.encode(), status, location=f"https://{name}/" if 300 <= status < 400 else "")
        self._place.www.serve(name, page, self._place.authority.certificate(certificate, name))
        self._text("_mta-sts", *([f"v=STSv1; id={self.policy.id};"] * announced))
        return self

    def reports(self, address: str | None = "") -> "MailDomain":
        """Ask for TLS reports, at ``mailto:tls-reports@`` the domain unless another URI is given; with None, do not.

        The policy host takes them, too, at ``https://mta-sts.`` the domain, and any path: `PolicyHost.posted`.
        """
        uri = address or f"mailto:tls-reports@{self.name}"
        if uri.startswith(f"https://mta-sts.{self.name}/"):
            name = f"mta-sts.{self.name}"
            path = uri.partition(name)[2]
            self._place.www.take(name, path, self._place.authority.certificate("right", name))
        self._text("_smtp._tls", *([f"v=TLSRPTv1; rua={uri}"] if address is not None else []))
        return self

    def caa(self, *issuers: str) -> "MailDomain":
        """Say which authorities may issue for the domain; without any, remove the records."""
        self.zone.put("@", "CAA", *(f'0 issue "{issuer}"' for issuer in issuers))
        return self

    def __repr__(self) -> str:
        policy = f"policy {self.policy.mode}" if self.policy else "no policy"
        tlsa = sum(len(self.zone.get(f"_25._tcp.{label}", "TLSA")) for label in self._mx)
        signed = "signed" if self.zone.key else "not signed"
        return f"<{self.name}: mail to {', '.join(self.hosts())}; {signed}, {tlsa} TLSA, {policy}>"

    def _text(self, label: str, *texts: str) -> None:
        self.zone.put(label, "TXT", *(f'"{text}"' for text in texts))

    def _tlsa(self, server: SMTPServer, record: str) -> str:
        try:
            usage, selector, matching = map(int, record.split())
        except ValueError as error:
            raise LabError(
                f"A TLSA record is asked for with three numbers, like '3 1 1', not with {record!r}."
            ) from error
        pem = self._place.authority.pem if usage in (0, 2) else server.certificate.pem
        return str(tlsa_for(pem, usage, selector, matching))

    def _shown(self, kind: str, label: str) -> Certificate:
        """A certificate with the authority's own after it: without it, DANE-TA finds no anchor (RFC 7672 §3.1.2)."""
        issued = self._place.authority.certificate(kind, f"{label}.{self.name}")
        return replace(issued, pem=issued.pem + self._place.authority.pem)

    def _show(self, label: str, certificate: Certificate) -> None:
        server = self.servers[label]
        server.certificate = certificate
        told = server.settings
        server.context = server_context(certificate, told.tls, told.ciphers, self._place.keylog)


def settled(mx: Any) -> dict[str, str]:
    """The argument `mx` of a domain as label -> host: a tuple of hosts, whose names are their labels, or a mapping.
    Raises `LabError` for anything else."""
    if isinstance(mx, Mapping):
        return dict(mx)
    if isinstance(mx, str) or not mx or not all(isinstance(each, str) for each in mx):
        raise LabError(f"Mail servers are given as a tuple of hosts, like ('mail',), or label -> host, not as {mx!r}.")
    return {host: host for host in mx}
