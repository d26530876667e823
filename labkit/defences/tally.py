"""What a sender counts for its reports of the day (RFC 8460 §4): sessions by domain, policy and result."""

from collections import Counter
from collections.abc import Iterable

from labkit.defences.decision import NO_POLICY, STS_POLICY, TLSA_POLICY, Stop, Terms
from labkit.defences.mta_sts import NoPolicy, STSPolicy
from labkit.defences.relaying import Hop
from labkit.defences.tls_reports import Applied, Failure, TLSReport, day_of
from labkit.trust.certificates import DOMAIN

Under = tuple[str, str]
"""(domain, type of policy)."""


class Tally:
    """Counts sessions."""

    def __init__(self) -> None:
        self._good: Counter[Under] = Counter()
        self._bad: Counter[tuple[str, str, str, str, str]] = Counter()
        """(domain, type of policy, result, server, reason)."""
        self._policies: dict[Under, tuple[str, ...]] = {}
        self._patterns: dict[Under, tuple[str, ...]] = {}
        self._reports = 0

    @property
    def domains(self) -> list[str]:
        """The domains to which a message was sent, or should have been."""
        return sorted({domain for domain, *_ in (*self._good, *self._bad)})

    def add(self, domain: str, terms: Terms, hop: Hop, mx: str, policy: STSPolicy | None) -> None:
        """Count a session with a server."""
        result = hop.verdict.result
        self._note(domain, terms.source, policy, terms)
        if result:
            self._bad[domain, terms.source, result, mx, hop.verdict.why] += 1
        elif hop.sent.version:
            self._good[domain, terms.source] += 1

    def failed(self, domain: str, stop: Stop, mx: str, policy: STSPolicy | None) -> None:
        """Count a server to which no connection was made."""
        if stop.result:
            self._note(domain, stop.source, policy, None)
            self._bad[domain, stop.source, stop.result, mx, stop.why] += 1

    def policy_failed(self, domain: str, failure: NoPolicy) -> None:
        """Count a policy that could not be obtained."""
        if failure.result:
            self._bad[domain, NO_POLICY, failure.result, "", str(failure)] += 1

    def report(self, domain: str, sender: str, now: float) -> TLSReport:
        """The report for a domain of the day that `now` (seconds since 1970) is in."""
        self._reports += 1
        types = {kind for name, kind, *_ in (*self._good, *self._bad) if name == domain}
        begin, end = day_of(now)
        return TLSReport(
            f"{sender}.{DOMAIN}",
            f"tls-reports@{sender}.{DOMAIN}",
            begin,
            end,
            f"{begin:%Y%m%d}-{domain}-{self._reports}",
            tuple(self._applied(domain, kind) for kind in sorted(types)),
        )

    def _applied(self, domain: str, kind: str) -> Applied:
        failures = [
            Failure(result, mx, count, reason)
            for (name, type, result, mx, reason), count in self._bad.items()
            if (name, type) == (domain, kind)
        ]
        under = domain, kind
        policy, patterns = self._policies.get(under, ()), self._patterns.get(under, ())
        return Applied(kind, domain, self._good[under], tuple(failures), policy, patterns, _sum(failures))

    def _note(self, domain: str, source: str, policy: STSPolicy | None, terms: Terms | None) -> None:
        if source == STS_POLICY and policy:
            self._policies[domain, source], self._patterns[domain, source] = policy.lines, policy.mx
        elif source == TLSA_POLICY and terms and terms.records:
            self._policies[domain, source] = tuple(map(str, terms.records))


def _sum(failures: Iterable[Failure]) -> int:
    return sum(failure.count for failure in failures)
