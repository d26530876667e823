"""Tunnels: what carries IP packets or Ethernet frames inside IP, UDP or a label.

MPLS RFC 3032, GRE RFC 2784 and RFC 2637, VXLAN RFC 7348, Geneve RFC 8926, NSH RFC 8300, GTP-U 3GPP TS 29.281, L2TP
RFC 2661, Teredo RFC 4380, LISP RFC 9300, EtherIP RFC 3378.
"""

from collections.abc import Mapping

from labkit.capture.layers import (
    ETHERTYPES,
    PLAIN_UDP,
    PROTOCOLS,
    U16,
    UDP_PORTS,
    Layer,
    Packet,
    ethernet,
    ip,
    of_ethertype,
    ppp,
    skip,
)
from labkit.capture.passed_over import NoTcp

_ETHERTYPE_AT = 12


def _mpls(packet: Packet) -> Layer | NoTcp:
    """A stack of labels; its first half byte says what follows (RFC 4928 §3); Ethernet is recognised by its type."""
    data = packet.data
    while not data[packet.start + 2] & 1:
        packet.start += 4
    packet.start += 4
    if data[packet.start] >> 4 in (4, 6):
        return ip
    for control_word in (4, 0):
        if U16(data, packet.start + control_word + _ETHERTYPE_AT)[0] in ETHERTYPES:
            packet.start += control_word
            return ethernet
    return NoTcp("MPLS with an unknown content")


def _gre(packet: Packet) -> Layer | NoTcp:
    """RFC 2784 with RFC 2890; version 1 is PPTP's (RFC 2637 §4.1)."""
    flags, kind = U16(packet.data, packet.start)[0], U16(packet.data, packet.start + 2)[0]
    if flags & 7 > 1 or flags & 0x4000:
        return NoTcp("GRE with routing or an unknown version")
    packet.start += 4 + 4 * sum(bool(flags & bit) for bit in (0x8000, 0x2000, 0x1000))
    if flags & 7 == 1:
        packet.start += 4 * bool(flags & 0x0080)
        return ppp if packet.start < packet.end else NoTcp("PPTP acknowledgements", hides=False)
    if kind == _ERSPAN2:
        packet.start += 8 if flags & 0x1000 else 0
        return ethernet
    if kind == _ERSPAN3:
        packet.start += 20 if packet.data[packet.start + 11] & 1 else 12
        return ethernet
    return of_ethertype(kind)


_ERSPAN2, _ERSPAN3 = 0x88BE, 0x22EB


def _vxlan(packet: Packet) -> Layer | NoTcp:
    if not packet.data[packet.start] & 0x08:
        return PLAIN_UDP
    packet.start += 8
    return ethernet


def _vxlan_gpe(packet: Packet) -> Layer | NoTcp:
    kind = packet.data[packet.start + 3]
    packet.start += 8
    return _GENERIC.get(kind) or NoTcp(f"VXLAN-GPE with protocol {kind}")


def _geneve(packet: Packet) -> Layer | NoTcp:
    version_and_options, kind = packet.data[packet.start], U16(packet.data, packet.start + 2)[0]
    if version_and_options >> 6:
        return PLAIN_UDP
    packet.start += 8 + (version_and_options & 0x3F) * 4
    return of_ethertype(kind)


def _nsh(packet: Packet) -> Layer | NoTcp:
    words, kind = packet.data[packet.start + 1] & 0x3F, packet.data[packet.start + 3]
    packet.start += max(words, 1) * 4
    return _GENERIC.get(kind) or NoTcp(f"NSH with protocol {kind}")


def _gtp(packet: Packet) -> Layer | NoTcp:
    """The user plane of mobile networks: a user's IP packet, after optional fields and extension headers."""
    data, start = packet.data, packet.start
    flags, kind = data[start], data[start + 1]
    if flags >> 5 != 1 or not flags & 0x10:
        return PLAIN_UDP
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
    return ip


_GTP_USER_DATA = 255


def _l2tp(packet: Packet) -> Layer | NoTcp:
    flags = U16(packet.data, packet.start)[0]
    if flags & 0x000F != 2:
        return NoTcp("L2TP of another version")
    if flags & 0x8000:
        return NoTcp("L2TP control", hides=False)
    packet.start += 6 + 2 * bool(flags & 0x4000) + 4 * bool(flags & 0x0800)
    if flags & 0x0200:
        packet.start += 2 + U16(packet.data, packet.start)[0]
    return ppp


def _teredo(packet: Packet) -> Layer | NoTcp:
    data = packet.data
    if data[packet.start : packet.start + 2] == b"\0\1":
        packet.start += 13 + data[packet.start + 2] + data[packet.start + 3]
    if data[packet.start : packet.start + 2] == b"\0\0":
        packet.start += 8
    return ip if data[packet.start] >> 4 == 6 else PLAIN_UDP


def _esp_in_udp(packet: Packet) -> NoTcp:
    """RFC 3948: keep-alives have one byte, IKE begins with four zeros."""
    size = packet.end - packet.start
    key_exchange = size < 8 or packet.data[packet.start : packet.start + 4] == bytes(4)
    return NoTcp("IKE", hides=False) if key_exchange else _ESP


_ESP = NoTcp("ESP")

_GENERIC: Mapping[int, Layer] = {1: ip, 2: ip, 3: ethernet, 4: _nsh, 5: _mpls}
"""The next protocol of VXLAN-GPE and of NSH."""

ETHERTYPES.update(
    {
        0x8847: _mpls,
        0x8848: _mpls,
        0x894F: _nsh,
    }
)

PROTOCOLS.update(
    {
        47: _gre,
        50: _ESP,
        97: skip(2, ethernet),  # EtherIP, RFC 3378
        115: NoTcp("L2TP of another version"),
        137: _mpls,
    }
)

UDP_PORTS.update(
    {
        1194: NoTcp("OpenVPN"),
        1701: _l2tp,
        2152: _gtp,
        3544: _teredo,
        4341: skip(8, ip),  # LISP
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
)
