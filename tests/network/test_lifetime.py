"""A private LAN leaves nothing behind, whatever ends it, and shows nothing outside while it is there."""

import gc
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from leaks import left, what_is_open
from networks import made, require
from thoroughly import examples

ROOT = Path(__file__).parents[2]

IN_A_LAB = """
import os, sys, threading
from labkit.network import make
lan = make("namespace")
tool = threading.Thread(target=lan.host("alice").run, args=(["sh", "-c", "sleep 61 & sleep 62"],))
tool.daemon = True
tool.start()
print(lan.broker.pid, flush=True)
"""


@pytest.fixture(autouse=True)
def allowed():
    require("namespace")


def _python(code: str) -> subprocess.Popen:
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, start_new_session=True)


def _descendants(pid: int) -> list[psutil.Process]:
    """Everything that a process has started, as soon as both sleeping tools are among it."""
    while True:
        found = psutil.Process(pid).children(recursive=True)
        if sum(process.name() == "sleep" for process in found) == 2:
            return found


def test_many_lans_one_after_the_other_leave_nothing():
    before = what_is_open()
    for _ in range(10):
        with closing(made("namespace")) as lan:
            listener = lan.host("mail").listen(25)
            with lan.host("alice").connect("mail", 25), listener.socket.accept()[0], lan.host("mallory").sniff():
                pass
    gc.collect()
    assert not left(before)


def test_a_lan_that_nothing_refers_to_is_gone():
    before = what_is_open()
    lan = made("namespace")
    lan.host("mail").listen(25)
    process = psutil.Process(lan.broker.pid)
    del lan
    gc.collect()
    assert not process.is_running()
    gc.collect()
    assert not left(before)


def test_an_interception_leaves_nothing():
    with closing(made("namespace")) as lan:
        lan.intercept("mallory", "mail", 587).close()
    before = what_is_open()
    with closing(made("namespace")) as lan:
        lan.intercept("mallory", "mail", 587)
    gc.collect()
    assert not left(before)


def test_many_labs_at_once_do_not_meet():
    before = what_is_open()
    lans = [None] * examples(30)

    def one(number: int) -> None:
        lans[number] = lan = made("namespace")
        listener = lan.host("mail").listen(587)
        with lan.host("alice").connect("mail", 587) as near, listener.socket.accept()[0] as far:
            near.sendall(b"lab %d" % number)
            assert far.recv(100) == b"lab %d" % number
        lan.seen = True

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(lans))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(lan.seen for lan in lans)
    assert len({lan.broker.pid for lan in lans}) == len(lans)
    for lan in lans:
        lan.close()
    lans.clear()
    del lan
    gc.collect()
    assert not left(before)


def test_a_killed_kernel_leaves_no_process():
    with _python(f"{IN_A_LAB}\ntool.join()") as kernel:
        assert int(kernel.stdout.readline()) > 0
        processes = _descendants(kernel.pid)
        kernel.kill()
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive


@pytest.mark.parametrize("ending", ("raise SystemExit(3)", "raise ValueError", "lan.close()", "del lan"))
def test_whatever_ends_a_program_ends_its_lan(ending):
    with _python(f"{IN_A_LAB}\nsys.stderr = open(os.devnull, 'w')\nsys.stdin.readline()\n{ending}") as kernel:
        kernel.stdout.readline()
        processes = _descendants(kernel.pid)
        kernel.stdin.close()
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive


def test_control_c_in_a_terminal_does_not_take_the_lan_away():
    code = f"""{IN_A_LAB}
import time
try:
    print("waiting", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    lan.host("mail").listen(25)
    lan.host("alice").connect("mail", 25)
    print("still there", flush=True)
"""
    with _python(code) as kernel:
        pid = int(kernel.stdout.readline())
        assert kernel.stdout.readline() == "waiting\n"
        os.killpg(kernel.pid, signal.SIGINT)  # what a terminal does
        assert kernel.stdout.readline() == "still there\n"
    assert not psutil.pid_exists(pid)


# A network namespace of its own, where the test is root and alone: everything that could be seen from outside is seen.
OUTSIDE = """
import os, socket, subprocess, sys
sys.path.insert(0, "labkit/network/inside")
import syscalls
user, group = os.geteuid(), os.getegid()
syscalls.unshare(syscalls.USERS | syscalls.NETWORK)
for name, line in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
    open(f"/proc/self/{name}", "w").write(line)
from pyroute2 import IPRoute
with IPRoute() as ip:
    ip.link("add", ifname="out0", kind="veth", peer={"ifname": "out1"})
    for name in ("lo", "out0", "out1"):
        ip.link("set", index=ip.link_lookup(ifname=name)[0], state="up")
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sniffer.setblocking(False)
def seen():
    tables = "tcp", "tcp6", "udp", "udp6", "raw", "unix"
    frames = []
    try:
        while True:
            frames.append(sniffer.recv(2000))
    except BlockingIOError:
        pass
    ours = [frame for frame in frames if frame[12:14] in (b"\\x08\\x00", b"\\x08\\x06")]
    bound = [open(f"/proc/net/{table}").read() for table in tables[:-1]]
    return ours, bound, socket.if_nameindex(), open("/proc/net/arp").read()
from labkit import Lab
before = seen()
with Lab(network="namespace") as lab:
    server = lab.smtp()
    with lab.capture() as capture:
        assert lab.send(server, "secret", login=("alice", "hunter2"))
        lab.mail.listen(25)
        lab.network.intercept("mallory", "mail", 25)
    during = seen()
assert len(capture.frames) > 20
assert during == before == seen(), during
"""


def test_nothing_of_the_lan_is_seen_outside():
    done = subprocess.run([sys.executable, "-c", OUTSIDE], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_machine_has_no_new_listener():
    def listening():
        return {c.laddr for c in psutil.net_connections("tcp4") if c.status == psutil.CONN_LISTEN}

    with closing(made("namespace")) as lan:
        for port in (25, 587, 465):
            lan.host("mail").listen(port)
        assert not {address for address in listening() if address.ip.startswith("192.0.2.")}
        assert "192.0.2." not in Path("/proc/net/tcp").read_text()
