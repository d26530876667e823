"""What a domain publishes about mail to it: MTA-STS, TLSA, TLS-RPT, CAA, each looked up and judged against the server.

The rules are those of `labkit.defences`; here they are only asked. Inside the lab its own name server answers, outside
the first one of the system (resolv.conf(5)), and every answer is validated from the root's keys on.
"""

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from labkit.network.outside import Outside, is_address

if TYPE_CHECKING:
    from labkit.defences.resolver import Resolver
    from labkit.probe.target import Publication

_RESOLV = "/etc/resolv.conf"
_PATIENCE = 3.0
"""Seconds for each question, and for a policy."""
ROOT_KEYS = (
    "20326 8 2 e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d",
    "38696 8 2 683d2d0acb8c9b712a1948b27f741219298d0a450d612c483af444a4c0fb2b16",
)
"""The trust anchors of the root zone (https://data.iana.org/root-anchors/): DS records, SHA-256."""


@dataclass(frozen=True)
class RecordCheck:
    """One kind of record: whether it is there, and whether it fits the server. `fits` is None where it is not known."""

    found: bool | None
    fits: bool | None
    said: str
    """What was found, or why it is not known, in words that can stand behind *it is*, without a full stop."""


@dataclass(frozen=True)
class DomainRecords:
    """What is published for a server and its domain."""

    mta_sts: RecordCheck
    dane: RecordCheck
    tls_rpt: RecordCheck
    caa: RecordCheck


def look(publication: "Publication", host: str, domain: str, port: int, chain: Sequence[bytes]) -> DomainRecords:
    """Look everything up for the mail server `host` on `port`, which showed this chain (DER).

    `domain` is the one whose mail it takes; empty where that is not known.
    """
    unknown = RecordCheck(None, None, "the domain whose mail the server takes was not named")
    resolver = publication.resolver
    return DomainRecords(
        mta_sts=_mta_sts(publication, host, domain) if domain else unknown,
        dane=_dane(resolver, host, port, chain, (host, *([domain] * bool(domain))), publication.clock()),
        tls_rpt=_tls_rpt(resolver, domain) if domain else unknown,
        caa=_caa(resolver, host),
    )


def public() -> "Publication":
    """How to look up what is published outside the lab. Raises `LabError` where this machine has no name server."""
    import time

    from labkit.defences.nameserver import asking
    from labkit.defences.policyhost import fetching
    from labkit.defences.resolver import Resolver
    from labkit.probe.target import Publication

    reach = Outside()
    resolver = Resolver(asking(reach, _name_server(), _PATIENCE), {".": "\n".join(ROOT_KEYS)})
    fetch = fetching(reach, ssl.create_default_context(), partial(address_of, resolver), _PATIENCE)
    return Publication(resolver, fetch, time.time)


def name_servers(text: str) -> list[str]:
    """The addresses behind ``nameserver`` in a resolv.conf(5)."""
    lines = (line.split() for line in text.splitlines())
    named = (words[1].partition("%")[0] for words in lines if len(words) > 1 and words[0] == "nameserver")
    return [address for address in named if is_address(address)]


def _name_server() -> str:
    from labkit.errors import LabError

    try:
        with open(_RESOLV, encoding="utf-8", errors="replace") as file:
            found = name_servers(file.read())
    except OSError:
        found = []
    if not found:
        raise LabError(f"This machine names no name server in {_RESOLV}.")
    return found[0]


def address_of(resolver: "Resolver", name: str) -> str:
    """An address of a policy host. Raises `NoPolicy`."""
    from labkit.defences.mta_sts import NoPolicy

    for kind in ("A", "AAAA"):
        answer = resolver.resolve(name, kind)
        if answer:
            return str(answer.records[0])
    raise NoPolicy(f"the address of {name} cannot be had: {answer.why}", "sts-policy-fetch-error")


def _mta_sts(publication: "Publication", host: str, domain: str) -> RecordCheck:
    from labkit.defences.mta_sts import ENFORCE, Cache, NoPolicy, discover

    texts = publication.resolver.resolve(f"_mta-sts.{domain}", "TXT")
    if texts.failed:
        return RecordCheck(None, None, texts.why)
    if not texts.records:
        return RecordCheck(False, None, f"there is no record at _mta-sts.{domain}")
    try:
        policy, failure = discover(domain, _texts(texts.records), publication.fetch, Cache(publication.clock))
    except NoPolicy as error:
        policy, failure = None, error
    if policy is None:
        return RecordCheck(True, False, str(failure))
    said = f"the policy of {domain} has the mode {policy.mode}, for {' and '.join(policy.mx) or 'no server'}"
    if policy.mode != ENFORCE:  # nobody is held to it
        return RecordCheck(False, None, said)
    return RecordCheck(True, policy.names(host), said)


def _dane(
    resolver: "Resolver", host: str, port: int, chain: Sequence[bytes], names: Sequence[str], now: float
) -> RecordCheck:
    from labkit.defences import dane
    from labkit.defences.resource_records import TLSA

    address = resolver.resolve(host, "A")
    if not address and not address.failed:
        address = resolver.resolve(host, "AAAA")
    if address.failed:
        return RecordCheck(None, None, address.why)
    if not address.secure:
        return RecordCheck(False, None, f"the zone of {host} is not signed, so its TLSA records do not count")
    answer = resolver.resolve(f"_{port}._tcp.{host}", "TLSA")
    if answer.failed:
        return RecordCheck(None, None, answer.why)
    records = [record for record in answer.records if isinstance(record, TLSA)]
    if not records or not answer.secure:
        return RecordCheck(False, None, f"there is no TLSA record at _{port}._tcp.{host}")
    shown = " and ".join(f"{each.usage} {each.selector} {each.matching}" for each in records)
    if not dane.usable(records):
        return RecordCheck(True, False, f"none of the TLSA records ({shown}) can be used by a mail server")
    if not chain:
        return RecordCheck(True, None, f"there are TLSA records ({shown}), and no certificate was seen")
    matched = dane.match(records, chain, names, now)
    return RecordCheck(True, bool(matched), f"of the TLSA records ({shown}), {matched.why}")


def _tls_rpt(resolver: "Resolver", domain: str) -> RecordCheck:
    from labkit.defences.tls_reports import report_addresses

    answer = resolver.resolve(f"_smtp._tls.{domain}", "TXT")
    if answer.failed:
        return RecordCheck(None, None, answer.why)
    if not answer.records:
        return RecordCheck(False, None, f"there is no record at _smtp._tls.{domain}")
    addresses = report_addresses(_texts(answer.records))
    if not addresses:
        return RecordCheck(True, False, f"the record at _smtp._tls.{domain} names no address that can be used")
    return RecordCheck(True, True, f"reports go to {' and '.join(addresses)}")


def _caa(resolver: "Resolver", host: str) -> RecordCheck:
    """The first name with CAA records counts, from the host's upwards (RFC 8659 §3)."""
    here = host
    while here:
        answer = resolver.resolve(here, "CAA")
        if answer.failed:
            return RecordCheck(None, None, answer.why)
        if answer.records:
            shown = " and ".join(map(str, answer.records))
            return RecordCheck(True, True, f"{here} has {shown}")
        here = here.partition(".")[2]
    return RecordCheck(False, None, f"no name from {host} upwards has a CAA record")


def _texts(records: Iterable[object]) -> list[str]:
    return [text for text in records if isinstance(text, str)]
