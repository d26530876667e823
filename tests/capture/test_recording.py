"""A capture from its beginning to its end: by packet socket or by tap, the same bytes of the same connections."""

import os
import socket
import struct
import subprocess
import threading
import time
from contextlib import ExitStack, suppress

import pytest
from tools import tool

from labkit import Lab, policies
from labkit.capture.conversation import CLIENT, SERVER
from labkit.capture.recording import record
from labkit.capture.trace import Trace
from labkit.errors import CannotSniff, LabError

METHODS = pytest.mark.parametrize("method", ("auto", "tap"))
RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def may_sniff() -> bool:
    with suppress(AttributeError, OSError):
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        return True
    return False


@pytest.fixture
def lab():
    with Lab(network="loopback") as lab:
        yield lab


class Pair:
    """A connection from alice to mail, both of its ends in our hands."""

    def __init__(self, lab: Lab, port: int = 587) -> None:
        self._listener = lab.mail.listen(port)
        self.client = lab.alice.connect("mail", port, timeout=30)
        self.server, _ = self._listener.socket.accept()
        self.server.settimeout(30)

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self.client, self.server, self._listener):
            sock.close()


def streams(trace: Trace) -> list[tuple[bytes, bytes]]:
    """What both sides of each conversation sent, whatever its ports and its order."""
    return sorted((c.stream(CLIENT), c.stream(SERVER)) for c in trace.conversations)


def signals(trace: Trace) -> list[tuple[str, str]]:
    (conversation,) = trace.conversations
    return [(chunk.sender, chunk.kind) for chunk in conversation.chunks]


OPENING = [(CLIENT, "syn"), (SERVER, "syn-ack"), (CLIENT, "ack")]


# ---- which way


def test_a_packet_socket_is_used_where_it_is_allowed_and_a_tap_elsewhere(lab):
    with record(lab.network) as trace:
        lab.send(lab.smtp(), "x")
    assert ("AF_PACKET" in trace.how) == may_sniff()
    assert ("a tap" in trace.how) != may_sniff()
    assert len(trace.conversations) == 1


def test_without_permission_the_tap_serves_and_asking_for_packets_is_an_error(lab, monkeypatch):
    real = socket.socket

    def forbidden(family=-1, *more, **options):
        if family == socket.AF_PACKET:
            raise PermissionError(1, "Operation not permitted")
        return real(family, *more, **options)

    monkeypatch.setattr(socket, "AF_PACKET", getattr(socket, "AF_PACKET", 17), raising=False)
    monkeypatch.setattr(socket, "socket", forbidden)
    with pytest.raises(CannotSniff, match=r"may not open a packet socket .*: ask for 'auto'"):
        record(lab.network, "af_packet").__enter__()
    with record(lab.network) as trace:
        lab.send(lab.smtp(), "x")
    assert "a tap" in trace.how and len(trace.conversations) == 1


def test_where_no_packet_sockets_exist_the_tap_serves(lab, monkeypatch):
    monkeypatch.delattr(socket, "AF_PACKET", raising=False)
    with pytest.raises(CannotSniff, match="only on Linux"):
        record(lab.network, "af_packet").__enter__()
    with record(lab.network) as trace:
        lab.send(lab.smtp(), "x")
    assert "a tap" in trace.how and len(trace.conversations) == 1


def test_a_way_to_capture_that_does_not_exist_is_an_error(lab):
    with pytest.raises(LabError, match="no way to capture called 'pigeon': use one of 'auto', 'af_packet', 'tap'"):
        record(lab.network, "pigeon").__enter__()


# ---- one session, caught in two ways


@pytest.mark.parametrize("outer, inner", (("auto", "tap"), ("tap", "auto"), ("tap", "tap"), ("auto", "auto")))
def test_both_ways_at_once_catch_the_same_bytes_in_both_directions(lab, outer, inner):
    explicit, implicit = lab.smtp(), lab.smtp(implicit=True)
    older, clear = lab.smtp(port=25, tls="TLS 1.2"), lab.smtp(port=2525, starttls="off", auth="always")
    with record(lab.network, outer, lab.keylog) as one, record(lab.network, inner, lab.keylog) as other:
        assert lab.send(explicit, "x", login=("alice", "hunter2"), policy=policies.verified)
        assert lab.send(implicit, "y", policy=policies.implicit)
        assert lab.send(older, "a long message\n" * 20_000)
        assert lab.send(clear, "z", login=("alice", "hunter2"), policy=policies.none)
    assert len(streams(one)) == 4 and streams(one) == streams(other)
    assert one.keylog == other.keylog != ""
    assert (
        {c.server.port for c in one.conversations}
        == {c.server.port for c in other.conversations}
        == {*(25, 465, 587, 2525)}
    )


def test_many_sessions_at_once_are_the_same_either_way(lab):
    servers = [lab.smtp(), lab.smtp(implicit=True), lab.smtp(host="mallory")]
    with record(lab.network, "auto") as one, record(lab.network, "tap") as other:
        threads = [
            threading.Thread(target=lab.send, args=(servers[n % 3], f"number {n}"), kwargs={"policy": policy(n % 3)})
            for n in range(30)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert [len(server.mailbox) for server in servers] == [10, 10, 10]
    assert len(streams(one)) == 30 and streams(one) == streams(other)


def policy(number: int) -> policies.Policy:
    return policies.implicit if number == 1 else policies.opportunistic


# ---- what a capture holds


@METHODS
def test_a_capture_holds_what_crosses_the_lab_between_its_beginning_and_its_end(lab, method):
    server = lab.smtp()
    lab.send(server, "before")
    with record(lab.network, method) as trace:
        assert trace.frames == []
        before = time.time_ns()
        lab.send(server, "meanwhile")
        after = time.time_ns()
    lab.send(server, "after")
    (conversation,) = trace.conversations
    assert conversation.server.port == 587 and trace.names[f"127.0.0.1:{conversation.client.port}"] == "alice"
    said = [chunk for chunk in conversation.chunks if chunk.kind == "data"]
    assert before < said[0].time < after


@METHODS
def test_what_others_say_on_the_same_machine_is_not_captured(lab, method):
    with Lab(network="loopback") as other, socket.create_server(("127.0.0.1", 0)) as stranger:
        theirs, ours = other.smtp(), lab.smtp()
        with record(lab.network, method) as trace:
            with socket.create_connection(stranger.getsockname()) as client, stranger.accept()[0] as server:
                client.sendall(b"not of the lab")
                server.recv(100)
            other.send(theirs, "of another lab")
            lab.send(ours, "of this one")
    assert len(trace.conversations) == 1


@METHODS
def test_every_frame_is_there_once_and_sound_to_tshark(lab, method, tmp_path):
    """No wrong checksum, nothing missing, and every connection with its beginning and its end."""
    with record(lab.network, method) as trace:
        for settings in ({}, {"tls": "TLS 1.2"}, {"implicit": True}):
            server = lab.smtp(**settings, replace=True)
            lab.send(server, "a long message\n" * 20_000, policy=policy(server.port == 465))
    assert len({frame.data for frame in trace.frames}) == len(trace.frames)
    trace.save(tmp_path / "sound.pcapng")
    checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    missing = "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || tcp.analysis.out_of_order"
    wrong = f"{missing} || tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed"
    command = [tool("tshark"), "-n", "-r", tmp_path / "sound.pcapng", *checks]
    assert subprocess.run([*command, "-Y", wrong], capture_output=True, check=True).stdout == b""
    whole = ["-Y", "tcp.completeness == 31", "-T", "fields", "-e", "tcp.stream"]
    assert {*subprocess.run([*command, *whole], capture_output=True, check=True).stdout.split()} == {b"0", b"1", b"2"}


@METHODS
def test_a_capture_survives_what_goes_wrong_inside_it(lab, method):
    with pytest.raises(ZeroDivisionError), record(lab.network, method) as trace:
        lab.send(lab.smtp(), "x")
        raise ZeroDivisionError
    assert len(trace.conversations) == 1


@METHODS
def test_one_trace_can_be_filled_again(lab, method):
    trace, server = Trace(), lab.smtp()
    for text in ("one", "two"):
        with record(lab.network, method, into=trace):
            lab.send(server, text, policy=policies.none)
        (conversation,) = trace.conversations
        assert text.encode() in conversation.stream(CLIENT)


@METHODS
def test_packets_are_scapys_with_the_times_of_the_frames(lab, method):
    with record(lab.network, method) as trace:
        lab.send(lab.smtp(), "x")
    packets = trace.packets
    assert len(packets) == len(trace.frames) > 20
    assert [bytes(packet) for packet in packets] == [frame.data for frame in trace.frames]
    assert all(packet["TCP"].dport == 587 or packet["TCP"].sport == 587 for packet in packets)
    assert abs(float(packets[0].time) - trace.frames[0].time / 1e9) < 1e-3


def test_a_tap_needs_no_thread_beside_the_one_of_the_servers(lab):
    server = lab.smtp()
    before = {*threading.enumerate()}
    with record(lab.network, "tap"):
        lab.send(server, "x")
        assert {*threading.enumerate()} <= before


@METHODS
def test_a_connection_from_before_the_end_is_in_the_capture_although_it_was_not_accepted_yet(lab, method):
    listener = lab.mail.listen(587)
    with record(lab.network, method) as trace:
        lab.network.loop.events.call_soon_threadsafe(time.sleep, 0.2)  # what carries is busy
        client = lab.alice.connect("mail", 587)
    client.close()
    listener.close()
    assert signals(trace) == OPENING


def test_a_tap_lets_the_first_of_a_crowd_be_served_while_others_still_wait(lab):
    server = lab.smtp()
    with ExitStack() as clients, record(lab.network, "tap") as trace:
        lab.network.loop.events.call_soon_threadsafe(time.sleep, 0.5)  # until all are here
        crowd = [clients.enter_context(lab.alice.connect("mail", server.port, timeout=30)) for _ in range(100)]
        for sock in crowd:  # a busy machine serves the last of them after the capture would have ended
            assert sock.recv(100)
    steps = [chunk for conversation in trace.conversations for chunk in conversation.chunks]
    greeted = min(step.time for step in steps if step.kind == "data")
    assert len(trace.conversations) == 100
    assert greeted < max(step.time for step in steps if step.kind == "syn")


# ---- how connections end


@METHODS
def test_one_side_may_finish_while_the_other_goes_on(lab, method):
    with record(lab.network, method) as trace, Pair(lab) as pair:
        pair.client.sendall(b"all I have to say")
        pair.client.shutdown(socket.SHUT_WR)
        assert pair.server.recv(100) == b"all I have to say" and pair.server.recv(100) == b""
        pair.server.sendall(b"and my answer")
        assert pair.client.recv(100) == b"and my answer"
        pair.server.close()
        assert pair.client.recv(100) == b""
    assert signals(trace) == [*OPENING, (CLIENT, "data"), (CLIENT, "fin"), (SERVER, "data"), (SERVER, "fin")]


@METHODS
@pytest.mark.parametrize("side", (CLIENT, SERVER))
def test_a_reset_reaches_the_other_side_after_what_was_said(lab, method, side):
    with record(lab.network, method) as trace, Pair(lab) as pair:
        mine, other = (pair.client, pair.server) if side == CLIENT else (pair.server, pair.client)
        mine.sendall(b"my last words")
        assert other.recv(100) == b"my last words"
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        mine.close()
        with pytest.raises(ConnectionResetError):
            other.recv(100)
    assert signals(trace) == [*OPENING, (side, "data"), (side, "rst")]


@METHODS
def test_a_client_that_vanishes_without_reading_resets(lab, method):
    with record(lab.network, method) as trace, Pair(lab) as pair:
        pair.server.sendall(b"220 hello\r\n")
        while not pair.client.recv(100, socket.MSG_PEEK):
            pass
        pair.client.close()
        with pytest.raises(ConnectionResetError):
            while pair.server.recv(100):
                pass
    assert signals(trace)[-2:] == [(SERVER, "data"), (CLIENT, "rst")]


@METHODS
def test_a_server_that_never_answers_leaves_a_story_without_an_answer(lab, method):
    with record(lab.network, method) as trace, Pair(lab) as pair:
        pair.client.sendall(b"EHLO alice.lab.test\r\n")
        pair.client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            pair.client.recv(100)
    assert signals(trace)[:4] == [*OPENING, (CLIENT, "data")]
    assert not any(sender == SERVER and kind == "data" for sender, kind in signals(trace))


@METHODS
def test_a_connection_outlives_its_capture_and_the_next_one_sees_how_it_goes_on(lab, method):
    with record(lab.network, method) as first:
        pair = Pair(lab)
        pair.client.sendall(b"one")
        assert pair.server.recv(100) == b"one"
    pair.client.sendall(b"two, unseen")
    assert pair.server.recv(100) == b"two, unseen"
    with record(lab.network, method) as second, pair:
        pair.server.sendall(b"three")
        assert pair.client.recv(100) == b"three"
    assert streams(first) == [(b"one", b"")] and streams(second) == [(b"", b"three")]


@METHODS
def test_who_says_much_waits_for_who_reads_slowly(lab, method):
    """Back-pressure: what is under way is bounded, and nothing of it is lost."""
    block, most = bytes(range(256)) * 256, 64 << 20
    with record(lab.network, method) as trace, Pair(lab) as pair:
        pair.client.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < most:
                sent += pair.client.send(block[sent % 256 :])
        assert 0 < sent < most
        pair.client.shutdown(socket.SHUT_WR)
        received = b""
        while data := pair.server.recv(1 << 20):
            received += data
        assert len(received) == sent and received == (block * (sent // len(block) + 2))[: len(received)]
    (conversation,) = trace.conversations
    assert conversation.stream(CLIENT) == received


@METHODS
def test_both_sides_may_say_much_at_once(lab, method):
    texts = {"client": os.urandom(4 << 20), "server": os.urandom(4 << 20)}
    with record(lab.network, method) as trace, Pair(lab) as pair:
        heard: dict[str, bytes] = {}

        def hear(name, sock):
            parts = []
            while data := sock.recv(1 << 16):
                parts.append(data)
            heard[name] = b"".join(parts)

        def say(sock, text):
            sock.sendall(text)
            sock.shutdown(socket.SHUT_WR)

        threads = [
            *(threading.Thread(target=say, args=(pair.client, texts["client"])),),
            *(threading.Thread(target=say, args=(pair.server, texts["server"])),),
            *(threading.Thread(target=hear, args=("client", pair.server)),),
            *(threading.Thread(target=hear, args=("server", pair.client)),),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert heard == texts
    assert streams(trace) == [(texts["client"], texts["server"])]


def test_a_lab_that_closes_ends_the_connections_through_its_tap():
    lab = Lab(network="loopback", capture="tap")
    with lab.capture():
        pair = Pair(lab)
    lab.close()
    for sock in (pair.client, pair.server):
        with suppress(ConnectionResetError):
            assert sock.recv(100) == b""
    pair.__exit__()


def test_a_server_that_went_away_between_two_looks_resets_through_the_tap(lab):
    listener = lab.mail.listen(587)
    with record(lab.network, "tap") as trace:
        where = lab.network.locate("mail", 587, "alice")
        listener.close()
        with socket.create_connection(where) as client, pytest.raises(ConnectionResetError):
            client.recv(100)
    assert signals(trace) == [(CLIENT, "syn"), (SERVER, "rst")]
