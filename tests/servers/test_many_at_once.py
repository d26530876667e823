"""Many clients at once, and more than there are descriptors for."""

import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from wire import connected

from labkit import Lab
from labkit.trust.contexts import client_context

MANY = 150
ASK = {"SMTP": (b"EHLO x", "250"), "IMAP": (b"x LOGIN bob swordfish", "x OK"), "POP3": (b"USER bob", "+OK")}


@pytest.mark.parametrize("protocol", ASK)
def test_many_sessions_are_open_at_once_half_of_them_inside_tls(protocol):
    command, answer = ASK[protocol]
    with Lab() as lab, ExitStack() as stack:
        start = {"SMTP": lab.smtp, "IMAP": lab.imap, "POP3": lab.pop3}[protocol]
        server, trusting = start(auth="always"), client_context(lab.authority, verify=True)
        wires = [stack.enter_context(connected(lab, server)) for _ in range(MANY)]
        for wire in wires[::2]:
            assert wire.goes_ahead(wire.starttls(trusting))
        for wire in wires:
            wire.send(command + b"\r\n")
        assert all(wire.reply().startswith(answer) for wire in wires)


MALLORY = """
import resource, sys
from labkit import Lab, attacks
from labkit.network.interception import Interception
tries, accept = [], Interception.accept
Interception.accept = lambda self: tries.append(1) or accept(self)
with Lab(network="loopback") as lab:
    server = lab.smtp()
    with lab.mallory(attacks.StripCapability()) as mallory:
        lab.send(server, "What is loaded on first use is loaded.")
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
        print(*mallory.address(server), flush=True)
        sys.stdin.read()
print(len(tries))
"""

SERVER = """
import resource, sys, time
from labkit import Lab
with Lab(network="loopback") as lab:
    server = lab.pop3()
    lab.fetch(server)  # what is loaded on first use is loaded
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
    print(*server.address, flush=True)
    sys.stdin.read()
    print(server.log)
"""


def _python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _more_than_fit(process: subprocess.Popen[str]) -> list[socket.socket]:
    """Clients of the address that the process prints."""
    ip, port = process.stdout.readline().split()
    return [socket.create_connection((ip, int(port)), 60) for _ in range(80)]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_a_server_without_descriptors_waits_and_goes_on_when_there_are_some():
    with _python(SERVER) as process:
        clients = _more_than_fit(process)
        for client in clients[:20]:
            assert client.recv(100).startswith(b"+OK")
        time.sleep(1)
        for client in clients[:60]:
            client.close()
        for client in clients[60:]:
            assert client.recv(100).startswith(b"+OK")
            client.close()
        said, _ = process.communicate(timeout=120)
    tries = said.count("connection not accepted: Too many open files")
    assert 0 < tries < 100  # not again and again without a pause


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_an_attacker_without_descriptors_waits_too():
    with _python(MALLORY) as process:
        clients = _more_than_fit(process)
        assert clients[0].recv(100).startswith(b"220")
        time.sleep(1)
        for client in clients:
            client.close()
        tries, _ = process.communicate(timeout=120)
    assert int(tries) < 200  # not again and again without a pause
