"""Where the system gives too little, the lab says so in a sentence of its own, and what ran before goes on."""

import errno
import os
import sys

import pytest
from networks import BEST, require
from thoroughly import every
from tools import python

from labkit import Lab
from labkit.errors import Exhausted, LabError
from labkit.network import KINDS
from labkit.scratch import temporary

WITH_LITTLE = """
import os, resource, sys, threading
noise = []
threading.excepthook = lambda failure: noise.append(repr(failure.exc_value))
sys.unraisablehook = lambda failure: noise.append(repr(failure.exc_value))
from labkit import Lab, attacks
from labkit.errors import Exhausted, LabError
with Lab("{network}") as lab:  # what is imported once
    lab.fetch(lab.imap())
    server = lab.smtp()
    with lab.capture() as capture, lab.mallory(attacks.StripCapability()) as attack:
        lab.send(server, "x")
    attack.verdict, repr(capture)

def tried(action):
    try:
        return action()
    except LabError as error:
        said.append(error)

def captured():
    with lab.capture():
        tried(lambda: lab.send(server, "x", timeout=0.5))

said = []
before = Lab("{network}")
running = before.smtp()
kind, most = resource.{limit}, resource.getrlimit(resource.{limit})[1]
for more in {more}:
    resource.setrlimit(kind, ({used} + more, most))
    lab = tried(lambda: Lab("{network}"))
    if lab is not None:
        server = tried(lab.smtp)
        if server is not None:
            tried(captured)
            tried(lambda: lab.alice.run(["true"]))
            tried(lambda: lab.fetch(lab.imap(), timeout=0.5))
        lab.close()
    resource.setrlimit(kind, (most, most))
    outcome = before.send(running, "still here")
    assert outcome, (more, outcome)
    assert not noise, (more, noise)
    print(more, bool(said), all(str(error).endswith(".") for error in said))
    said.clear()
before.close()
"""
DESCRIPTORS = "len(os.listdir('/proc/self/fd'))"
MEMORY = "int(open('/proc/self/statm').read().split()[0]) * os.sysconf('SC_PAGESIZE')"


def _said(tmp_path, network: str, limit: str, used: str, more: list[int]) -> list[bool]:
    """Whether something was refused, with so much more of a resource than is used."""
    require(network)
    code = WITH_LITTLE.format(network=network, limit=limit, used=used, more=more)
    with python(code, tmp_path) as process:
        out, err = process.communicate(timeout=200)
    assert not err, err
    rows = [line.split() for line in out.splitlines()]
    assert [int(number) for number, _, _ in rows] == more and all(whole == "True" for _, _, whole in rows)
    return [refused == "True" for _, refused, _ in rows]


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
@pytest.mark.parametrize("network", every(KINDS, once=BEST))
def test_few_descriptors(tmp_path, network):
    refused = _said(tmp_path, network, "RLIMIT_NOFILE", DESCRIPTORS, [*range(0, 24, 2), 100])
    assert all(refused[:3]) and not refused[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in /proc")
@pytest.mark.parametrize("network", every(KINDS, once=BEST))
def test_little_memory(tmp_path, network):
    refused = _said(tmp_path, network, "RLIMIT_AS", MEMORY, [megabytes << 20 for megabytes in (16, 40, 80, 400)])
    assert not refused[-1]


def test_512_megabytes_of_address_space_are_enough_for_a_session(tmp_path):
    code = (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))\n"
        "from labkit import Lab\nlab = Lab()\nprint(bool(lab.send(lab.smtp(), 'x', login=('alice', 'hunter2'))))"
    )
    with python(code, tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("True\n", "")


NOBODY = 64321
"""A user of whom nothing else runs on this machine."""
NO_PROCESSES = """
import os, resource, sys
from labkit import Lab
from labkit.errors import Exhausted, LabError
with Lab() as lab, lab.capture():  # what is imported once
    lab.send(lab.smtp(), "x")
os.setresgid({nobody}, {nobody}, {nobody})
os.setresuid({nobody}, {nobody}, {nobody})
for number in range({most}):
    resource.setrlimit(resource.RLIMIT_NPROC, (number, resource.getrlimit(resource.RLIMIT_NPROC)[1]))
    with Lab("loopback") as lab:
        for action in (lab.smtp, lambda: lab.send(lab.servers["mail", 587], "x")):
            try:
                action()
            except Exhausted as error:
                print(number, error)
            except KeyError:
                pass
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="root becomes another user here")
def test_few_processes(tmp_path):
    with python(NO_PROCESSES.format(most=7, nobody=NOBODY), tmp_path) as process:
        out, err = process.communicate(timeout=120)
    assert not err, err
    assert "Starting the thread of the servers failed: no more processes and threads may be started" in out
    assert all("(ulimit -u)." in line for line in out.splitlines())


NO_FOLDER = """
import os, tempfile
if hasattr(os, "memfd_create"): del os.memfd_create
from labkit import Lab
from labkit.errors import LabError
try:
    Lab()
except LabError as error:
    print(error)
"""


def test_no_usable_temporary_folder_is_said_where_one_is_needed(tmp_path):
    tried = NO_FOLDER.replace("import os, tempfile", "import os, tempfile\ntempfile.tempdir = '/nowhere'")
    with python(tried, tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert not err and "set TMPDIR to a folder that can be written to" in out


@pytest.mark.parametrize(
    ("failure", "opened", "said"),
    (
        (errno.ENOENT, 0, r"set TMPDIR to a folder that can be written to\.$"),
        (errno.ENOENT, errno.EMFILE, r"may open no more files and sockets: .* \(ulimit -n\)\.$"),
        (errno.ENOSPC, 0, r"there is no room left on the disk: .* TMPDIR to a folder with more room\.$"),
    ),
)
def test_why_nothing_temporary_can_be_made_is_said(monkeypatch, failure, opened, said):
    def refuses(number):
        raise OSError(number, os.strerror(number))

    if opened:
        monkeypatch.setattr(os, "open", lambda *_: refuses(opened))
    with pytest.raises(LabError, match=said):
        temporary(lambda: refuses(failure))


def test_that_a_module_can_no_longer_be_read_is_said(monkeypatch):
    class Refuses:
        def find_spec(self, *_):
            raise OSError(errno.EMFILE, "Too many open files")

    with Lab("loopback") as lab:
        server = lab.smtp()
        assert lab.send(server, "x")
        for name in ("labkit.clients.smtp", "labkit.mail.message"):
            with monkeypatch.context() as patch:
                patch.delitem(sys.modules, name)
                patch.delattr(name)
                patch.setattr(sys, "meta_path", [Refuses()])
                with pytest.raises(Exhausted, match=r"Preparing a client failed: .* \(ulimit -n\)\.$"):
                    lab.send(server, "x")
        assert lab.send(server, "x")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere secrets need a file")
def test_a_session_needs_no_temporary_folder(tmp_path):
    code = (
        "import tempfile\ntempfile.tempdir = '/nowhere'\n"
        "from labkit import Lab\nlab = Lab()\nprint(bool(lab.send(lab.smtp(), 'x')))"
    )
    with python(code, tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("True\n", "")
