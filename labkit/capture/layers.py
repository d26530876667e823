"""The walk through a frame's headers: its position, and the tables of which layer follows which number.

A layer is a function that moves `Packet.start` past its header, and `Packet.end` where the header says so. It returns
the next layer, the fields of a TCP segment, why there is none (`NoTcp`), or None for an IP fragment that waits for the
rest. The tables are filled by `links`, `tunnels` and `internet`, which have the layers.
"""

from collections.abc import Callable
from struct import Struct

from labkit.capture.fragments import Fragments
from labkit.capture.frames import ETHERNET, FoundSegment
from labkit.capture.passed_over import NoTcp

U16 = Struct("!H").unpack_from


class Packet:
    """The position of the walk through the headers of one frame."""

    __slots__ = ("data", "end", "fragments", "hosts", "start")

    def __init__(self, data: bytes, fragments: Fragments) -> None:
        self.data = data
        self.fragments = fragments
        self.start = 0
        self.end = len(data)
        self.hosts = b""
        """Source and target address of the innermost IP header so far."""


Layer = Callable[[Packet], "Layer | FoundSegment | NoTcp | None"]

LINKS: dict[int, Layer] = {}
"""Link type of pcap -> the layer that a frame begins with."""
ETHERTYPES: dict[int, Layer | NoTcp] = {}
"""EtherType -> the layer that follows."""
PROTOCOLS: dict[int, Layer | NoTcp] = {}
"""IP protocol -> the layer that follows."""
UDP_PORTS: dict[int, Layer | NoTcp] = {}
"""Port of a tunnel over UDP -> the layer that it carries."""

PLAIN_UDP = NoTcp("UDP", hides=False)
_IPV4, _MPLS, _PPP = 0x0800, 0x8847, 9


def skip(size: int, following: Layer) -> Layer:
    """A header of a fixed size with nothing to decide."""

    def layer(packet: Packet) -> Layer:
        packet.start += size
        return following

    return layer


def typed(at: int, size: int) -> Layer:
    """A header of `size` bytes that has the EtherType of what follows at `at`."""

    def layer(packet: Packet) -> Layer | NoTcp:
        kind = U16(packet.data, packet.start + at)[0]
        packet.start += size
        return of_ethertype(kind)

    return layer


def of_ethertype(kind: int) -> Layer | NoTcp:
    """The layer that follows this EtherType."""
    return ETHERTYPES.get(kind) or NoTcp(f"EtherType 0x{kind:04X}")


def of_protocol(number: int) -> Layer | NoTcp:
    """The layer that follows this IP protocol."""
    return PROTOCOLS.get(number) or NoTcp(f"IP protocol {number}")


# ---- layers that others announce, wherever they stand


def ethernet(_: Packet) -> Layer:
    """An Ethernet frame."""
    return LINKS[ETHERNET]


def ip(_: Packet) -> Layer | NoTcp:
    """IPv4 or IPv6, by the version in the header."""
    return ETHERTYPES[_IPV4]


def mpls(_: Packet) -> Layer | NoTcp:
    """A stack of MPLS labels."""
    return ETHERTYPES[_MPLS]


def ppp(_: Packet) -> Layer:
    """PPP, with or without the framing of HDLC."""
    return LINKS[_PPP]
