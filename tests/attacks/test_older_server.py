"""The mistake of aiosmtpd before 1.4.6 (CVE-2024-34083), in the real program and in the lab's model of it."""

import os

import psutil
import pytest
from tools import python

from labkit import Lab, attacks, policies
from labkit.errors import LabError

LOGIN = ("alice", "hunter2")


def older(lab, version):
    try:
        return lab.older_smtp(version)
    except LabError as error:
        pytest.skip(str(error))


def verdicts(lab, server):
    """What becomes of a client that verifies the certificate, under both kinds of command injection."""
    found = []
    for kind in (attacks.CommandInjection, attacks.StealByInjection):
        with lab.mallory(kind(), at=server) as mallory:
            lab.send(server, "The PIN is 4921", login=LOGIN, policy=policies.verified)
        found.append((mallory.verdict.outcome, mallory.verdict.secrets))
    return found


ALL = ("password", "user name", "message", "subject")


@pytest.mark.parametrize(
    ("version", "expected"),
    (("1.4.5", [("deceived", ()), ("leaked", ALL)]), ("1.4.6", [("unharmed", ()), ("unharmed", ())])),
)
def test_the_older_program_is_open_to_command_injection_and_the_newer_is_not(version, expected):
    with Lab("loopback") as lab:
        server = older(lab, version)
        assert server.version == version and version in repr(server)
        assert verdicts(lab, server) == expected


@pytest.mark.parametrize(
    ("quirks", "expected"),
    ((("keeps the buffer",), [("deceived", ()), ("leaked", ALL)]), ((), [("unharmed", ()), ("unharmed", ())])),
)
def test_the_model_of_the_mistake_gives_the_same_verdicts(quirks, expected):
    with Lab("loopback") as lab:
        assert verdicts(lab, lab.smtp(quirks=quirks, auth="always")) == expected


def test_what_the_older_program_takes_lies_in_the_labs_mailboxes():
    with Lab("loopback") as lab:
        server = older(lab, "1.4.5")
        assert lab.send(server, "The PIN is 4921", login=LOGIN, policy=policies.verified)
        (message,) = lab.mailbox("bob")
        assert (message.text, message.user, message.over) == ("The PIN is 4921", "alice", "TLS 1.3")
        assert list(server.mailbox) == [message]


def test_a_version_that_does_not_exist_is_a_clear_sentence():
    with Lab("loopback") as lab, pytest.raises(LabError, match=r"aiosmtpd 0\.0\.1 could not be fetched: use lab\.smtp"):
        lab.older_smtp("0.0.1")


RUNNING = """
import os, sys
from labkit import Lab
from labkit.errors import LabError
lab = Lab("loopback")
try:
    server = lab.older_smtp()
except LabError as error:
    print(error)
    sys.exit(77)
print(lab.send(server, "x"), flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="it runs only where a process can inherit a socket")
def test_it_leaves_no_folder_and_no_process_even_when_its_lab_is_killed(tmp_path):
    with python(RUNNING, tmp_path) as process:
        said = process.stdout.readline()
        if "could not be fetched" in said:
            pytest.skip(said)
        assert said.startswith("Sent")
        assert not os.listdir(tmp_path)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert children and psutil.wait_procs(children, timeout=60)[1] == []
    assert not os.listdir(tmp_path)


@pytest.mark.thorough
@pytest.mark.skipif(os.name == "nt", reason="it runs only where a process can inherit a socket")
def test_a_lab_that_is_killed_while_it_fetches_leaves_no_folder(tmp_path):
    with python(RUNNING, tmp_path) as process:
        children = []
        while process.poll() is None and not (os.listdir(tmp_path) and children):
            children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    psutil.wait_procs(children, timeout=60)
    assert not os.listdir(tmp_path)
