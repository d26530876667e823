"""What a signed response proves: signatures over records, and NSEC records over what is absent (RFC 4035 §5). Pure.

The keys of a zone are given; how they are found is in `resolver`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dns.dnssec
import dns.exception
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset

_RD = dns.rdatatype
_MOST_SIGNATURES = 8
"""Signatures of a zone that are tried over the same records (CVE-2023-50387)."""
Keys = Mapping[dns.name.Name, dns.rdataset.Rdataset]
"""Zone -> its DNSKEY records, which were validated."""


class NotProven(Exception):
    """The content of a response is not proven; the message says what is missing."""


class NotReadable(Exception):
    """A response may contain a proof of a kind that is not read here; the message says which."""


@dataclass(frozen=True)
class Signed:
    """Records with their signatures, as a response holds them."""

    rrset: dns.rrset.RRset
    signatures: dns.rrset.RRset | None

    @property
    def signers(self) -> set[dns.name.Name]:
        """The zones that claim to have signed them."""
        return {signature.signer for signature in self.signatures or ()}


def signed_sets(section: Iterable[dns.rrset.RRset]) -> list[Signed]:
    """The sets of records in a section of a response, each with its signatures."""
    section = list(section)
    signatures = {(rrset.name, rrset.covers): rrset for rrset in section if rrset.rdtype == _RD.RRSIG}
    return [
        Signed(rrset, signatures.get((rrset.name, rrset.rdtype)))
        for rrset in section
        if rrset.rdtype != _RD.RRSIG and rrset.rdclass == dns.rdataclass.IN
    ]


def check(signed: Signed, zone: dns.name.Name, keys: Keys, now: float) -> dns.rdata.Rdata:
    """The signature of `zone` that holds at the time `now` (seconds since 1970). Raises `NotProven` when none does."""
    name = signed.rrset.name
    what = f"{_shown(name)} {_RD.to_text(signed.rrset.rdtype)}"
    if not signed.signatures:
        raise NotProven(f"{what} has no signature (RRSIG)")
    why = f"is not signed by {_shown(zone)}"
    for signature in [each for each in signed.signatures if each.signer == zone][:_MOST_SIGNATURES]:
        try:
            dns.dnssec.validate_rrsig(signed.rrset, signature, {zone: keys[zone]}, now=now)
            return signature
        except (dns.exception.DNSException, ValueError, KeyError) as error:
            why = _REASONS.get(str(error), "has a signature that does not fit")
    raise NotProven(f"{what} {why}")


_REASONS = {
    "expired": "has a signature that has expired",
    "not yet valid": "has a signature that is not valid yet",
    "unknown key": "is signed with a key that the zone does not have",
}
"""dnspython's message -> what it means; any other one means a signature over other data."""


class Absence:
    """The NSEC records of a response that `zone` has signed by `now` (seconds since 1970), and what they deny.

    A record that a wildcard made is left out, and one from above a delegation counts only for that delegation's DS
    (RFC 6840 §4.1). NSEC3 records (RFC 5155), which deny hashed names, are not read: where the zone has signed one,
    what no NSEC record proves raises `NotReadable`.
    """

    def __init__(self, response: dns.message.Message, zone: dns.name.Name, keys: Keys, now: float) -> None:
        self._zone = zone
        self._records: list[tuple[dns.name.Name, dns.rdata.Rdata]] = []
        self._hashed = False
        """Whether there is an NSEC3 record that the zone has signed."""
        for signed in signed_sets(response.authority):
            if signed.rrset.rdtype not in (_RD.NSEC, _RD.NSEC3):
                continue
            try:
                signature = check(signed, zone, keys, now)
            except NotProven:
                continue
            if signed.rrset.rdtype == _RD.NSEC3:
                self._hashed = True
            elif signature.labels == _labels(signed.rrset.name):
                self._records += [(signed.rrset.name, nsec) for nsec in signed.rrset]

    def deny(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> str:
        """Prove that there are no such records, and say how in words. Raises `NotProven`."""
        for owner, nsec in self._records:
            if owner == name:
                return self._no_type(owner, nsec, kind)
        covering = self._covering(name)
        if covering is None:
            raise self._lacking(f"{_shown(name)} has no {_RD.to_text(kind)} record")
        owner, nsec = covering
        if nsec.next.is_subdomain(name):
            return f"{_shown(name)} has no records itself, only names below it have"
        wild = self._wildcard(name, owner, nsec)
        for other, record in self._records:
            if other == wild:
                return self._no_type(other, record, kind)
        if self._covering(wild) is None:
            raise self._lacking(f"there is no wildcard {_shown(wild)}")
        return f"{_shown(name)} does not exist"

    def no_closer(self, name: dns.name.Name, labels: int) -> None:
        """Prove that a wildcard with this many labels was the closest match (RFC 4035 §5.3.4). Raises `NotProven`."""
        closer = dns.name.Name(name.labels[-(labels + 2) :])
        covering = self._covering(closer)
        if covering is None or covering[1].next.is_subdomain(closer):
            raise self._lacking(f"{_shown(name)} comes from a wildcard")

    def delegation(self, name: dns.name.Name) -> bool:
        """Whether these records prove that the name is delegated to a zone without DS (RFC 4035 §5.2)."""
        return any(owner == name and _is_cut(nsec) and not _has(nsec, _RD.DS) for owner, nsec in self._records)

    def _lacking(self, what: str) -> Exception:
        """The error to raise if no NSEC record proves this."""
        if self._hashed:
            return NotReadable(f"whether {what} is told with NSEC3 (RFC 5155), which this resolver does not read")
        return NotProven(f"no NSEC record proves that {what}")

    def _no_type(self, owner: dns.name.Name, nsec: dns.rdata.Rdata, kind: dns.rdatatype.RdataType) -> str:
        if _has(nsec, kind) or _has(nsec, _RD.CNAME):
            raise NotProven(f"the NSEC record of {_shown(owner)} says that it has a {_RD.to_text(kind)} record")
        if _is_cut(nsec) and kind != _RD.DS:
            raise NotProven(f"the NSEC record of {_shown(owner)} is from above a delegation")
        if kind == _RD.DS and _has(nsec, _RD.SOA):
            raise NotProven(f"the NSEC record of {_shown(owner)} is the child's, and says nothing of its DS")
        return f"{_shown(owner)} has no {_RD.to_text(kind)} record"

    def _covering(self, name: dns.name.Name) -> tuple[dns.name.Name, dns.rdata.Rdata] | None:
        """The record whose gap the name is in (RFC 4034 §4.1.1; the last one leads back to the apex)."""
        for owner, nsec in self._records:
            last = nsec.next == self._zone
            if owner < name and (last or name < nsec.next) and not (name.is_subdomain(owner) and _leads_on(nsec)):
                return owner, nsec
        return None

    def _wildcard(self, name: dns.name.Name, owner: dns.name.Name, nsec: dns.rdata.Rdata) -> dns.name.Name:
        """The wildcard that could have matched: below the closest encloser, which follows from both ends of the gap."""
        shared = max(_common(name, owner), _common(name, nsec.next), len(self._zone))
        return dns.name.Name((b"*", *name.labels[-shared:]))


def _common(one: dns.name.Name, other: dns.name.Name) -> int:
    return one.fullcompare(other)[2]


def _is_cut(nsec: dns.rdata.Rdata) -> bool:
    """Whether the owner is delegated: the NSEC is the parent's."""
    return _has(nsec, _RD.NS) and not _has(nsec, _RD.SOA)


def _leads_on(nsec: dns.rdata.Rdata) -> bool:
    """Whether names below the owner are answered elsewhere."""
    return _is_cut(nsec) or _has(nsec, _RD.DNAME)


def _has(nsec: dns.rdata.Rdata, kind: dns.rdatatype.RdataType) -> bool:
    window, offset = divmod(int(kind), 256)
    byte, bit = divmod(offset, 8)
    return any(
        number == window and byte < len(bitmap) and bool(bitmap[byte] & 0x80 >> bit) for number, bitmap in nsec.windows
    )


def _labels(name: dns.name.Name) -> int:
    """Labels as an RRSIG counts them: without the root and a leading asterisk (RFC 4034 §3.1.3)."""
    return len(name) - 1 - name.is_wild()


def _shown(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)
