"""IP, and TCP in it: IPv4 (RFC 791), IPv6 with its extension headers (RFC 8200), fragments, AH (RFC 4302), UDP, TCP."""

from struct import Struct

from labkit.capture.fragments import Fragment
from labkit.capture.frames import TCP, FoundSegment
from labkit.capture.layers import ETHERTYPES, PLAIN_UDP, PROTOCOLS, U16, UDP_PORTS, Layer, Packet, of_protocol
from labkit.capture.passed_over import NoTcp

_IPV4_HEADER = Struct("!BxHHHxB2x8s").unpack_from
"""Version and header length, total length, identification, flags and fragment offset, protocol, both addresses."""
_IPV6_HEADER = Struct("!4xHBx32s").unpack_from
"""Payload length, next header, both addresses."""
_IPV6_FRAGMENT = Struct("!BxHI").unpack_from
"""Next header, offset and more-fragments flag, identification."""
_TCP_HEADER = Struct("!4sIIBB6x").unpack_from
"""Both ports, sequence number, acknowledgment number, data offset, flags."""
_MORE, _OFFSET = 0x2000, 0x1FFF
UDP = 17
"""The number of UDP in IP."""

_DAMAGED_IP = NoTcp("IP with a damaged header")
_DAMAGED_TCP = NoTcp("TCP with a damaged header")


def _ip(packet: Packet) -> Layer | NoTcp | None:
    first = packet.data[packet.start]
    if first >> 4 == 6:
        return _ipv6(packet)
    return _ipv4(packet) if first >> 4 == 4 else _DAMAGED_IP


def _ipv4(packet: Packet) -> Layer | NoTcp | None:
    start = packet.start
    first, total, identification, fragment, protocol, packet.hosts = _IPV4_HEADER(packet.data, start)
    size = (first & 15) * 4
    # A capture of segments that the network card will cut has a total length of zero.
    if size < 20 or 0 < total < size:
        return _DAMAGED_IP
    packet.start += size
    packet.end = start + total if total else packet.end
    if fragment & (_MORE | _OFFSET):
        key = packet.hosts, identification, protocol
        return _joined(packet, key, protocol, (fragment & _OFFSET) * 8, bool(fragment & _MORE))
    return of_protocol(protocol)


def _ipv6(packet: Packet) -> Layer | NoTcp | None:
    length, following, packet.hosts = _IPV6_HEADER(packet.data, packet.start)
    packet.start += 40
    packet.end = packet.start + length if length else packet.end
    return _behind_extensions(packet, following)


def _behind_extensions(packet: Packet, following: int) -> Layer | NoTcp | None:
    """What follows the last extension header (RFC 8200 §4)."""
    data = packet.data
    while following in _EXTENSION_HEADERS:
        following, packet.start = data[packet.start], packet.start + 8 + data[packet.start + 1] * 8
    if following != _FRAGMENT_HEADER:
        return of_protocol(following)
    following, fragment, identification = _IPV6_FRAGMENT(data, packet.start)
    packet.start += 8
    offset, more = fragment & 0xFFF8, bool(fragment & 1)
    if offset or more:
        return _joined(packet, (packet.hosts, identification, 0), following, offset, more)
    return _behind_extensions(packet, following)  # an atomic fragment (RFC 6946)


_EXTENSION_HEADERS = {0, 43, 60, 135, 139, 140}
_FRAGMENT_HEADER = 44


def _joined(
    packet: Packet, key: tuple[bytes, int, int], protocol: int, offset: int, more: bool
) -> Layer | NoTcp | None:
    """Go on in the datagram that this fragment completes; None while others are missing."""
    if packet.end > len(packet.data):
        return NoTcp("IP fragments that the capture cut", hides=not isinstance(PROTOCOLS.get(protocol), NoTcp))
    piece = Fragment(key, protocol, offset, more, packet.data[packet.start : packet.end])
    whole = packet.fragments.add(piece)
    if whole is None:
        return None
    protocol, packet.data = whole
    packet.start, packet.end = 0, len(packet.data)
    return _behind_extensions(packet, protocol) if len(packet.hosts) == 32 else of_protocol(protocol)


def _authenticated(packet: Packet) -> Layer | NoTcp | None:
    """AH authenticates and hides nothing."""
    following, words = packet.data[packet.start], packet.data[packet.start + 1]
    packet.start += (words + 2) * 4
    return _behind_extensions(packet, following)


def _udp(packet: Packet) -> Layer | NoTcp:
    source, target = U16(packet.data, packet.start)[0], U16(packet.data, packet.start + 2)[0]
    packet.start += 8
    return tunnel(target, source) or (_DTLS if _is_dtls(packet.data[packet.start : packet.end]) else PLAIN_UDP)


_DTLS = NoTcp("DTLS, which is TLS over UDP", hides=False)


def _is_dtls(payload: bytes) -> bool:
    """Whether a datagram begins with the header of a DTLS record (RFC 6347 §4.1)."""
    return len(payload) >= 13 and 20 <= payload[0] <= 26 and payload[1:3] in _DTLS_VERSIONS and payload[11] <= 0x48


_DTLS_VERSIONS = {b"\xfe\xff", b"\xfe\xfd", b"\xfe\xfc"}
"""DTLS 1.0, 1.2 and 1.3."""


def tunnel(target: int, source: int) -> Layer | NoTcp | None:
    """What a datagram of UDP with these ports carries, where that is a tunnel."""
    return UDP_PORTS.get(target) or UDP_PORTS.get(source)


def _tcp(packet: Packet) -> FoundSegment | NoTcp:
    at = packet.start
    ports, seq, ack, offset, flags = _TCP_HEADER(packet.data, at)
    begin = at + (offset >> 4) * 4
    if begin < at + 20 or begin > packet.end:
        return _DAMAGED_TCP
    payload = packet.data[begin : packet.end]
    return packet.hosts + ports, seq, ack, flags, payload, packet.end - begin - len(payload)


ETHERTYPES.update({0x0800: _ip, 0x86DD: _ip})

PROTOCOLS.update(
    {
        4: _ip,
        TCP: _tcp,
        UDP: _udp,
        41: _ip,
        51: _authenticated,
        1: NoTcp("ICMP", hides=False),
        2: NoTcp("IGMP", hides=False),
        46: NoTcp("RSVP", hides=False),
        58: NoTcp("ICMPv6", hides=False),
        59: NoTcp("IPv6 without content", hides=False),
        88: NoTcp("EIGRP", hides=False),
        89: NoTcp("OSPF", hides=False),
        103: NoTcp("PIM", hides=False),
        112: NoTcp("VRRP", hides=False),
        132: NoTcp("SCTP", hides=False),
        136: NoTcp("UDP-Lite", hides=False),
    }
)
