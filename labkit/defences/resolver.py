"""A resolver that validates (RFC 4035 §4.3, §5): every answer is secure, insecure, bogus or indeterminate.

It asks one name server for everything and believes only the trust anchors. `ask` carries the bytes; a query that fails
there makes the answer indeterminate, never absent. The work for one answer is bounded by the labels of its names.
"""

import time
from collections.abc import Callable, Mapping

import dns.dnssec
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataset
import dns.rdatatype
import dns.rrset

from labkit.defences.proofs import Absence, Keys, NotProven, NotReadable, Signed, check, signed_sets
from labkit.defences.resource_records import (
    BOGUS,
    CAA,
    INDETERMINATE,
    INSECURE,
    MX,
    SECURE,
    TLSA,
    DNSAnswer,
    ResourceRecord,
)
from labkit.defences.zone import absolute, rdatatype
from labkit.errors import LabError

_RD = dns.rdatatype
_ALIASES = 8
"""CNAMEs that are followed."""
_MOST_KEYS = 16
"""Keys of a zone; with many that look alike, one answer could keep a resolver busy for hours (CVE-2023-50387)."""
_ALGORITHMS = {8, 10, 13, 14, 15, 16}
"""Algorithms of signatures that are understood (RFC 8624 §3.1)."""
_DIGESTS = {2, 4}
"""Digests of a DS that are understood: SHA-256 and SHA-384 (RFC 8624 §3.3)."""

RRsetKey = tuple[dns.name.Name, dns.rdatatype.RdataType]
OneStep = tuple[str, dns.rrset.RRset | None, str]
"""What was found at one name, before its alias is followed: (status, records, why)."""


class _Failed(Exception):
    """No usable response; the message says why."""


class Resolver:
    """Looks names up at one name server; it keeps every response for its own lifetime, whatever the TTL.

    `ask` takes the bytes of a query and returns those of the response; it raises `LabError` or `OSError` when there is
    none in time. `anchors` are zones with their DS records, as text, one a line; `clock` gives the seconds since 1970.
    """

    def __init__(
        self, ask: Callable[[bytes], bytes], anchors: Mapping[str, str], clock: Callable[[], float] = time.time
    ) -> None:
        self._ask = ask
        self._anchors = {absolute(zone): _ds(text) for zone, text in anchors.items()}
        self._clock = clock
        self._responses: dict[RRsetKey, dns.message.Message | _Failed] = {}
        self._steps: dict[RRsetKey, OneStep] = {}
        self._trusted: dict[dns.name.Name, Keys | NotProven | _Failed] = {}

    def resolve(self, name: str, type: str) -> DNSAnswer:
        """The records of this type at a name; aliases are followed. Raises `LabError` for a name that cannot be."""
        kind = rdatatype(type)
        here, seen, statuses = absolute(name), [], []
        while True:
            status, rrset, why = self._step(here, kind)
            seen.append(here)
            statuses.append(status)
            alias = rrset is not None and rrset.rdtype == _RD.CNAME != kind
            if not alias or status in (BOGUS, INDETERMINATE):
                break
            here = rrset[0].target
            if here in seen or len(seen) > _ALIASES:
                status, rrset, why = INDETERMINATE, None, "the aliases (CNAME) lead in a circle or are too many"
                statuses.append(status)
                break
        return DNSAnswer(
            _text(seen[0]),
            type,
            max(statuses, key=_WEAKNESS.index),
            tuple(sorted(map(_record, rrset or ()), key=str)) if status in (SECURE, INSECURE) else (),
            why,
            _text(here),
            statuses[0],
        )

    def _step(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> OneStep:
        """The records of that type at one name, or its alias, or nothing."""
        if (name, kind) not in self._steps:
            try:
                self._steps[name, kind] = self._judged(name, kind)
            except (_Failed, NotReadable) as failure:
                self._steps[name, kind] = INDETERMINATE, None, str(failure)
        return self._steps[name, kind]

    def _judged(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> OneStep:
        response = self._response(name, kind)
        found = [signed for signed in signed_sets(response.answer) if signed.rrset.name == name]
        wanted = [signed for signed in found if signed.rrset.rdtype == kind]
        aliases = [signed for signed in found if signed.rrset.rdtype == _RD.CNAME]
        if wanted or aliases:
            return self._present((wanted or aliases)[0], response, kind)
        return self._absent(response, name, kind)

    def _present(self, signed: Signed, response: dns.message.Message, kind: dns.rdatatype.RdataType) -> OneStep:
        name, why = signed.rrset.name, f"{_text(signed.rrset.name)} has no signature (RRSIG)"
        for zone in _possible(signed.signers, name, kind):
            try:
                keys = self._keys(zone)
                signature = check(signed, zone, keys, self._clock())
                if signature.labels < len(name) - 1 - name.is_wild():
                    Absence(response, zone, keys, self._clock()).no_closer(name, signature.labels)
                return SECURE, signed.rrset, ""
            except NotProven as error:
                why = str(error)
        return self._unless_signed(name, kind, signed.rrset, why)

    def _absent(self, response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> OneStep:
        signers = {signer for signed in signed_sets(response.authority) for signer in signed.signers}
        why = f"nothing proves that {_text(name)} has no {_RD.to_text(kind)} record"
        for zone in _possible(signers, name, kind):
            try:
                return SECURE, None, Absence(response, zone, self._keys(zone), self._clock()).deny(name, kind)
            except NotProven as error:
                why = str(error)
        return self._unless_signed(name, kind, None, why)

    def _unless_signed(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, rrset: dns.rrset.RRset | None, why: str
    ) -> OneStep:
        """An answer without a valid signature: insecure if its zone is proven unsigned, otherwise bogus."""
        anchor = self._anchor(name)
        if anchor is None:
            return INSECURE, rrset, "no trust anchor is above it"
        cuts = [dns.name.Name(name.labels[-n:]) for n in range(len(anchor) + 1, len(name) + (kind != _RD.DS))]
        try:
            return self._unsigned(anchor, cuts, rrset) or (BOGUS, None, why)
        except NotProven as error:
            return BOGUS, None, str(error)

    def _unsigned(
        self, zone: dns.name.Name, cuts: list[dns.name.Name], rrset: dns.rrset.RRset | None
    ) -> OneStep | None:
        """Go down from a signed zone to the first of the names below that is proven unsigned; None if none is."""
        for cut in cuts:
            status, ds, doubt = self._step(cut, _RD.DS)
            if status != SECURE:
                return status, None, doubt
            if ds is not None and ds.rdtype == _RD.DS:
                if not _understood(ds):
                    return INSECURE, rrset, f"the algorithm of the keys of {_text(cut)} is not known here"
                zone = cut
            elif Absence(self._response(cut, _RD.DS), zone, self._keys(zone), self._clock()).delegation(cut):
                return INSECURE, rrset, f"{_text(cut)} is not signed: {_text(zone)} has no DS record for it"
        return None

    def _keys(self, zone: dns.name.Name) -> Keys:
        """The keys of a zone, by the chain from its trust anchor. Raises `NotProven` and `_Failed`."""
        if zone not in self._trusted:
            try:
                self._trusted[zone] = self._chain(zone)
            except (NotProven, _Failed) as error:
                self._trusted[zone] = error
        keys = self._trusted[zone]
        if isinstance(keys, Exception):
            raise keys
        return keys

    def _chain(self, zone: dns.name.Name) -> Keys:
        if zone in self._anchors:
            vouched = self._anchors[zone]
        elif self._anchor(zone) is None:
            raise NotProven(f"no trust anchor is above {_text(zone)}")
        else:
            status, ds, why = self._step(zone, _RD.DS)
            if status == INDETERMINATE:
                raise _Failed(why)
            if status != SECURE or ds is None or ds.rdtype != _RD.DS:
                raise NotProven(f"nothing vouches for the keys of {_text(zone)}{f': {why}' if why else ''}")
            vouched = ds
        response = self._response(zone, _RD.DNSKEY)
        for signed in signed_sets(response.answer):
            if signed.rrset.name == zone and signed.rrset.rdtype == _RD.DNSKEY:
                if len(signed.rrset) > _MOST_KEYS:
                    raise NotProven(f"{_text(zone)} shows {len(signed.rrset)} keys, more than {_MOST_KEYS}")
                trusted = [key for key in signed.rrset if any(_vouches(ds, zone, key) for ds in vouched)]
                entry = {zone: dns.rdataset.from_rdata_list(signed.rrset.ttl, trusted)} if trusted else {}
                check(signed, zone, entry, self._clock())
                return {zone: signed.rrset}
        raise NotProven(f"{_text(zone)} shows no keys (DNSKEY)")

    def _anchor(self, name: dns.name.Name) -> dns.name.Name | None:
        """The trust anchor that is closest above a name."""
        return max((zone for zone in self._anchors if name.is_subdomain(zone)), key=len, default=None)

    def _response(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.message.Message:
        """The name server's response, which is kept. Raises `_Failed`."""
        if (name, kind) not in self._responses:
            try:
                self._responses[name, kind] = self._asked(name, kind)
            except _Failed as failure:
                self._responses[name, kind] = failure
        response = self._responses[name, kind]
        if isinstance(response, _Failed):
            raise response
        return response

    def _asked(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.message.Message:
        query = dns.message.make_query(name, kind, want_dnssec=True)
        try:
            response = dns.message.from_wire(self._ask(query.to_wire()))
        except (LabError, OSError) as error:
            raise _Failed(f"no answer about {_text(name)} {_RD.to_text(kind)}: {str(error).rstrip('.')}") from error
        except (dns.exception.DNSException, ValueError) as error:
            raise _Failed(f"the answer about {_text(name)} {_RD.to_text(kind)} cannot be read") from error
        if not query.is_response(response):
            raise _Failed(f"the answer is to another question than {_text(name)} {_RD.to_text(kind)}")
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            said = dns.rcode.to_text(response.rcode())
            raise _Failed(f"the name server says {said} about {_text(name)} {_RD.to_text(kind)}")
        return response


_WEAKNESS = (SECURE, INSECURE, INDETERMINATE, BOGUS)


def _possible(signers: set[dns.name.Name], name: dns.name.Name, kind: dns.rdatatype.RdataType) -> list[dns.name.Name]:
    """The zones that can have signed what is at a name, deepest first; a DS is signed by a zone above."""
    above = {zone for zone in signers if name.is_subdomain(zone) and not (kind == _RD.DS and zone == name)}
    return sorted(above, key=len, reverse=True)


def _understood(ds: dns.rrset.RRset) -> bool:
    return any(record.algorithm in _ALGORITHMS and record.digest_type in _DIGESTS for record in ds)


def _vouches(ds: dns.rdata.Rdata, zone: dns.name.Name, key: dns.rdata.Rdata) -> bool:
    if ds.digest_type not in _DIGESTS or ds.algorithm != key.algorithm or ds.key_tag != dns.dnssec.key_id(key):
        return False
    return dns.dnssec.make_ds(zone, key, ds.digest_type, validating=True) == ds


def _ds(text: str) -> dns.rdataset.Rdataset:
    return dns.rdataset.from_text("IN", "DS", 0, *text.splitlines())


def _record(rdata: dns.rdata.Rdata) -> ResourceRecord:
    read = _READ.get(rdata.rdtype)
    return read(rdata) if read else rdata.to_text()


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower().removesuffix(".")


_READ: dict[dns.rdatatype.RdataType, Callable[[dns.rdata.Rdata], ResourceRecord]] = {
    _RD.MX: lambda rdata: MX(rdata.preference, _text(rdata.exchange)),
    _RD.TLSA: lambda rdata: TLSA(rdata.usage, rdata.selector, rdata.mtype, rdata.cert),
    _RD.CAA: lambda rdata: CAA(rdata.flags, rdata.tag.decode("latin-1"), rdata.value.decode("latin-1")),
    _RD.TXT: lambda rdata: b"".join(rdata.strings).decode("latin-1"),
    _RD.CNAME: lambda rdata: _text(rdata.target),
}
"""Type -> the record as this room's small value; of others, the notation of zone files."""
