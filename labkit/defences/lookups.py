"""Questions to a name server and its answers, read out of captured datagrams, with what each is about in words.

What is asked again over TCP is a conversation like any other.
"""

from collections.abc import Iterable
from typing import NamedTuple

from labkit.capture.conversation import Endpoint
from labkit.capture.frames import address
from labkit.capture.passed_over import NAME_SERVER, Datagram
from labkit.defences.plain_question import plain_question
from labkit.defences.resource_records import Question

_ANSWER = 0x80
"""The QR bit, in the third byte of a message (RFC 1035 §4.1.1)."""

_ABOUT = {
    "MX": "which servers take mail for the domain (RFC 5321 §5.1)",
    "A": "the address of a host (RFC 1035 §3.4.1)",
    "TLSA": "the key that the server on this port has to show (RFC 6698 §3)",
    "DS": "whether the zone above vouches for this one's key (RFC 4034 §5)",
    "DNSKEY": "the keys with which the zone is signed (RFC 4034 §2)",
    "CAA": "which authorities may issue for the domain (RFC 8659)",
    "TXT": "a text",
}
_TEXTS = {
    "_mta-sts.": "whether there is a policy of MTA-STS, and its id (RFC 8461 §3.1)",
    "_smtp._tls.": "where TLS reports go (RFC 8460 §3)",
}


class Lookup(NamedTuple):
    """One question, with its answer where it was seen."""

    time: int
    """When it was asked, in nanoseconds since 1970."""
    client: Endpoint
    """The client's address and port."""
    name: str
    type: str
    answer: str
    """What came back, in words; empty where nothing was seen."""
    signed: bool
    """Whether a signature came with it."""

    @property
    def about(self) -> str:
        """What the question is about."""
        texts = _TEXTS.items() if self.type == "TXT" else ()
        special = next((about for prefix, about in texts if self.name.startswith(prefix)), "")
        return special or _ABOUT.get(self.type, "a record")


def lookups(datagrams: Iterable[Datagram]) -> list[Lookup]:
    """The questions in these datagrams to and from port 53, in the order in which they were asked."""
    found: dict[tuple[bytes, int, bytes], Lookup] = {}
    for time, hosts, source, target, message in datagrams:
        asked = _question(message)
        if asked is None:
            continue
        half = len(hosts) // 2
        host, port = (hosts[:half], source) if target == NAME_SERVER else (hosts[half:], target)
        key = host, port, message[:2]
        if not message[2] & _ANSWER:
            found.setdefault(key, Lookup(time, Endpoint(address(host), port), *asked, "", False))
        elif key in found and not found[key].answer:
            found[key] = _answered(found[key], asked, message)
    return list(found.values())


def _answered(lookup: Lookup, asked: Question, message: bytes) -> Lookup:
    from labkit.defences.answering import answered_with  # it loads dnspython, which plain questions do not need
    from labkit.defences.forging import records_in

    records = records_in(message)
    said = ", ".join(records.said) or answered_with(message)
    return Lookup(lookup.time, lookup.client, *asked, said, records.signed)


def _question(message: bytes) -> Question | None:
    """The question of a query or an answer; None for other bytes."""
    if plain := plain_question(message):
        return Question(*plain)
    from labkit.defences.forging import question

    return question(message)
