"""Questions answered from zones: the algorithm of RFC 1034 §4.3.2, with the proofs that RFC 4035 §3.1 adds. Pure.

Bytes of a query in, bytes of a response out. The sockets are in `nameserver`.
"""

from collections.abc import Callable, Sequence

import dns.btreezone
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset

from labkit.defences.zone import Zone

UDP_LIMIT = 1232
"""Bytes of a response over UDP: what fits into a packet on every path (RFC 9715 recommends at most 1400)."""
_SMALLEST = 512
"""Bytes that every client takes over UDP (RFC 1035 §4.2.1); more if it says so (RFC 6891 §6.2.3)."""
_TCP_LIMIT = 65535
_LIMITS: dict[str, Callable[[dns.message.Message], int]] = {
    "UDP": lambda asked: min(UDP_LIMIT, max(_SMALLEST, asked.payload)),
    "TCP": lambda _: _TCP_LIMIT,
}
"""Transport -> bytes of the longest response to a query."""
_ALIASES = 8
"""CNAMEs that are followed within a response."""
_RD = dns.rdatatype


def respond(zones: Sequence[Zone], query: bytes, over: str) -> bytes | None:
    """The response to a query that came `over` ``UDP`` or ``TCP``; None for bytes that are not a query.

    A response that does not fit is empty and has the TC bit set, so that the client asks again over TCP (RFC 2181 §9).
    """
    try:
        asked = dns.message.from_wire(query)
    except (dns.exception.DNSException, ValueError):
        return None
    if asked.flags & dns.flags.QR or len(asked.question) != 1:
        return None
    response = dns.message.make_response(asked, recursion_available=False, our_payload=UDP_LIMIT)
    question = asked.question[0]
    if asked.opcode() != dns.opcode.QUERY or question.rdclass != dns.rdataclass.IN:
        response.set_rcode(dns.rcode.NOTIMP)
    else:
        _Response(zones, response, bool(asked.ednsflags & dns.flags.DO)).answer(question.name, question.rdtype)
    wire = response.to_wire(max_size=_TCP_LIMIT)
    return wire if len(wire) <= _LIMITS[over](asked) else _truncated(response)


def _truncated(response: dns.message.Message) -> bytes:
    response.answer, response.authority, response.additional = [], [], []
    response.flags |= dns.flags.TC
    return response.to_wire()


def asked_for(query: bytes) -> str:
    """What a query asks, in words: ``bob.test MX``."""
    try:
        question = dns.message.from_wire(query, ignore_trailing=True).question[0]
    except (dns.exception.DNSException, ValueError, IndexError):
        return f"{len(query)} bytes that are no question"
    return f"{question.name.to_text(omit_final_dot=True)} {_RD.to_text(question.rdtype)}"


def answered_with(response: bytes | None) -> str:
    """What a response says, in words: ``2 records``."""
    if response is None:
        return "no answer"
    try:
        message = dns.message.from_wire(response, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return "bytes that are no answer"
    if message.flags & dns.flags.TC:
        return "too long, to be asked for over TCP (TC)"
    records = sum(len(rrset) for rrset in message.answer if rrset.rdtype != _RD.RRSIG)
    return f"{records} record{'s' * (records != 1)}" if records else dns.rcode.to_text(message.rcode())


class _Response:
    """One response as it fills; `proofs` says whether the client wants signatures and proofs (the DO bit)."""

    def __init__(self, zones: Sequence[Zone], response: dns.message.Message, proofs: bool) -> None:
        self._zones = zones
        self._response = response
        self._proofs = proofs

    def answer(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, aliases: int = _ALIASES) -> None:
        zone = _zone_of(self._zones, name, kind)
        if zone is None:
            if aliases == _ALIASES:
                self._response.set_rcode(dns.rcode.REFUSED)
            return
        self._response.flags |= dns.flags.AA
        content = zone.content
        bounds = content.bounds(name)
        if bounds.is_delegation and not (bounds.is_equal and kind == _RD.DS):
            self._refer(content, bounds.left)
            return
        node = content.get_node(name)
        if node is None and bounds.closest_encloser != name:
            wild = dns.name.Name(("*", *bounds.closest_encloser.labels))
            node = content.get_node(wild)
            if node is None:
                self._response.set_rcode(dns.rcode.NXDOMAIN)
                self._deny(content, bounds.left, content.bounds(wild).left)
                return
            self._deny_exact(content, bounds.left)
        self._from_node(content, name, node, kind, bounds.left, aliases)

    def _from_node(
        self,
        content: dns.btreezone.ImmutableVersion,
        name: dns.name.Name,
        node: dns.node.Node | None,
        kind: dns.rdatatype.RdataType,
        left: dns.name.Name,
        aliases: int,
    ) -> None:
        found = node.get_rdataset(dns.rdataclass.IN, kind) if node else None
        alias = node.get_rdataset(dns.rdataclass.IN, _RD.CNAME) if node else None
        if found:
            self._add(self._response.answer, name, node, found)
        elif alias:
            self._add(self._response.answer, name, node, alias)
            if aliases:
                self.answer(alias[0].target, kind, aliases - 1)
        else:
            wild = dns.name.Name(("*", *content.bounds(name).closest_encloser.labels))
            self._deny(content, left, wild if node and content.get_node(name) is None else left)

    def _refer(self, content: dns.btreezone.ImmutableVersion, cut: dns.name.Name) -> None:
        """A referral: the child's name servers, and its DS or the proof that it has none (RFC 4035 §3.1.4)."""
        self._response.flags &= ~dns.flags.AA
        node = content.get_node(cut)
        self._response.authority.append(_rrset(cut, node.get_rdataset(dns.rdataclass.IN, _RD.NS)))
        vouched = node.get_rdataset(dns.rdataclass.IN, _RD.DS) or node.get_rdataset(dns.rdataclass.IN, _RD.NSEC)
        if self._proofs and vouched:
            self._add(self._response.authority, cut, node, vouched)

    def _deny(self, content: dns.btreezone.ImmutableVersion, *owners: dns.name.Name) -> None:
        """Nothing is there: the SOA, and the NSEC records that prove it (RFC 4035 §3.1.3)."""
        self._put(content, content.origin, _RD.SOA)
        for owner in dict.fromkeys(owners):
            self._deny_exact(content, owner)

    def _deny_exact(self, content: dns.btreezone.ImmutableVersion, owner: dns.name.Name) -> None:
        if self._proofs:
            self._put(content, owner, _RD.NSEC)

    def _put(
        self, content: dns.btreezone.ImmutableVersion, owner: dns.name.Name, kind: dns.rdatatype.RdataType
    ) -> None:
        node = content.get_node(owner)
        rdataset = node.get_rdataset(dns.rdataclass.IN, kind)
        if rdataset:
            self._add(self._response.authority, owner, node, rdataset)

    def _add(
        self,
        section: list[dns.rrset.RRset],
        owner: dns.name.Name,
        node: dns.node.Node,
        rdataset: dns.rdataset.Rdataset,
    ) -> None:
        if any(rrset.name == owner and rrset.rdtype == rdataset.rdtype for rrset in section):
            return
        section.append(_rrset(owner, rdataset))
        signatures = node.get_rdataset(dns.rdataclass.IN, _RD.RRSIG, rdataset.rdtype)
        if self._proofs and signatures:
            section.append(_rrset(owner, signatures))


def _zone_of(zones: Sequence[Zone], name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Zone | None:
    """The zone that answers: the deepest that holds the name; for a DS it is the parent's (RFC 4035 §3.1.4.1)."""
    holding = sorted((zone for zone in zones if name.is_subdomain(zone.origin)), key=lambda zone: len(zone.origin))
    if kind == _RD.DS and len(holding) > 1 and holding[-1].origin == name:
        holding.pop()
    return holding[-1] if holding else None


def _rrset(owner: dns.name.Name, rdataset: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    rrset = dns.rrset.RRset(owner, rdataset.rdclass, rdataset.rdtype, rdataset.covers)
    rrset.update(rdataset)
    return rrset
