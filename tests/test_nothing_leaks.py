"""Nothing of a lab stays behind, however it ends: no thread, no process, no socket, no file."""

import gc
import os
import signal
import socket
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil
import pytest
from leaks import left, what_is_held, what_is_open
from networks import BEST, require
from thoroughly import every, examples
from tools import python

from labkit import Lab, attacks, policies
from labkit.errors import LabError, OutsideTheLab, PortTaken
from labkit.network import KINDS

SESSION = """
from labkit import Lab
lab = Lab()
server = lab.smtp()
assert lab.send(server, 'x', login=('alice', 'hunter2'))
"""
CAPTURING = """
from labkit import Lab
lab = Lab(network="loopback", capture="{method}")
explicit, implicit = lab.smtp(), lab.smtp(implicit=True)
capture = lab.capture().__enter__()
assert lab.send(explicit, "x")
client = lab.alice.connect("mail", 587)
client.recv(100)
"""
METHODS = pytest.mark.parametrize("method", ("auto", "tap"))


@pytest.fixture
def traces(tmp_path, monkeypatch):
    """() -> what this process holds: threads, processes, descriptors, temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def held():
        return what_is_held() + Counter(os.listdir(tmp_path))

    _warm()
    return held


@cache
def _warm() -> None:
    """Import and open what this process keeps."""
    for method in ("auto", "tap"):
        _captured(method)


def _captured(method: str) -> None:
    """A lab with a server, a capture and a message."""
    with Lab(network="loopback", capture=method) as lab:
        server = lab.smtp()
        with lab.capture() as capture:
            assert lab.send(server, "x")
        assert len(capture.conversations) == 1


def test_after_many_labs_nothing_more_is_open_than_before(traces):
    before = traces()
    for _ in range(examples(50)):
        for method in ("auto", "tap"):
            _captured(method)
    assert not traces() - before


@pytest.mark.parametrize("error", (ValueError, KeyboardInterrupt, SystemExit))
def test_whatever_ends_the_block_ends_the_lab(traces, error):
    before = traces()
    with pytest.raises(error), Lab() as lab:
        lab.send(lab.smtp(), "x")
        lab.mallory.listen(25)
        raise error
    assert not traces() - before


@METHODS
@pytest.mark.parametrize("error", (ValueError, KeyboardInterrupt))
def test_whatever_ends_a_capture_ends_what_catches_it(traces, method, error):
    before = traces()
    with Lab(network="loopback", capture=method) as lab:
        lab.smtp()
        with pytest.raises(error), lab.capture() as outer, lab.capture() as inner:
            lab.send(lab.servers["mail", 587], "x")
            client = lab.alice.connect("mail", 587)
            raise error
        assert len(outer.conversations) == len(inner.conversations) == 2
        lab.send(lab.servers["mail", 587], "and the lab goes on")
        client.close()
    assert not traces() - before


@METHODS
def test_a_lab_that_is_closed_within_a_capture_ends_it(traces, method):
    before = traces()
    lab = Lab(network="loopback", capture=method)
    with lab.capture() as capture:
        lab.send(lab.smtp(), "x")
        lab.close()
    assert len(capture.conversations) == 1
    del lab
    assert not traces() - before


@METHODS
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal for a part of a process")
def test_an_interrupt_while_a_client_waits_ends_the_lab(traces, method):
    """Ctrl-C, or the stop button of a notebook, while a server does not answer."""
    before = traces()
    with pytest.raises(KeyboardInterrupt), Lab(network="loopback", capture=method) as lab, lab.capture() as capture:
        listener = lab.mail.listen(587)
        client = lab.alice.connect("mail", 587, timeout=60)
        pressed = threading.Timer(0.2, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
        pressed.start()
        try:
            client.recv(100)
        finally:
            client.close()
            listener.close()
            pressed.join()
    assert len(capture.conversations) == 1
    assert not traces() - before


def test_a_lab_that_nothing_refers_to_is_closed(traces):
    before = traces()
    lab = Lab()
    lab.send(lab.smtp(implicit=True), "x", policy=policies.implicit)
    del lab
    assert not traces() - before


def test_a_lab_in_a_circle_is_closed_by_whichever_thread_collects_the_garbage(traces):
    before = traces()
    lab = Lab()
    lab.me = lab
    server, loop = lab.smtp(), lab.network.loop
    address = server.address
    client = lab.alice.connect("mail", 587)
    assert client.recv(100).startswith(b"220")
    del lab, server
    loop.events.call_soon_threadsafe(gc.collect)  # the worst one: the servers' own
    loop._thread.join(30)
    assert not loop._thread.is_alive()
    del loop
    assert client.recv(100) == b""
    client.close()
    assert not traces() - before
    assert address not in {connection.laddr for connection in psutil.Process().net_connections("inet")}


def test_open_connections_end_with_the_lab(traces):
    before = traces()
    with Lab() as lab:
        lab.smtp()
        lab.smtp(implicit=True)
        clients = [lab.alice.connect("mail", port) for port in (587, 587, 465)]
    for client in clients:
        client.settimeout(30)
        with client, suppress(ConnectionResetError):
            while client.recv(4096):
                pass
    assert not traces() - before


def test_connections_of_the_last_moment_end_with_the_lab(traces):
    before = traces()
    for _ in range(examples(50)):
        with Lab() as lab:
            lab.smtp()
            lab.smtp(implicit=True)
            clients = [lab.alice.connect("mail", port, timeout=30) for port in (587, 465, 587)]
            lab.smtp(replace=True)
            clients.append(lab.alice.connect("mail", 587, timeout=30))
        for client in clients:
            with client, suppress(ConnectionResetError):
                while client.recv(4096):
                    pass
    assert not traces() - before


def test_a_handshake_that_hangs_ends_with_the_lab(traces):
    before = traces()
    with Lab() as lab:
        lab.smtp()
        lab.smtp(implicit=True)
        explicit, implicit = lab.alice.connect("mail", 587), lab.alice.connect("mail", 465)
        explicit.recv(4096)
        explicit.sendall(b"STARTTLS\r\n")
        assert explicit.recv(4096).startswith(b"220")
        for client in (explicit, implicit):
            client.sendall(b"\x16\x03\x01")
    for client in (explicit, implicit):
        with client, suppress(ConnectionResetError):
            assert client.recv(4096) == b""
    assert not traces() - before


def test_what_the_lab_refuses_leaves_nothing(traces):
    before = traces()
    for wrong in ({"network": "wifi"}, {"capture": "telepathy"}):
        with pytest.raises(LabError, match=r"wifi|telepathy"):
            Lab(**wrong)
    with Lab() as lab:
        lab.mail.listen(587)
        with pytest.raises(PortTaken):
            lab.smtp()
        with pytest.raises(OutsideTheLab):
            lab.alice.connect("8.8.8.8", 25)
    assert not traces() - before


def test_a_process_that_just_ends_leaves_nothing_and_says_nothing(tmp_path):
    for ending in ("", "raise SystemExit(0)", "del lab"):
        process = python(SESSION + ending, tmp_path, "-X", "dev", "-W", "error::ResourceWarning")
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")
    assert not os.listdir(tmp_path)


@METHODS
def test_a_process_that_ends_within_a_capture_leaves_nothing_and_says_nothing(tmp_path, method):
    for ending in ("", "raise SystemExit(0)"):
        process = python(CAPTURING.format(method=method) + ending, tmp_path, "-X", "dev")
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "") and "Traceback" not in err
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the key log is a file")
@METHODS
def test_a_process_that_is_killed_leaves_no_file_and_nothing_that_listens(tmp_path, method):
    code = CAPTURING.format(method=method) + (
        "print(*(port for server in (explicit, implicit) for port in server.address[1:]), flush=True)\n"
        "import time\n"
        "time.sleep(60)"
    )
    with python(code, tmp_path) as process:
        ports = [int(port) for port in process.stdout.readline().split()]
        held = psutil.Process(process.pid)
        listening = {c.laddr.port for c in held.net_connections("inet") if c.status == psutil.CONN_LISTEN}
        assert len(ports) == 2 and set(ports) <= listening
        children = held.children(recursive=True)
        process.kill()
    assert not os.listdir(tmp_path)
    for port in listening:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=30)
    assert psutil.wait_procs(children, timeout=60)[1] == []


@pytest.mark.skipif(os.name == "nt", reason="Windows itself forbids to remove what a process holds open")
def test_where_keys_must_be_in_a_file_the_next_lab_removes_what_a_killed_one_left(tmp_path):
    without_memory = "import os\nif hasattr(os, 'memfd_create'): del os.memfd_create\n"
    code = f"{without_memory}{SESSION}print(lab.keylog.path, flush=True)\nimport time\ntime.sleep(60)"
    with python(code, tmp_path) as killed, python(code, tmp_path) as running:
        paths = [Path(process.stdout.readline().strip()) for process in (killed, running)]
        assert all(b"SECRET" in path.read_bytes() for path in paths)
        killed.kill()
        killed.wait()
        others = [tmp_path / name for name in ("labkit-notes.txt", "labkit-x-y", "labkit-99999999999999999999-z")]
        for other in others:
            other.touch()
        python(without_memory + SESSION, tmp_path).communicate(timeout=60)
        assert set(tmp_path.iterdir()) == {paths[1], *others}
        running.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
@pytest.mark.parametrize("network", every(KINDS, once=BEST))
def test_a_closed_lab_holds_no_descriptor_although_nothing_was_collected(network):
    require(network)

    def used():
        lab = Lab(network)
        smtp, imap = lab.smtp(), lab.imap(implicit=True)
        with lab.capture():
            lab.send(smtp, "x")
        with lab.mallory(attacks.FullInterception()):
            lab.send(smtp, "x", policy=policies.verified)
            lab.fetch(imap, policy=policies.implicit)
        lab.alice.connect("mail", 587).close()
        lab.close()
        return lab

    used()
    gc.collect()
    gc.disable()
    try:
        before = what_is_open()
        labs = [used() for _ in range(3)]
        assert not left(before) and len(labs) == 3
    finally:
        gc.enable()


@pytest.mark.skipif(os.name == "nt", reason="there are no process groups")
@pytest.mark.parametrize("network", every(KINDS, once=BEST))
def test_a_tool_does_not_outlive_a_killed_process(tmp_path, network):
    require(network)
    code = (
        f"import sys\nfrom labkit import Lab\nlab = Lab('{network}')\nprint('runs', flush=True)\n"
        "lab.alice.run(['sh', '-c', 'sleep 71 & sleep 72; echo'], timeout=60)"
    )
    with python(code, tmp_path) as process:
        process.stdout.readline()
        started = psutil.Process(process.pid)
        children = []
        while sum(child.name() == "sleep" for child in children) < 2:
            assert process.poll() is None
            children = started.children(recursive=True)
        process.kill()
    assert psutil.wait_procs(children, timeout=60)[1] == []


@pytest.mark.parametrize("network", every(KINDS, once=BEST))
def test_a_tool_ends_with_its_status_its_output_and_its_signals(network):
    require(network)
    with Lab(network) as lab:
        done = lab.alice.run(["sh", "-c", "cat; echo wrong >&2; exit 3"], input=b"right")
        assert (done.returncode, done.stdout, done.stderr) == (3, b"right", b"wrong\n")
        assert lab.alice.run(["sh", "-c", "kill -TERM $$"]).returncode == -signal.SIGTERM


def test_a_capture_that_was_not_begun_says_how_to_begin_it():
    with Lab() as lab:
        capture = lab.capture()
        assert "with lab.capture() as capture" in repr(capture)
        for asked in ("ladder", "dialogue", "conversations", "save", "transcript"):
            with pytest.raises(LabError, match=r"There is no \w+ yet\. A capture begins and ends with a block"):
                getattr(capture, asked)
        assert lab.send(lab.smtp(), "and the lab goes on")
        with capture as begun:
            assert lab.send(lab.servers["mail", 587], "x")
        assert len(begun.conversations) == 1


def test_clients_that_hang_up_anywhere_make_no_noise(tmp_path):
    code = """
import logging, socket
logging.getLogger("asyncio").addFilter(lambda record: "took" not in record.getMessage())  # a slow machine, in dev mode
from labkit import Lab
with Lab() as lab:
    explicit, implicit = lab.smtp(), lab.smtp(implicit=True)
    for server in (explicit, implicit):
        for said in (b"", b"EHLO x\\r\\n", b"STARTTLS\\r\\n", b"STARTTLS\\r\\n\\x16\\x03", b"STARTTLS\\r\\nnonsense",
                     b"\\x16\\x03\\x01\\x00\\x05\\x01", b"AUTH LOGIN\\r\\n",
                     b"EHLO x\\r\\nMAIL FROM:<a@b>\\r\\nRCPT TO:<c@d>\\r\\nDATA\\r\\nhalf"):
            for linger in (b"", b"\\1\\0\\0\\0\\0\\0\\0\\0"):
                with lab.alice.connect(server.host, server.port, timeout=30) as client:
                    if server is explicit:
                        client.recv(4096)
                    client.sendall(said)
                    if linger:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    else:
                        client.shutdown(socket.SHUT_WR)
                        while client.recv(4096):
                            pass
    assert lab.send(explicit, "still here")
    assert "TLS handshake failed: the client closed the connection" in repr(explicit.log), explicit.log
"""
    process = python(code, tmp_path, "-X", "dev", "-W", "error::ResourceWarning")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
