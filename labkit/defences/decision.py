"""What a sending mail server decides: the servers that may get a message, and on what terms. Pure.

The facts are answers of the DNS (`resource_records`), a policy of MTA-STS, and what was seen of a server. `candidates`
orders the servers of a domain, `terms` says what each has to show (RFC 7672 §2.2, RFC 8461 §5), `judge` compares.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from labkit.defences.dane import match, usable
from labkit.defences.mta_sts import ENFORCE, NONE, STSPolicy
from labkit.defences.resource_records import MX, TLSA, DNSAnswer

MAY, ENCRYPT, VERIFY = "may", "encrypt", "verify"
LEVELS = (MAY, ENCRYPT, VERIFY)
"""What a sender requires of every server by itself, in Postfix's words: nothing, TLS, or TLS and a certificate."""

NO_CHECK, PKIX, DANE = "not checked", "public authorities", "DANE"
"""How the certificate is checked."""

TLSA_POLICY, STS_POLICY, NO_POLICY = "tlsa", "sts", "no-policy-found"
"""Where the terms come from, in the words of RFC 8460 §4.4."""

DELIVER, NEXT, BOUNCE = "deliver", "next", "bounce"
"""Deliver the message; try the next server, and hold the message if there is none; return the message."""


@dataclass(frozen=True)
class Stop:
    """A domain or a server that gets nothing, and why. `action` is `NEXT` or `BOUNCE`."""

    why: str
    result: str = ""
    """The result type of RFC 8460 §4.3; empty where nothing is to be reported."""
    source: str = NO_POLICY
    action: str = NEXT
    code: str = ""
    """The enhanced status code (RFC 3463) with which a message is given back."""


@dataclass(frozen=True)
class Terms:
    """What a server has to show before it gets a message."""

    tls: bool = False
    """Whether TLS is required."""
    check: str = NO_CHECK
    """How the certificate is checked: `NO_CHECK`, `PKIX` or `DANE`."""
    names: tuple[str, ...] = ()
    """Reference identifiers: the certificate is for one of them (RFC 9525)."""
    records: tuple[TLSA, ...] = ()
    """The TLSA records that count; with `DANE` only."""
    source: str = NO_POLICY
    note: str = ""
    """What is to be reported besides, a result type."""
    tested: "Terms | None" = None
    """Further terms: a server that does not meet them gets the message all the same, and that is reported."""


@dataclass(frozen=True)
class Seen:
    """What was seen of a server."""

    connected: bool = True
    offered: bool = True
    """Whether it offered STARTTLS."""
    version: str = ""
    """The TLS version; empty without TLS."""
    chain: tuple[bytes, ...] = ()
    """The certificates that it showed, DER, its own first."""
    fault: str = ""
    """The fault of the certificate for a client that trusts public authorities: a result type of RFC 8460 §4.3.1, or
    empty."""
    why: str = ""
    """What went wrong, in words."""


@dataclass(frozen=True)
class Judgement:
    """What to do with a server that was seen."""

    action: str
    """`DELIVER` or `NEXT`."""
    why: str
    result: str = ""
    """The result type to report; empty for a success."""
    verified: bool = False
    """Whether the certificate met the terms."""


def candidates(domain: str, mx: DNSAnswer) -> tuple[MX, ...] | Stop:
    """The servers of a domain, best first (RFC 5321 §5.1, RFC 7672 §2.2.1), or why it has none."""
    if mx.failed:
        result = "dnssec-invalid" if mx.status == "bogus" else ""
        return Stop(f"whom {domain} names as its mail servers cannot be known: {mx.why}", result)
    found = sorted(record for record in mx.records if isinstance(record, MX))
    if not found:
        return (MX(0, domain),)  # a domain without MX records is its own mail server
    if any(not record.host for record in found):
        return Stop(f"{domain} says that it takes no mail (null MX, RFC 7505)", action=BOUNCE, code="5.1.10")
    return tuple(found)


def terms(
    domain: str,
    level: str,
    mx: DNSAnswer,
    host: str,
    address: DNSAnswer,
    tlsa: DNSAnswer | None,
    policy: STSPolicy | None,
) -> Terms | Stop:
    """What the mail server `host` of a domain has to show, or why it gets nothing.

    `level` is what the sender requires by itself, one of `LEVELS`; `address` is the answer for its addresses, `tlsa`
    for
    its TLSA records: nothing where the sender does not do DANE. `policy` is the one of MTA-STS that counts. Usable
    TLSA records decide alone: a certificate that passes MTA-STS may not override DANE (RFC 8461 §2).
    """
    if not (address.failed or address.records or mx.records):
        return Stop(f"{domain} has neither mail servers nor an address (RFC 5321 §5.1)", action=BOUNCE, code="5.1.2")
    if address.failed or not address.records:
        why = address.why or "it has no address"
        return Stop(f"where {host} is cannot be known: {why}", "dnssec-invalid" if address.status == "bogus" else "")
    if tlsa is not None and tlsa.failed:
        result = "dnssec-invalid" if tlsa.status == "bogus" else ""
        return Stop(f"whether {host} has TLSA records cannot be known: {tlsa.why}", result, TLSA_POLICY)
    own = _own(level, host)
    if tlsa is not None and tlsa.secure and tlsa.records:
        records = usable(record for record in tlsa.records if isinstance(record, TLSA))
        if records:
            return _dane(domain, mx, host, records)
        own = replace(own, tls=True, source=TLSA_POLICY, note="tlsa-invalid")  # TLS is promised (RFC 7672 §2.2)
    if policy is None or policy.mode == NONE:
        return own
    return _sts(policy, host, own)


def _own(level: str, host: str) -> Terms:
    return {
        MAY: Terms(),
        ENCRYPT: Terms(tls=True),
        VERIFY: Terms(tls=True, check=PKIX, names=(host,)),
    }[level]


def _dane(domain: str, mx: DNSAnswer, host: str, records: tuple[TLSA, ...]) -> Terms:
    names = dict.fromkeys((host, domain, mx.canonical) if mx.secure else (host,))  # RFC 7672 §3.2.2
    return Terms(True, DANE, tuple(names), records, TLSA_POLICY)


def _sts(policy: STSPolicy, host: str, own: Terms) -> Terms | Stop:
    wanted = Terms(True, PKIX, (host,), (), STS_POLICY, own.note)
    if policy.names(host):
        return wanted if policy.mode == ENFORCE else replace(own, source=STS_POLICY, tested=wanted)
    if policy.mode == ENFORCE:
        return Stop(f"the policy names {' and '.join(policy.mx)}, not {host}", "validation-failure", STS_POLICY)
    return replace(own, source=STS_POLICY, note="validation-failure")


def judge(terms: Terms, seen: Seen, now: float) -> Judgement:
    """Whether a server meets the terms; `now` is in seconds since 1970."""
    if not seen.connected:
        return Judgement(NEXT, seen.why or "nothing answered")
    fault, result = _fault(terms, seen, now)
    if fault:
        return Judgement(NEXT, fault, result)
    tested, result = _fault(terms.tested, seen, now) if terms.tested else ("", "")
    verified = bool(seen.version) and (terms.check != NO_CHECK or bool(terms.tested and not tested))
    return Judgement(DELIVER, f"{tested}; this is only reported" if tested else "", result or terms.note, verified)


def _fault(terms: Terms, seen: Seen, now: float) -> tuple[str, str]:
    """What a server lacks: (words, result type); empty words if it lacks nothing."""
    if not seen.version:
        if not terms.tls:
            return "", ""
        if not seen.offered:
            return seen.why or "the server offers no STARTTLS", "starttls-not-supported"
        return seen.why or "TLS did not begin", seen.fault or "validation-failure"
    if terms.check == PKIX and seen.fault:
        return seen.why or "the certificate does not fit", seen.fault
    if terms.check == DANE:
        found = match(terms.records, seen.chain, terms.names, now)
        return ("", "") if found else (found.why, found.result)
    return "", ""


def requiring_tls(mx: DNSAnswer, policy: STSPolicy | None, host: str, terms: Terms) -> Terms | Stop:
    """The terms for a message with REQUIRETLS (RFC 8689 §4.2.1): TLS, a certificate, and a name that is vouched for."""
    if not mx.secure and not (policy and policy.mode != NONE and policy.names(host)):
        return Stop(f"neither DNSSEC nor a policy of MTA-STS vouches for the name {host}", action=BOUNCE)
    if terms.check == DANE:
        return terms
    return replace(terms, tls=True, check=PKIX, names=(host,), tested=None)


def without_tls_required(terms: Terms) -> Terms:
    """The terms for a message with ``TLS-Required: No`` (RFC 8689 §4.2.2): tried, and not insisted on."""
    return Terms(source=terms.source, note=terms.note, tested=terms)


def best(reasons: Sequence[Stop]) -> str:
    """Why a message is held, from what was said of each server."""
    return "; ".join(dict.fromkeys(reason.why for reason in reasons)) or "no server took it"
