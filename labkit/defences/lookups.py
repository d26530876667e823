"""Questions to a name server and its answers, read out of captured frames, with what each is about in words.

Only the lab's own frames are read: Ethernet, IPv4 and UDP on port 53. What is asked again over TCP is a conversation
like any other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from socket import inet_ntoa
from struct import Struct

from labkit.capture.frames import ETHERNET
from labkit.capture.pcap import Frame
from labkit.defences.answering import answered_with
from labkit.defences.forging import question, records_in

_PORT = 53
_UDP = 17
_PORTS = Struct("!HH")
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


@dataclass(frozen=True)
class Lookup:
    """One question, with its answer where it was seen."""

    time: int
    """When it was asked, in nanoseconds since 1970."""
    client: str
    """``ip:port`` of the client."""
    name: str
    type: str
    answer: str
    """What came back, in words; empty where nothing was seen."""
    signed: bool
    """Whether a signature came with it."""

    @property
    def about(self) -> str:
        """What the question is about."""
        special = next((about for prefix, about in _TEXTS.items() if self.name.startswith(prefix)), "")
        return (special if self.type == "TXT" else "") or _ABOUT.get(self.type, "a record")


def lookups(frames: Iterable[Frame]) -> list[Lookup]:
    """The questions in these frames, in the order in which they were asked."""
    found: dict[tuple[str, bytes], Lookup] = {}
    for time, client, message in _messages(frames):
        asked = question(message)
        if asked is None:
            continue
        key = client, message[:2]
        if not message[2] & _ANSWER:
            found.setdefault(key, Lookup(time, client, *asked, "", False))
        elif key in found and not found[key].answer:
            earlier = found[key]
            records = records_in(message)
            said = ", ".join(records.said) or answered_with(message)
            found[key] = Lookup(earlier.time, client, *asked, said, records.signed)
    return list(found.values())


def _messages(frames: Iterable[Frame]) -> Iterator[tuple[int, str, bytes]]:
    """(time, client, DNS message) of each datagram to or from port 53."""
    for frame in frames:
        data = frame.data
        if frame.link != ETHERNET or len(data) < 42 or data[12:14] != b"\x08\x00" or data[23] != _UDP:
            continue
        at = 14 + (data[14] & 15) * 4
        if len(data) < at + 8:
            continue
        source, target = _PORTS.unpack_from(data, at)
        if target == _PORT:
            yield frame.time, f"{inet_ntoa(data[26:30])}:{source}", data[at + 8 :]
        elif source == _PORT:
            yield frame.time, f"{inet_ntoa(data[30:34])}:{target}", data[at + 8 :]
