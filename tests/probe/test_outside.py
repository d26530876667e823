"""A server outside the lab is visited as any mail client visits it, whatever it is: no attack, no wait without a limit,
and a clear sentence where there is no server, or another one.
"""

import inspect
import json
import socket
import subprocess
import sys
import threading
import time

import pytest
from impostors import drips, endless, full, listening, says, silent

from labkit import Lab
from labkit.errors import LabError, NotListening, OutsideTheLab
from labkit.network.outside import Outside
from labkit.probe.findings import LEFT_OUT
from labkit.probe.probe_report import probe
from labkit.probe.target import outside

PATIENCE, SILENCE = 60.0, 2.0
"""Seconds for an answer: where one comes, and where none does."""
BOUND = 90.0
"""Seconds within which every probe of such a server must have ended, also on a busy machine."""
GREETING, LIST = b"220 mx.example.org ESMTP\r\n", b"250-mx.example.org\r\n250 STARTTLS\r\n"
GO_AHEAD = b"220 Go ahead\r\n"


def probed(where: str, protocol: str = "smtp", patience: float = PATIENCE):
    before, begun = set(threading.enumerate()), time.monotonic()
    report = probe(outside(where, protocol).within(patience))
    assert time.monotonic() - begun < BOUND
    assert not [thread for thread in {*threading.enumerate()} - before if thread.name.startswith("labkit")]
    return report


def reached(where: str, protocol: str = "smtp", patience: float = PATIENCE) -> str:
    """What the report says of a server with which there was no conversation."""
    report = probed(where, protocol, patience)
    assert (report.grade, bool(report)) == ("-", False)
    assert [finding.id for finding in report.findings] == ["reach"]
    assert report["reach"].mend
    return report["reach"].said


# ---- no server, or another one


def test_where_nothing_listens_that_is_said():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        assert reached(f"127.0.0.1:{port}") == (
            f"The server could not be reached: Nothing listens on port {port} of 127.0.0.1 (127.0.0.1)."
        )


def test_a_filtered_port_is_told_from_one_where_nothing_listens():
    server, waiting = full()
    try:
        said = reached("{}:{}".format(*server.getsockname()), patience=SILENCE)
    finally:
        for sock in (server, *waiting):
            sock.close()
    assert "nothing answers at 127.0.0.1" in said
    assert "a firewall may drop the packets" in said


def test_a_name_that_does_not_resolve_is_said():
    assert "The name mail.lab.invalid cannot be resolved" in reached("mail.lab.invalid:25")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_a_server_with_only_an_ipv6_address_is_probed():
    with listening(says(GREETING, b"250 mx.example.org\r\n", b"502 No\r\n"), "::1") as (where, _):
        report = probed(where)
    assert {finding.id for finding in report.faults} == {"offer", "go-ahead"}


@pytest.mark.parametrize("where", ["mail.example.org:0", "mail.example.org:65536", "mail.example.org:-1", "m:99999999"])
def test_an_absurd_port_is_refused(where):
    with pytest.raises(LabError, match=r"1 to 65535"):
        outside(where, "smtp")


@pytest.mark.parametrize("where", ["", ":25", "two words:25", "[::1:25", "[mail]:25", "a:b:c"])
def test_what_is_no_address_is_refused(where):
    with pytest.raises(LabError, match="host:port"):
        outside(where, "smtp")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "5", True, 10**9])
def test_a_time_limit_that_is_none_is_refused(timeout):
    with pytest.raises(LabError, match="A time limit is a number of seconds"):
        outside("mail.example.org:25").within(timeout)


def test_a_protocol_that_the_port_does_not_tell_has_to_be_said():
    with pytest.raises(LabError, match="say it"):
        outside("mail.example.org:4711")
    with pytest.raises(LabError, match="does not speak"):
        outside("mail.example.org:25", "gopher")
    assert outside("mail.example.org:993").implicit
    assert not outside("mail.example.org:5432").implicit


@pytest.mark.parametrize("protocol", ["imap", "xmpp", "ldap", "postgresql", "ftp", "nntp"])
def test_another_protocol_on_the_port_is_named(protocol):
    with listening(says(b"+OK POP3 ready\r\n", then=silent)) as (where, _):
        said = reached(where, protocol, SILENCE)
    assert "what answers is POP3 and not" in said
    assert said.endswith("Probe it as POP3.")


@pytest.mark.parametrize("protocol", ["smtp", "pop3", "managesieve"])
def test_what_is_no_protocol_of_the_lab_is_shown(protocol):
    with listening(says(b"SSH-2.0-OpenSSH_9.9\r\n", then=silent)) as (where, _):
        assert "'SSH-2.0-OpenSSH_9.9'" in reached(where, protocol, SILENCE)


@pytest.mark.parametrize("protocol", ["smtp", "imap", "xmpp", "ldap", "postgresql"])
def test_a_server_that_never_answers_is_not_waited_for(protocol):
    with listening(silent) as (where, _):
        assert "the server did not finish an answer within 1 s" in reached(where, protocol, patience=1.0)


@pytest.mark.parametrize("data", [b"220-more and more\r\n", b"x" * 1000], ids=["lines", "no line"])
@pytest.mark.parametrize("protocol", ["smtp", "imap", "xmpp", "ldap", "postgresql", "managesieve"])
def test_an_endless_greeting_is_not_listened_to(protocol, data):
    with listening(endless(data)) as (where, _):
        said = reached(where, protocol)
    assert "talks on and on" in said or "what answers is not" in said


def test_a_greeting_that_drips_is_not_waited_for():
    with listening(drips(b"220-")) as (where, _):
        assert "did not finish an answer" in reached(where, patience=SILENCE)


def test_a_server_that_sends_its_clients_away_is_quoted():
    with listening(says(b"421 mx.example.org is too busy\r\n")) as (where, _):
        assert "'421 mx.example.org is too busy'" in reached(where)


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (says(b"", b"no handshake " * 99, then=silent), "what the server sent is not TLS"),
        (silent, "the server did not finish the TLS handshake in time"),
        (says(b"\x16\x03\x03\x40\x00" + b"\0" * 99, then=silent), "The handshake fails"),
        (lambda sock: sock.recv(4096), "the server closed the connection during the TLS handshake"),
    ],
    ids=["garbage", "silence", "half a record", "the end"],
)
def test_what_is_no_handshake_behind_the_go_ahead_is_a_finding(then, said):
    with listening(says(GREETING, LIST, GO_AHEAD, then=then)) as (where, _):
        report = probed(where, patience=SILENCE)
    assert report.grade == "F"
    assert report["go-ahead"].verdict == "good"
    assert said in report["handshake"].said


def test_more_behind_the_go_ahead_is_a_finding():
    with Lab("loopback") as lab:
        context = lab.smtp().context

        def act(sock):
            says(GREETING, LIST, GO_AHEAD + b"250 AUTH PLAIN\r\n")(sock)
            with context.wrap_socket(sock._sock, server_side=True) as inside:
                inside.recv(4096)
                inside.sendall(b"250 mx.example.org\r\n")
                inside.recv(4096)

        with listening(act) as (where, _):
            report = probed(where)
    assert report["behind-go-ahead"].verdict == "fault"


def test_implicit_tls_on_a_port_for_the_other_way_is_found_out():
    with Lab("loopback") as lab:
        server = lab.smtp(implicit=True)
        assert "TLS begins at once on this port" in reached("{}:{}".format(*server.address), patience=SILENCE)


# ---- only what a client does


def test_a_server_outside_is_not_attacked_and_the_report_says_what_was_left_out():
    with Lab("loopback") as lab:
        server = lab.smtp(auth="always", quirks=("keeps the buffer", "keeps the login"))
        report = lab.probe("{}:{}".format(*server.address), protocol="smtp")
        said = repr(server.log)
    assert {finding.id for finding in report.left_out} == {"injection", "early-bytes", "login-kept", "state-kept"}
    assert all(finding.verdict == LEFT_OUT for finding in report.left_out)
    verbs = {line.split("C: ")[1].split()[0] for line in said.splitlines() if "C: " in line}
    assert verbs == {"EHLO", "STARTTLS", "QUIT"}
    assert "thrown away" not in said


def test_the_lab_itself_reaches_no_server_outside():
    with Lab("loopback") as lab, pytest.raises(OutsideTheLab):
        lab.alice.connect("192.0.2.1", 25)


def test_the_way_out_can_connect_and_nothing_else():
    assert [name for name in vars(Outside) if not name.startswith("_")] == ["name", "connect"]
    source = inspect.getsource(inspect.getmodule(Outside))
    assert not any(word in source for word in (".listen(", "SOCK_RAW", "subprocess", "accept("))
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with Outside().connect("localhost", server.getsockname()[1], 5, source="127.0.0.1") as sock:
            assert sock.getpeername()[1] == server.getsockname()[1]
            assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    with socket.socket() as unheard, pytest.raises(NotListening):
        unheard.bind(("127.0.0.1", 0))
        Outside().connect("127.0.0.1", unheard.getsockname()[1], 5)


# ---- the command


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labkit", "probe", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_command_prints_a_report_and_its_exit_status_tells_scripts(tmp_path):
    with Lab("loopback") as lab:
        authority = tmp_path / "authority.pem"
        authority.write_bytes(lab.authority.pem)
        server = lab.imap()
        where = f"localhost:{server.address[1]}"
        told = run(where, "--protocol", "imap", "--json", "--ca", str(authority))
        shown = run(where, "--protocol", "imap")
    facts = json.loads(told.stdout)
    assert (told.returncode, told.stderr) == (1, "")
    assert [one["id"] for one in facts["findings"] if one["verdict"] == "fault"] == ["name"]
    assert facts["certificate"]["names"] == ["mail.lab.test"]
    assert facts["versions"]["TLS 1.3"]
    assert shown.returncode == 1
    assert "grade D" in shown.stdout.splitlines()[0]
    assert "No test from outside can show" in shown.stdout


def test_the_command_is_quiet_about_a_server_without_a_fault(tmp_path):
    with Lab("loopback") as lab:
        authority = tmp_path / "authority.pem"
        authority.write_bytes(lab.authority.pem)
        lab.authority._issued["right", "mail.lab.test"] = lab.authority.certificate("right", "localhost")
        server = lab.pop3()
        done = run(f"localhost:{server.address[1]}", "--protocol", "pop3", "--ca", str(authority))
    assert (done.returncode, done.stderr) == (0, "")
    assert "grade A" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("mail.example.org",), ("m:0",), ("m:25", "--protocol", "x"), ("m:25", "--ca", "/")]
)
def test_an_argument_of_no_use_is_told_apart_from_a_fault(arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("labkit: ")


def test_a_server_that_shows_what_only_old_clients_speak_is_still_looked_at():
    """A context of Python's default refuses TLS 1.0 (but not in Debian's Python); the probe's does not."""
    with Lab("loopback") as lab:
        report = lab.probe(lab.smtp(tls=("TLS 1.0",)))
    assert set(report.versions) == {"TLS 1.0"}
    assert {finding.id for finding in report.faults} == {"old-versions", "new-versions"}
