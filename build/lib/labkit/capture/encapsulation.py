"""From a captured frame of any kind to its TCP segment: link layers, tunnels and IP, one header after the other.

Each layer is a function that moves `_Packet.start` behind its header, and `_Packet.end` where the header says so. It
returns the next layer, the fields of a TCP segment, why there is none (`NoTcp`), or None for an IP fragment that waits
for the rest. Which layer follows which number stands in the tables at the end. Ethernet with plain IPv4, which nearly
every frame is, is read by `frames.find`; IP fragments are joined in `fragments`.

Sources: link types are those of pcap (draft-ietf-opsawg-pcaplinktype); IPv4 RFC 791, IPv6 RFC 8200, TCP RFC 9293;
PPP RFC 1661, PPPoE RFC 2516, MPLS RFC 3032, GRE RFC 2784 and RFC 2637, VXLAN RFC 7348, Geneve RFC 8926, GTP-U 3GPP
TS 29.281, L2TP RFC 2661, Teredo RFC 4380, LISP RFC 9300, AH RFC 4302, NSH RFC 8300.
"""

from collections.abc import Callable, Mapping
from struct import Struct
from struct import error as StructError

from labkit.capture import frames
from labkit.capture.fragments import Fragment, Fragments
from labkit.capture.frames import Found, Segment
from labkit.capture.passed_over import NoTcp, PassedOver

_U16 = Struct("!H").unpack_from
_IPV4_HEADER = Struct("!BxHHHxB2x8s").unpack_from
"""Version and header length, total length, identification, flags and fragment offset, protocol, both addresses."""
_IPV6_HEADER = Struct("!4xHBx32s").unpack_from
"""Payload length, next header, both addresses."""
_IPV6_FRAGMENT = Struct("!BxHI").unpack_from
"""Next header, offset and more-fragments flag, identification."""
_TCP_HEADER = Struct("!4sIIBB6x").unpack_from
"""Both ports, sequence number, acknowledgment number, data offset, flags."""
_MORE, _OFFSET = 0x2000, 0x1FFF
_ETHERTYPE_AT, _LLC_LIMIT = 12, 1536
"""Where Ethernet has its type; smaller values are a length, with LLC behind it (IEEE 802.3)."""


class _Packet:
    """Where the walk through the headers of one frame stands."""

    __slots__ = ("data", "end", "fragments", "hosts", "start")

    def __init__(self, data: bytes, fragments: Fragments) -> None:
        self.data = data
        self.fragments = fragments
        self.start = 0
        self.end = len(data)
        self.hosts = b""
        """Source and target address of the innermost IP header so far."""


Layer = Callable[[_Packet], "Layer | Found | NoTcp | None"]

_DAMAGED_IP = NoTcp("IP with a damaged header")
_DAMAGED_TCP = NoTcp("TCP with a damaged header")
_CUT = NoTcp("frames cut inside a header")


class Unwrapper:
    """Finds the TCP segments in the frames of one capture, and counts the frames that have none."""

    def __init__(self, passed_over: PassedOver | None = None) -> None:
        self.passed_over = passed_over if passed_over is not None else PassedOver()
        self._fragments = Fragments()

    def find(self, link: int, data: bytes) -> Found | None:
        """What makes the `Segment` in a frame of this link type. Never raises.

        None where there is none: for IP fragments but the one that completes a datagram, and for what is counted.
        """
        packet = _Packet(data, self._fragments)
        step: Layer | Found | NoTcp | None = LINKS.get(link) or NoTcp(f"link type {link}")
        try:
            while callable(step):
                step = step(packet)
        except (StructError, IndexError):
            step = _CUT
        if self._fragments.given_up:
            self._give_up()
        if isinstance(step, NoTcp):
            self.passed_over.add(step)
            return None
        return step

    def finish(self) -> None:
        """Count the fragments that still wait: no more frames will come."""
        self._fragments.finish()
        self._give_up()

    def _give_up(self) -> None:
        for protocol, frames_lost, head in self._fragments.given_up:
            tunnel = protocol == _UDP and len(head) >= 4 and (_tunnel(_U16(head, 2)[0], _U16(head, 0)[0]) is not None)
            hides = tunnel or (not isinstance(PROTOCOLS.get(protocol, _udp), NoTcp) and protocol != _UDP)
            name = "IP fragments without the rest" if hides else "IP fragments of something else than TCP"
            self.passed_over.add(NoTcp(name, hides), frames_lost)
        self._fragments.given_up.clear()


def segment(link: int, data: bytes) -> Segment | None:
    """The TCP segment in a single frame of this link type; None for anything else, IP fragments included."""
    found = frames.find(link, data) or Unwrapper().find(link, data)
    return found and Segment(*found)


def known(link: int) -> bool:
    """Whether frames of this link type can be read."""
    return link in LINKS


# ---- small pieces


def _skip(size: int, following: Layer) -> Layer:
    """A header of a fixed size with nothing to decide."""

    def layer(packet: _Packet) -> Layer:
        packet.start += size
        return following

    return layer


def _typed(at: int, size: int) -> Layer:
    """A header of `size` bytes that has the EtherType of what follows at `at`."""

    def layer(packet: _Packet) -> Layer | NoTcp:
        kind = _U16(packet.data, packet.start + at)[0]
        packet.start += size
        return _ethertype(kind)

    return layer


def _ethertype(kind: int) -> Layer | NoTcp:
    return ETHERTYPES.get(kind) or NoTcp(f"EtherType 0x{kind:04X}")


def _of_protocol(number: int) -> Layer | NoTcp:
    return PROTOCOLS.get(number) or NoTcp(f"IP protocol {number}")


# ---- link layers


def _ethernet(packet: _Packet) -> Layer | NoTcp:
    kind = _U16(packet.data, packet.start + _ETHERTYPE_AT)[0]
    packet.start += 14
    return _ethertype(kind) if kind >= _LLC_LIMIT else _llc


def _llc(packet: _Packet) -> Layer | NoTcp:
    """IEEE 802.2; with SNAP (RFC 1042) it has an EtherType."""
    data, start = packet.data, packet.start
    if data[start : start + 2] == b"\xaa\xaa":
        organisation = data[start + 3 : start + 6]
        packet.start += 8
        return _ethertype(_U16(data, start + 6)[0]) if organisation in _ORGANISATIONS else _LLC
    packet.start += 3
    return _ip if data[start : start + 2] == b"\x06\x06" else _LLC


_ORGANISATIONS = {b"\0\0\0", b"\0\0\xf8"}
_LLC = NoTcp("LLC", hides=False)


def _cooked(at: int, size: int, hardware_at: int) -> Layer:
    """A Linux cooked header: its protocol is an EtherType, 4 for LLC, or of GRE where the hardware is a GRE tunnel."""

    def layer(packet: _Packet) -> Layer | NoTcp:
        kind = _U16(packet.data, packet.start + at)[0]
        hardware = _U16(packet.data, packet.start + hardware_at)[0]
        packet.start += size
        if hardware in _WIRELESS:
            return _WIRELESS[hardware]
        return _llc if kind == _COOKED_LLC else _ethertype(kind)

    return layer


_COOKED_LLC = 4


def _wireless(packet: _Packet) -> Layer | NoTcp:
    """IEEE 802.11: data frames that are not encrypted hold LLC."""
    data, start = packet.data, packet.start
    kind, flags = data[start], data[start + 1]
    if kind & 0x0C != 0x08 or kind & 0x40:
        return NoTcp("802.11 without data", hides=False)
    if flags & 0x40:
        return NoTcp("encrypted 802.11")
    size = 24 + (6 if flags & 3 == 3 else 0)
    if kind & 0x80:
        if data[start + size] & 0x80:
            return NoTcp("aggregated 802.11")
        size += 2 + (4 if flags & 0x80 else 0)
    if flags & 0x04 or data[start + 22] & 0x0F:
        return NoTcp("fragments of 802.11")
    packet.start += size
    return _llc


def _radiotap(packet: _Packet) -> Layer:
    packet.start += int.from_bytes(packet.data[packet.start + 2 : packet.start + 4], "little")
    return _wireless


def _packet_information(packet: _Packet) -> Layer | NoTcp:
    """PPI: a header with its length and the link type of what follows."""
    start = packet.start
    link = int.from_bytes(packet.data[start + 4 : start + 8], "little")
    packet.start += int.from_bytes(packet.data[start + 2 : start + 4], "little") or len(packet.data)
    return LINKS.get(link) or NoTcp(f"link type {link}")


def _prism(packet: _Packet) -> Layer:
    packet.start += 144
    return _wireless


def _avs(packet: _Packet) -> Layer:
    packet.start += int.from_bytes(packet.data[packet.start + 4 : packet.start + 8]) or len(packet.data)
    return _wireless


def _ppp(packet: _Packet) -> Layer | NoTcp:
    """PPP (RFC 1661), with or without the address and control of HDLC (RFC 1662 §3.1), its protocol in 1 or 2 bytes."""
    data = packet.data
    if data[packet.start : packet.start + 2] == b"\xff\x03":
        packet.start += 2
    number, size = (data[packet.start], 1) if data[packet.start] & 1 else (_U16(data, packet.start)[0], 2)
    packet.start += size
    return PPP_PROTOCOLS.get(number) or NoTcp(f"PPP protocol 0x{number:04X}", hides=number < _PPP_CONTROL)


_PPP_CONTROL = 0x8000
"""PPP protocols from here on negotiate, and carry nothing."""


def _hdlc(packet: _Packet) -> Layer | NoTcp:
    """PPP or Cisco's encapsulation, told apart by the address (RFC 1547 §4.3.1)."""
    if packet.data[packet.start] in _CISCO:
        return _typed(2, 4)
    return _ppp


_CISCO = {0x0F, 0x8F}


def _frame_relay(packet: _Packet) -> Layer | NoTcp:
    """RFC 2427: an address, then a network layer protocol identifier, or an EtherType as Cisco writes it."""
    data, at = packet.data, packet.start
    while not data[at] & 1:
        at += 1
    at += 1
    if data[at] != 0x03:
        packet.start = at
        return _typed(0, 2)
    at += 1
    at += data[at] == 0
    packet.start = at + 1
    if data[at] == 0x80:
        packet.start += 3
        return _typed(0, 2)
    return _ip if data[at] in (0xCC, 0x8E) else NoTcp(f"Frame Relay with protocol 0x{data[at]:02X}")


def _firewall_log(packet: _Packet) -> Layer:
    """OpenBSD's pflog: a header with its own length, padded to four bytes."""
    packet.start += packet.data[packet.start] + 3 & ~3
    return _ip


def _pppoe(packet: _Packet) -> Layer | NoTcp:
    code, length = packet.data[packet.start + 1], _U16(packet.data, packet.start + 4)[0]
    packet.start += 6
    packet.end = min(packet.end, packet.start + length)
    return NoTcp("PPPoE discovery", hides=False) if code else _ppp


def _macsec(packet: _Packet) -> Layer | NoTcp:
    """IEEE 802.1AE; readable where it only authenticates."""
    control = packet.data[packet.start]
    packet.start += 14 if control & 0x20 else 6
    return NoTcp("encrypted MACsec") if control & 0x0C else _typed(0, 2)


# ---- tunnels


def _mpls(packet: _Packet) -> Layer | NoTcp:
    """A stack of labels; what follows is told by its first half byte (RFC 4928 §3), Ethernet by its type."""
    data = packet.data
    while not data[packet.start + 2] & 1:
        packet.start += 4
    packet.start += 4
    if data[packet.start] >> 4 in (4, 6):
        return _ip
    for control_word in (4, 0):
        if _U16(data, packet.start + control_word + _ETHERTYPE_AT)[0] in ETHERTYPES:
            packet.start += control_word
            return _ethernet
    return NoTcp("MPLS with an unknown content")


def _gre(packet: _Packet) -> Layer | NoTcp:
    """RFC 2784 with RFC 2890; version 1 is PPTP's (RFC 2637 §4.1)."""
    flags, kind = _U16(packet.data, packet.start)[0], _U16(packet.data, packet.start + 2)[0]
    if flags & 7 > 1 or flags & 0x4000:
        return NoTcp("GRE with routing or an unknown version")
    packet.start += 4 + 4 * sum(bool(flags & bit) for bit in (0x8000, 0x2000, 0x1000))
    if flags & 7 == 1:
        packet.start += 4 * bool(flags & 0x0080)
        return _ppp if packet.start < packet.end else NoTcp("PPTP acknowledgements", hides=False)
    if kind == _ERSPAN2:
        packet.start += 8 if flags & 0x1000 else 0
        return _ethernet
    if kind == _ERSPAN3:
        packet.start += 20 if packet.data[packet.start + 11] & 1 else 12
        return _ethernet
    return _ethertype(kind)


_ERSPAN2, _ERSPAN3 = 0x88BE, 0x22EB


def _vxlan(packet: _Packet) -> Layer | NoTcp:
    if not packet.data[packet.start] & 0x08:
        return _PLAIN_UDP
    packet.start += 8
    return _ethernet


def _vxlan_gpe(packet: _Packet) -> Layer | NoTcp:
    kind = packet.data[packet.start + 3]
    packet.start += 8
    return _GENERIC.get(kind) or NoTcp(f"VXLAN-GPE with protocol {kind}")


def _geneve(packet: _Packet) -> Layer | NoTcp:
    version_and_options, kind = packet.data[packet.start], _U16(packet.data, packet.start + 2)[0]
    if version_and_options >> 6:
        return _PLAIN_UDP
    packet.start += 8 + (version_and_options & 0x3F) * 4
    return _ethertype(kind)


def _nsh(packet: _Packet) -> Layer | NoTcp:
    words, kind = packet.data[packet.start + 1] & 0x3F, packet.data[packet.start + 3]
    packet.start += max(words, 1) * 4
    return _GENERIC.get(kind) or NoTcp(f"NSH with protocol {kind}")


def _gtp(packet: _Packet) -> Layer | NoTcp:
    """The user plane of mobile networks: a user's IP packet, behind optional fields and extension headers."""
    data, start = packet.data, packet.start
    flags, kind = data[start], data[start + 1]
    if flags >> 5 != 1 or not flags & 0x10:
        return _PLAIN_UDP
    if kind != _GTP_USER_DATA:
        return NoTcp("GTP signalling", hides=False)
    at = start + 8
    if flags & 7:
        at += 4
        following = data[at - 1] if flags & 4 else 0
        while following:
            at += max(data[at], 1) * 4
            following = data[at - 1]
    packet.start = at
    return _ip


_GTP_USER_DATA = 255


def _l2tp(packet: _Packet) -> Layer | NoTcp:
    flags = _U16(packet.data, packet.start)[0]
    if flags & 0x000F != 2:
        return NoTcp("L2TP of another version")
    if flags & 0x8000:
        return NoTcp("L2TP control", hides=False)
    packet.start += 6 + 2 * bool(flags & 0x4000) + 4 * bool(flags & 0x0800)
    if flags & 0x0200:
        packet.start += 2 + _U16(packet.data, packet.start)[0]
    return _ppp


def _teredo(packet: _Packet) -> Layer | NoTcp:
    data = packet.data
    if data[packet.start : packet.start + 2] == b"\0\1":
        packet.start += 13 + data[packet.start + 2] + data[packet.start + 3]
    if data[packet.start : packet.start + 2] == b"\0\0":
        packet.start += 8
    return _ip if data[packet.start] >> 4 == 6 else _PLAIN_UDP


def _esp_in_udp(packet: _Packet) -> NoTcp:
    """RFC 3948: keep-alives have one byte, IKE begins with four zeros."""
    size = packet.end - packet.start
    key_exchange = size < 8 or packet.data[packet.start : packet.start + 4] == bytes(4)
    return NoTcp("IKE", hides=False) if key_exchange else _ESP


# ---- IP and what it carries


def _ip(packet: _Packet) -> Layer | NoTcp | None:
    first = packet.data[packet.start]
    if first >> 4 == 6:
        return _ipv6(packet)
    return _ipv4(packet) if first >> 4 == 4 else _DAMAGED_IP


def _ipv4(packet: _Packet) -> Layer | NoTcp | None:
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
    return _of_protocol(protocol)


def _ipv6(packet: _Packet) -> Layer | NoTcp | None:
    length, following, packet.hosts = _IPV6_HEADER(packet.data, packet.start)
    packet.start += 40
    packet.end = packet.start + length if length else packet.end
    return _of_protocol6(packet, following)


def _of_protocol6(packet: _Packet, following: int) -> Layer | NoTcp | None:
    """What follows behind all extension headers (RFC 8200 §4)."""
    data = packet.data
    while following in _EXTENSION_HEADERS:
        following, packet.start = data[packet.start], packet.start + 8 + data[packet.start + 1] * 8
    if following != _FRAGMENT_HEADER:
        return _of_protocol(following)
    following, fragment, identification = _IPV6_FRAGMENT(data, packet.start)
    packet.start += 8
    offset, more = fragment & 0xFFF8, bool(fragment & 1)
    if offset or more:
        return _joined(packet, (packet.hosts, identification, 0), following, offset, more)
    return _of_protocol6(packet, following)  # an atomic fragment (RFC 6946)


_EXTENSION_HEADERS = {0, 43, 60, 135, 139, 140}
_FRAGMENT_HEADER = 44


def _joined(
    packet: _Packet, key: tuple[bytes, int, int], protocol: int, offset: int, more: bool
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
    return _of_protocol6(packet, protocol) if len(packet.hosts) == 32 else _of_protocol(protocol)


def _authenticated(packet: _Packet) -> Layer | NoTcp | None:
    """AH authenticates and hides nothing."""
    following, words = packet.data[packet.start], packet.data[packet.start + 1]
    packet.start += (words + 2) * 4
    return _of_protocol6(packet, following)


def _udp(packet: _Packet) -> Layer | NoTcp:
    source, target = _U16(packet.data, packet.start)[0], _U16(packet.data, packet.start + 2)[0]
    packet.start += 8
    return _tunnel(target, source) or _PLAIN_UDP


def _tunnel(target: int, source: int) -> Layer | NoTcp | None:
    return UDP_PORTS.get(target) or UDP_PORTS.get(source)


def _tcp(packet: _Packet) -> Found | NoTcp:
    at = packet.start
    ports, seq, ack, offset, flags = _TCP_HEADER(packet.data, at)
    begin = at + (offset >> 4) * 4
    if begin < at + 20 or begin > packet.end:
        return _DAMAGED_TCP
    return packet.hosts + ports, seq, ack, flags, packet.data[begin : packet.end]


# ---- which layer follows which number

_UDP = 17
_PLAIN_UDP = NoTcp("UDP", hides=False)
_ESP = NoTcp("ESP")

PROTOCOLS: Mapping[int, Layer | NoTcp] = {
    4: _ip,
    6: _tcp,
    _UDP: _udp,
    41: _ip,
    47: _gre,
    50: _ESP,
    51: _authenticated,
    97: _skip(2, _ethernet),  # EtherIP, RFC 3378
    115: NoTcp("L2TP of another version"),
    137: _mpls,
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
"""IP protocol -> what it carries."""

UDP_PORTS: Mapping[int, Layer | NoTcp] = {
    1194: NoTcp("OpenVPN"),
    1701: _l2tp,
    2152: _gtp,
    3544: _teredo,
    4341: _skip(8, _ip),  # LISP
    4500: _esp_in_udp,
    4754: _gre,
    4789: _vxlan,
    4790: _vxlan_gpe,
    5247: NoTcp("CAPWAP"),
    6081: _geneve,
    6635: _mpls,
    8472: _vxlan,
    51820: NoTcp("WireGuard"),
}
"""Port of a tunnel over UDP -> what it carries."""

_GENERIC: Mapping[int, Layer] = {1: _ip, 2: _ip, 3: _ethernet, 4: _nsh, 5: _mpls}
"""The next protocol of VXLAN-GPE and of NSH."""

ETHERTYPES: Mapping[int, Layer | NoTcp] = {
    0x0800: _ip,
    0x86DD: _ip,
    **dict.fromkeys((0x8100, 0x88A8, 0x9100, 0x9200, 0x9300), _typed(2, 4)),  # VLAN tags
    0x6558: _ethernet,
    0x8847: _mpls,
    0x8848: _mpls,
    0x8863: NoTcp("PPPoE discovery", hides=False),
    0x8864: _pppoe,
    0x880B: _ppp,
    0x88E5: _macsec,
    0x88E7: _skip(4, _ethernet),  # provider backbone, IEEE 802.1ah
    0x8909: _typed(6, 8),  # Cisco MetaData
    0x8926: _typed(4, 6),  # VN-Tag
    0x893F: _typed(6, 8),  # IEEE 802.1BR
    0x894F: _nsh,
    0x0806: NoTcp("ARP", hides=False),
    0x0842: NoTcp("Wake-on-LAN", hides=False),
    0x8035: NoTcp("RARP", hides=False),
    0x809B: NoTcp("AppleTalk", hides=False),
    0x80F3: NoTcp("AARP", hides=False),
    0x8137: NoTcp("IPX", hides=False),
    0x8809: NoTcp("slow protocols", hides=False),
    0x888E: NoTcp("EAPOL", hides=False),
    0x8892: NoTcp("PROFINET", hides=False),
    0x88A4: NoTcp("EtherCAT", hides=False),
    0x88CC: NoTcp("LLDP", hides=False),
    0x88F7: NoTcp("PTP", hides=False),
    0x9000: NoTcp("loopback tests", hides=False),
}
"""EtherType -> what it carries."""

PPP_PROTOCOLS: Mapping[int, Layer | NoTcp] = {
    0x0021: _ip,
    0x0031: _skip(2, _ethernet),  # bridging, RFC 3518
    0x0057: _ip,
    0x0281: _mpls,
    0x003D: NoTcp("multilink PPP"),
    0x0053: NoTcp("encrypted PPP"),
    0x00FD: NoTcp("compressed PPP"),
}
"""PPP protocol -> what it carries."""

_WIRELESS: Mapping[int, Layer] = {801: _wireless, 802: _prism, 803: _radiotap}
"""Hardware type of a Linux cooked header (ARPHRD_IEEE80211 and its like) -> what it carries."""

LINKS: Mapping[int, Layer] = {
    # NULL writes the address family in the byte order of its machine; the IP version after it says the same.
    frames.NULL: _skip(4, _ip),
    frames.ETHERNET: _ethernet,
    9: _ppp,
    12: _ip,
    14: _ip,
    50: _hdlc,
    51: _pppoe,
    100: _llc,  # LLC and SNAP over ATM, RFC 2684
    frames.RAW: _ip,
    104: _hdlc,
    105: _wireless,
    107: _frame_relay,
    frames.LOOP: _skip(4, _ip),
    109: _skip(12, _ip),  # OpenBSD's enc
    frames.SLL: _cooked(14, 16, 2),
    117: _firewall_log,
    119: _prism,
    127: _radiotap,
    138: _typed(16, 18),  # IP over IEEE 1394, RFC 2734
    163: _avs,
    166: _skip(1, _ppp),  # of Linux's pppd: a byte for the direction
    192: _packet_information,
    204: _skip(1, _ppp),
    205: _skip(1, _hdlc),
    206: _skip(1, _frame_relay),
    219: _mpls,
    228: _ip,
    229: _ip,
    240: _skip(4, _ethernet),  # netANALYZER
    frames.SLL2: _cooked(0, 20, 8),
}
"""Link type -> the layer that a frame begins with."""
