"""The private LAN: addresses, ARP, a switch and real tools; and what the attacker does to see more than broadcasts."""

import os
import re
import signal
import socket
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest
from networks import made
from scapy.layers import l2
from tools import tool

from labkit.capture import record
from labkit.errors import LabError, NetworkUnavailable, NotListening

MALLORY = "00:00:5e:00:53:66"
BROADCAST = bytes.fromhex("ffffffffffff")
ARP = bytes.fromhex("0806")


@pytest.fixture
def lan():
    with closing(made("namespace")) as network:
        yield network


def _said(host, *command: str) -> str:
    done = host.run(list(command))
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def _meet(lan, port=587):
    """(alice's end, mail's end) of a new connection; mail listens already."""
    near = lan.host("alice").connect("mail", port)
    return near, lan.listeners["mail", port].socket.accept()[0]


def _talk(lan, words=b"hello"):
    near, far = _meet(lan)
    with near, far:
        near.sendall(words)
        assert far.recv(len(words), socket.MSG_WAITALL) == words


def _neighbours(host) -> dict[str, str]:
    """IP address -> MAC address, as ip(8) shows the host's ARP table."""
    return dict(re.findall(r"(\S+) dev eth0 lladdr (\S+)", _said(host, tool("ip"), "neigh")))


# ---- addresses, ports and names


def test_hosts_have_addresses_of_their_own_and_servers_their_real_ports(lan):
    for port in (25, 110, 143, 465, 587, 993, 995):
        lan.host("mail").listen(port)
        near, far = _meet(lan, port)
        with near, far:
            assert near.getpeername() == ("192.0.2.25", port)
            assert far.getpeername()[0] == "192.0.2.10"


def test_the_addresses_are_those_for_documentation(lan):
    for host in lan.hosts.values():
        shown = _said(host, tool("ip"), "-brief", "address", "show", "dev", "eth0")
        assert f"{host.address}/24" in shown and host.address.startswith("192.0.2.")  # RFC 5737
        assert host.mac in _said(host, tool("ip"), "link", "show", "dev", "eth0")
        assert host.mac.startswith("00:00:5e:00:53:")  # RFC 9542 §2.1.2


def test_more_hosts_have_more_addresses():
    with closing(made("namespace", ("alice", "mail", "mallory", "dns", "www", "bob", "carol"))) as lan:
        assert len({host.address for host in lan.hosts.values()}) == 7
        assert (lan.host("dns").address, lan.host("www").address) == ("192.0.2.53", "192.0.2.80")
        lan.host("carol").listen(80)
        lan.host("bob").connect("carol", 80).close()
        assert "nameserver 192.0.2.53" in _said(lan.host("bob"), "cat", "/etc/resolv.conf")


def test_names_resolve_inside_the_lab_and_no_others_do(lan):
    alice = lan.host("alice")
    for name in ("mail.lab.test", "mail"):
        assert _said(alice, "getent", "ahostsv4", name).startswith("192.0.2.25 ")
    assert alice.run(["getent", "hosts", "example.org"]).returncode != 0
    assert _said(alice, "uname", "-n") == "alice.lab.test\n"


def test_the_names_of_the_machine_stay_as_they_are(lan):
    assert "192.0.2.25" not in Path("/etc/hosts").read_text()
    assert socket.gethostname() != "alice.lab.test"


def test_a_host_reaches_the_lan_and_nothing_else(lan):
    alice = lan.host("alice")
    assert " 0% packet loss" in _said(alice, tool("ping"), "-c", "1", "-W", "2", "mail.lab.test")
    assert b"unreachable" in alice.run([tool("ping"), "-c", "1", "-W", "2", "198.51.100.1"]).stderr


def test_a_connection_to_a_port_without_a_listener_is_refused_by_its_host(lan):
    with pytest.raises(NotListening, match="port 587 of mail"):
        lan.host("alice").connect("mail", 587)


# ---- what is seen, and by whom


def test_before_the_poisoning_the_attacker_sees_only_broadcasts(lan):
    lan.host("mail").listen(587)
    with record(lan, host="mallory") as seen, record(lan) as everything:
        _talk(lan, b"The PIN is 4921")
    assert b"4921" in everything.conversations[0].stream("client")
    assert seen.frames and not seen.conversations
    assert {frame.data[:6] for frame in seen.frames} == {BROADCAST}
    assert {frame.data[12:14] for frame in seen.frames} == {ARP}


def test_the_switch_shows_every_frame_once(lan):
    lan.host("mail").listen(587)
    with record(lan) as trace:
        _talk(lan)
    frames = [frame.data for frame in trace.frames]
    assert len(frames) == len(set(frames))
    assert [frame.data[12:14] for frame in trace.frames[:2]] == [ARP, ARP]  # who has 192.0.2.25? is at …
    assert trace.how.endswith("exactly as they were.")


def test_both_ends_see_the_same_conversation(lan):
    lan.host("mail").listen(587)
    with record(lan, host="alice") as alices, record(lan, host="mail") as mails:
        _talk(lan)
    assert [frame.data for frame in alices.frames] == [frame.data for frame in mails.frames]


def test_tshark_finds_the_checksums_right_and_the_arp_packets(lan, tmp_path):
    lan.host("mail").listen(587)
    with record(lan) as trace:
        _talk(lan, bytes(100_000))
    trace.save(tmp_path / "lan.pcapng")
    check = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator=,")
    fields = ("-e", "tcp.checksum.status", "-e", "ip.checksum.status", "-e", "arp.opcode")
    shown = _said(lan.host("alice"), tool("tshark"), "-r", str(tmp_path / "lan.pcapng"), *check, *fields)
    assert set(shown.split()) == {"1,1,", ",,1", ",,2"}  # 1: good; opcodes: request and reply


def test_a_tool_on_a_host_captures_what_its_interface_carries(lan):
    lan.host("mail").listen(587)
    sniffer = lan.host("mail").sniff()
    with sniffer:
        _talk(lan, b"over the wire")
        assert any(b"over the wire" in sniffer.recv(2000) for _ in range(10))
    shown = lan.host("mail").run([tool("tshark"), "-i", "eth0", "-a", "duration:1", "-l"])
    assert b"Capturing on 'eth0'" in shown.stderr


# ---- on the path


def test_a_poisoned_host_sends_what_is_for_the_server_to_the_attacker(lan):
    alice, mail = lan.host("alice"), lan.host("mail")
    mail.listen(587)
    _talk(lan)
    assert _neighbours(alice)["192.0.2.25"] == mail.mac
    with lan.intercept("mallory", "mail", 587):
        assert _neighbours(alice)["192.0.2.25"] == MALLORY
        assert _neighbours(mail)["192.0.2.10"] == MALLORY
    assert _neighbours(alice)["192.0.2.25"] == mail.mac
    assert _neighbours(mail)["192.0.2.10"] == alice.mac
    _talk(lan)


def test_a_victim_that_polls_the_entry_that_it_has_is_answered_by_the_attacker(lan):
    """RFC 1122 §2.3.2.1: after some silent seconds it does; without an answer it would ask all hosts, and hear mail."""
    alice, mail = lan.host("alice"), lan.host("mail")
    with lan.intercept("mallory", "mail", 587), alice.sniff(0x0806) as wire:
        asking = l2.ARP(op="who-has", hwsrc=alice.mac, psrc=alice.address, pdst=mail.address)
        wire.send(bytes(l2.Ether(src=alice.mac, dst=MALLORY) / asking))
        wire.settimeout(20)
        while (heard := l2.Ether(wire.recv(2048))[l2.ARP]).op != 2:
            pass
    assert (heard.hwsrc, heard.psrc, heard.hwdst) == (MALLORY, mail.address, alice.mac)


def test_the_victim_sees_the_address_of_the_server_and_the_server_that_of_the_attacker(lan):
    mail = lan.host("mail").listen(587)
    with ExitStack() as stack:
        interception = stack.enter_context(lan.intercept("mallory", "mail", 587))
        near = stack.enter_context(lan.host("alice").connect("mail", 587))
        far = stack.enter_context(interception.accept())
        assert near.getpeername() == ("192.0.2.25", 587) == far.getsockname()
        assert far.getpeername()[0] == "192.0.2.10"
        stack.enter_context(interception.connect(2))
        end = stack.enter_context(mail.socket.accept()[0])
        assert end.getpeername()[0] == "192.0.2.66"


def test_what_is_not_intercepted_is_handed_on_and_can_be_read(lan):
    lan.host("mail").listen(587)
    with record(lan, host="mallory") as seen, lan.intercept("mallory", "mail", 25):
        _talk(lan, b"The PIN is 4921")
    (conversation,) = seen.conversations
    assert conversation.stream("client") == b"The PIN is 4921"


def test_two_ports_of_one_server_are_left_one_after_the_other(lan):
    alice = lan.host("alice")
    with lan.intercept("mallory", "mail", 587):
        lan.intercept("mallory", "mail", 25).close()
        assert _neighbours(alice)["192.0.2.25"] == MALLORY
    assert _neighbours(alice)["192.0.2.25"] == lan.host("mail").mac


def test_tools_are_intercepted_too_because_the_packets_are(lan):
    command = ["openssl", "s_client", "-starttls", "smtp", "-connect", "mail.lab.test:587"]
    with lan.intercept("mallory", "mail", 587) as interception:
        interception.listener.socket.settimeout(30)
        with pytest.raises(LabError, match="still running"):
            lan.host("alice").run([tool("openssl"), *command[1:]], timeout=1)
        with interception.accept() as far:
            assert far.getpeername()[0] == "192.0.2.10"


def test_the_arp_packets_of_the_attacker_are_what_tshark_calls_a_duplicate_use_of_an_address(lan, tmp_path):
    lan.host("mail").listen(587)
    _talk(lan)
    with record(lan, host="alice") as trace:
        _talk(lan)
        lan.host("alice").run([tool("ping"), "-c", "1", "mail"])
        with lan.intercept("mallory", "mail", 587):
            pass
    trace.save(tmp_path / "arp.pcapng")
    found = ("-r", str(tmp_path / "arp.pcapng"), "-Y", "arp.duplicate-address-detected")
    shown = _said(lan.host("alice"), tool("tshark"), *found)
    assert "duplicate use of 192.0.2.25 detected" in shown


# ---- slow links


def test_a_slow_link_is_as_slow_as_it_says_and_then_plain_again(lan):
    alice = lan.host("alice")
    said = lan.link("alice", delay=0.02)
    assert "20 ms more each way" in said and ("netem" in said)
    (milliseconds,) = re.findall(r"time=([\d.]+) ms", _said(alice, tool("ping"), "-c", "1", "192.0.2.25"))
    assert float(milliseconds) >= 40
    assert "plain cable" in lan.link("alice")
    lan.host("mail").listen(587)
    _talk(lan)


def test_over_a_link_that_loses_nearly_everything_no_host_is_reached(lan):
    lan.host("mail").listen(587)
    assert "100% of them are lost" in lan.link("mail", loss=0.9999999)
    with pytest.raises(LabError, match="cannot reach port 587 of mail"):
        lan.host("alice").connect("mail", 587, timeout=0.2)
    lan.link("mail")
    _talk(lan)


def test_a_capture_of_the_slow_host_shows_every_frame_once(lan):
    lan.host("mail").listen(587)
    lan.link("alice", delay=0.005)
    with record(lan) as trace:
        _talk(lan)
    frames = [frame.data for frame in trace.frames]
    assert len(frames) == len(set(frames))


def test_a_link_that_makes_no_sense_is_refused(lan):
    for delay, loss in ((-1, 0), (11, 0), (0, -0.1), (0, 1), (float("nan"), 0)):
        with pytest.raises(LabError, match="A link has a delay of 0 to 10 seconds"):
            lan.link("alice", delay, loss)


# ---- when something breaks


def test_an_answer_that_comes_too_late_does_not_disturb_the_next(lan):
    broker = lan.broker
    broker._number += 1
    broker._socket.send(b'{"number": %d, "verb": "socket", "arguments": ["mail", 2, 1, 0]}' % broker._number)
    assert lan.host("alice").listen(25).address == ("192.0.2.10", 25)


def test_a_lan_whose_process_is_gone_says_so(lan):
    os.kill(lan.broker.pid, signal.SIGKILL)
    with pytest.raises(NetworkUnavailable, match="make a new Lab"):
        lan.host("alice").tcp()
    with pytest.raises(LabError):
        lan.host("alice").connect("mail", 25)


def test_a_lan_whose_process_hangs_says_so_goes_on_later_and_can_be_closed(lan):
    broker = lan.broker
    os.kill(broker.pid, signal.SIGSTOP)
    broker._socket.settimeout(0.2)
    with pytest.raises(NetworkUnavailable, match="did not answer"):
        lan.host("alice").tcp()
    os.kill(broker.pid, signal.SIGCONT)
    broker._socket.settimeout(10)
    lan.host("mail").listen(587)
    _talk(lan)
    os.kill(broker.pid, signal.SIGSTOP)
    lan.close()
    assert not psutil.pid_exists(broker.pid)
