"""A slow link takes the time that it says, for every segment and for TCP's opening, in order, on every network.

Nothing here asserts how fast the machine is: times are compared with what the link must take at least, and what a
capture shows with what the link says.
"""

import socket
import struct
import subprocess
import threading
import time
from contextlib import closing, contextmanager

import pytest
from networks import made
from tools import tool

from labkit.capture import record
from labkit.capture.encapsulation import segment
from labkit.capture.frames import ACK, FIN, RST, SYN
from labkit.errors import CannotSniff, LabError

DELAY = 0.08
PATIENCE = 60.0


@contextmanager
def served(network, port, serve):
    """`serve` gets the one connection that comes to this port of the host mail, in a thread."""
    listener = network.host("mail").listen(port)
    listener.socket.settimeout(PATIENCE)

    def run():
        sock, _ = listener.socket.accept()
        with sock:
            sock.settimeout(PATIENCE)
            serve(sock)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE)
        listener.close()
    assert not thread.is_alive()


def _greeting_first(sock):
    sock.sendall(b"220 mail\r\n")
    sock.recv(100)
    sock.sendall(b"250 mail\r\n")
    assert sock.recv(100) == b""


def _echo(sock):
    while data := sock.recv(1 << 16):
        sock.sendall(data)


def _greeted(network):
    """Seconds until connect returned, the greeting came, and the answer to a command came."""
    began = time.monotonic()
    with network.host("alice").connect("mail", 25, PATIENCE) as sock:
        times = [time.monotonic()]
        assert sock.recv(100) == b"220 mail\r\n"
        times.append(time.monotonic())
        sock.sendall(b"EHLO alice\r\n")
        assert sock.recv(100) == b"250 mail\r\n"
        times.append(time.monotonic())
    return [when - began for when in times]


def _segments(trace):
    return [(frame.time / 1e9, seg) for frame in trace.frames if (seg := segment(frame.link, frame.data))]


def test_the_opening_the_greeting_and_an_answer_cost_a_round_trip_each(network):
    network.link("alice", DELAY)
    with served(network, 25, _greeting_first):
        times = _greeted(network)
    for trips, seconds in enumerate(times, 1):
        assert seconds >= trips * 2 * DELAY - 0.002


def test_the_delays_of_both_ends_add_up(network):
    network.link("alice", DELAY / 2)
    network.link("mail", DELAY)
    with served(network, 25, _greeting_first):
        times = _greeted(network)
    assert times[-1] >= 3 * 2 * 1.5 * DELAY - 0.002


@pytest.mark.parametrize("near, far", [(DELAY, 0), (0, DELAY), (DELAY / 2, DELAY / 2)])
def test_a_capture_shows_the_delayed_times(network, near, far):
    network.link("alice", near)
    network.link("mail", far)
    with record(network) as trace, served(network, 25, _greeting_first):
        _greeted(network)
    seen = _segments(trace)
    opening = [when for when, seg in seen if seg.flags & SYN] + [
        next(when for when, seg in seen if seg.flags & (SYN | ACK) == ACK)
    ]
    syn, syn_ack, ack = opening[0], opening[1], opening[2]
    said = {seg.payload: when for when, seg in seen if seg.payload}
    greeting, command, answer = (said[text] for text in (b"220 mail\r\n", b"EHLO alice\r\n", b"250 mail\r\n"))
    slack = 0.002
    assert syn_ack - syn >= 2 * far - slack and ack - syn_ack >= 2 * near - slack
    assert greeting - ack >= 2 * far - slack and command - greeting >= 2 * near - slack
    assert answer - command >= 2 * far - slack
    assert (answer - syn) + 2 * near >= 3 * 2 * DELAY - slack


def test_tshark_finds_the_round_trip_of_the_link_in_the_opening(network, tmp_path):
    network.link("alice", DELAY)
    with record(network) as trace, served(network, 25, _greeting_first):
        _greeted(network)
    trace.save(tmp_path / "slow.pcapng")
    wanted = ["-T", "fields", "-e", "tcp.analysis.initial_rtt", "-Y", "tcp.analysis.initial_rtt && tcp.len > 0"]
    said = subprocess.run(
        [tool("tshark"), "-r", str(tmp_path / "slow.pcapng"), *wanted], capture_output=True, text=True, timeout=60
    )
    assert min(float(line) for line in said.stdout.split()) >= 2 * DELAY - 0.002
    problems = [
        "-T",
        "fields",
        "-e",
        "_ws.expert.message",
        "-Y",
        "tcp.analysis.flags || _ws.expert.severity >= 6291456",
    ]
    told = subprocess.run(
        [tool("tshark"), "-r", str(tmp_path / "slow.pcapng"), *problems], capture_output=True, text=True, timeout=60
    )
    assert not told.stdout.strip()


def test_many_pieces_arrive_whole_and_in_order_and_not_one_after_the_other(network):
    network.link("alice", DELAY)
    sent = b"".join(struct.pack("!I", number) * 1000 for number in range(200))
    got = bytearray()
    with served(network, 25, _echo), network.host("alice").connect("mail", 25, PATIENCE) as sock:
        writer = threading.Thread(
            target=lambda: [sock.sendall(sent[at : at + 4000]) for at in range(0, len(sent), 4000)]
        )
        began = time.monotonic()
        writer.start()
        while len(got) < len(sent):
            got += sock.recv(1 << 16)
        assert time.monotonic() - began < 200 * 2 * DELAY  # one at a time would take that long
        writer.join(PATIENCE)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    assert bytes(got) == sent


def test_the_end_of_one_direction_comes_late_like_anything_else_and_the_other_goes_on(network):
    network.link("mail", DELAY)

    def serve(sock):
        assert sock.recv(100) == b"the end"
        assert sock.recv(100) == b""
        sock.sendall(b"and yours")

    with served(network, 25, serve), network.host("alice").connect("mail", 25, PATIENCE) as sock:
        began = time.monotonic()
        sock.sendall(b"the end")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b"and yours"
        assert time.monotonic() - began >= 2 * DELAY - 0.002
        assert sock.recv(100) == b""


def test_a_reset_comes_late_too_and_behind_what_was_said_before_it(network):
    network.link("alice", DELAY)
    sent = []

    def serve(sock):
        sock.sendall(b"421 enough\r\n")
        assert sock.recv(100) == b"fine"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sent.append(time.monotonic())

    with served(network, 25, serve), network.host("alice").connect("mail", 25, PATIENCE) as sock:
        assert sock.recv(100) == b"421 enough\r\n"
        sock.sendall(b"fine")
        with pytest.raises(ConnectionResetError):
            sock.recv(100)
        assert time.monotonic() - sent[0] >= DELAY - 0.002


def test_a_client_that_speaks_first_pays_the_opening_too(network):
    network.link("alice", DELAY)
    with served(network, 25, _echo):
        began = time.monotonic()
        with network.host("alice").connect("mail", 25, PATIENCE) as sock:
            sock.sendall(b"hello")
            assert sock.recv(100) == b"hello"
        assert time.monotonic() - began >= 4 * DELAY - 0.002


def test_a_link_that_is_removed_while_a_session_runs_says_so_and_the_session_goes_on(network):
    network.link("alice", DELAY)
    with served(network, 25, _greeting_first), network.host("alice").connect("mail", 25, PATIENCE) as sock:
        assert sock.recv(100) == b"220 mail\r\n"
        sock.sendall(b"EHLO alice\r\n")
        said = network.link("alice")
        assert "plain cable" in said or "takes no time" in said
        assert sock.recv(100) == b"250 mail\r\n"
    assert network.longest_round_trip == 0


def test_a_link_may_change_again_and_again_while_bytes_are_under_way(network):
    sent = bytes(range(256)) * 40
    with served(network, 25, _echo):
        network.link("alice", DELAY / 8)
        with network.host("alice").connect("mail", 25, PATIENCE) as sock:
            got = bytearray()
            for number in range(8):
                sock.sendall(sent)
                network.link("alice", (0.0, DELAY / 4, DELAY / 8, DELAY / 2)[number % 4])
            while len(got) < 8 * len(sent):
                got += sock.recv(1 << 16)
    assert bytes(got) == 8 * sent


def test_a_network_that_is_closed_while_bytes_are_under_way_leaves_no_wait_and_no_thread():
    for kind in ("loopback", "namespace"):
        with closing(made(kind)) as network:
            network.link("alice", 10.0)
            listener = network.host("mail").listen(25)
            with pytest.raises(LabError, match=r"cannot reach port 25 of mail within 0\.1 s"):
                network.host("alice").connect("mail", 25, timeout=0.1)
            listener.close()
            began = time.monotonic()
        assert time.monotonic() - began < 10


def test_what_makes_no_sense_is_told_in_one_sentence(network):
    for delay in (-0.1, 11, float("nan"), float("inf"), "0.1", None, True, 1j):
        with pytest.raises(LabError, match="A link has a delay"):
            network.link("alice", delay)
    for loss in (-0.1, 1, 2, float("nan"), "much"):
        with pytest.raises(LabError, match="A link has a delay"):
            network.link("alice", 0.1, loss)
    with pytest.raises(LabError, match="There is no host 'carol' in the lab: it has alice, mail, mallory"):
        network.link("carol", 0.1)
    assert network.longest_round_trip == 0
    network.close()
    with pytest.raises(LabError, match="closed"):
        network.link("alice", 0.1)


def test_a_host_with_the_longest_name_can_be_slow_too():
    for kind in ("loopback", "namespace"):
        with closing(made(kind, ("alice", "mail", "mallory", "fifteen-letters"))) as network:
            assert "10 ms more each way" in network.link("fifteen-letters", 0.01)
            network.link("fifteen-letters")


# ---- loopback alone


@pytest.fixture
def loopback():
    with closing(made("loopback")) as network:
        yield network


def test_nothing_is_lost_on_loopback_and_it_says_why(loopback):
    with pytest.raises(LabError, match="only connections are delayed"):
        loopback.link("alice", 0.1, loss=0.5)


def test_the_slow_link_of_an_attacker_slows_whom_she_intercepts(loopback):
    loopback.link("mallory", DELAY)
    with loopback.intercept("mallory", "mail", 25) as interception:
        began = time.monotonic()
        with loopback.host("alice").connect("mail", 25, PATIENCE), interception.accept():
            assert time.monotonic() - began >= 2 * DELAY - 0.002


def test_a_packet_socket_that_would_not_see_the_delay_is_refused_on_loopback(loopback):
    loopback.link("alice", DELAY)
    with pytest.raises(CannotSniff, match="ask for 'auto'"), record(loopback, "af_packet"):
        pass


def test_a_server_that_is_gone_when_the_handshake_arrives_resets_the_connection(loopback):
    loopback.link("alice", DELAY)
    listener = loopback.host("mail").listen(25)
    closer = threading.Timer(DELAY, listener.close)
    closer.start()
    with record(loopback) as trace, loopback.host("alice").connect("mail", 25, PATIENCE) as sock:
        sock.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            sock.recv(10)
    closer.join(PATIENCE)
    seen = [(seg.source[1], seg.flags & (SYN | RST | FIN)) for _, seg in _segments(trace)]
    # What the client says may still pass the RST on its way; of the server nothing follows it.
    assert [kind for port, kind in seen if port == 25] == [SYN, RST]
    assert [kind for port, kind in seen if port != 25 and kind] == [SYN]
