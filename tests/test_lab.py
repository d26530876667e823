"""The lab as a whole: what it tells, what it replaces, and that nothing of it stays behind."""

import gc
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from labkit import Lab, policies
from labkit.errors import LabError, OutsideTheLab, PortTaken

SESSION = "from labkit import Lab\nlab = Lab()\nassert lab.send(lab.smtp(), 'x', login=('alice', 'hunter2'))\n"


@pytest.fixture
def traces(tmp_path, monkeypatch):
    """() -> what this process holds: threads, descriptors, temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    process = psutil.Process()
    handles = getattr(process, "num_fds", None) or process.num_handles

    def count():
        gc.collect()
        return sorted(thread.name for thread in threading.enumerate()), handles(), os.listdir(tmp_path)

    with Lab() as lab:  # what is imported and opened once
        lab.send(lab.smtp(), "x")
    return count


def _python(code: str, tmp_path: Path, *options: str) -> subprocess.Popen:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)}
    command = [sys.executable, *options, "-c", code]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_after_a_hundred_labs_nothing_more_is_open_than_before(traces):
    before = traces()
    for _ in range(100):
        with Lab() as lab:
            assert lab.send(lab.smtp(), "x")
    assert traces() == before


@pytest.mark.parametrize("error", (ValueError, KeyboardInterrupt, SystemExit))
def test_whatever_ends_the_block_ends_the_lab(traces, error):
    before = traces()
    with pytest.raises(error), Lab() as lab:
        lab.send(lab.smtp(), "x")
        lab.mallory.listen(25)
        raise error
    assert traces() == before


def test_a_lab_that_nothing_refers_to_is_closed(traces):
    before = traces()
    lab = Lab()
    lab.send(lab.smtp(implicit=True), "x", policy=policies.implicit)
    del lab
    assert traces() == before


def test_a_lab_in_a_circle_is_closed_by_whichever_thread_collects_the_garbage(traces):
    before = traces()
    lab = Lab()
    lab.me = lab
    server, loop = lab.smtp(), lab._loop
    address = server.address
    client = lab.alice.connect("mail", 587)
    assert client.recv(100).startswith(b"220")
    del lab, server
    loop._loop.call_soon_threadsafe(gc.collect)  # the worst one: the servers' own
    loop._thread.join(5)
    assert not loop._thread.is_alive()
    del loop
    assert client.recv(100) == b""
    client.close()
    assert traces() == before
    assert address not in {connection.laddr for connection in psutil.Process().net_connections("inet")}


def test_open_connections_end_with_the_lab(traces):
    before = traces()
    with Lab() as lab:
        lab.smtp()
        lab.smtp(implicit=True)
        clients = [lab.alice.connect("mail", port) for port in (587, 587, 465)]
    for client in clients:
        client.settimeout(5)
        with client, suppress(ConnectionResetError):
            while client.recv(4096):
                pass
    assert traces() == before


def test_connections_of_the_last_moment_end_with_the_lab(traces):
    before = traces()
    for _ in range(50):
        with Lab() as lab:
            lab.smtp()
            lab.smtp(implicit=True)
            clients = [lab.alice.connect("mail", port, timeout=5) for port in (587, 465, 587)]
            lab.smtp()
            clients.append(lab.alice.connect("mail", 587, timeout=5))
        for client in clients:
            with client, suppress(ConnectionResetError):
                while client.recv(4096):
                    pass
    assert traces() == before


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
    assert traces() == before


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
    assert traces() == before


def test_a_server_on_the_same_port_replaces_the_first():
    with Lab() as lab:
        first = lab.smtp()
        client = lab.alice.connect("mail", 587, timeout=5)
        second = lab.smtp(starttls="off")
        with client, suppress(ConnectionResetError):
            while client.recv(4096):
                pass
        assert lab.send(second, "to the second").how == "clear text"
        assert (len(first.mailbox), len(second.mailbox)) == (0, 1)
        assert "closed" in repr(first) and list(lab.servers.values()) == [second]


def test_a_server_that_cannot_start_leaves_the_first_running():
    with Lab() as lab:
        first = lab.smtp()
        with pytest.raises(LabError):
            lab.smtp(ciphers="ROT13")
        assert lab.send(first, "still here") and lab.servers["mail", 587] is first


def test_servers_run_side_by_side_on_any_host():
    with Lab() as lab:
        servers = [lab.smtp(), lab.smtp(implicit=True), lab.smtp(port=25), lab.smtp(host="mallory")]
        for server in servers:
            assert lab.send(server, "x", policy=policies.implicit if server.port == 465 else policies.verified)
        assert [len(server.mailbox) for server in servers] == [1, 1, 1, 1]
        assert repr(lab).count("<SMTP server on") == 4


def test_a_closed_lab_says_so():
    lab = Lab()
    server = lab.smtp()
    lab.close()
    lab.close()
    for act in (
        lab.smtp,
        lambda: lab.send(server, "x"),
        lambda: lab.capture().__enter__(),
        lambda: lab.mail.listen(25),
        lambda: lab.alice.connect("mail", 587),
        lambda: lab.__enter__(),
    ):
        with pytest.raises(LabError, match="closed: make a new one"):
            act()
    assert repr(lab) == "<Lab, closed>"
    assert "closed" in repr(server) and repr(server.mailbox) == "<an empty mailbox>"


def test_a_lab_tells_what_is_on_the_stage():
    with Lab() as lab:
        assert "alice, mail, mallory" in repr(lab) and "start one with lab.smtp()" in repr(lab)
        lab.smtp()
        assert "<SMTP server on mail, port 587" in repr(lab)
        assert [host.name for host in (lab.alice, lab.mail, lab.mallory)] == ["alice", "mail", "mallory"]


def test_a_process_that_just_ends_leaves_nothing_and_says_nothing(tmp_path):
    for ending in ("", "raise SystemExit(0)", "del lab"):
        process = _python(SESSION + ending, tmp_path, "-X", "dev", "-W", "error::ResourceWarning")
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the key log is a file")
def test_a_process_that_is_killed_leaves_no_file(tmp_path):
    process = _python(SESSION + "print('ready', flush=True)\nimport time\ntime.sleep(60)", tmp_path)
    with process:
        assert process.stdout.readline() == "ready\n"
        process.kill()
    assert not os.listdir(tmp_path)


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
                with lab.alice.connect(server.host, server.port, timeout=5) as client:
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
    process = _python(code, tmp_path, "-X", "dev", "-W", "error::ResourceWarning")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")


def test_importing_labkit_loads_nothing_heavy(tmp_path):
    heavy = ("scapy", "matplotlib", "IPython", "ipywidgets", "trustme", "cryptography", "aiosmtpd", "asyncio", "ssl")
    code = f"import sys, labkit; print([name for name in {heavy!r} if name in sys.modules])"
    out, _ = _python(code, tmp_path).communicate(timeout=60)
    assert out == "[]\n"


def test_a_session_loads_neither_scapy_nor_matplotlib(tmp_path):
    code = SESSION + "import sys; print([name for name in ('scapy', 'matplotlib', 'IPython') if name in sys.modules])"
    out, _ = _python(code, tmp_path).communicate(timeout=60)
    assert out == "[]\n"


def test_many_clients_at_once_are_served():
    with Lab() as lab:
        server = lab.smtp()
        threads = [threading.Thread(target=lab.send, args=(server, f"number {n}")) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(message.text for message in server.mailbox) == sorted(f"number {n}" for n in range(20))
