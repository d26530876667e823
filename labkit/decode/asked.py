"""Questions to a name server in captured frames, found without a DNS library: datagrams to and from port 53.

Only the lab's own frames are looked at: Ethernet, IPv4 and UDP. What the bytes say is `labkit.defences.lookups`.
"""

import re
from collections.abc import Iterable, Iterator
from socket import inet_ntoa
from struct import Struct

from labkit.capture.frames import ETHERNET, Share
from labkit.capture.layers import PLAIN_UDP
from labkit.capture.passed_over import PassedOver
from labkit.capture.pcap import FrameRecord

_PORT = 53
_UDP = 17
_PORTS = _TYPE_AND_CLASS = Struct("!HH")
_ALONE = re.compile(rb"..[\x00-\x07].\x00\x01\x00{6}", re.DOTALL)
"""The header of a query with one question and nothing else (RFC 1035 §4.1.1)."""
_HEADER = 12
_IN = 1
_PLAIN_LABEL = re.compile(rb"[\w-]{1,63}")
_LONGEST_NAME = 255
"""Bytes (RFC 1035 §2.3.4)."""
# fmt: off
_TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 43: "DS",
    46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 52: "TLSA", 64: "SVCB", 65: "HTTPS", 255: "ANY", 257: "CAA",
}
# fmt: on
"""The types that are asked for most, by their number (IANA, DNS parameters)."""

NO_CONNECTION = Share(1, 1)
"""The part of a capture to read for these questions alone: no TCP connection."""


def asks(frames: Iterable[FrameRecord | None], passed_over: PassedOver) -> bool:
    """Whether there is any in these frames, of which those without TCP were counted."""
    return bool(passed_over.frames[PLAIN_UDP]) and next(dns_messages(frames), None) is not None


def dns_messages(frames: Iterable[FrameRecord | None]) -> Iterator[tuple[int, str, bytes]]:
    """(time, client as ``ip:port``, bytes of a DNS message) of each datagram to or from port 53."""
    for time, link, data, _ in filter(None, frames):
        if link != ETHERNET or len(data) < 42 or data[23] != _UDP or data[12:14] != b"\x08\x00":
            continue
        at = 14 + (data[14] & 15) * 4
        if len(data) < at + 8:
            continue
        source, target = _PORTS.unpack_from(data, at)
        if target == _PORT:
            yield time, f"{inet_ntoa(data[26:30])}:{source}", data[at + 8 :]
        elif source == _PORT:
            yield time, f"{inet_ntoa(data[30:34])}:{target}", data[at + 8 :]


def plain_question(message: bytes) -> tuple[str, str] | None:
    """The name, in lower case, and the type that a query is about, if that is all that is in it.

    None for any other message, for a name with a character that zone files would escape, and for a type that is rarely
    asked for. dnspython takes ten times as long, and a capture may have thousands.
    """
    if not _ALONE.match(message):
        return None
    labels, at, size = [], _HEADER, len(message)
    while at < size and (length := message[at]):
        label = message[at + 1 : at + 1 + length]
        if len(label) < length or not _PLAIN_LABEL.fullmatch(label):
            return None
        labels.append(label)
        at += 1 + length
    if not labels or size < at + 5 or at + 1 - _HEADER > _LONGEST_NAME:
        return None
    type, class_ = _TYPE_AND_CLASS.unpack_from(message, at + 1)
    return (b".".join(labels).decode().lower(), _TYPES[type]) if class_ == _IN and type in _TYPES else None
