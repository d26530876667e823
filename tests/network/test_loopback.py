"""The loopback network: hosts by name, nominal ports, and the walls around them."""

import gc
import socket
import sys

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import CannotSniff, LabError, NotListening, OutsideTheLab, PortTaken
from labkit.network import HOSTS, make

OUTSIDE = (
    "8.8.8.8",
    "192.168.1.1",
    "10.0.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "::",
    "fe80::1",
    "2001:db8::1",
    "::ffff:8.8.8.8",
    "localhost",
    "example.org",
    "mail.lab.test",
    "2130706433",
    "127.1",
    "",
    "127.0.0.1 ",
    "127.0.0.1\x00.example.org",
)


@pytest.fixture
def network():
    network = make()
    yield network
    network.close()


def test_a_connection_by_name_and_nominal_port_reaches_the_listener(network):
    listener = network.host("mail").listen(587)
    with network.host("alice").connect("mail", 587) as client, listener.socket.accept()[0] as server:
        client.sendall(b"hello")
        assert server.recv(100) == b"hello"
        assert client.gettimeout() == 10.0


def test_a_connection_by_loopback_address_takes_the_real_port(network):
    listener = network.host("mail").listen(25)
    with network.host("alice").connect(*listener.address) as client:
        assert client.getpeername() == listener.address


def test_the_nominal_port_and_the_real_one_lead_to_the_same_name(network):
    listener = network.host("mail").listen(587)
    ip, real = listener.address
    assert (listener.port, listener.host) == (587, "mail")
    assert network.nominal == {real: 587}
    assert network.names[f"{ip}:{real}"] == network.names[f"{ip}:587"] == "mail"
    with network.host("alice").connect("mail", 587) as client:
        assert network.names["{}:{}".format(*client.getsockname())] == "alice"


def test_a_closed_listener_is_forgotten_but_its_name_stays(network):
    listener = network.host("mail").listen(587)
    listener.close()
    listener.close()
    assert not network.listeners and not network.nominal
    assert network.names["127.0.0.1:587"] == "mail"
    with pytest.raises(NotListening, match="port 587 of mail"):
        network.host("alice").connect("mail", 587)


def test_the_port_of_another_host_is_free(network):
    assert network.host("mail").listen(25).address != network.host("mallory").listen(25).address


def test_a_taken_port_is_refused_and_the_first_listener_stays(network):
    first = network.host("mail").listen(587)
    with pytest.raises(PortTaken, match="Port 587 on mail is taken"):
        network.host("mail").listen(587)
    assert network.listeners["mail", 587] is first


@pytest.mark.parametrize("port", (0, -1, 65536, 10**9, "587", None, 587.0))
def test_what_is_no_port_is_refused(network, port):
    with pytest.raises(LabError, match="from 1 to 65535"):
        network.host("mail").listen(port)
    for host in ("mail", "127.0.0.1"):
        with pytest.raises(LabError, match="from 1 to 65535"):
            network.host("alice").connect(host, port)


@pytest.mark.parametrize("timeout", (0, -1.0))
def test_what_is_no_time_limit_is_refused(network, timeout):
    with pytest.raises(LabError, match="above 0"):
        network.host("alice").connect("mail", 587, timeout=timeout)


def test_a_closed_port_of_loopback_is_named(network):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotListening, match=f"Nothing listens on port {port}"):
        network.host("alice").connect("127.0.0.1", port)


@pytest.mark.parametrize("address", OUTSIDE)
def test_no_host_connects_to_what_is_outside(network, address):
    for host in network.hosts.values():
        with pytest.raises(OutsideTheLab, match="not inside the lab"):
            host.connect(address, 25)


@settings(deadline=None, max_examples=200)
@given(st.ip_addresses())
def test_only_loopback_addresses_belong_to_the_lab(address):
    loopback = (address.version == 4 and str(address).startswith("127.")) or str(address) == "::1"
    assert make().contains(str(address)) == loopback


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_no_text_that_is_not_an_address_belongs_to_the_lab(text):
    assert not make().contains(text + "x")


def test_a_diversion_decides_where_a_named_host_is_and_cannot_lead_outside(network):
    network.host("mail").listen(587)
    decoy = network.host("mallory").listen(587)
    asked = []
    network.diversion = lambda *question: asked.append(question) or decoy.address
    with network.host("alice").connect("mail", 587) as client:
        assert client.getpeername() == decoy.address
    assert asked == [("alice", "mail", 587, network.listeners["mail", 587].address)]
    network.diversion = lambda *_: ("8.8.8.8", 25)
    with pytest.raises(OutsideTheLab):
        network.host("alice").connect("mail", 587)


def test_a_closed_network_admits_nothing(network):
    listener = network.host("mail").listen(587)
    network.close()
    network.close()
    assert listener.socket.fileno() == -1
    for act in (lambda: network.host("mail").listen(25), lambda: network.host("alice").connect(*listener.address)):
        with pytest.raises(LabError, match="closed: make a new one"):
            act()


def test_everything_that_is_bound_is_bound_to_loopback(network):
    gc.collect()
    before = {connection.laddr for connection in psutil.Process().net_connections("inet")}
    for number, host in enumerate(network.hosts.values()):
        host.listen(587 + number)
    bound = {connection.laddr for connection in psutil.Process().net_connections("inet")} - before
    assert len(bound) == len(HOSTS)
    assert {address.ip for address in bound} == {"127.0.0.1"}


def test_neither_end_waits_to_fill_a_segment(network):
    listener = network.host("mail").listen(587)
    with network.host("alice").connect("mail", 587) as client, listener.socket.accept()[0] as server:
        for end in (client, server):
            assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_names_of_old_connections_are_dropped_but_never_those_of_listeners(network):
    network.host("mail").listen(587)
    for port in range(10_000):
        network.name(f"127.0.0.2:{port}", "alice")
    assert len(network.names) <= 4096
    assert network.names["127.0.0.1:587"] == "mail"
    assert network.names["127.0.0.2:9999"] == "alice"


def test_a_tool_runs_on_a_host_with_its_input_and_output(network):
    done = network.host("alice").run([sys.executable, "-c", "print(input().upper())"], input=b"ehlo\n")
    assert (done.returncode, done.stdout.strip()) == (0, b"EHLO")


def test_a_tool_that_is_missing_or_does_not_end_is_named(network):
    with pytest.raises(LabError, match="'no-such-tool' is not installed"):
        network.host("alice").run(["no-such-tool"])
    with pytest.raises(LabError, match=r"still running after 0\.2 s"):
        network.host("alice").run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_sniffing_gives_a_packet_socket_or_says_why_not(network):
    try:
        sock = network.host("mallory").sniff()
    except CannotSniff as refusal:
        assert str(refusal).endswith("the tap captures instead.")
    else:
        with sock:
            assert sock.family == socket.AF_PACKET


def test_a_system_without_packet_sockets_is_named(network, monkeypatch):
    monkeypatch.delattr(socket, "AF_PACKET", raising=False)
    with pytest.raises(CannotSniff, match="only on Linux"):
        network.host("mallory").sniff()


def test_an_unknown_host_or_network_is_named_with_what_there_is(network):
    with pytest.raises(LabError, match="alice, mail, mallory"):
        network.host("bob")
    with pytest.raises(LabError, match="'loopback'"):
        make("wifi")
    assert make("loopback").kind == "loopback"
    assert "127.0.0.1" in network.describe()
    assert repr(network.host("mail")) == "<mail, 127.0.0.1>"
