"""Clients and servers of every version meet, live, and agree on what the RFCs say they must."""

import itertools
import threading
from importlib.metadata import version as version_of

import pytest
from tools import tool

from labkit import Lab
from labkit.errors import LabError
from labkit.trials.handshakes import ALL
from labkit.trials.versions import RANGES, run_session

SAYS_LITTLE = version_of("scapy").startswith("2.6")
"""Whether scapy raises nothing for an alert of TLS, so that its client of SSL 2.0 sees only the end."""
REFUSED = "the other side closed the connection" if SAYS_LITTLE else "what the other side sent is not SSL 2.0"


@pytest.fixture(scope="module")
def lab():
    with Lab() as lab:
        yield lab


@pytest.mark.parametrize(("client", "server"), list(itertools.product(RANGES, RANGES)))
def test_both_agree_on_the_newest_version_that_both_know(lab, client, server):
    session = run_session(lab.network, lab.authority, RANGES[client], RANGES[server])
    common = [version for version in ALL if version in RANGES[client] and version in RANGES[server]]
    assert session.version == (common[-1] if common else "")
    assert bool(session) == (not session.why) == bool(common)


@pytest.mark.parametrize("version", ALL[1:])
def test_tshark_sees_the_version_that_was_agreed(lab, version, tmp_path):
    with lab.capture() as capture:
        assert run_session(lab.network, lab.authority, (version,), ALL[1:])
    capture.save(tmp_path / "met.pcapng")
    what = ("-e", "tls.handshake.version", "-e", "tls.handshake.extensions.supported_version")
    which = ("-d", "tcp.port==25,smtp", "-Y", "tls.handshake.type==2")
    done = lab.alice.run([tool("tshark"), "-r", str(tmp_path / "met.pcapng"), *which, "-T", "fields", *what])
    codes = {"SSL 3.0": "0x0300", "TLS 1.0": "0x0301", "TLS 1.1": "0x0302", "TLS 1.2": "0x0303", "TLS 1.3": "0x0304"}
    assert codes[version] in done.stdout.decode(), done.stderr
    assert capture.dialogue.session.version == version


def test_a_client_of_ssl_2_sends_a_hello_of_its_own_form_and_is_refused_today(lab):
    with lab.capture() as capture:
        session = run_session(lab.network, lab.authority, ("SSL 2.0",), ("TLS 1.2", "TLS 1.3"))
    assert not session and session.why.startswith(f"client: {REFUSED}")
    assert b"\x01\x00\x02" in capture.conversations[0].stream("client")


def test_nothing_stays_open_after_a_meeting_that_fails(lab):
    before = set(threading.enumerate())
    for client in ("SSL 2.0", "SSL 3.0", "TLS 1.0"):
        run_session(lab.network, lab.authority, (client,), ("TLS 1.3",))
    assert set(threading.enumerate()) <= before
    assert ("mail", 25) not in lab.network.listeners


@pytest.mark.parametrize("wrong", [(), ("TLS 1.4",), ("SSL 2.0", "SSL 3.0")])
def test_a_range_that_nothing_here_speaks_is_refused_with_a_sentence(lab, wrong):
    with pytest.raises(LabError, match="range"):
        run_session(lab.network, lab.authority, wrong, ("TLS 1.3",))


def test_the_grid_marks_what_is_forbidden_without_colour_alone(lab):
    grid = lab.versions({"SSL 3.0": ("SSL 3.0",), "today": ("TLS 1.2", "TLS 1.3")})
    assert grid.cells["SSL 3.0", "SSL 3.0"].mark == "✘" and "✘ SSL 3.0" in grid.text
    assert grid.cells["today", "today"].mark == "✔" and "✔" in grid.html and "TLS 1.3" in grid.html
    assert grid.cells["SSL 3.0", "today"].mark == "∅" and "server" in grid.why("SSL 3.0", "today")
    with pytest.raises(LabError, match="client is one of SSL 3"):
        grid.why("yesterday", "today")
