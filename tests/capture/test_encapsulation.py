"""A TCP conversation is read through whatever carries it, as tshark reads it; what is not read is counted and named."""

import subprocess
from collections import defaultdict

import pytest
from dns.message import make_query
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS
from scapy.layers.dot11 import Dot11, Dot11QoS, RadioTap
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.ipsec import AH, ESP
from scapy.layers.l2 import ARP, GRE, LLC, SNAP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Dot3, Ether, Loopback
from scapy.layers.ppp import HDLC, PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from tcp_frames import Connection
from tools import tool

from labkit import read_capture
from labkit.__main__ import main
from labkit.capture.encapsulation import Unwrapper, segment
from labkit.capture.frames import ETHERNET, LOOP, NULL, RAW, SLL, SLL2, address
from labkit.capture.passed_over import PassedOver
from labkit.capture.pcap import Frame, write_pcapng
from labkit.capture.trace import Trace
from labkit.defences.lookups import lookups

ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
OUTER4, OUTER6 = IP(src="198.51.100.1", dst="198.51.100.2"), IPv6(src="2001:db8:f::1", dst="2001:db8:f::2")
SAID = (("server", b"220 mail.lab.test ESMTP\r\n"), ("client", b"EHLO alice\r\n"), ("server", b"250 STARTTLS\r\n"))


def session(version: int, port: int = 40000) -> list:
    """The IP packets of a short session."""
    connection = Connection(port=port, to=25).open()
    for sender, data in SAID:
        connection.say(sender, data)
    packets = []
    for seg in connection.close().segments:
        hosts = [end[0] for end in (seg.source, seg.target)]
        if version == 6:
            hosts = [b"\x20\x01\x0d\xb8" + bytes(8) + host for host in hosts]
        ip = (IP if version == 4 else IPv6)(src=address(hosts[0]), dst=address(hosts[1]))
        tcp = TCP(sport=seg.source[1], dport=seg.target[1], seq=seg.seq, ack=seg.ack, flags=seg.flags)
        packets.append(ip / tcp / Raw(seg.payload) if seg.payload else ip / tcp)
    return packets


# scapy.contrib.geneve and .nsh load all of scapy: at the top of the file for 0.7 s in each process of pytest-xdist.


def _geneve(proto):
    from scapy.contrib.geneve import GENEVE

    return GENEVE(vni=7, proto=proto)


def _nsh():
    from scapy.contrib.nsh import NSH

    return NSH(mdtype=2, length=2, nextproto=3)


def _udp(port):
    return UDP(sport=55555, dport=port)


def _l2tp(ip):
    head = bytes.fromhex("4002") + (12 + 4 + len(ip) - 4 + 4).to_bytes(2) + b"\0\7\0\7"
    body = b"\xff\x03" + (b"\0\x21" if ip.version == 4 else b"\0\x57") + bytes(ip)
    return ETHER / OUTER4 / _udp(1701) / Raw(head[:2] + (8 + len(body)).to_bytes(2) + head[4:] + body)


def _frame_relay(ip):
    return Raw(b"\x18\x41\x03" + (b"\xcc" if ip.version == 4 else b"\x8e") + bytes(ip))


def _cisco(ip):
    return Raw(b"\x0f\0" + (b"\x08\0" if ip.version == 4 else b"\x86\xdd") + bytes(ip))


def _wireless(head, ip):
    return head / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP() / ip


def _erspan(ip):
    return (
        ETHER / OUTER4 / GRE(proto=0x88BE, seqnum_present=1, sequence_number=1) / Raw(b"\x10" + bytes(7)) / ETHER / ip
    )


def _etype(ip):
    return 0x0800 if ip.version == 4 else 0x86DD


DATA = Dot11(
    type=2, subtype=0, FCfield=1, addr1="02:00:00:00:00:02", addr2="02:00:00:00:00:01", addr3="02:00:00:00:00:03"
)
QOS = Dot11(
    type=2, subtype=8, FCfield=1, addr1="02:00:00:00:00:02", addr2="02:00:00:00:00:01", addr3="02:00:00:00:00:03"
)
WRAPPINGS = {
    "VLAN in cooked": (SLL, lambda ip: CookedLinux() / Dot1Q(vlan=7) / ip),
    "QinQ in cooked": (SLL, lambda ip: CookedLinux(proto=0x88A8) / Dot1AD(vlan=3) / Dot1Q(vlan=7) / ip),
    "VLAN in cooked v2": (SLL2, lambda ip: CookedLinuxV2() / Dot1Q(vlan=7) / ip),
    "QinQ in cooked v2": (SLL2, lambda ip: CookedLinuxV2(proto=0x88A8) / Dot1AD(vlan=3) / Dot1Q(vlan=7) / ip),
    "three VLANs": (ETHERNET, lambda ip: ETHER / Dot1AD(vlan=3) / Dot1Q(vlan=7) / Dot1Q(vlan=8) / ip),
    "PPPoE": (ETHERNET, lambda ip: ETHER / PPPoE(sessionid=1) / PPP() / ip),
    "PPPoE in a VLAN": (ETHERNET, lambda ip: ETHER / Dot1Q(vlan=7) / PPPoE(sessionid=1) / PPP() / ip),
    "PPP": (9, lambda ip: PPP() / ip),
    "PPP in HDLC": (9, lambda ip: HDLC() / PPP() / ip),
    "PPP in HDLC by its link type": (50, lambda ip: HDLC() / PPP() / ip),
    "PPP with a short protocol": (9, lambda ip: Raw((b"\x21" if ip.version == 4 else b"\x57") + bytes(ip))),
    "Cisco HDLC": (104, _cisco),
    "Frame Relay": (107, _frame_relay),
    "MPLS": (ETHERNET, lambda ip: ETHER / MPLS(label=16, s=0) / MPLS(label=17, s=1) / ip),
    "Ethernet in MPLS": (ETHERNET, lambda ip: ETHER / MPLS(label=16, s=1) / Raw(bytes(4)) / ETHER / ip),
    "LLC and SNAP": (
        ETHERNET,
        lambda ip: Dot3(src=ETHER.src, dst=ETHER.dst) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP() / ip,
    ),
    "GRE": (ETHERNET, lambda ip: ETHER / OUTER4 / GRE() / ip),
    "GRE with all options": (
        ETHERNET,
        lambda ip: (
            ETHER / OUTER4 / GRE(chksum_present=1, key_present=1, seqnum_present=1, key=7, sequence_number=1) / ip
        ),
    ),
    "GRE in IPv6": (ETHERNET, lambda ip: ETHER / OUTER6 / GRE() / ip),
    "Ethernet in GRE": (ETHERNET, lambda ip: ETHER / OUTER4 / GRE(proto=0x6558) / ETHER / ip),
    "ERSPAN": (ETHERNET, _erspan),
    "IP in IPv4": (ETHERNET, lambda ip: ETHER / OUTER4 / ip),
    "IP in IPv6": (ETHERNET, lambda ip: ETHER / OUTER6 / ip),
    "IP in IP in IP": (RAW, lambda ip: OUTER6 / OUTER4 / ip),
    "VXLAN": (ETHERNET, lambda ip: ETHER / OUTER4 / _udp(4789) / VXLAN(vni=7, flags=8) / ETHER / ip),
    "VXLAN in IPv6": (
        ETHERNET,
        lambda ip: ETHER / OUTER6 / _udp(4789) / VXLAN(vni=7, flags=8) / ETHER / Dot1Q(vlan=2) / ip,
    ),
    "Geneve": (
        ETHERNET,
        lambda ip: ETHER / OUTER4 / _udp(6081) / _geneve(0x6558) / ETHER / ip,
    ),
    "IP in Geneve": (
        ETHERNET,
        lambda ip: ETHER / OUTER6 / _udp(6081) / _geneve(_etype(ip)) / ip,
    ),
    "GTP-U": (ETHERNET, lambda ip: ETHER / OUTER4 / _udp(2152) / GTP_U_Header(teid=7) / ip),
    "GTP-U with an extension": (
        ETHERNET,
        lambda ip: ETHER / OUTER4 / _udp(2152) / GTP_U_Header(teid=7) / GTPPDUSessionContainer(type=0, QFI=1) / ip,
    ),
    "L2TP": (ETHERNET, _l2tp),
    "Teredo": (ETHERNET, lambda ip: ETHER / OUTER4 / _udp(3544) / ip if ip.version == 6 else ETHER / ip),
    "AH": (ETHERNET, lambda ip: ETHER / OUTER4 / AH(nh=4 if ip.version == 4 else 41, payloadlen=4, icv=bytes(12)) / ip),
    "802.11": (105, lambda ip: _wireless(DATA, ip)),
    "802.11 with QoS, radiotap": (127, lambda ip: RadioTap() / _wireless(QOS / Dot11QoS(), ip)),
    "raw IP": (RAW, lambda ip: ip),
    "NULL": (NULL, lambda ip: Loopback(type=2 if ip.version == 4 else 30) / ip),
    "LOOP": (LOOP, lambda ip: Raw((2 if ip.version == 4 else 24).to_bytes(4) + bytes(ip))),
    "NSH": (
        ETHERNET,
        lambda ip: Ether(src=ETHER.src, dst=ETHER.dst, type=0x894F) / _nsh() / ETHER / ip,
    ),
}


NOT_FOR_TSHARK = {"Ethernet in MPLS"}  # it has to be told which labels are pseudowires


def write(path, link, packets):
    """A capture of these packets, one a second."""
    frames = [Frame(number * 10**9, link, bytes(packet), len(packet)) for number, packet in enumerate(packets)]
    write_pcapng(path, frames)
    return path


def is_the_session(path):
    capture = read_capture(path)
    (conversation,) = capture.conversations
    for side in ("client", "server"):
        assert conversation.stream(side) == b"".join(data for sender, data in SAID if sender == side)
    signals = [chunk.kind for chunk in conversation.chunks if chunk.kind != "data"]
    return (signals, capture.passed_over) == (["syn", "syn-ack", "ack", "fin", "fin"], "")


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("name", WRAPPINGS)
def test_a_session_is_read_through_what_carries_it(name, version, tmp_path):
    link, wrap = WRAPPINGS[name]
    assert is_the_session(write(tmp_path / "wrapped", link, map(wrap, session(version))))


def test_a_question_to_a_name_server_is_kept_through_what_carries_it():
    question = make_query("bob.test", "MX").to_wire()
    for name, (link, wrap) in WRAPPINGS.items():
        for ip in (IP(src="192.0.2.2", dst="192.0.2.10"), IPv6(src="2001:db8::2", dst="2001:db8::10")):
            data = bytes(wrap(ip / UDP(sport=40000, dport=53) / Raw(question)))
            (found,) = lookups(Trace([Frame(5, link, data, len(data))]).datagrams)
            assert (found.time, found.client, found.name, found.type) == (5, (ip.src, 40000), "bob.test", "MX"), name


def test_tshark_reads_the_same_through_them(tmp_path):
    """All of them in one file, each session with a port of its own."""
    frames = []
    cases = [(*WRAPPINGS[name], version) for name in WRAPPINGS if name not in NOT_FOR_TSHARK for version in (4, 6)]
    for number, (link, wrap, version) in enumerate(cases):
        frames += [Frame(0, link, bytes(wrap(ip)), len(wrap(ip))) for ip in session(version, 40000 + number)]
    write_pcapng(tmp_path / "all", frames)
    fields = ("tcp.srcport", "tcp.dstport", "tcp.payload")
    command = [tool("tshark"), "-n", "-r", str(tmp_path / "all"), "-Y", "tcp", "-T", "fields"]
    command += [f"-e{field}" for field in fields]
    theirs = defaultdict(bytes)
    for line in subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines():
        source, target, payload = (field.split(",")[-1] for field in line.split("\t"))
        theirs[int(source), int(target)] += bytes.fromhex(payload)
    ours = {}
    for conversation in read_capture(tmp_path / "all").conversations:
        ends = conversation.client.port, conversation.server.port
        ours[ends], ours[ends[::-1]] = conversation.stream("client"), conversation.stream("server")
    assert len(ours) == 2 * len(cases) and ours == dict(theirs)


# ---- IP fragments


@pytest.mark.parametrize("order", ("in order", "backwards", "twice", "mixed with the next"))
@pytest.mark.parametrize("version", (4, 6))
def test_fragments_of_ip_are_joined(version, order, tmp_path):
    packets = []
    for number, ip in enumerate(session(version)):
        if version == 4:
            ip.id = number + 1
            parts = fragment(ip, fragsize=16)
        else:
            whole = IPv6(src=ip.src, dst=ip.dst) / IPv6ExtHdrFragment(id=number) / ip.payload
            parts = fragment6(whole, 64 + 16)
        arranged = {"backwards": parts[::-1], "twice": [*parts, *parts]}
        packets += arranged.get(order, parts)
    if order == "mixed with the next":
        packets[5:9] = packets[5:9][::-1]
    assert sum(1 for _ in packets) > len(session(version))
    assert is_the_session(write(tmp_path / "fragments", RAW, packets))


def test_fragments_inside_a_tunnel_and_tunnels_inside_fragments_are_joined(tmp_path):
    packets = []
    for number, ip in enumerate(session(4)):
        ip.id = number + 1
        outer = OUTER4.copy()
        outer.id = 1000 + number
        packets += [ETHER / OUTER4 / GRE() / part for part in fragment(ip, fragsize=16)[:1]]
        inner = fragment(ip, fragsize=16)[1:]
        packets += [
            ETHER / part for rest in inner for part in fragment(outer / _udp(4789) / VXLAN(flags=8) / ETHER / rest, 24)
        ]
    assert is_the_session(write(tmp_path / "nested", ETHERNET, packets))


def test_fragments_without_the_rest_are_counted_and_named(tmp_path, capsys):
    packets = session(4)
    packets[5].id = 7
    packets[5:6] = fragment(packets[5], fragsize=16)[:-1]
    path = write(tmp_path / "lost", RAW, packets)
    capture = read_capture(path)
    count = len(packets) - len(session(4)) + 1
    assert f"{count} frame" in capture.passed_over and "IP fragments without the rest" in capture.passed_over
    assert capture.passed_over in repr(capture)


# ---- what is passed over

ESP_FRAMES = [ETHER / OUTER4 / ESP(spi=1, seq=number, data=bytes(40)) for number in range(3)]
OTHERS = {
    "3 frames of ESP": (ETHERNET, ESP_FRAMES),
    "1 frame of encrypted 802.11": (105, [Dot11(type=2, FCfield=0x41) / Raw(bytes(60))]),
    "2 frames of EtherType 0x4242": (ETHERNET, [Ether(type=0x4242) / Raw(bytes(40))] * 2),
    "1 frame of IP protocol 200": (ETHERNET, [ETHER / IP(proto=200) / Raw(bytes(40))]),
    "1 frame of compressed PPP": (9, [Raw(b"\xff\x03\0\xfd" + bytes(40))]),
    "1 frame of headers cut by the capture": (ETHERNET, [Raw(bytes(ETHER / session(4)[0])[:40])]),
    "1 frame of IP with a damaged header": (ETHERNET, [Ether(type=0x0800) / Raw(bytes(60))]),
    "1 frame of WireGuard": (ETHERNET, [ETHER / OUTER4 / _udp(51820) / Raw(bytes(60))]),
}


@pytest.mark.parametrize("version", (b"\xfe\xff", b"\xfe\xfd"))
def test_dtls_is_named_and_hides_no_conversation(version, tmp_path, capsys):
    record = b"\x16" + version + bytes(9) + b"\x20" + bytes(32)
    path = write(tmp_path / "dtls", ETHERNET, [ETHER / OUTER4 / UDP(sport=40000, dport=5684) / Raw(record)])
    assert main(["decode", str(path)]) == 1
    assert "it holds 1 frame of DTLS, which is TLS over UDP" in capsys.readouterr().err
    assert not read_capture(path).passed_over


@pytest.mark.parametrize("form", ([], ["--json"]))
@pytest.mark.parametrize("named", OTHERS)
def test_what_may_hide_a_conversation_is_counted_and_named_everywhere(named, form, tmp_path, capsys):
    link, others = OTHERS[named]
    alone = write(tmp_path / "alone", link, others)
    assert named in read_capture(alone).passed_over and named in repr(read_capture(alone))
    assert main(["decode", str(alone), *form]) == 1
    said = capsys.readouterr()
    assert said.out == "" and named in said.err and len(said.err.splitlines()) == 1
    assert "There is no TCP conversation" not in said.err + repr(read_capture(alone))
    both = [Frame(0, ETHERNET, bytes(ETHER / ip), len(ETHER / ip)) for ip in session(4)]
    both += [Frame(0, link, bytes(other), len(other)) for other in others]
    write_pcapng(tmp_path / "both", both)
    assert main(["decode", str(tmp_path / "both"), *form]) == 1
    said = capsys.readouterr()
    assert "EHLO" in said.out and named in said.err and len(said.err.splitlines()) == 1
    assert named in repr(read_capture(tmp_path / "both"))


def test_what_cannot_hide_one_is_named_only_where_there_is_no_conversation(tmp_path, capsys):
    others = [
        ETHER / ARP(),
        ETHER / OUTER4 / UDP(sport=53, dport=5353) / Raw(b"x"),
        ETHER / OUTER4 / ICMP(),
        ETHER / LLC(),
    ]
    alone = write(tmp_path / "alone", ETHERNET, others)
    assert main(["decode", str(alone)]) == 1
    said = capsys.readouterr().err
    for name in (
        "There is no TCP conversation",
        "1 frame of ARP",
        "1 frame of UDP",
        "1 frame of ICMP",
        "1 frame of LLC",
    ):
        assert name in said
    with_session = write(tmp_path / "with", ETHERNET, [*others, *(ETHER / ip for ip in session(4))])
    assert main(["decode", str(with_session)]) == 0
    assert capsys.readouterr().err == "" and read_capture(with_session).passed_over == ""


def test_frames_of_a_link_type_that_is_not_known_are_named_beside_others(tmp_path):
    frames = [Frame(0, ETHERNET, bytes(ETHER / ip), len(ETHER / ip)) for ip in session(4)]
    write_pcapng(tmp_path / "two", [*frames, Frame(0, 147, b"something", 9)])
    capture = read_capture(tmp_path / "two")
    assert len(capture.conversations) == 1 and "1 frame of link type 147" in capture.passed_over


# ---- any bytes


@given(st.sampled_from(list(WRAPPINGS)), st.sampled_from((4, 6)), st.data())
def test_damaged_headers_give_a_segment_or_are_counted(name, version, data):
    link, wrap = WRAPPINGS[name]
    frame = bytearray(bytes(wrap(session(version)[3])))
    for _ in range(data.draw(st.integers(0, 4))):
        frame[data.draw(st.integers(0, min(len(frame), 90) - 1))] = data.draw(st.integers(0, 255))
    del frame[data.draw(st.integers(0, len(frame))) :]
    counted = PassedOver()
    unwrap = Unwrapper(counted)
    found = unwrap.find(link, bytes(frame))
    unwrap.finish()
    assert (found is not None) + sum(counted.frames.values()) == 1


@given(st.integers(0, 300), st.binary(max_size=120))
def test_no_bytes_are_too_strange(link, data):
    found = segment(link, data)
    assert found is None or found.payload in data
