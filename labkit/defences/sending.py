"""A sending mail server: finds the servers of a domain, decides, connects, queues what is held, and reports.

It tries the mail exchangers in order (RFC 5321 §5.1) and requires of each what its configuration, DANE and MTA-STS say
(`decision`). Its log has the decisions on every message.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

from labkit.clients.attempt import check_words
from labkit.clients.outcome import Sent
from labkit.defences import requiretls
from labkit.defences.decision import (
    BOUNCE,
    DANE,
    LEVELS,
    MAY,
    NO_POLICY,
    STS_POLICY,
    Judgement,
    Stop,
    Terms,
    best,
    candidates,
    requiring_tls,
    terms,
    without_tls_required,
)
from labkit.defences.mta_sts import Cache, NoPolicy, STSPolicy, discover
from labkit.defences.policyhost import exchange, fetching, status_of
from labkit.defences.relaying import ANY, hand_over
from labkit.defences.report_delivery import as_mail, as_post
from labkit.defences.resolver import Resolver
from labkit.defences.resource_records import MX, DNSAnswer
from labkit.defences.tally import Tally
from labkit.defences.tls_reports import TLSReport, report_addresses
from labkit.errors import LabError
from labkit.mail.message import Outgoing
from labkit.network import Host

DELIVERED, HELD, RETURNED = "delivered", "held", "returned"
BEFORE, AFTERWARDS, NEVER = "before", "afterwards", "never"
"""When a policy of MTA-STS that is not kept yet is fetched: before the message goes, or afterwards, as RFC 8461 §5.1
allows; or whether the sender does not do MTA-STS at all."""
PATIENCE = 3.0
"""Seconds for each connection to a mail server."""


@dataclass(frozen=True)
class Configuration:
    """What a sending server does. Raises `LabError` for an invalid value."""

    level: str = MAY
    """What it requires of every server, one of `labkit.defences.decision.LEVELS`."""
    mta_sts: str = BEFORE
    """When it fetches policies: `BEFORE`, `AFTERWARDS`, or `NEVER`."""
    dane: bool = True
    """Whether it asks for TLSA records."""
    careless: bool = False
    """Whether its SMTP client makes the mistake of keeping across STARTTLS what it had read before (RFC 3207 §4.2)."""
    preload: Mapping[str, STSPolicy] | None = None
    """Policies that it was given by hand, by domain: they count where nothing was fetched yet."""

    @property
    def words(self) -> str:
        """What it does, in words."""
        fetched = "no MTA-STS" if self.mta_sts == NEVER else f"MTA-STS fetched {self.mta_sts}"
        return f"the level {self.level}, {'DANE' if self.dane else 'no DANE'} and {fetched}"

    def __post_init__(self) -> None:
        for name, value, possible in (
            ("level", self.level, LEVELS),
            ("mta_sts", self.mta_sts, (BEFORE, AFTERWARDS, NEVER)),
        ):
            if value not in possible:
                raise LabError(f"{name} cannot be {value!r}: use {' or '.join(map(repr, possible))}.")


@dataclass(frozen=True, repr=False)
class Relayed(Sent):
    """The outcome of a message that a sending server tried to deliver."""

    state: str = HELD
    """`DELIVERED`, `HELD` (kept, and tried again), or `RETURNED` to its author."""
    mx: str = ""
    """The server that took it, or the last one that was tried."""
    code: str = ""
    """The enhanced status code (RFC 3463) of what was returned: ``5.7.30``."""
    results: tuple[str, ...] = ()
    """Result types of RFC 8460 §4.3 that are reported."""

    def _first(self) -> str:
        if self.done:
            return super()._first()
        what = "Held, to be tried again" if self.state == HELD else f"Returned to its author ({self.code})"
        return f"{what}: {self.why}."


@dataclass
class Queued:
    """A message that is held."""

    mail: Outgoing
    why: str
    since: float
    """Seconds since 1970."""
    tries: int = 1

    def __repr__(self) -> str:
        when = datetime.fromtimestamp(self.since, UTC)
        to = " and ".join(self.mail.recipients)
        return f"<to {to}, held since {when:%Y-%m-%d %H:%M} UTC, {self.tries} x tried: {self.why}>"


class Story(list[str]):
    """What a sending server did, a sentence a line."""

    def __repr__(self) -> str:
        return "\n".join(self) or "<nothing was sent yet>"


class MailSender:
    """Sends from a host of the lab; keeps policies, the queue and the tally from message to message.

    `resolver` makes a resolver that asks afresh; `contexts` are those of `labkit.defences.relaying.hand_over`; `clock`
    gives the seconds since 1970. `returned` is called with what goes back to its author.
    """

    def __init__(
        self,
        host: Host,
        resolver: Callable[[], Resolver],
        contexts: Mapping[str, ssl.SSLContext],
        clock: Callable[[], float],
        configuration: Configuration,
        returned: Callable[[Outgoing, Relayed], None],
    ) -> None:
        self.configuration = configuration
        self.policies = Cache(clock)
        """The policies of MTA-STS that it keeps."""
        self.queue: list[Queued] = []
        """The held messages, oldest first."""
        self.story = Story()
        self.offered: tuple[str, ...] = ()
        """The capabilities of the last server, as its client has read them."""
        self._host = host
        self._resolver = resolver
        self._contexts = contexts
        self._clock = clock
        self._returned = returned
        self._tally = Tally()

    def send(self, mail: Outgoing) -> Relayed:
        """Deliver a message, hold it, or return it to its author. Raises `LabError` for a recipient without a
        domain."""
        outcome = self._tried(mail)
        if outcome.state == HELD:
            self.queue.append(Queued(mail, outcome.why, self._clock()))
        return outcome

    def retry(self) -> list[Relayed]:
        """Try every held message once more, and return the outcomes."""
        waiting, self.queue = self.queue, []
        outcomes = []
        for queued in waiting:
            outcome = self._tried(queued.mail)
            if outcome.state == HELD:
                self.queue.append(replace(queued, why=outcome.why, tries=queued.tries + 1))
            outcomes.append(outcome)
        return outcomes

    def refresh(self) -> None:
        """Fetch the kept policies again where they have changed or gone, as a sender does daily (RFC 8461 §3.3)."""
        for domain in list(self.policies.entries):
            self._policy(domain, self._resolver())

    def report(self) -> tuple[TLSReport, ...]:
        """Send the reports of today to each domain that asks for them (RFC 8460 §3) and got mail.

        They go to the first of its addresses that takes them: by mail, or with POST over HTTPS. Returns the reports.
        """
        asked = []
        for domain in self._tally.domains:
            resolver = self._resolver()
            texts = resolver.resolve(f"_smtp._tls.{domain}", "TXT")
            addresses = report_addresses(_texts(texts))
            if addresses:
                asked.append(self._tally.report(domain, self._host.name, self._clock()))
                self._hand_in(asked[-1], domain, addresses, resolver)
            else:
                self._log(f"{domain} asks for no report: {texts.why or 'no record at _smtp._tls'}")
        return tuple(asked)

    def _hand_in(self, report: TLSReport, domain: str, addresses: tuple[str, ...], resolver: Resolver) -> None:
        """Send a report to the first address that takes it."""
        counted, self._tally = self._tally, Tally()  # no report counts the sessions of reports (§3)
        for uri in addresses:
            self._log(f"the report for {domain} goes to {uri}")
            if uri.startswith("https:"):
                taken = self._posted(report, uri, resolver)
            else:
                taken = self.send(as_mail(report, domain, uri)).done
            if taken:
                break
        self._tally = counted

    def _posted(self, report: TLSReport, uri: str, resolver: Resolver) -> bool:
        """Whether a report was taken over HTTPS. The certificate is not verified: reports go all the same (§3)."""
        name, request = as_post(report, uri)
        try:
            status = status_of(exchange(self._host, self._contexts[ANY], name, _address(resolver, name), request))
        except (LabError, OSError, NoPolicy) as error:
            self._log(f"{name}: does not take the report: {error}")
            return False
        self._log(f"{name}: answers the report with {status}")
        return 200 <= status < 300

    # ---- one message

    def _tried(self, mail: Outgoing) -> Relayed:
        check_words(mail.sender, *mail.recipients)
        domains = {recipient.rpartition("@")[2].rstrip(".").lower() for recipient in mail.recipients}
        if len(domains) != 1 or "" in domains or not all("@" in recipient for recipient in mail.recipients):
            raise LabError(f"A message goes to addresses of one domain, like 'bob@bob.test', not {mail.recipients!r}.")
        (domain,) = domains
        wish = requiretls.wish(mail.options, mail.data)
        self._log(f"a message for {' and '.join(mail.recipients)}{f', {wish}' * (wish != requiretls.DEFAULT)}")
        resolver = self._resolver()
        mx = resolver.resolve(domain, "MX")
        servers = candidates(domain, mx)
        policy = self._policy(domain, resolver) if self.configuration.mta_sts == BEFORE else self._kept(domain)
        if isinstance(servers, Stop):
            self._tally.failed(domain, servers, "", policy)
            outcome = self._end(mail, [servers], wish)
        else:
            self._log(f"{domain}: {', '.join(each.host for each in servers)} ({mx.status})")
            outcome = self._walk(mail, domain, mx, servers, policy, wish, resolver)
        if self.configuration.mta_sts == AFTERWARDS:
            self._policy(domain, resolver)
        return outcome

    def _walk(
        self,
        mail: Outgoing,
        domain: str,
        mx: DNSAnswer,
        servers: tuple[MX, ...],
        policy: STSPolicy | None,
        wish: str,
        resolver: Resolver,
    ) -> Relayed:
        stops = []
        for server in servers:
            outcome = self._at(mail, domain, mx, server.host, policy, wish, resolver)
            if isinstance(outcome, Relayed):
                return outcome
            self._log(f"{server.host}: gets nothing, because {outcome.why}")
            stops.append(outcome)
        return self._end(mail, stops, wish, servers[-1].host)

    def _at(
        self,
        mail: Outgoing,
        domain: str,
        mx: DNSAnswer,
        host: str,
        policy: STSPolicy | None,
        wish: str,
        resolver: Resolver,
    ) -> Relayed | Stop:
        """Try one server."""
        address = resolver.resolve(host, "A")
        tlsa = self._tlsa(host, address, resolver)
        asked = terms(domain, self.configuration.level, mx, host, address, tlsa, policy)
        if wish == requiretls.REQUIRED and isinstance(asked, Terms):
            asked = requiring_tls(mx, policy, host, asked)
        if wish == requiretls.WAIVED:  # then neither a policy nor TLSA records count
            bare = terms(domain, MAY, mx, host, address, None, None)
            asked = without_tls_required(asked) if isinstance(asked, Terms) else bare
        if isinstance(asked, Stop):
            self._tally.failed(domain, asked, host, policy)
            return asked
        self._log(f"{host}: {_said(asked)}")
        where = str(address.records[0])
        careless = self.configuration.careless
        hop = hand_over(self._host, host, where, mail, asked, self._contexts, self._clock, PATIENCE, careless)
        self.offered = hop.offered
        self._tally.add(domain, asked, hop, host, policy)
        if hop.permanent:
            return self._back(mail, hop.sent.why, host, "5.0.0")
        if hop.unsupported:
            return Stop(hop.sent.why, action=BOUNCE)
        if not hop.sent:
            return Stop(hop.sent.why, hop.verdict.result, asked.source)
        reported = f", reported: {hop.verdict.result}" if hop.verdict.result else ""
        self._log(f"{host}: {repr(hop.sent).rstrip('.')}{reported}")
        return _relayed(hop.sent, DELIVERED, host, hop.verdict)

    def _tlsa(self, host: str, address: DNSAnswer, resolver: Resolver) -> DNSAnswer | None:
        """The TLSA records of a server: asked for only if its addresses are secure (RFC 7672 §2.2.2)."""
        if not self.configuration.dane or address.failed or address.first != "secure":
            return None
        names = [address.canonical, host] if address.secure else [host]
        for name in dict.fromkeys(names):
            answer = resolver.resolve(f"_25._tcp.{name}", "TLSA")
            if answer.failed or (answer.secure and answer.records):
                break
        return answer

    def _policy(self, domain: str, resolver: Resolver) -> STSPolicy | None:
        """The policy of MTA-STS that counts now, looked for afresh."""
        texts = resolver.resolve(f"_mta-sts.{domain}", "TXT")
        fetch = fetching(self._host, self._contexts["verifying"], lambda name: _address(resolver, name))
        policy, failure = discover(domain, _texts(texts), fetch, self.policies)
        if failure is not None:
            why = texts.why if texts.failed else str(failure)
            self._log(f"{domain}: {'the kept policy counts' if policy else 'no policy of MTA-STS'}: {why}")
            self._tally.policy_failed(domain, failure)
        elif policy is not None:
            self._log(f"{domain}: its policy is {policy.mode}, for {' and '.join(policy.mx) or 'no server'}")
        return policy or self._given(domain)

    def _kept(self, domain: str) -> STSPolicy | None:
        if self.configuration.mta_sts == NEVER:
            return None
        return self.policies.get(domain) or self._given(domain)

    def _given(self, domain: str) -> STSPolicy | None:
        return (self.configuration.preload or {}).get(domain)

    # ---- the end of a message

    def _end(self, mail: Outgoing, stops: list[Stop], wish: str, mx: str = "") -> Relayed:
        """No server took it: hold it, or return it if waiting cannot help (RFC 8689 §4.2.1)."""
        if wish == requiretls.REQUIRED:
            unsupported = any("REQUIRETLS" in stop.why for stop in stops)
            return self._back(mail, best(stops), mx, requiretls.UNSUPPORTED if unsupported else requiretls.UNPROTECTED)
        if stops[-1].action == BOUNCE:
            return self._back(mail, best(stops), mx, stops[-1].code)
        self._log(f"held: {best(stops)}")
        results = tuple(dict.fromkeys(stop.result for stop in stops if stop.result))
        return Relayed(False, stops[-1].source, why=best(stops), state=HELD, mx=mx, results=results)

    def _back(self, mail: Outgoing, why: str, mx: str, code: str) -> Relayed:
        self._log(f"returned to {mail.sender}: {why}")
        outcome = Relayed(False, NO_POLICY, why=why, state=RETURNED, mx=mx, code=code)
        self._returned(mail, outcome)
        return outcome

    def _log(self, text: str) -> None:
        self.story.append(text)


def _relayed(sent: Sent, state: str, mx: str, verdict: Judgement) -> Relayed:
    results = (verdict.result,) if verdict.result else ()
    facts = {each.name: getattr(sent, each.name) for each in fields(sent)}
    return Relayed(**facts, state=state, mx=mx, results=results)


def _said(asked: Terms) -> str:
    """Terms in words."""
    if asked.check == DANE:
        records = " or ".join(f"{each.usage} {each.selector} {each.matching}" for each in asked.records)
        return f"TLS, with a certificate that fits {records}"
    certificate = f", and a certificate for {asked.names[0]}" if asked.names else ""
    tested = "; the policy is only tested" if asked.tested and asked.source == STS_POLICY else ""
    return f"TLS{certificate if asked.tls else ' if it is offered'}{tested}"


def _address(resolver: Resolver, name: str) -> str:
    answer = resolver.resolve(name, "A")
    if not answer:
        raise NoPolicy(f"the address of {name} cannot be had: {answer.why}", "sts-policy-fetch-error")
    return str(answer.records[0])


def _texts(answer: DNSAnswer) -> list[str]:
    return [] if answer.failed else [text for text in answer.records if isinstance(text, str)]
