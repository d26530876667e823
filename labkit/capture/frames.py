"""A TCP segment, and how it is found in the usual frame: Ethernet, IPv4 without options, TCP (RFC 791, RFC 9293).

This is the hot path: no classes, no scapy. All other link types, tunnels and headers are read by `encapsulation`.
"""

import socket
from struct import Struct
from typing import NamedTuple

ETHERNET, NULL, RAW, LOOP, SLL, SLL2 = 1, 0, 101, 108, 113, 276

IPV4_ON_ETHERNET = b"\x08\x00\x45"
"""EtherType IPv4, and the first byte of an IPv4 header without options: bytes 12 to 14 of nearly every frame."""
_USUAL = Struct("!12x3sxH2xI2x12sIIBB6x").unpack_from
"""Those, total length, everything from the flags to the protocol, then as below. No Ethernet frame with a TCP segment
is shorter than that."""
_PORTS = Struct("!HH")

TCP = 6
"""The number of TCP in IP."""
_FRAGMENT_AND_PROTOCOL = 0x3FFF00FF
"""More-fragments flag and fragment offset, the time to live left out, and the protocol."""
_SHORTEST_FRAME = 54
"""Bytes of the three headers."""

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


End = tuple[bytes, int]
"""An IP address of 4 or 16 bytes, and a TCP port in host order."""


class Segment(NamedTuple):
    """One TCP segment."""

    ends: bytes
    """Source and target address, source and target port, in network order: see `ends`."""
    seq: int
    ack: int
    flags: int
    """The low byte of the TCP flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16."""
    payload: bytes
    missing: int = 0
    """How many further bytes of payload the frame had on the wire that were not captured."""

    @property
    def source(self) -> End:
        """The sender's address and port."""
        return self._end(0)

    @property
    def target(self) -> End:
        """The receiver's address and port."""
        return self._end(1)

    def _end(self, which: int) -> End:
        size = len(self.ends) // 2 - 2
        return self.ends[which * size : (which + 1) * size], _PORTS.unpack(self.ends[-4:])[which]


def ends(source: End, target: End) -> bytes:
    """The key of a connection in one direction: 12 bytes for IPv4, where they stand together, 36 for IPv6."""
    return source[0] + target[0] + _PORTS.pack(source[1], target[1])


class Share:
    """One of several equal parts of all TCP connections: `number`, counted from 0, of `of`."""

    def __init__(self, number: int, of: int) -> None:
        # Half of the sum, because systems give only odd, or only even, ports to clients.
        self.elsewhere = bytes((total >> 1) % of != number for total in range(0xFF + 0xFF + 1))
        """The sum of the last bytes of both ports -> whether the connection belongs to another part."""

    def has(self, both: bytes) -> bool:
        """Whether the connection with these ends (`Segment.ends`) belongs to it."""
        return not self.elsewhere[both[-3] + both[-1]]


ALL = Share(0, 1)

FoundSegment = tuple[bytes, int, int, int, bytes, int]
"""The fields of a `Segment` as a plain tuple, because most are read once: to name them takes 0.15 µs each, 1 % of
decoding."""


def find(link: int, data: bytes) -> FoundSegment | None:
    """The fields of the `Segment` in an Ethernet frame with IPv4 without options; None for every other frame.

    Nearly all frames are of that kind. What else carries TCP is read by `encapsulation`.
    """
    if link != ETHERNET or len(data) < _SHORTEST_FRAME:
        return None
    beginning, total, middle, both, seq, ack, offset, flags = _USUAL(data)
    begin, end = 34 + (offset >> 4) * 4, 14 + total
    if beginning == IPV4_ON_ETHERNET and middle & _FRAGMENT_AND_PROTOCOL == TCP and 54 <= begin <= end:
        payload = data[begin:end]
        return both, seq, ack, flags, payload, end - begin - len(payload)
    return None


def address(ip: bytes) -> str:
    """An IP address of 4 or 16 bytes in its usual text form."""
    return socket.inet_ntoa(ip) if len(ip) == 4 else socket.inet_ntop(socket.AF_INET6, ip)
