"""Headers of a frame, written: one built around a segment or a datagram, and a captured one with the nominal ports.

IPv4 is RFC 791, TCP RFC 9293, the Internet checksum RFC 1071; the link layer is Ethernet with zero addresses, as on
Linux's loopback interface. Reading headers is `frames`.
"""

from collections.abc import Mapping
from struct import Struct

from labkit.capture.frames import SYN, Segment

PAYLOAD_LIMIT = 65535 - 20 - 20
"""Bytes: the most that one segment can carry, because the length field of IPv4 counts both headers."""

_ETHERNET = bytes(12) + b"\x08\x00"
_IP = Struct("!BBHHHBBH8s")
_TCP = Struct("!4sIIBBHHH")
_UDP = Struct("!HH")
"""The rest of a UDP header, after the ports: length and checksum."""
_PORTS = Struct("!HH")
_U16 = Struct("!H")

_AT_IP = len(_ETHERNET)
_DONT_FRAGMENT = 0x4000
_FRAGMENT = 0x3FFF
"""More-fragments flag and fragment offset."""
_TTL = 64
_PROTOCOL_TCP = 6
_PROTOCOL_UDP = 17
_HEADERS = {_PROTOCOL_TCP: (20, 16), _PROTOCOL_UDP: (8, 6)}
"""Protocol -> bytes of its header, and where in it the checksum is."""
_WINDOW = 0xFFFF
_SYN_OPTIONS = bytes((2, 4)) + PAYLOAD_LIMIT.to_bytes(2, "big") + bytes((1, 3, 3, 7))
"""Maximum segment size, and a window scale of 7 (RFC 7323 §2.2), as Linux offers them on loopback."""


def checksum(data: bytes) -> int:
    """The Internet checksum of `data` (RFC 1071), 16 bits.

    It is the complement of a sum modulo 65535, and so is the remainder of the bytes taken as one large number.
    """
    return -int.from_bytes(data + bytes(len(data) % 2), "big") % 0xFFFF


def build(segment: Segment, identification: int) -> bytes:
    """An Ethernet frame with this segment over IPv4; `identification` is IPv4's number of the packet (low 16 bits)."""
    options = _SYN_OPTIONS if segment.flags & SYN else b""
    offset = (20 + len(options)) << 2
    hosts, ports = segment.ends[:8], segment.ends[8:]
    head = _TCP.pack(ports, segment.seq, segment.ack, offset, segment.flags, _WINDOW, 0, 0)
    tcp = head + options + segment.payload
    length, number = 20 + len(tcp), identification & 0xFFFF
    ip = _IP.pack(0x45, 0, length, number, _DONT_FRAGMENT, _TTL, _PROTOCOL_TCP, 0, hosts)
    ip = _with_checksum(ip, 10, checksum(ip))
    return _ETHERNET + ip + _with_checksum(tcp, 16, _checksum_of(_PROTOCOL_TCP, hosts, tcp))


def build_datagram(ends: bytes, payload: bytes, identification: int) -> bytes:
    """An Ethernet frame with this UDP datagram (RFC 768) over IPv4; `ends` are those of a `Segment`."""
    hosts, ports = ends[:8], ends[8:]
    length = 8 + len(payload)
    udp = ports + _UDP.pack(length, 0) + payload
    ip = _IP.pack(0x45, 0, 20 + length, identification & 0xFFFF, 0, _TTL, _PROTOCOL_UDP, 0, hosts)
    ip = _with_checksum(ip, 10, checksum(ip))
    return _ETHERNET + ip + _with_checksum(udp, 6, _checksum_of(_PROTOCOL_UDP, hosts, udp))


def renumber(frame: bytes, ports: Mapping[int, int]) -> bytes | None:
    """An Ethernet frame with its TCP or UDP ports replaced as `ports` says, and the right checksum.

    None for everything that is not a whole IPv4 TCP segment or UDP datagram to or from one of these ports. The checksum
    is made anew: on loopback the kernel leaves it half done, because nothing can damage such a frame.
    """
    at = _AT_IP + (frame[_AT_IP] & 15) * 4 if len(frame) > _AT_IP else 0
    if len(frame) < _AT_IP + 20 or frame[12:14] != b"\x08\x00" or frame[_AT_IP + 9] not in _HEADERS:
        return None
    protocol = frame[_AT_IP + 9]
    size, place = _HEADERS[protocol]
    if len(frame) < at + size:
        return None
    source, target = _PORTS.unpack_from(frame, at)
    if (source not in ports and target not in ports) or _U16.unpack_from(frame, _AT_IP + 6)[0] & _FRAGMENT:
        return None
    end = _AT_IP + _U16.unpack_from(frame, _AT_IP + 2)[0]
    inside = _PORTS.pack(ports.get(source, source), ports.get(target, target)) + frame[at + 4 : end]
    inside = _with_checksum(inside, place, 0)
    hosts = frame[_AT_IP + 12 : _AT_IP + 20]
    return frame[:at] + _with_checksum(inside, place, _checksum_of(protocol, hosts, inside))


def _checksum_of(protocol: int, hosts: bytes, inside: bytes) -> int:
    """Over the pseudo-header (RFC 9293 §3.1, RFC 768) and the segment, whose own checksum field is zero.

    For UDP a checksum of zero would mean that there is none, and is sent as its complement.
    """
    value = checksum(hosts + _PORTS.pack(protocol, len(inside)) + inside)
    return value or 0xFFFF if protocol == _PROTOCOL_UDP else value


def _with_checksum(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + _U16.pack(value) + data[at + 2 :]
