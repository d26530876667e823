"""TLS reports (RFC 8460): a sender tells a domain once a day how TLS went. Pure.

A report blocks nothing. The record at ``_smtp._tls`` says where it goes; an attacker who can hide that record hides
what she does to the mail, too (§7).
"""

import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from labkit.errors import LabError

RESULTS = {
    "starttls-not-supported": "the server did not offer STARTTLS",
    "certificate-host-mismatch": "the certificate is for another name",
    "certificate-expired": "the certificate has expired",
    "certificate-not-trusted": "no trusted authority has issued the certificate",
    "validation-failure": "something else was wrong with TLS or the server's name",
    "tlsa-invalid": "no TLSA record could be used",
    "dnssec-invalid": "the DNS answer did not validate",
    "dane-required": "DANE was required and there was no TLSA record",
    "sts-policy-fetch-error": "the policy could not be fetched",
    "sts-policy-invalid": "the policy could not be read",
    "sts-webpki-invalid": "the policy host has no valid certificate",
}
"""Result type (§4.3) -> what it means."""
POLICY_TYPES = ("tlsa", "sts", "no-policy-found")
_RECORD = re.compile(r"v=TLSRPTv1(?:[ \t]*;[ \t]*[A-Za-z0-9][\w.-]{0,31}=[^;]+)+[ \t]*;?[ \t]*", re.ASCII)
_URI = re.compile(r"(?:mailto:[^\s,!;]+@[^\s,!;]+|https://[^\s,!;]+)", re.ASCII)


def report_addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """Where reports go, from the TXT records at ``_smtp._tls`` (§3): none unless exactly one record is well formed."""
    records = [text for text in texts if text.startswith("v=TLSRPTv1;")]
    if len(records) != 1 or not _RECORD.fullmatch(records[0]):
        return ()
    fields = [part.strip().partition("=") for part in records[0].split(";")]
    addresses = next((value for name, _, value in fields if name == "rua"), "")
    return tuple(uri for uri in map(str.strip, addresses.split(",")) if _URI.fullmatch(uri))


@dataclass(frozen=True)
class Failure:
    """Sessions that failed in the same way (§4.4)."""

    result: str
    """One of `RESULTS`."""
    mx: str = ""
    count: int = 1
    reason: str = ""
    """More about it, in words."""
    sender_ip: str = ""
    receiver_ip: str = ""


@dataclass(frozen=True)
class Applied:
    """What happened under one policy."""

    type: str
    """One of `POLICY_TYPES`."""
    domain: str
    successes: int = 0
    failures: tuple[Failure, ...] = ()
    policy: tuple[str, ...] = ()
    """The policy, an element for each of its lines or records (§4.5)."""
    mx: tuple[str, ...] = ()
    failed: int = 0
    """How many sessions failed; at least those of `failures`."""


@dataclass(frozen=True)
class TLSReport:
    """A report of one day."""

    organization: str
    contact: str
    begin: datetime
    end: datetime
    id: str
    policies: tuple[Applied, ...] = ()

    @property
    def json(self) -> bytes:
        """The report as it is delivered (§4.4). Raises `LabError` for one that the RFC does not allow."""
        _check(self)
        return json.dumps(_written(self), indent=2, ensure_ascii=False).encode()

    @property
    def file_name(self) -> str:
        """The name of the compressed report (§5.1)."""
        domain = self.policies[0].domain if self.policies else "unknown"
        day = f"{self.begin.timestamp():.0f}!{self.end.timestamp():.0f}"
        return f"{self.organization}!{domain}!{day}!{self.id}.json.gz"

    def __repr__(self) -> str:
        lines = [f"TLS report of {self.organization} for {self.begin:%Y-%m-%d}:"]
        for applied in self.policies:
            under = {"tlsa": "DANE", "sts": "MTA-STS"}.get(applied.type, "no policy")
            lines.append(f"  {applied.domain} ({under}): {applied.successes} good, {applied.failed} failed")
            lines += [
                f"    {failure.count} x {failure.result}: {RESULTS.get(failure.result, 'not a result of RFC 8460')}"
                f"{f' ({failure.reason})' if failure.reason else ''}"
                for failure in applied.failures
            ]
        return "\n".join(lines)


def day_of(now: float) -> tuple[datetime, datetime]:
    """The UTC day that a time (seconds since 1970) is in: its first and its last second."""
    begin = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return begin, begin + timedelta(days=1, seconds=-1)


def compressed(report: TLSReport) -> bytes:
    """The report as it travels, ``application/tlsrpt+gzip`` (§5.2)."""
    return gzip.compress(report.json, mtime=0)


def _check(report: TLSReport) -> None:
    begin, end = report.begin, report.end
    if begin.tzinfo is None or end.tzinfo is None or end <= begin:
        raise LabError(f"A report covers a time in UTC that ends after it begins, not {begin} to {end}.")
    if "@" not in report.contact or not report.organization or not report.id:
        raise LabError("A report says who sends it, an address to ask, and an id (RFC 8460 §4.4).")
    for applied in report.policies:
        if applied.type not in POLICY_TYPES:
            raise LabError(f"A policy's type is one of {', '.join(POLICY_TYPES)}, not {applied.type!r}.")
        wrong = [failure.result for failure in applied.failures if failure.result not in RESULTS]
        if wrong:
            raise LabError(f"{wrong[0]!r} is not a result type of RFC 8460 §4.3: use one of {', '.join(RESULTS)}.")
        if applied.failed < sum(failure.count for failure in applied.failures):
            raise LabError("A report counts at least as many failed sessions as it describes.")


def _written(report: TLSReport) -> dict[str, Any]:
    return {
        "organization-name": report.organization,
        "date-range": {"start-datetime": _time(report.begin), "end-datetime": _time(report.end)},
        "contact-info": report.contact,
        "report-id": report.id,
        "policies": [_policy(applied) for applied in report.policies],
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _policy(applied: Applied) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy-type": applied.type}
    if applied.policy:
        policy["policy-string"] = list(applied.policy)
    policy["policy-domain"] = applied.domain
    if applied.mx and applied.type == "sts":
        policy["mx-host"] = list(applied.mx)
    summary = {"total-successful-session-count": applied.successes, "total-failure-session-count": applied.failed}
    written: dict[str, Any] = {"policy": policy, "summary": summary}
    if applied.failures:
        written["failure-details"] = [_failure(failure) for failure in applied.failures]
    return written


def _failure(failure: Failure) -> dict[str, Any]:
    fields = {
        "result-type": failure.result,
        "sending-mta-ip": failure.sender_ip,
        "receiving-mx-hostname": failure.mx,
        "receiving-ip": failure.receiver_ip,
        "failed-session-count": failure.count,
        "failure-reason-code": failure.reason,
    }
    return {name: value for name, value in fields.items() if value != ""}
