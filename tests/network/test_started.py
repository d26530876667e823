"""A program that is started on a host runs until it is closed, its output is kept, and it leaves nothing behind."""

import gc
import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from networks import made
from tools import python

from labkit.errors import LabError, NotListening, PortTaken

pytestmark = pytest.mark.skipif(os.name == "nt", reason="it is tried with the tools of Unix")

LISTENER = "import socket, sys; s = socket.create_server((sys.argv[1], int(sys.argv[2]))); s.accept(); s.accept()"


@pytest.fixture
def mark() -> str:
    """Seconds to sleep that no other program on this machine has among its words."""
    return str(time.time_ns())


def gone(mark: str) -> bool:
    """Whether the programs with this mark among their words, or in a script, end within a minute."""
    ends = time.monotonic() + 60
    while any(mark in " ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])):
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True


def said(program, text: str) -> bool:
    ends = time.monotonic() + 60
    while text not in program.output:
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True


def test_it_runs_until_it_is_closed_and_what_it_says_is_kept(network, mark):
    with network.host("mail").start(["sh", "-c", f"echo one; echo two >&2; sleep {mark}"]) as program:
        assert said(program, "one\ntwo\n") and program.running
    assert not program.running and "was stopped" in repr(program)
    assert gone(mark)
    program.close()


@pytest.mark.parametrize(
    "script",
    (
        "(setsid sleep {mark} &) ; sleep {mark}",  # leaves its process group
        "setsid sh -c 'sleep {mark} & sleep {mark} &' ; exit 0",  # goes to the background, as a daemon does
        "trap '' TERM; while :; do sleep {mark}; done",  # hangs at the end
    ),
)
def test_what_it_has_started_ends_with_it(network, script, mark):
    program = network.host("mail").start(["sh", "-c", script.format(mark=mark)])
    assert program.running
    program.close()
    assert gone(mark)


def test_a_closed_network_ends_what_was_started_and_leaves_no_thread(network, mark):
    before = {*threading.enumerate()}
    for number in range(3):
        network.host("alice").start(["sleep", f"{mark}{number}"])
    network.close()
    assert gone(mark)
    gc.collect()
    assert {*threading.enumerate()} <= before


def test_a_program_that_is_missing_or_ends_at_once_is_named_with_what_it_said(network, tmp_path):
    mail = network.host("mail")
    with pytest.raises(LabError, match="'no-such-server' is not installed"):
        mail.start(["no-such-server"])
    with pytest.raises(LabError, match=r"'sh' ended with status 3; it said: no configuration\."):
        mail.start(["sh", "-c", "echo no configuration; exit 3"])
    with pytest.raises(LabError, match="ended with status 137"):
        mail.start(["sh", "-c", "kill -KILL $$"])
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    with pytest.raises(LabError, match="cannot be started"):
        mail.start([str(broken)])
    for command in ("sleep 5", [], [1]):
        with pytest.raises(LabError, match="list of words"):
            mail.start(command)
    assert not network.started


def test_a_flood_of_output_fills_no_memory(network, mark):
    with network.host("mail").start(["sh", "-c", f"echo first; yes flood; : {mark}"]) as program:
        assert said(program, "bytes before this are not kept")
        assert len(program.output) < 300_000
        assert program.output.rstrip("\ny").endswith("flood") or "flood\nflood" in program.output
    assert gone(mark)


def test_an_environment_is_added(network):
    network.environment = lambda: {"SSLKEYLOGFILE": "/keys", "OTHER": "lost"}
    with network.host("mail").start(
        ["sh", "-c", "echo $SSLKEYLOGFILE $OTHER; sleep 6306"], {"OTHER": "won"}
    ) as program:
        assert said(program, "/keys won")


def test_what_a_program_listens_on_is_reached_under_its_nominal_port(network):
    mail, alice = network.host("mail"), network.host("alice")
    port = mail.free_port(143)
    assert mail.free_port(143) == port
    with mail.start([sys.executable, "-c", LISTENER, mail.address, str(port)]):
        listener = mail.adopt(143)
        with alice.connect("mail", 143) as client:
            assert client.getpeername() == (mail.address, port)
        assert mail.free_port(143) == port  # for the program that takes its place
        with pytest.raises(PortTaken, match="143 on mail is adopted already"):
            mail.adopt(143)
        mail.listen(25)
        with pytest.raises(PortTaken, match="25 on mail is taken"):
            mail.free_port(25)
        assert network.nominal[port] == 143 and network.names[f"{mail.address}:143"] == "mail"
        listener.close()
        listener.close()
        assert listener.closed and mail.free_port(143) == port


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells which ports it gives")
def test_a_free_port_on_loopback_is_none_that_the_system_gives_to_another_program():
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with closing(made("loopback")) as network:
        assert all(network.host("mail").free_port(nominal) < lowest for nominal in (25, 143, 993))


def test_a_program_that_does_not_listen_is_named(network):
    mail = network.host("mail")
    mail.free_port(143)
    with mail.start(["sleep", "6307"]), pytest.raises(NotListening, match="Nothing listens on port 143 of mail"):
        mail.adopt(143, timeout=0.3)
    with pytest.raises(NotListening, match="has ended"):
        mail.adopt(143, timeout=60)
    if network.kind == "namespace":
        with pytest.raises(LabError, match="every port is the real one"):
            mail.adopt(143, real=40143)
    for bad in (0, 65536, "143"):
        with pytest.raises(LabError, match="1 to 65535"):
            mail.free_port(bad)


KILLED = """
import os, sys, time
from labkit import Lab
lab = Lab({kind!r})
long = os.environ["MARK"]  # so that this program does not bear the number itself
lab.mail.start(["sh", "-c", f"trap '' TERM; (setsid sleep {{long}} &) ; while :; do sleep {{long}}; done"])
print(lab.keylog.shared, flush=True)
{ending}
"""


@pytest.mark.parametrize("ending", ("kill", "raise KeyboardInterrupt", "del lab; time.sleep(60)"))
def test_whatever_ends_the_kernel_ends_its_programs_and_removes_its_files(network, tmp_path, ending, mark, monkeypatch):
    monkeypatch.setenv("MARK", mark)
    kind, words = network.kind, "time.sleep(60)" if ending == "kill" else ending
    with python(KILLED.format(kind=kind, ending=words), tmp_path) as kernel:
        assert kernel.stdout.readline().startswith(str(tmp_path))
        if ending == "kill":
            kernel.kill()
        assert gone(mark)
        ends = time.monotonic() + 60
        while list(tmp_path.iterdir()) and time.monotonic() < ends:
            time.sleep(0.05)
        assert not list(tmp_path.iterdir())
        kernel.kill()


@pytest.mark.parametrize("begin", ("start", "try_out"))
def test_a_network_that_is_closed_while_a_program_begins_leaves_none_and_says_that_it_is_closed(
    network, monkeypatch, begin, mark
):
    def closing(words, *arguments, **settings):
        process = popen(words, *arguments, **settings)
        if mark in words:
            closer = threading.Thread(target=network.close)
            closer.start()
            closer.join(60)
        return process

    popen, mail = subprocess.Popen, network.host("mail")
    monkeypatch.setattr(subprocess, "Popen", closing)
    with pytest.raises(LabError, match="This lab is closed"):
        getattr(mail, begin)(["sleep", mark])
    assert gone(mark)
