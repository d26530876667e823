"""What every network does: hosts by name and port, tools on a host, and the checks that keep them inside the lab."""

import gc
import socket
import sys

import psutil
import pytest

from labkit.errors import CannotSniff, LabError, NotListening, OutsideTheLab, PortTaken
from labkit.network import make

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


def test_a_connection_by_name_and_nominal_port_reaches_the_listener(network):
    listener = network.host("mail").listen(587)
    with network.host("alice").connect("mail", 587) as client, listener.socket.accept()[0] as server:
        client.sendall(b"hello")
        assert server.recv(100) == b"hello"
        assert client.gettimeout() == 10.0


def test_a_listener_names_its_real_port_only_where_it_is_another(network):
    listener = network.host("mail").listen(587)
    assert ("really {}:{}".format(*listener.address) in repr(listener)) == (listener.address[1] != 587)


def test_a_closed_listener_is_forgotten_but_its_name_stays(network):
    listener = network.host("mail").listen(587)
    listener.close()
    listener.close()
    assert not network.listeners and not network.nominal
    assert network.names[f"{listener.address[0]}:587"] == "mail"
    with pytest.raises(NotListening, match="port 587 of mail"):
        network.host("alice").connect("mail", 587)


def test_a_connection_by_address_takes_the_real_port(network):
    listener = network.host("mail").listen(25)
    with network.host("alice").connect(*listener.address) as client:
        assert client.getpeername() == listener.address


def test_a_closed_port_of_an_address_is_named(network):
    listener = network.host("mail").listen(587)
    ip, port = listener.address
    listener.close()
    with pytest.raises(NotListening, match=f"Nothing listens on port {port}"):
        network.host("alice").connect(ip, port)


def test_the_nominal_port_and_the_real_one_lead_to_the_same_name(network):
    listener = network.host("mail").listen(587)
    ip, real = listener.address
    assert (listener.port, listener.host) == (587, "mail")
    assert network.nominal == {real: 587}
    assert network.names[f"{ip}:{real}"] == network.names[f"{ip}:587"] == "mail"
    with network.host("alice").connect("mail", 587) as client:
        assert network.names["{}:{}".format(*client.getsockname())] == "alice"


def test_the_port_of_another_host_is_free(network):
    assert network.host("mail").listen(25).address != network.host("mallory").listen(25).address


def test_everything_that_is_bound_is_bound_to_the_address_of_its_host(network):
    gc.collect()
    listeners = [host.listen(587 + number) for number, host in enumerate(network.hosts.values())]
    assert [listener.address[0] for listener in listeners] == [host.address for host in network.hosts.values()]
    seen = {connection.laddr.ip for connection in psutil.Process().net_connections("inet")}
    assert "0.0.0.0" not in seen and "::" not in seen


def test_a_server_that_starts_again_gets_its_port_although_clients_were_there(network):
    for _ in range(3):
        listener = network.host("mail").listen(587)
        client = network.host("alice").connect("mail", 587)
        server = listener.socket.accept()[0]
        server.close()
        assert client.recv(1) == b""
        client.close()
        listener.close()


def test_a_taken_port_is_refused_and_the_first_listener_stays(network):
    first = network.host("mail").listen(587)
    with pytest.raises(PortTaken, match="Port 587 on mail is taken"):
        network.host("mail").listen(587)
    assert network.listeners["mail", 587] is first


def test_what_is_no_port_is_refused(network):
    for port in (0, -1, 65536, 10**9, "587", None, 587.0):
        with pytest.raises(LabError, match="from 1 to 65535"):
            network.host("mail").listen(port)
        for host in ("mail", network.host("mail").address):
            with pytest.raises(LabError, match="from 1 to 65535"):
                network.host("alice").connect(host, port)


def test_what_is_no_time_limit_is_refused(network):
    alice = network.host("alice")
    for timeout in (0, -1.0, None, "5", float("nan"), float("inf"), 1e20):
        for act in (alice.connect, "mail", 587), (alice.run, ["true"]):
            with pytest.raises(LabError, match="above 0"):
                act[0](*act[1:], timeout=timeout)


def test_no_host_connects_to_what_is_outside(network):
    for address in OUTSIDE:
        for host in network.hosts.values():
            with pytest.raises(OutsideTheLab, match="not inside the lab"):
                host.connect(address, 25)


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


def test_neither_end_waits_to_fill_a_segment(network):
    listener = network.host("mail").listen(587)
    with network.host("alice").connect("mail", 587) as client, listener.socket.accept()[0] as server:
        for end in (client, server):
            assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_names_of_old_connections_are_dropped_but_never_those_of_listeners(network):
    ip = network.host("mail").listen(587).address[0]
    for port in range(10_000):
        network.name(f"127.0.0.2:{port}", "alice")
    assert len(network.names) <= 4096
    assert network.names[f"{ip}:587"] == "mail"
    assert network.names["127.0.0.2:9999"] == "alice"


def test_a_tool_runs_on_a_host_with_its_input_and_output(network):
    done = network.host("alice").run([sys.executable, "-c", "print(input().upper())"], input=b"ehlo\n")
    assert (done.returncode, done.stdout.strip()) == (0, b"EHLO")


def test_a_tool_that_is_missing_or_does_not_end_is_named(network):
    with pytest.raises(LabError, match="'no-such-tool' is not installed"):
        network.host("alice").run(["no-such-tool"])
    with pytest.raises(LabError, match=r"still running after 0\.2 s"):
        network.host("alice").run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_what_is_no_command_is_refused(network):
    for command in ("openssl version", [], ()):
        with pytest.raises(LabError, match="list of words"):
            network.host("alice").run(command)


def test_what_a_tool_has_started_is_stopped_with_it(network, tmp_path):
    (alive := tmp_path / "alive").touch()  # on a busy machine the tool may be ended before its first date
    script = f"(while sleep 0.05; do date > {alive}; done) & sleep 60"
    with pytest.raises(LabError, match=r"still running after 0\.5 s"):
        network.host("alice").run(["sh", "-c", script], timeout=0.5)
    alive.unlink()
    with pytest.raises(LabError):
        network.host("alice").run(["sleep", "60"], timeout=0.3)
    assert not alive.exists()


def test_a_tool_keeps_the_folder_and_the_environment_of_the_lab(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORD", "starttls")
    (tmp_path / "here").write_text("")
    done = network.host("alice").run(["sh", "-c", "ls; echo $WORD; exit 7"])
    assert (done.returncode, done.stdout, done.args[0]) == (7, b"here\nstarttls\n", "sh")


def test_sniffing_gives_a_packet_socket_or_says_why_not(network):
    try:
        sock = network.host("mallory").sniff()
    except CannotSniff as refusal:
        assert str(refusal).endswith("the tap captures instead.")
    else:
        with sock:
            assert sock.family == socket.AF_PACKET


def test_an_unknown_host_or_network_is_named_with_what_there_is(network):
    with pytest.raises(LabError, match="alice, mail, mallory"):
        network.host("bob")
    with pytest.raises(LabError, match="'loopback'"):
        make("wifi")
    assert make("loopback").kind == "loopback"
    assert repr(network.host("mail")) == f"<mail, {network.host('mail').address}>"
