"""What root runs in these tests, a user without privileges can run too: only the way to capture differs."""

import os
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tools import tool

ROOT = Path(__file__).resolve().parent.parent
NOBODY = "65534"
TO_READ = ("", "cap_dac_read_search", "cap_dac_override")
"""What lets another user read this Python and this checkout, where they lie in a folder of root alone."""
SELECTION = ("capture/test_recording.py", "decode/test_dialogue.py", "network/test_loopback.py", "trust/test_keylog.py")
AGAIN = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import labkit, pytest'], check=True)"
"""The first Python is still started with root's eyes."""
LABORATORY = """
import os, socket, sys
assert os.getuid() == os.geteuid() == {nobody} and os.getgroups() in ([], [{nobody}])
try:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
except PermissionError:
    pass
else:
    raise AssertionError("not an ordinary user")

from labkit import Lab, policies, read_capture
from labkit.errors import CannotSniff

with Lab(network="loopback") as lab:
    explicit, implicit = lab.smtp(), lab.smtp(implicit=True)
    with lab.capture() as capture:
        assert lab.send(explicit, "The PIN is 4921", login=("alice", "hunter2"), policy=policies.verified)
        assert lab.send(implicit, "The PIN is 4921", policy=policies.implicit)
assert "Captured with a tap" in capture.how
capture.save(sys.argv[1])
read = read_capture(sys.argv[1]).decrypted()
assert [dialogue.session.started for dialogue in read.dialogues] == ["explicit", "implicit"]
for dialogue in read.dialogues:
    assert any("The PIN is 4921" in event.text for event in dialogue.events)

with Lab(network="loopback", capture="af_packet") as lab:
    try:
        lab.capture().__enter__()
    except CannotSniff as error:
        print(error)
"""

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="who is not root runs the whole suite as an ordinary user"
)


def _as_nobody(privilege: str) -> list[str]:
    kept = f"-all,+{privilege.removeprefix('cap_')}" if privilege else "-all"
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    return [tool("setpriv"), *user, f"--inh-caps={kept}", f"--ambient-caps={kept}", f"--bounding-set={kept}"]


@cache
def _ordinarily() -> list[str]:
    """How to run this Python as an ordinary user, with nothing more than it needs to be read."""
    for privilege in TO_READ:
        command = [*_as_nobody(privilege), sys.executable]
        if subprocess.run([*command, "-c", AGAIN], cwd=ROOT, capture_output=True).returncode == 0:
            return command
    pytest.fail(f"Nobody but root can read {sys.executable} and {ROOT}.")


@pytest.fixture
def home():
    """A folder of the ordinary user's own; pytest keeps its folders to itself."""
    with TemporaryDirectory(prefix="tests-of-labkit-") as folder:
        os.chown(folder, int(NOBODY), int(NOBODY))
        yield Path(folder)


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as an ordinary user who may write only to `home`."""
    places = {name: str(home) for name in ("HOME", "TMPDIR", "LABKIT_HOME", "HYPOTHESIS_STORAGE_DIRECTORY")}
    environment = {**os.environ, **places, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    command = [*_ordinarily(), *arguments]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=280)


def test_an_ordinary_user_captures_saves_and_decodes(home):
    done = run(home, "-c", LABORATORY.format(nobody=NOBODY), str(home / "mine.pcapng"))
    assert done.returncode == 0, done.stderr
    assert "may not open a packet socket" in done.stdout and "the tap captures instead" in done.stdout
    assert [path.name for path in home.iterdir()] == ["mine.pcapng"]


def test_an_ordinary_user_tests_a_mail_program_and_nothing_of_it_is_left(home):
    curl = f"{tool('curl')} -sS --ssl --cacert {{ca}} --user {{user}}:{{password}} {{scheme}}://{{host}}:{{port}}/INBOX"
    options = ["--network", "loopback", "--protocol", "imap", "--attacks", "N1,C3"]
    done = run(home, "-m", "labkit", "attack", *options, "--", *curl.split())
    assert done.returncode == 1, done.stderr
    assert "upgraded: N1:" in done.stdout and "C3 WrongName" in done.stdout and not list(home.iterdir())


@pytest.mark.thorough  # `make test` runs as many as an ordinary user of a namespace
@pytest.mark.parametrize("name", SELECTION)
def test_an_ordinary_user_passes_the_same_tests(home, name):
    options = ["-q", "-p", "no:cacheprovider", f"--basetemp={home / 'base'}", f"--rootdir={ROOT}"]
    done = run(home, "-m", "pytest", *options, str(ROOT / "tests" / name))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


SERVED = """
import sys
from labkit import Lab
with Lab(network="loopback") as lab:
    server = lab.imap()
    with lab.capture():
        print(server.port, *lab.network.locate("mail", server.port, "alice"), flush=True)
        with lab.alice.connect("mail", server.port) as own:
            print(own.recv(4).decode(), flush=True)
        sys.stdin.readline()
"""


def _greeting(user: int, address: tuple[str, int]) -> bytes:
    """What a server says to a socket of this user; nothing where it hangs up."""
    os.seteuid(user)
    try:
        sock = socket.create_connection(address, 10)
    finally:
        os.seteuid(0)
    with sock:
        return sock.recv(4)


def test_on_a_shared_machine_another_user_is_not_heard(home):
    command = [*_ordinarily(), "-c", SERVED]
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, cwd=home, **pipes) as lab:
        _, ip, port = lab.stdout.readline().split()
        assert lab.stdout.readline() == "* OK\n"
        heard = {user: _greeting(user, (ip, int(port))) for user in (0, int(NOBODY), 65533)}
        lab.communicate("\n", timeout=60)
    assert heard == {0: b"* OK", int(NOBODY): b"* OK", 65533: b""}
