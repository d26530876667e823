"""Each hidden fault is there, and mended it is gone: shown by openssl, swaks and bytes on the wire, not by the probe.

The probe then has to say the same, and nothing else.
"""

import ssl

import pytest
from networks import BEST, require
from thoroughly import every
from tools import tool

from labkit import Lab
from labkit.errors import LabError
from labkit.network import KINDS
from labkit.trials.hidden_faults import FAULTS, PLACES, drawn, hidden
from labkit.trust.contexts import client_context


@pytest.fixture(scope="module")
def lab():
    with Lab("loopback") as lab:
        yield lab


def _openssl(lab, server, *more, says="QUIT\r\n"):
    """Everything that openssl s_client writes, once it has upgraded."""
    with open(lab.folder / "authority.pem", "wb") as file:
        file.write(lab.authority.pem)
    at = ["-connect", "{}:{}".format(*server.address), "-starttls", server.protocol.lower()]
    command = [tool("openssl"), "s_client", *at, "-CAfile", file.name, *more]
    done = lab.alice.run(command, says.encode())
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def _swaks(lab, server, *more):
    ip, port = server.address
    command = [tool("swaks"), "--server", ip, "--port", str(port), "--to", "bob@lab.test", *more]
    return lab.alice.run(command).stdout.decode()


def _says(lab, server, *lines, behind=b""):
    """What a server says to these lines, from its greeting on; with `behind`, bytes in one segment with the last line,
    also its first answer inside TLS."""
    with lab.alice.connect(server.host, server.port, timeout=30) as sock:
        said = sock.recv(4096)
        for line in lines:
            sock.sendall(line + b"\r\n" + (behind if line == lines[-1] else b""))
            said += sock.recv(4096)
        if behind:
            context = client_context(lab.authority, verify=True)
            with context.wrap_socket(sock, server_hostname="mail.lab.test") as tls:
                tls.settimeout(0.5)
                try:
                    said += b"INSIDE " + tls.recv(4096)
                except (TimeoutError, ssl.SSLError):
                    said += b"INSIDE nothing"
    return said.decode()


SEEN = {
    "expired": lambda lab, server: "certificate has expired" in _openssl(lab, server),
    "wrong name": lambda lab, server: (
        "hostname mismatch" in _openssl(lab, server, "-verify_hostname", "mail.lab.test").lower()
    ),
    "unknown root": lambda lab, server: "unable to get local issuer certificate" in _openssl(lab, server),
    "not offered": lambda lab, server: "250-STARTTLS" not in _swaks(lab, server, "--quit-after", "EHLO"),
    "refused": lambda lab, server: "<** 454" in _swaks(lab, server, "--tls"),
    "login in the clear": lambda lab, server: "250-AUTH" in _swaks(lab, server, "--quit-after", "EHLO"),
    "old versions": lambda lab, server: (
        "Protocol version: TLSv1.1" in _openssl(lab, server, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", "-brief")
    ),
    "kept buffer": lambda lab, server: "INSIDE 250" in _says(lab, server, b"EHLO x", b"STARTTLS", behind=b"NOOP\r\n"),
    "kept offer": lambda lab, server: "250-STARTTLS" in _openssl(lab, server, "-quiet", says="EHLO x\r\nQUIT\r\n"),
    "logged in at once": lambda lab, server: _says(lab, server).startswith("* PREAUTH"),
    "open relay": lambda lab, server: (
        "<-  250" in _swaks(lab, server, "--to", "carol@example.org", "--quit-after", "RCPT").partition("RCPT TO")[2]
    ),
}
"""Fault -> how it is seen without anything of the probe."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_there_until_it_is_mended_and_the_probe_says_the_same(lab, tmp_path, fault):
    lab.folder = tmp_path
    protocol = fault.protocols[0]
    broken = hidden(fault, lab.start, protocol)
    assert fault.name not in repr(broken) and "not shown" in repr(broken) and "open relay" not in repr(lab)
    assert SEEN[fault.name](lab, broken)
    report = lab.probe(broken)
    assert {fault.finding} - {""} <= {finding.id for finding in report.faults}
    assert bool(report) == (not fault.finding)
    mended = lab.start(protocol, replace=True, **{**fault.settings, **fault.mended})
    assert not SEEN[fault.name](lab, mended)
    assert lab.probe(mended)


def test_the_five_have_five_faults_which_the_seed_decides():
    keys = [{port: fault.name for port, fault in drawn(seed).items()} for seed in range(60)]
    assert all(len(set(key.values())) == len(PLACES) for key in keys)
    assert {name for key in keys for name in key.values()} == {fault.name for fault in FAULTS}
    assert len({tuple(key.values()) for key in keys}) > 50
    assert drawn("a seed") == drawn("a seed")


@pytest.mark.parametrize("kind", every(KINDS, once=BEST))
def test_each_of_the_five_is_found_and_mended_by_the_solution(kind):
    require(kind)
    with Lab(kind) as lab:
        five = lab.mystery("test")
        for port, fault in five.key.items():
            assert {fault.finding} - {""} <= {finding.id for finding in lab.probe(five[port]).faults}
            five.mend(port, **fault.mended)
            assert lab.probe(five[port]), fault
        assert [server.port for server in five] == list(PLACES) and "587" in repr(five)
        with pytest.raises(LabError, match="no server on port 465"):
            five.mend(465, quirks=())
        with pytest.raises(LabError, match="no setting 'speed'"):
            five.mend(587, speed=1)
        assert not five[587].closed
