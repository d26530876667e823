"""Where packet sockets are refused and user namespaces are not, as in some containers, only what needs one changes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from networks import require
from refusals import NO_PACKET_SOCKETS
from tools import tool

from labkit.network import CHOICE

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def allowed():
    require("namespace")


def _without_packet_sockets(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", NO_PACKET_SOCKETS + code],
        cwd=ROOT,
        env={**os.environ, CHOICE: "namespace"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


COMMAND = "import sys\nfrom labkit.__main__ import main\nsys.exit(main([{!r}]))"


def test_the_demonstration_captures_with_a_tap():
    said = _without_packet_sockets(COMMAND.format("demo"))
    assert "Captured with a tap" in said and "STARTTLS" in said


def test_the_doctor_says_what_is_used_instead():
    said = " ".join(_without_packet_sockets(COMMAND.format("doctor")).split())
    assert "The lab runs on this machine." in said
    assert "may not open a packet socket (Operation not permitted): the tap captures instead." in said
    assert "The neighbour tables of the other hosts are written directly" in said


ATTACK = """
from labkit import Lab, attacks, policies
with Lab("namespace") as lab:
    server = lab.smtp(auth="always")
    with lab.mallory(attacks.StripCapability()) as attack:
        assert lab.send(server, "The PIN is 4921", login=("alice", "hunter2"))
    print(attack.verdict.outcome, len(attack.victim_side.conversations), len(attack.server_side.conversations))
    assert lab.send(server, "x", policy=policies.verified)
"""


def test_the_attacker_reads_what_passes_and_leaves_again():
    assert _without_packet_sockets(ATTACK) == "leaked 1 1\n"


ON_THE_PATH = """
import re
from labkit.network import make
lan = make("namespace")
def table(name):
    said = lan.host(name).run([{ip!r}, "neigh"]).stdout.decode()
    return dict(re.findall(r"(\\S+) dev eth0 lladdr (\\S+)", said))
mallory = lan.host("mallory").mac
mail = lan.host("mail").listen(25)
with lan.intercept("mallory", "mail", 587) as one:
    with lan.intercept("mallory", "mail", 465):
        assert table("alice")["192.0.2.25"] == table("mail")["192.0.2.10"] == mallory
    assert table("alice")["192.0.2.25"] == mallory
    with lan.host("alice").connect("mail", 587) as near, one.accept() as far:
        near.sendall(b"for mail")
        assert far.recv(100) == b"for mail"
    with lan.host("alice").connect("mail", 25) as near, mail.socket.accept()[0] as far:  # forwarded
        near.sendall(b"passes by")
        assert far.recv(100) == b"passes by"
with lan.host("alice").connect("mail", 25):
    assert table("alice")["192.0.2.25"] == lan.host("mail").mac
lan.close()
print(one.how)
"""


def test_the_neighbour_tables_lead_to_the_attacker_until_it_leaves():
    said = _without_packet_sockets(ON_THE_PATH.format(ip=tool("ip")))
    assert "because packet sockets are refused here" in said


REFUSED = """
from labkit import Lab
from labkit.errors import LabError
with Lab("namespace", capture="af_packet") as lab:
    for action in (lab.mallory.sniff, lab.network.watch, lab.capture().__enter__):
        try:
            action()
        except LabError as error:
            print(type(error).__name__, error)
    assert lab.send(lab.smtp(), "x")
"""


def test_what_needs_one_says_so_in_a_sentence():
    lines = _without_packet_sockets(REFUSED).splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith("CannotSniff This process may not open a packet socket (Operation not permitted)")


SLOW = """
from labkit.errors import LabError
from labkit.network import make
lan = make("namespace")
try:
    print(lan.link("alice", delay=0.001))
except LabError as error:
    print(error)
lan.link("alice")
lan.host("mail").listen(25)
lan.host("alice").connect("mail", 25).close()
lan.close()
"""


def test_a_slow_link_needs_netem_or_says_so_and_the_cable_stays():
    said = _without_packet_sockets(SLOW)
    assert "netem" in said or said == "The link of alice cannot be slowed down here (Operation not permitted).\n"
