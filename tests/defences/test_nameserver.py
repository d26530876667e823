"""The name server is queried by programs from elsewhere, and unbound and delv judge as the lab does."""

import re
import subprocess
import threading
import time
from contextlib import contextmanager

import dns.message
import pytest
from networks import BEST, made
from test_resolver import deny_with_another_name, drop_signatures, empty, forge, parents_proof
from thoroughly import every
from tools import tool
from unbound_conf import unbound_conf
from zones import World

from labkit.defences.nameserver import NameServer, asking
from labkit.defences.resolver import Resolver
from labkit.defences.resource_records import BOGUS, INDETERMINATE, INSECURE, SECURE
from labkit.network import KINDS, UDP

HOSTS = ("alice", "mail", "mallory", "dns")
NAMES = (
    ("bob.test", "MX"),
    ("mail.bob.test", "A"),
    ("_25._tcp.mail.bob.test", "TLSA"),
    ("_tcp.mail.bob.test", "TLSA"),
    ("nobody.bob.test", "A"),
    ("x.mail.bob.test", "A"),
    ("a.wild.bob.test", "A"),
    ("a.wild.bob.test", "MX"),
    ("deep.wild.bob.test", "A"),
    ("alias.bob.test", "A"),
    ("out.bob.test", "A"),
    ("carol.test", "MX"),
    ("nobody.carol.test", "A"),
    ("dave.test", "A"),
)


class Forging(NameServer):
    """A name server whose answers mallory changes on their way."""

    change = staticmethod(lambda response: None)

    def answer(self, query, over):
        response = dns.message.from_wire(super().answer(query, over))
        type(self).change(response)
        return response.to_wire(max_size=65535)


@pytest.fixture(params=every(KINDS, once=BEST))
def network(request):
    network = made(request.param, HOSTS)
    yield network
    network.close()


@pytest.fixture
def world():
    world = World()
    world.now = time.time()
    return world


@pytest.fixture
def server(network, world):
    return NameServer(network.host("dns"), world.zones)


def resolver(network, world):
    return Resolver(asking(network.host("alice")), world.anchors, lambda: world.now)


@pytest.mark.parametrize("name, type", NAMES)
def test_an_answer_over_the_network_is_the_one_that_the_zones_give(network, world, server, name, type):
    assert resolver(network, world).resolve(name, type) == world.resolve(name, type)


def test_dig_reads_the_answers_over_udp_and_tcp(network, world, server):
    dig = [tool("dig"), f"@{server.address[0]}", "-p", str(server.address[1]), "+dnssec", "+tries=3", "+time=20"]
    for over in ("+notcp", "+tcp"):
        said = network.host("alice").run([*dig, over, "bob.test", "MX"]).stdout.decode()
        assert "status: NOERROR" in said and re.search(
            r"^bob\.test\.\s+300\s+IN\s+MX\s+10 mail\.bob\.test\.$", said, re.M
        )
        assert re.search(r"IN\s+RRSIG\s+MX 13 2 300", said)
        said = network.host("alice").run([*dig, over, "nobody.bob.test", "A"]).stdout.decode()
        assert "status: NXDOMAIN" in said and len(re.findall(r"IN\s+NSEC\s", said)) == 2
    said = network.host("alice").run([*dig, "example.com", "A"]).stdout.decode()
    assert "status: REFUSED" in said


def test_what_does_not_fit_into_a_datagram_is_asked_for_again_over_tcp(network, world, server):
    world.bob.put("big", "TXT", *(f'"{letter * 200}"' for letter in "abcdefgh"))
    dig = [tool("dig"), f"@{server.address[0]}", "-p", str(server.address[1]), "+dnssec", "big.bob.test", "TXT"]
    assert "flags: qr aa tc" in network.host("alice").run([*dig, "+ignore", "+notcp"]).stdout.decode()
    assert "Truncated, retrying in TCP mode" in network.host("alice").run(dig).stdout.decode()
    answer = resolver(network, world).resolve("big.bob.test", "TXT")
    assert answer.secure and len(answer.records) == 8
    assert any("big.bob.test TXT over TCP: 8 records" in line for line in server.log)


def test_a_client_that_says_nothing_of_edns_gets_512_bytes_at_most(network, world, server):
    world.bob.put("big", "TXT", *(f'"{letter * 200}"' for letter in "abc"))
    query = dns.message.make_query("big.bob.test", "TXT").to_wire()
    with network.host("alice").connect("dns", 53, 60, UDP) as sock:
        sock.send(query)
        response = sock.recv(65535)
    assert len(response) <= 512 and response[2] & 0x02


@pytest.mark.parametrize("noise", (b"", b"\0", b"\0" * 12, b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 600))
def test_bytes_that_are_no_question_get_no_answer_and_do_no_harm(network, world, server, noise):
    with network.host("alice").connect("dns", 53, 0.2, UDP) as sock:
        sock.send(noise)
        with pytest.raises(TimeoutError):
            sock.recv(65535)
    with network.host("alice").connect("dns", 53, 60) as sock:
        sock.sendall(len(noise).to_bytes(2) + noise)
        assert sock.recv(1) == b""
    assert resolver(network, world).resolve("bob.test", "MX").secure


@contextmanager
def broken_tcp(network, answer):
    """A name server whose datagrams all say that they are truncated, and whose TCP does this."""
    listener, receiver = network.host("dns").listen(53), network.host("dns").listen(53, UDP)

    def over_udp():
        try:
            while (received := receiver.socket.recvfrom(65535))[1]:
                query, client = received
                receiver.socket.sendto(query[:2] + b"\x82" + query[3:], client)
        except OSError:
            pass

    def over_tcp():
        try:
            sock, _ = listener.socket.accept()
            with sock:
                sock.recv(65535)
                answer(sock)
        except OSError:
            pass

    threads = [threading.Thread(target=work, daemon=True) for work in (over_udp, over_tcp)]
    for thread in threads:
        thread.start()
    yield
    for each in (listener, receiver):
        each.close()
    for thread in threads:
        thread.join(30)


def trickle(sock):
    sock.sendall(b"\xff\xff")
    for _ in range(40):
        time.sleep(0.1)
        sock.sendall(b"x")


@pytest.mark.parametrize(
    "answer, why",
    (
        (lambda sock: None, "closed the connection in the middle"),
        (lambda sock: sock.sendall(b"\x01"), "closed the connection in the middle"),
        (lambda sock: sock.sendall(b"\x00\x20" + b"x" * 7), "closed the connection in the middle"),
        (trickle, "too slow over TCP"),
        (lambda sock: sock.sendall(b"\x00\x05" + b"x" * 5), "cannot be read"),
    ),
)
def test_a_tcp_answer_that_breaks_off_or_never_ends_is_indeterminate_in_bounded_time(network, world, answer, why):
    with broken_tcp(network, answer):
        found = resolver(network, world).resolve("bob.test", "MX")
    assert found.status == INDETERMINATE and why in found.why


def test_a_closed_name_server_frees_its_port_and_a_second_one_can_start(network, world, server):
    server.close()
    server.close()
    assert "closed" in repr(server)
    assert resolver(network, world).resolve("bob.test", "MX").status == INDETERMINATE
    again = NameServer(network.host("dns"), world.zones)
    assert resolver(network, world).resolve("bob.test", "MX").secure and "bob.test (signed)" in repr(again)


@contextmanager
def unbound(tmp_path, world, server, network):
    """unbound as a validating resolver in front of the lab's name server: asks it with dig."""
    port = network.host("alice").free_port(53)
    conf = tmp_path / "unbound.conf"
    here = "interface: 127.0.0.1", f"port: {port}", "do-not-query-localhost: no", "val-clean-additional: yes"
    conf.write_text(unbound_conf(tmp_path, world.test.ds, f"127.0.0.1@{server.address[1]}", *here))
    process = subprocess.Popen([tool("/usr/sbin/unbound"), "-d", "-c", conf], stderr=subprocess.PIPE)
    dig = [tool("dig"), "@127.0.0.1", "-p", str(port), "+dnssec", "+tries=6", "+time=1"]

    def ask(name, type):
        said = subprocess.run([*dig, name, type], capture_output=True, text=True, timeout=60).stdout
        if "connection refused" in said:
            return None
        if "status: SERVFAIL" in said:
            return BOGUS
        assert "status: NOERROR" in said or "status: NXDOMAIN" in said, said
        return SECURE if re.search(r"flags: qr[^;]* ad\b", said) else INSECURE

    try:
        deadline = time.monotonic() + 60
        while ask(".", "NS") is None and time.monotonic() < deadline:
            time.sleep(0.1)  # it is not listening yet
        yield ask
    finally:
        process.terminate()
        process.communicate(timeout=60)


def delv(tmp_path, world, server, name, type):
    """What delv says of a name with the lab's trust anchor."""
    tag, algorithm, digest, data = world.test.ds.split()
    anchor = tmp_path / "anchor"
    anchor.write_text(f'trust-anchors {{ test. static-ds {tag} {algorithm} {digest} "{data}"; }};\n')
    command = [tool("delv"), "@127.0.0.1", "-p", str(server.address[1]), "-a", anchor, "+root=test", name, type]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    words = {"; fully validated": SECURE, "fully validated": SECURE, "unsigned answer": INSECURE}
    return next((status for word, status in words.items() if word in said), BOGUS)


ATTACKS = {
    "nothing": lambda response: None,
    "drops signatures": drop_signatures,
    "forges the MX": forge("MX", "10 mail.mallory.test."),
    "forges the TLSA": forge("TLSA", "3 1 1 " + "cd" * 32),
    "hides the TLSA": empty("TLSA"),
    "proves the absence of another name": deny_with_another_name("TLSA"),
    "shows the parent's proof": parents_proof,
}


@pytest.mark.parametrize("attack", every(ATTACKS, once=("nothing", "drops signatures", "hides the TLSA")))
def test_unbound_and_delv_say_secure_insecure_and_bogus_of_the_same_names(attack, world, tmp_path, monkeypatch):
    network = made("loopback", HOSTS)
    monkeypatch.setattr(Forging, "change", staticmethod(ATTACKS[attack]))
    server = Forging(network.host("dns"), world.zones)
    ours = {(name, type): resolver(network, world).resolve(name, type) for name, type in NAMES}
    with unbound(tmp_path, world, server, network) as ask:
        for (name, type), answer in ours.items():
            assert ask(name, type) == answer.status, (name, type, answer)
    for name, type in NAMES:
        answer = ours[name, type]
        if name.startswith(("out.", "alias.")):
            continue  # delv speaks of the first alias alone
        assert delv(tmp_path, world, server, name, type) == answer.status, (name, type, answer)
    network.close()
