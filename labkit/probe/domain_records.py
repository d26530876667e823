"""What a domain publishes about mail to it: MTA-STS, TLSA, TLS-RPT, CAA, each looked up and judged against the server.

The rules are those of `labkit.defences`; the lookups are `looking_up`.
"""

from collections.abc import Iterable, Sequence

from labkit.defences import dane
from labkit.defences.mta_sts import ENFORCE, Cache, NoPolicy, discover
from labkit.defences.resolver import Resolver
from labkit.defences.resource_records import TLSA
from labkit.defences.tls_reports import report_addresses
from labkit.probe.looking_up import Publication
from labkit.probe.observation import DomainRecords, RecordCheck


def look(publication: Publication, host: str, domain: str, port: int, chain: Sequence[bytes]) -> DomainRecords:
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


def _mta_sts(publication: Publication, host: str, domain: str) -> RecordCheck:
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
    if policy.mode != ENFORCE:  # no sender has to follow it
        return RecordCheck(False, None, said)
    return RecordCheck(True, policy.names(host), said)


def _dane(
    resolver: Resolver, host: str, port: int, chain: Sequence[bytes], names: Sequence[str], now: float
) -> RecordCheck:
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


def _tls_rpt(resolver: Resolver, domain: str) -> RecordCheck:
    answer = resolver.resolve(f"_smtp._tls.{domain}", "TXT")
    if answer.failed:
        return RecordCheck(None, None, answer.why)
    if not answer.records:
        return RecordCheck(False, None, f"there is no record at _smtp._tls.{domain}")
    addresses = report_addresses(_texts(answer.records))
    if not addresses:
        return RecordCheck(True, False, f"the record at _smtp._tls.{domain} names no address that can be used")
    return RecordCheck(True, True, f"reports go to {' and '.join(addresses)}")


def _caa(resolver: Resolver, host: str) -> RecordCheck:
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
