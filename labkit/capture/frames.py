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

_PORTS_SEQ_ACK_OFFSET_FLAGS = Struct("!HHIIBB").unpack_from
_U16 = Struct("!H").unpack_from

_IPV4, _IPV6 = 0x0800, 0x86DD
_VLAN = {0x8100, 0x88A8, 0x9100}
_EXTENSION_HEADERS = {0, 43, 60, 135, 139, 140}
_TCP = 6

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


class Segment(NamedTuple):
    """One TCP segment."""

    source: bytes
    """IP address, 4 or 16 bytes."""
    source_port: int
    target: bytes
    target_port: int
    seq: int
    ack: int
    flags: int
    """The low byte of the TCP flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16."""
    payload: bytes


def segment(link: int, data: bytes) -> Segment | None:
    """The TCP segment in a frame of this link type; None for anything else, fragments and cut headers included."""
    try:
        start = _LINKS[link](data)
        if start < 0:
            return None
        version = data[start] >> 4
        if version == 4:
            return _ipv4(data, start)
        return _ipv6(data, start) if version == 6 else None
    except (IndexError, StructError):
        return None


def known(link: int) -> bool:
    """Whether frames of this link type can be read."""
    return link in _LINKS


def address(ip: bytes) -> str:
    """An IP address of 4 or 16 bytes in its usual text form."""
    return socket.inet_ntoa(ip) if len(ip) == 4 else socket.inet_ntop(socket.AF_INET6, ip)


def _ipv4(data: bytes, start: int) -> Segment | None:
    if data[start + 9] != _TCP or _U16(data, start + 6)[0] & 0x3FFF:
        return None
    header = (data[start] & 15) * 4
    # A capture of segments that the network card will cut has a total length of zero.
    end = start + (_U16(data, start + 2)[0] or len(data) - start)
    return _tcp(data, start + header, end, data[start + 12 : start + 16], data[start + 16 : start + 20])


def _ipv6(data: bytes, start: int) -> Segment | None:
    length = _U16(data, start + 4)[0]
    following, at = data[start + 6], start + 40
    end = at + length if length else len(data)
    while following in _EXTENSION_HEADERS:
        following, at = data[at], at + 8 + data[at + 1] * 8
    if following != _TCP:
        return None
    return _tcp(data, at, end, data[start + 8 : start + 24], data[start + 24 : start + 40])


def _tcp(data: bytes, at: int, end: int, source: bytes, target: bytes) -> Segment:
    source_port, target_port, seq, ack, offset, flags = _PORTS_SEQ_ACK_OFFSET_FLAGS(data, at)
    payload = data[at + (offset >> 4) * 4 : end]
    return Segment(source, source_port, target, target_port, seq, ack, flags, payload)


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
