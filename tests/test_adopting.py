"""A server that labkit did not write is captured, decoded, fetched from and attacked like one of its own."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dovecot_home import PORTS, dovecot_home
from networks import BEST, require
from postfix_home import postfix_home
from thoroughly import every
from tools import tool

from labkit import Lab, attacks, policies
from labkit.errors import LabError, NotListening
from labkit.network import KINDS
from labkit.trust import keylog

EXPLICIT, IMPLICIT = ("imap", "pop3"), ("imaps", "pop3s")


@contextmanager
def adopted(kind: str):
    """A lab with Dovecot on the host mail: (the lab, the program, protocol -> the server)."""
    with Lab(kind) as lab:
        shown = lab.authority.certificate("right")
        ports = {name: lab.mail.free_port(port) for name, port in PORTS.items()}
        with dovecot_home(shown.key + shown.pem, ports, lab.mail.address) as command:
            program = lab.mail.start(command)
            servers = {name: lab.adopt("mail", port, name[:4], name in IMPLICIT) for name, port in PORTS.items()}
            yield lab, program, servers


@pytest.fixture(scope="module", params=every(KINDS, once=BEST))
def dovecot(request):
    require(request.param)
    with adopted(request.param) as running:
        yield running


@pytest.mark.parametrize("name", (*EXPLICIT, *IMPLICIT))
def test_dovecot_is_fetched_from_under_every_policy_and_the_capture_shows_the_nominal_port(dovecot, name):
    lab, program, servers = dovecot
    for policy in (policies.implicit,) if name in IMPLICIT else (*policies.ALL[:4],):
        with lab.capture() as capture:
            fetched = lab.fetch(servers[name], policy=policy)
        assert fetched, (policy, fetched, program.output)
        assert [message.subject for message in fetched.messages] == ["dots"]
        (conversation,) = capture.conversations
        assert conversation.server.port == PORTS[name]
        dialogue = capture.decrypted().dialogue
        assert dialogue.dialect.name == name[:4].upper()
        assert any("PIN 4921" in event.text for event in dialogue.events)


@pytest.mark.parametrize("name", EXPLICIT)
def test_dovecot_is_attacked_like_the_labs_own_servers(dovecot, name):
    lab, _, servers = dovecot
    found = []
    for policy in (policies.opportunistic, policies.verified):
        with lab.mallory(attacks.StripCapability(), at=servers[name]) as mallory:
            lab.fetch(servers[name], policy=policy)
        found.append(mallory.verdict.outcome)
        assert mallory.server_side.conversations[0].server.port == PORTS[name]
    assert found == ["leaked", "stopped"]
    with lab.mallory(attacks.StripCapability()) as mallory:
        report = lab.visit(f"{name.upper()}, careful")
    assert mallory.verdict.outcome == "stopped", report


def test_dovecot_says_who_came_and_stands_on_the_stage(dovecot):
    lab, program, _ = dovecot
    assert "Login: user=<bob>" in program.output and program.running
    assert "IMAP server on mail, port 143" in repr(lab) and "a program that labkit did not write" in repr(lab)
    assert "port 993" in lab._repr_html_()
    with pytest.raises(LabError, match="Port 143 of mail has a server already"):
        lab.adopt("mail", 143, "imap")


def test_a_probe_finds_in_dovecot_what_it_was_told_wrong_and_nothing_else(dovecot):
    lab, _, servers = dovecot
    assert {finding.id for finding in lab.probe(servers["imap"]).faults} == {"clear-login"}
    assert lab.probe(servers["imaps"]) and lab.probe(servers["pop3s"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="Postfix changes its user")
@pytest.mark.parametrize("kind", every(KINDS, once=BEST))
def test_postfix_is_sent_to_attacked_and_found_without_a_fault(kind):
    require(kind)
    with Lab(kind) as lab:
        shown = lab.authority.certificate("right")
        at = f"{lab.mail.address}:{lab.mail.free_port(25)}"
        with postfix_home(shown.key + shown.pem, at) as command, lab.mail.start(command, as_root=True) as program:
            server = lab.adopt("mail", 25, "smtp", timeout=30)
            with lab.capture() as capture:
                assert lab.send(server, "The PIN is 4921", policy=policies.verified), program.output
            assert capture.decrypted().dialogue.session.started == "explicit"
            with lab.mallory(attacks.StripCapability(), at=server) as mallory:
                lab.send(server, "The PIN is 4921", policy=policies.opportunistic)
            assert mallory.verdict.outcome == "leaked"
            report = lab.probe(server)
            assert report, report.faults
        assert not program.running


def _shown(lab, folder):
    """A file with a certificate of the lab and its key, and the address that stands for port 993 of mail."""
    shown = lab.authority.certificate("right")
    pem = folder / "server.pem"
    pem.write_bytes(shown.key + shown.pem)
    return str(pem), f"{lab.mail.address}:{lab.mail.free_port(993)}"


@pytest.mark.parametrize("kind", every(KINDS, once=BEST))
def test_a_program_that_writes_a_key_log_has_its_sessions_opened(kind, tmp_path):
    require(kind)
    with Lab(kind) as lab:
        pem, at = _shown(lab, tmp_path)
        script = 'exec "$0" s_server -quiet -accept "$1" -cert "$2" -keylogfile "$SSLKEYLOGFILE"'
        lab.mail.start(["sh", "-c", script, tool("openssl"), at, pem])
        server = lab.adopt("mail", 993, "imap", implicit=True)
        with lab.capture() as capture:
            client = [tool("openssl"), "s_client", "-quiet", "-no_ign_eof", "-connect", "{}:{}".format(*server.address)]
            lab.alice.run(client, input=b"a1 NOOP\r\n")
        assert keylog.parse(lab.keylog.text())  # neither end is the lab's own
        if capture.conversations:  # the tap sees nothing of other programs
            assert capture.decrypted().dialogue.session.opened


@pytest.mark.parametrize("kind", every(KINDS, once=BEST))
@pytest.mark.parametrize("verb", ("run", "try_out"))
def test_a_program_that_is_run_once_has_its_sessions_opened_too(kind, verb, tmp_path):
    require(kind)
    with Lab(kind) as lab:
        pem, at = _shown(lab, tmp_path)
        lab.mail.start([tool("openssl"), "s_server", "-quiet", "-www", "-accept", at, "-cert", pem])
        server = lab.adopt("mail", 993, "imap", implicit=True)
        with lab.capture() as capture:
            url = "https://{}:{}/".format(*server.address)
            getattr(lab.alice, verb)([tool("curl"), "--silent", "--insecure", "--max-time", "20", url])
        assert keylog.parse(lab.keylog.text())  # curl's: the server logs none
        if capture.conversations:  # the tap sees nothing of other programs
            assert "GET / HTTP" in repr([event.text for event in capture.decrypted().dialogue.events])


def test_what_cannot_be_adopted_is_a_clear_sentence():
    with Lab("loopback") as lab:
        with pytest.raises(LabError, match="cannot listen on port 143 itself"):
            lab.adopt("mail", 143, "imap")
        with pytest.raises(LabError, match="does not speak 'gopher'"):
            lab.adopt("mail", 70, "gopher")
        with pytest.raises(LabError, match="no host 'carol'"):
            lab.adopt("carol", 143, "imap")
        with pytest.raises(NotListening, match=r"within 0\.2 s"):
            lab.adopt("mail", 143, "imap", real=1, timeout=0.2)
        with pytest.raises(LabError, match="not inside the lab"):
            lab.alice.connect("192.0.2.1", 143)


ORDINARILY = """
import os
assert os.geteuid() == 65534
import sys
sys.path[:0] = {folders!r}
from test_adopting import EXPLICIT, IMPLICIT, adopted
from labkit import attacks, policies
with adopted("namespace") as (lab, program, servers):
    assert lab.network.users == 1
    for name in EXPLICIT:
        assert lab.fetch(servers[name], policy=policies.verified), program.output
        with lab.mallory(attacks.StripCapability(), at=servers[name]) as mallory:
            lab.fetch(servers[name], policy=policies.opportunistic)
        assert mallory.verdict.outcome == "leaked"
    for name in IMPLICIT:
        assert lab.fetch(servers[name], policy=policies.implicit), program.output
print("done")
"""


AGAIN = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
"""The first Python is still started with root's eyes."""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="another user runs all of this already")
def test_an_ordinary_user_runs_dovecot_on_a_private_lan():
    require("namespace")
    nobody = [tool("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--inh-caps=-all"]
    folders = [path for path in sys.path if path]
    with TemporaryDirectory(prefix="tests-of-labkit-") as home:
        os.chown(home, 65534, 65534)
        around = {**os.environ, "HOME": home, "TMPDIR": home, "PYTHONDONTWRITEBYTECODE": "1"}
        code = ORDINARILY.format(folders=folders)
        for interpreter in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
            if subprocess.run([*nobody, interpreter, "-c", AGAIN], capture_output=True).returncode == 0:
                break
        else:
            pytest.skip("no Python of this version can be read by a user who is not root")
        done = subprocess.run(
            [*nobody, interpreter, "-c", code], cwd=home, env=around, capture_output=True, text=True, timeout=200
        )
        assert done.stdout == "done\n", done.stderr
        assert not [path for path in Path(home).iterdir() if path.name.startswith("labkit")]
