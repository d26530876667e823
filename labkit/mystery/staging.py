"""Carries a plan out, live: real servers, clients and attackers of a lab on loopback, captured from the first visit to
the last.

The visits are made one after the other. The actions on each and its outcome are recorded as they happen; `key` finds
the frames of each.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from labkit.aftermath import Aftermath
from labkit.attack import targets
from labkit.attacks import catalogue, victims
from labkit.attacks.engine.interceptor import Interceptor
from labkit.attacks.engine.misleading import Misleader
from labkit.attacks.loot import Item
from labkit.attacks.vector import Vector
from labkit.attacks.vectors.publication import PublicationVector
from labkit.attacks.verdict import Verdict, judge
from labkit.attacks.victims.report import Report
from labkit.clients import PROTOCOLS, fetching, policies, smtp
from labkit.clients.policies import IMPLICIT, Policy
from labkit.defences.sending import Configuration, MailSender
from labkit.mail.mailbox import Message
from labkit.mail.message import Outgoing, compose
from labkit.mail.postoffice import USERS, PostOffice
from labkit.mystery.kinds import FIRST_CONTACT, KEEPING, OLDER_TLS, RELAYING
from labkit.mystery.plan import Plan, PlannedVisit
from labkit.servers import server_for
from labkit.show.capture import Capture
from labkit.trust.certificates import DOMAIN
from labkit.trust.contexts import client_context

if TYPE_CHECKING:
    from labkit.attacks.victims import Scene
    from labkit.lab import Lab

PATIENCE = 20.0
"""Seconds for each visit. None has to wait; a machine may be busy."""
_PUBLISHERS = ("dns", "www")
_POLICIES = {policy.name: policy for policy in policies.ALL}
_PROGRAMS = {KEEPING: "careful (keeping)", OLDER_TLS: "older tls"}
"""Manner -> the habit of a victim's program."""
_STRIPS = "N1"
"""The attack on a domain's server while its publications are attacked."""
_HALF = {"kind": "offer removed", "vector": _STRIPS}
"""The kind of such an attack if the victim did not ask for the publication."""
_ATTEMPTS = 4


class VisitRecord(NamedTuple):
    """The lab's record of one visit."""

    visit: PlannedVisit
    began: int
    ended: int
    """Nanoseconds since 1970 (UTC)."""
    report: Report
    """The client's report."""
    changed: tuple[str, ...] = ()
    """What the attacker did, in order; empty where everything passed as it came."""
    verdict: Verdict | None = None
    """The verdict on the attack; None without an attack."""
    loot: tuple[Item, ...] = ()
    """What the attacker has read."""


class Staged(NamedTuple):
    """A plan that was carried out."""

    capture: Capture
    """Everything that crossed the network, without secrets."""
    records: tuple[VisitRecord, ...]
    """One for each visit, in order; several where an attack did not take place at once."""


def staged(make: "Callable[..., Lab]", plan: Plan, policy: Policy | None = None) -> Staged:
    """Carry a plan out in a lab that `make` makes; with a `policy`, every mail program follows that one.

    What `make` takes is ``hosts``; the lab is on loopback and captures with a tap.
    """
    with make(hosts=hosts(plan)) as lab:
        lab.post = PostOffice({**USERS, **{person.name: person.password for person in plan.people}})
        addresses = {name: lab.network.published(name) for name in lab.network.hosts}
        lab.network.written.update(addresses)
        stage = _Stage(lab, plan, policy)
        with lab.capture() as raw:
            records = tuple(record for visit in plan.visits for record in stage.perform(visit))
    names = {address: name for name, address in addresses.items()}
    how = f"{raw.how} Each host has the address that the lab's DNS gives for it."
    return Staged(Capture(raw.frames, "", names, how), records)


def hosts(plan: Plan) -> tuple[str, ...]:
    """The hosts that the plan takes, beside the three of every lab."""
    return (*plan.hosts, *_PUBLISHERS)


class _Stage:
    """The servers, clients and attackers of a plan."""

    def __init__(self, lab: "Lab", plan: Plan, policy: Policy | None) -> None:
        self._lab, self._plan, self._policy = lab, plan, policy
        for house in plan.houses:
            _open(lab, house.name, house.certificate, house.versions, house.settings)
        for domain, house in plan.domains.items():
            lab.domain(domain, mx=(house,)).sts("enforce")
        for person in plan.people:
            lab.post.account(person.name).inbox.keep(_letter(person.name, person.pin))
        self._senders = {relay: self._sender(relay) for relay in plan.relays}
        for sender in self._senders.values():
            for domain in plan.domains:
                sender.send(_mail("postmaster", domain, "This is a test."))

    def perform(self, visit: PlannedVisit) -> list[VisitRecord]:
        """Run a client, with the attacker on the path if there is one; again, while an attack does not take place.

        On a busy machine a client may give up before the attacker has done anything.
        """
        if not visit.attacker:
            began = time.time_ns()
            report = self._act(visit)
            return [VisitRecord(visit, began, time.time_ns(), report)]
        records = []
        while len(records) < _ATTEMPTS:
            record, took_place = self._intercepted(visit)
            if took_place:
                return [*records, record]
            records.append(record if not record.changed else record._replace(visit=replace(visit, **_HALF)))
        return records

    def _intercepted(self, visit: PlannedVisit) -> tuple[VisitRecord, bool]:
        """The record of a visit, and whether the whole attack took place."""
        lab, forgeries = self._lab, []
        aftermath = Aftermath(lab.site)
        vector, published = _vectors(visit)
        protocol = "SMTP" if visit.protocol == RELAYING else visit.protocol
        on_path = [
            server
            for (host, port), server in lab.servers.items()
            if host == visit.house and server.protocol == protocol and (port == 25) == (visit.protocol == RELAYING)
        ]
        chosen = [target for server in on_path for target in targets(lab.site, vector, server)]
        with ExitStack() as stack:
            keys = lab.authority, lab.keylog.path
            if published:
                misleader = stack.enter_context(Misleader(lab.network, published, *keys, visit.attacker))
                forgeries = misleader.forgeries
            interceptor = stack.enter_context(Interceptor(lab.network, vector, chosen, *keys, visit.attacker))
            began = time.time_ns()
            report = self._act(visit)
        ended = time.time_ns()
        case = aftermath.case(interceptor, [report])
        changed = (*map(repr, forgeries), *map(repr, interceptor.edits))
        took_place = not visit.kind or bool(interceptor.edits and (forgeries or not published))
        return VisitRecord(visit, began, ended, report, changed, judge(case), tuple(case.loot)), took_place

    # ---- clients

    def _act(self, visit: PlannedVisit) -> Report:
        """Run the client and report what its user would read."""
        if visit.protocol == RELAYING:
            return self._relay(visit)
        if self._policy is not None:
            return self._follow(visit, self._policy)
        if visit.manner in _PROGRAMS:
            victim = victims.named(f"{visit.protocol}, {_PROGRAMS[visit.manner]}")
            return victim.run(self._scene(visit))
        return self._follow(visit, _POLICIES[visit.manner])

    def _relay(self, visit: PlannedVisit) -> Report:
        relay = visit.client
        sender = self._sender(relay) if visit.manner == FIRST_CONTACT else self._senders[relay]
        return Report.of(sender.send(_mail("postmaster", self._plan.domain(visit.house), "The invoice is attached.")))

    def _follow(self, visit: PlannedVisit, policy: Policy) -> Report:
        """Run a client of the lab that follows a policy."""
        person, host = self._plan.person(visit.client), self._lab.network.host(visit.client)
        port = server_for(visit.protocol).ports[policy.starts == IMPLICIT]
        context = client_context(self._lab.authority, policy.verify, visit.versions, keylog=self._lab.keylog.path)
        login, name = (person.name, person.password), f"{visit.house}.{DOMAIN}"
        where = host, visit.house, port
        if visit.protocol in fetching.CLIENTS:
            return Report.of(fetching.fetch(visit.protocol, *where, policy, context, login, PATIENCE, name))
        mail = _mail(person.name, "friends.test", f"The PIN is {person.pin}.")
        return Report.of(smtp.send(*where, mail, policy, context, login, PATIENCE, name))

    def _scene(self, visit: PlannedVisit) -> "Scene":
        """Where a victim's program does its work."""
        person, ports = self._plan.person(visit.client), server_for(visit.protocol).ports
        mail = _mail(person.name, "friends.test", f"The PIN is {person.pin}.").data.decode()
        trust = client_context(self._lab.authority, True, visit.versions, keylog=self._lab.keylog.path)
        host, server = self._lab.network.host(visit.client), f"{visit.house}.{DOMAIN}"
        login = person.name, person.password
        return victims.Scene(host, ports[False], ports[True], trust, PATIENCE, server, login, mail)

    def _sender(self, relay: str) -> MailSender:
        """A sending mail server without kept policies."""
        return self._lab.registry.sender(self._lab.network.host(relay), Configuration())


def _open(lab: "Lab", name: str, certificate: str, versions: tuple[str, ...], settings: Mapping[str, Any]) -> None:
    """Start the servers of a house."""
    shown = {"certificate": certificate, "host": name, "name": f"{name}.{DOMAIN}", "tls": versions, "auth": "always"}
    for protocol in PROTOCOLS:
        lab.start(protocol.lower(), **shown, **settings)
        lab.start(protocol.lower(), implicit=True, **shown)


def _vectors(visit: PlannedVisit) -> tuple[Vector, PublicationVector | None]:
    """The attack on the path to the server, and the one on what is published."""
    if not visit.kind:
        return Vector(), None
    vector = catalogue.vector(visit.vector)
    return (catalogue.vector(_STRIPS), vector) if isinstance(vector, PublicationVector) else (vector, None)


def _mail(sender: str, domain: str, text: str) -> Outgoing:
    return compose(text, "Hello", f"{sender}@{DOMAIN}", f"friend@{domain}")


def _letter(user: str, pin: str) -> Message:
    """The mail in an inbox at the beginning."""
    mail = _mail("bank", DOMAIN, f"Your PIN is {pin}.")
    return Message(mail.sender, (f"{user}@{DOMAIN}",), mail.data, "clear text", "")
