"""The TCP segment is found in frames of every link type, as scapy builds and reads them; anything else is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.config import conf
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
from scapy.layers.l2 import (
    ARP,
    LLC,
    CookedLinux,
    CookedLinuxV2,
    Dot1AD,
    Dot1Q,
    Ether,
    Loopback,
    LoopbackOpenBSD,
)
from scapy.packet import Raw

from labkit.capture.encapsulation import known, segment
from labkit.capture.frames import ETHERNET, LOOP, NULL, RAW, SLL, SLL2, address
from labkit.capture.headers import build, checksum, renumber

MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}  # else scapy asks the network for them
ETHER = Ether(**MACS)
PAYLOAD = b"250-STARTTLS\r\n"
V4, V6 = IP(src="192.0.2.1", dst="192.0.2.2"), IPv6(src="2001:db8::1", dst="2001:db8::2")
SEGMENT = TCP(sport=587, dport=50000, seq=0xFFFFFFF0, ack=77, flags="PA") / Raw(PAYLOAD)

LINKS = {
    "Ethernet": (ETHERNET, lambda ip: ETHER / ip),
    "VLAN": (ETHERNET, lambda ip: ETHER / Dot1Q(vlan=7) / ip),
    "two VLANs": (ETHERNET, lambda ip: ETHER / Dot1AD(vlan=3) / Dot1Q(vlan=7) / ip),
    "cooked": (SLL, lambda ip: CookedLinux() / ip),
    "cooked v2": (SLL2, lambda ip: CookedLinuxV2() / ip),
    "null, of Linux": (NULL, lambda ip: Loopback(type={4: 2, 6: 10}[ip.version]) / ip),
    "null, of a Mac": (NULL, lambda ip: Loopback(type={4: 2, 6: 30}[ip.version]) / ip),
    "loop, of OpenBSD": (LOOP, lambda ip: LoopbackOpenBSD(type={4: 2, 6: 24}[ip.version]) / ip),
    "raw IP": (RAW, lambda ip: ip),
    "raw IP, as BSD numbers it": (12, lambda ip: ip),
    "raw IP, as OpenBSD numbers it": (14, lambda ip: ip),
}


def is_read(link, packet):
    found = segment(link, bytes(packet))
    ip = packet[IP] if IP in packet else packet[IPv6]
    ends = [(address(host), port) for host, port in (found.source, found.target)]
    assert ends == [(ip.src, 587), (ip.dst, 50000)]
    assert (found.seq, found.ack, found.flags, found.payload) == (0xFFFFFFF0, 77, 0x18, PAYLOAD)
    return True


@pytest.mark.parametrize("ip", (V4, V6), ids=("IPv4", "IPv6"))
@pytest.mark.parametrize("name", LINKS)
def test_a_segment_is_read_from_every_link_type(name, ip):
    link, put = LINKS[name]
    assert known(link) and is_read(link, put(ip / SEGMENT))


def test_the_link_types_of_one_ip_version_are_read():
    assert is_read(228, V4 / SEGMENT) and is_read(229, V6 / SEGMENT)


def test_what_scapy_numbers_like_us_it_dissects_like_us():
    for link, put in LINKS.values():
        if link in conf.l2types.num2layer:
            assert conf.l2types[link](bytes(put(V4 / SEGMENT)))[TCP].seq == 0xFFFFFFF0


def test_options_and_extension_headers_are_passed_over():
    options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 2)), ("NOP", None), ("WScale", 7)]
    optioned = TCP(sport=587, dport=50000, seq=0xFFFFFFF0, ack=77, flags="PA", options=options) / Raw(PAYLOAD)
    assert is_read(ETHERNET, ETHER / V4 / optioned)
    routed = IP(src="192.0.2.1", dst="192.0.2.2", options=[IPOption_RR()])
    assert is_read(ETHERNET, ETHER / routed / optioned)
    extended = V6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting(addresses=["2001:db8::2"]) / IPv6ExtHdrDestOpt()
    assert is_read(RAW, extended / optioned)


def test_padding_behind_a_short_packet_is_no_payload():
    short = ETHER / V4 / TCP(sport=587, dport=50000, flags="A")
    assert segment(ETHERNET, bytes(short) + bytes(6)).payload == b""
    assert segment(ETHERNET, bytes(ETHER / V4 / SEGMENT) + b"trailer").payload == PAYLOAD
    assert segment(ETHERNET, bytes(ETHER / V6 / SEGMENT) + b"trailer").payload == PAYLOAD


def test_a_packet_that_the_card_will_cut_has_no_length_and_is_read_whole():
    """Segmentation offload leaves the length field of IP at zero."""
    assert is_read(ETHERNET, ETHER / IP(src="192.0.2.1", dst="192.0.2.2", len=0) / SEGMENT)
    assert is_read(ETHERNET, ETHER / IPv6(src="2001:db8::1", dst="2001:db8::2", plen=0) / SEGMENT)


def test_a_cut_frame_gives_what_was_captured_of_its_payload():
    whole = bytes(ETHER / V4 / SEGMENT)
    assert segment(ETHERNET, whole[:-4]).payload == PAYLOAD[:-4]


@pytest.mark.parametrize(
    "packet",
    (
        ETHER / V4 / UDP(sport=587, dport=50000) / Raw(PAYLOAD),
        ETHER / V6 / UDP(sport=587, dport=50000) / Raw(PAYLOAD),
        ETHER / V4 / ICMP() / V4 / SEGMENT,
        ETHER / ARP(psrc="192.0.2.1", hwsrc=MACS["src"]),
        Ether(**MACS, type=40) / LLC() / Raw(bytes(40)),
        ETHER / V6 / IPv6ExtHdrFragment(offset=0, m=1) / SEGMENT,
        *(ETHER / part for part in fragment(V4 / TCP() / Raw(bytes(64)), fragsize=32)),
        Ether(**MACS, type=0x0800) / Raw(bytes(60)),
        ETHER,
    ),
    ids=lambda packet: packet.summary(),
)
def test_what_is_not_a_whole_segment_is_none(packet):
    assert segment(ETHERNET, bytes(packet)) is None


def test_headers_that_are_cut_or_impossible_are_none():
    frame = bytes(ETHER / V4 / SEGMENT)
    for end in range(14 + 20 + 20):
        assert segment(ETHERNET, frame[:end]) is None
    for packet in (V4 / TCP(dataofs=4), IP(ihl=4) / SEGMENT, IP(len=30) / SEGMENT, V6 / TCP(dataofs=0)):
        assert segment(RAW, bytes(packet)) is None
    assert not known(147) and segment(147, frame) is None


@given(st.sampled_from([link for link, _ in LINKS.values()]), st.binary(max_size=90))
def test_no_bytes_are_too_strange(link, data):
    found = segment(link, data)
    assert found is None or data.endswith(found.payload) or found.payload in data


@given(st.sampled_from(list(LINKS)), st.sampled_from((V4, V6)), st.data())
def test_a_damaged_frame_is_a_segment_or_none(name, ip, data):
    link, put = LINKS[name]
    frame = bytearray(bytes(put(ip / SEGMENT)))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    found = segment(link, bytes(frame))
    assert found is None or len(found.source[0]) == len(found.target[0]) in (4, 16)


# ---- frames that the lab writes


@given(st.binary(max_size=200), st.integers(0, 0xFFFFFFFF), st.integers(0, 255), st.integers(0, 1 << 20))
def test_a_built_frame_is_what_scapy_reads_and_its_checksums_are_right(payload, seq, flags, number):
    wanted = segment(ETHERNET, bytes(ETHER / V4 / TCP(sport=25, dport=40000, seq=seq, ack=9, flags=flags) / payload))
    frame = build(wanted, number)
    assert segment(ETHERNET, frame) == wanted
    read = Ether(frame)
    assert (read[TCP].flags, bytes(read[TCP].payload), read[IP].id) == (flags, payload, number & 0xFFFF)
    assert bytes(_summed_anew(read)) == frame


def _summed_anew(packet):
    del packet[IP].chksum, packet[TCP].chksum
    return packet


@given(st.binary(max_size=100))
def test_the_checksum_proves_itself(data):
    data += bytes(len(data) % 2)
    assert checksum(data + checksum(data).to_bytes(2)) in (0, 0xFFFF)


@given(st.binary(max_size=100), st.booleans())
def test_a_renumbered_frame_differs_only_in_its_ports_and_checksum(payload, upstream):
    ends = {"sport": 50000, "dport": 43210} if upstream else {"sport": 43210, "dport": 50000}
    frame = bytes(ETHER / V4 / TCP(**ends, flags="PA", options=[("Timestamp", (1, 2))]) / payload)
    read = Ether(renumber(frame, {43210: 587}))
    assert (read[TCP].sport, read[TCP].dport) == ((50000, 587) if upstream else (587, 50000))
    read[TCP].sport, read[TCP].dport = ends["sport"], ends["dport"]
    assert bytes(_summed_anew(read)) == frame


@given(st.binary(max_size=100), st.booleans())
def test_a_renumbered_datagram_differs_only_in_its_ports_and_checksum(payload, upstream):
    ends = {"sport": 50000, "dport": 43210} if upstream else {"sport": 43210, "dport": 50000}
    frame = bytes(ETHER / V4 / UDP(**ends) / payload)
    read = Ether(renumber(frame, {43210: 53}))
    assert (read[UDP].sport, read[UDP].dport) == ((50000, 53) if upstream else (53, 50000))
    fresh = Ether(bytes(read))
    del fresh[UDP].chksum
    assert bytes(fresh) == bytes(read), "the checksum is the one that scapy would write"
    read[UDP].sport, read[UDP].dport = ends["sport"], ends["dport"]
    del read[UDP].chksum
    assert bytes(read) == frame


def test_only_segments_and_datagrams_of_the_lab_are_renumbered():
    others = [
        ETHER / V4 / SEGMENT,
        ETHER / V4 / UDP(dport=43211),
        ETHER / V4 / ICMP(),
        ETHER / V6 / TCP(dport=43210),
        ETHER / ARP(psrc="192.0.2.1", hwsrc=MACS["src"]),
    ]
    others += [ETHER / part for part in fragment(V4 / TCP(dport=43210) / Raw(bytes(64)), fragsize=32)]
    assert [renumber(bytes(packet), {43210: 587}) for packet in others] == [None] * len(others)


@given(st.binary(max_size=80))
def test_no_frame_is_too_strange_to_be_renumbered(data):
    renumber(data, {43210: 587})
    renumber(bytes(12) + b"\x08\x00" + data, {43210: 587})
