"""Link layers: Ethernet with its tags, LLC, Linux's cooked headers, PPP, 802.11 and others, by the link types of pcap.

draft-ietf-opsawg-pcaplinktype; PPP RFC 1661, PPPoE RFC 2516, Frame Relay RFC 2427, LLC over other networks RFC 1042.
"""

from collections.abc import Mapping

from labkit.capture import frames
from labkit.capture.layers import ETHERTYPES, LINKS, U16, Layer, Packet, ip, mpls, of_ethertype, skip, typed
from labkit.capture.passed_over import NoTcp

_ETHERTYPE_AT, _LLC_LIMIT = 12, 1536
"""Where Ethernet has its type; smaller values are a length, followed by LLC (IEEE 802.3)."""


def _ethernet(packet: Packet) -> Layer | NoTcp:
    kind = U16(packet.data, packet.start + _ETHERTYPE_AT)[0]
    packet.start += 14
    return of_ethertype(kind) if kind >= _LLC_LIMIT else _llc


def _llc(packet: Packet) -> Layer | NoTcp:
    """IEEE 802.2; with SNAP (RFC 1042) it has an EtherType."""
    data, start = packet.data, packet.start
    if data[start : start + 2] == b"\xaa\xaa":
        organisation = data[start + 3 : start + 6]
        packet.start += 8
        return of_ethertype(U16(data, start + 6)[0]) if organisation in _ORGANISATIONS else _LLC
    packet.start += 3
    return ip if data[start : start + 2] == b"\x06\x06" else _LLC


_ORGANISATIONS = {b"\0\0\0", b"\0\0\xf8"}
_LLC = NoTcp("LLC", hides=False)


def _cooked(at: int, size: int, hardware_at: int) -> Layer:
    """A Linux cooked header: its protocol is an EtherType, 4 for LLC, or of GRE where the hardware is a GRE tunnel."""

    def layer(packet: Packet) -> Layer | NoTcp:
        kind = U16(packet.data, packet.start + at)[0]
        hardware = U16(packet.data, packet.start + hardware_at)[0]
        packet.start += size
        if hardware in _WIRELESS:
            return _WIRELESS[hardware]
        return _llc if kind == _COOKED_LLC else of_ethertype(kind)

    return layer


_COOKED_LLC = 4


def _wireless(packet: Packet) -> Layer | NoTcp:
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


def _radiotap(packet: Packet) -> Layer:
    packet.start += int.from_bytes(packet.data[packet.start + 2 : packet.start + 4], "little")
    return _wireless


def _packet_information(packet: Packet) -> Layer | NoTcp:
    """PPI: a header with its length and the link type of what follows."""
    start = packet.start
    link = int.from_bytes(packet.data[start + 4 : start + 8], "little")
    packet.start += int.from_bytes(packet.data[start + 2 : start + 4], "little") or len(packet.data)
    return LINKS.get(link) or NoTcp(f"link type {link}")


def _prism(packet: Packet) -> Layer:
    packet.start += 144
    return _wireless


def _avs(packet: Packet) -> Layer:
    packet.start += int.from_bytes(packet.data[packet.start + 4 : packet.start + 8]) or len(packet.data)
    return _wireless


def _ppp(packet: Packet) -> Layer | NoTcp:
    """PPP (RFC 1661), with or without the address and control of HDLC (RFC 1662 §3.1), its protocol in 1 or 2 bytes."""
    data = packet.data
    if data[packet.start : packet.start + 2] == b"\xff\x03":
        packet.start += 2
    number, size = (data[packet.start], 1) if data[packet.start] & 1 else (U16(data, packet.start)[0], 2)
    packet.start += size
    return PPP_PROTOCOLS.get(number) or NoTcp(f"PPP protocol 0x{number:04X}", hides=number < _PPP_CONTROL)


_PPP_CONTROL = 0x8000
"""PPP protocols from here on negotiate, and carry nothing."""


def _hdlc(packet: Packet) -> Layer | NoTcp:
    """PPP or Cisco's encapsulation, told apart by the address (RFC 1547 §4.3.1)."""
    if packet.data[packet.start] in _CISCO:
        return typed(2, 4)
    return _ppp


_CISCO = {0x0F, 0x8F}


def _frame_relay(packet: Packet) -> Layer | NoTcp:
    """RFC 2427: an address, then a network layer protocol identifier, or an EtherType as Cisco writes it."""
    data, at = packet.data, packet.start
    while not data[at] & 1:
        at += 1
    at += 1
    if data[at] != 0x03:
        packet.start = at
        return typed(0, 2)
    at += 1
    at += data[at] == 0
    packet.start = at + 1
    if data[at] == 0x80:
        packet.start += 3
        return typed(0, 2)
    return ip if data[at] in (0xCC, 0x8E) else NoTcp(f"Frame Relay with protocol 0x{data[at]:02X}")


def _firewall_log(packet: Packet) -> Layer:
    """OpenBSD's pflog: a header with its own length, padded to four bytes."""
    packet.start += packet.data[packet.start] + 3 & ~3
    return ip


def _pppoe(packet: Packet) -> Layer | NoTcp:
    code, length = packet.data[packet.start + 1], U16(packet.data, packet.start + 4)[0]
    packet.start += 6
    packet.end = min(packet.end, packet.start + length)
    return NoTcp("PPPoE discovery", hides=False) if code else _ppp


def _macsec(packet: Packet) -> Layer | NoTcp:
    """IEEE 802.1AE; readable where it only authenticates."""
    control = packet.data[packet.start]
    packet.start += 14 if control & 0x20 else 6
    return NoTcp("encrypted MACsec") if control & 0x0C else typed(0, 2)


PPP_PROTOCOLS: Mapping[int, Layer | NoTcp] = {
    0x0021: ip,
    0x0031: skip(2, _ethernet),  # bridging, RFC 3518
    0x0057: ip,
    0x0281: mpls,
    0x003D: NoTcp("multilink PPP"),
    0x0053: NoTcp("encrypted PPP"),
    0x00FD: NoTcp("compressed PPP"),
}
"""PPP protocol -> what it carries."""

_WIRELESS: Mapping[int, Layer] = {801: _wireless, 802: _prism, 803: _radiotap}
"""Hardware type of a Linux cooked header (ARPHRD_IEEE80211 and its like) -> what it carries."""

ETHERTYPES.update(
    {
        **dict.fromkeys((0x8100, 0x88A8, 0x9100, 0x9200, 0x9300), typed(2, 4)),  # VLAN tags
        0x6558: _ethernet,
        0x8863: NoTcp("PPPoE discovery", hides=False),
        0x8864: _pppoe,
        0x880B: _ppp,
        0x88E5: _macsec,
        0x88E7: skip(4, _ethernet),  # provider backbone, IEEE 802.1ah
        0x8909: typed(6, 8),  # Cisco MetaData
        0x8926: typed(4, 6),  # VN-Tag
        0x893F: typed(6, 8),  # IEEE 802.1BR
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
        0x8870: _llc,  # in frames longer than a length can say
        0x88CC: NoTcp("LLDP", hides=False),
        0x88F7: NoTcp("PTP", hides=False),
        0x9000: NoTcp("loopback tests", hides=False),
    }
)

LINKS.update(
    {
        # NULL writes the address family in the byte order of its machine; the IP version after it says the same.
        frames.NULL: skip(4, ip),
        frames.ETHERNET: _ethernet,
        9: _ppp,
        12: ip,
        14: ip,
        50: _hdlc,
        51: _pppoe,
        100: _llc,  # LLC and SNAP over ATM, RFC 2684
        frames.RAW: ip,
        104: _hdlc,
        105: _wireless,
        107: _frame_relay,
        frames.LOOP: skip(4, ip),
        109: skip(12, ip),  # OpenBSD's enc
        frames.SLL: _cooked(14, 16, 2),
        117: _firewall_log,
        119: _prism,
        127: _radiotap,
        138: typed(16, 18),  # IP over IEEE 1394, RFC 2734
        163: _avs,
        166: skip(1, _ppp),  # of Linux's pppd: a byte for the direction
        192: _packet_information,
        204: skip(1, _ppp),
        205: skip(1, _hdlc),
        206: skip(1, _frame_relay),
        219: mpls,
        228: ip,
        229: ip,
        240: skip(4, _ethernet),  # netANALYZER
        frames.SLL2: _cooked(0, 20, 8),
    }
)
