"""Answers of the DNS, changed as an attacker on the path would: a true answer in, a forged one out. Pure.

No key is needed for it, so a validating resolver notices.
"""

from collections.abc import Callable
from typing import NamedTuple

import dns.exception
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from labkit.defences.resource_records import Question
from labkit.defences.zone import TTL, absolute

_RD = dns.rdatatype
_LARGEST = 65535


def question(query: bytes) -> Question | None:
    """The question of a query or an answer; None for other bytes."""
    try:
        asked = dns.message.from_wire(query, ignore_trailing=True).question[0]
    except (dns.exception.DNSException, ValueError, IndexError):
        return None
    return Question(asked.name.to_text(omit_final_dot=True).lower(), _RD.to_text(asked.rdtype))


class Contents(NamedTuple):
    """What an answer holds."""

    said: tuple[str, ...]
    """Its records, in the notation of zone files, without signatures."""
    signed: bool
    """Whether there are signatures."""


def records_in(answer: bytes) -> Contents:
    """The records of an answer; nothing for other bytes."""
    try:
        message = dns.message.from_wire(answer, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return Contents((), False)
    kept = [rrset for rrset in message.answer if rrset.rdtype != _RD.RRSIG]
    signed = any(rrset.rdtype == _RD.RRSIG for rrset in (*message.answer, *message.authority))
    return Contents(tuple(rdata.to_text() for rrset in kept for rdata in rrset), signed)


def unsigned(answer: bytes) -> bytes:
    """The answer without its signatures."""

    def change(message: dns.message.Message) -> None:
        for section in (message.answer, message.authority):
            section[:] = [rrset for rrset in section if rrset.rdtype != _RD.RRSIG]

    return _changed(answer, change)


def saying(answer: bytes, *records: str) -> bytes:
    """The answer with other records of the type that was asked for; signatures stay, and fit no longer."""

    def change(message: dns.message.Message) -> None:
        asked = message.question[0]
        kept = [rrset for rrset in message.answer if rrset.rdtype == _RD.RRSIG and rrset.covers == asked.rdtype]
        forged = dns.rrset.from_text(asked.name, TTL, "IN", asked.rdtype, *records)
        message.answer, message.authority = [forged, *kept], []
        message.set_rcode(dns.rcode.NOERROR)

    return _changed(answer, change)


def absent(answer: bytes) -> bytes:
    """The answer that the name does not exist, without proof."""

    def change(message: dns.message.Message) -> None:
        message.answer, message.authority = [], []
        message.set_rcode(dns.rcode.NXDOMAIN)

    return _changed(answer, change)


def denied_by(answer: bytes, other: bytes) -> bytes:
    """The answer that the name does not exist, with the signed proof that stands in `other`, about another name."""

    def change(message: dns.message.Message) -> None:
        proof = dns.message.from_wire(other)
        message.answer, message.authority = [], proof.authority
        message.set_rcode(dns.rcode.NXDOMAIN)

    return _changed(answer, change)


def asking_for(query: bytes, name: str, type: str) -> bytes:
    """The query, about another name."""
    message = dns.message.from_wire(query)
    message.question = [dns.rrset.RRset(absolute(name), dns.rdataclass.IN, _RD.from_text(type))]
    return message.to_wire()


def _changed(answer: bytes, change: Callable[[dns.message.Message], None]) -> bytes:
    message = dns.message.from_wire(answer)
    change(message)
    return message.to_wire(max_size=_LARGEST)
