"""From a captured frame to its TCP segment: link, network and transport headers, read with `struct`.

Link types are those of pcap (draft-ietf-opsawg-pcaplinktype); IPv4 is RFC 791, IPv6 RFC 8200, TCP RFC 9293.
This is the hot path: no classes, no scapy. What is not a whole TCP segment is None.
"""

import socket
from collections.abc import Callable
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

ETHERNET, NULL, RAW, LOOP, SLL, SLL2 = 1, 0, 101, 108, 113, 276

IPV4_ON_ETHERNET = b"\x08\x00\x45"
"""What Ethernet carries, and how IPv4 begins where it has no options: in nearly every frame, from its 12th byte on."""
_USUAL = Struct("!12x3sxH2xI2x12sIIBB6x").unpack_from
"""Those, total length, everything from the flags to the protocol, then as below. No Ethernet frame with a TCP segment
is shorter than that."""
_IPV4_HEADER = Struct("!BxH2xHxB2x8s").unpack_from
"""Version and header length, total length, flags and fragment offset, protocol, both addresses."""
_IPV6_HEADER = Struct("!4xHBx32s").unpack_from
"""Payload length, next header, both addresses."""
_TCP_HEADER = Struct("!4sIIBB6x").unpack_from
"""Both ports, sequence number, acknowledgment number, data offset, flags."""
_U16 = Struct("!H").unpack_from
_PORTS = Struct("!HH")

_IPV4, _IPV6 = 0x0800, 0x86DD
_VLAN = {0x8100, 0x88A8, 0x9100}
_EXTENSION_HEADERS = {0, 43, 60, 135, 139, 140}
_TCP = 6
_FRAGMENT, _FRAGMENT_AND_PROTOCOL = 0x3FFF, 0x3FFF00FF
"""More-fragments flag and fragment offset; the same, the time to live left out, and the protocol."""
_SHORTEST = 5 << 4
"""The data offset of a TCP header without options: five words of four bytes."""

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

    @property
    def source(self) -> End:
        """Where it comes from."""
        return self._end(0)

    @property
    def target(self) -> End:
        """Where it goes."""
        return self._end(1)

    def _end(self, which: int) -> End:
        size = len(self.ends) // 2 - 2
        return self.ends[which * size : (which + 1) * size], _PORTS.unpack(self.ends[-4:])[which]


def ends(source: End, target: End) -> bytes:
    """What a connection is called in one direction: 12 bytes for IPv4, where they stand together, 36 for IPv6."""
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

Found = tuple[bytes, int, int, int, bytes]
"""What a `Segment` has, as a bare tuple: there are many, and most are looked at once."""


def segment(link: int, data: bytes) -> Segment | None:
    """The TCP segment in a frame of this link type; None for anything else, fragments and cut headers included."""
    found = find(link, data)
    return found and Segment(*found)


def find(link: int, data: bytes) -> Found | None:
    """The same, bare."""
    try:
        if link == ETHERNET:
            beginning, total, middle, both, seq, ack, offset, flags = _USUAL(data)
            begin, end = 34 + (offset >> 4) * 4, 14 + total
            if beginning == IPV4_ON_ETHERNET and middle & _FRAGMENT_AND_PROTOCOL == _TCP and 54 <= begin <= end:
                return both, seq, ack, flags, data[begin:end]
        start = _LINKS[link](data)
        if start < 0:
            return None
        first, total, fragment, protocol, hosts = _IPV4_HEADER(data, start)
        if first >> 4 == 4:
            if protocol != _TCP or fragment & _FRAGMENT:
                return None
            at = start + (first & 15) * 4
            # A capture of segments that the network card will cut has a total length of zero.
            end = start + (total or len(data))
        elif first >> 4 == 6:
            hosts, at, end = _ipv6(data, start)
        else:
            return None
        ports, seq, ack, offset, flags = _TCP_HEADER(data, at)
        begin = at + (offset >> 4) * 4
        if at < start + 20 or begin < at + 20 or begin > end:
            return None
        return hosts + ports, seq, ack, flags, data[begin:end]
    except (KeyError, IndexError, StructError):
        return None


def _ipv6(data: bytes, start: int) -> tuple[bytes, int, int]:
    """Both addresses, where TCP begins (behind everything where none is), and where it ends."""
    length, following, hosts = _IPV6_HEADER(data, start)
    at = start + 40
    end = at + (length or len(data))
    while following in _EXTENSION_HEADERS:
        following, at = data[at], at + 8 + data[at + 1] * 8
    return hosts, at if following == _TCP else len(data), end


def known(link: int) -> bool:
    """Whether frames of this link type can be read."""
    return link in _LINKS


def address(ip: bytes) -> str:
    """An IP address of 4 or 16 bytes in its usual text form."""
    return socket.inet_ntoa(ip) if len(ip) == 4 else socket.inet_ntop(socket.AF_INET6, ip)


def _ethernet(data: bytes) -> int:
    kind, at = _U16(data, 12)[0], 14
    while kind in _VLAN:
        kind, at = _U16(data, at + 2)[0], at + 4
    return at if kind in (_IPV4, _IPV6) else -1


def _by_ethertype(offset: int, length: int) -> Callable[[bytes], int]:
    def start(data: bytes) -> int:
        return length if _U16(data, offset)[0] in (_IPV4, _IPV6) else -1

    return start


def _fixed(length: int) -> Callable[[bytes], int]:
    return lambda data: length


_LINKS = {
    ETHERNET: _ethernet,
    # NULL writes the address family in the byte order of its machine; the IP version after it says the same.
    NULL: _fixed(4),
    LOOP: _fixed(4),
    RAW: _fixed(0),
    12: _fixed(0),
    14: _fixed(0),
    228: _fixed(0),
    229: _fixed(0),
    SLL: _by_ethertype(14, 16),
    SLL2: _by_ethertype(0, 20),
}
