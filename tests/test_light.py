"""What is loaded when, seen in fresh processes: a student waits only for what a cell really uses."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import labkit

ROOT = Path(labkit.__file__).parent
HEAVY = ("scapy", "matplotlib", "IPython", "numpy", "pandas")
RUNTIME = ("asyncio", "ssl", "aiosmtpd", "cryptography", "dns")

SESSION = """
from labkit import Lab
with Lab(capture={capture!r}) as lab:
    mail = lab.smtp()
    with lab.capture() as capture:
        assert lab.send(mail, "The PIN is 4921.", login=("alice", "hunter2"))
    print(capture)
    print(capture.decrypted())
    capture.save("session.pcapng")
"""
FILE = """
from labkit.capture.pcap import read_frames
from labkit.decode.file import dialogues
(dialogue,) = dialogues(read_frames("session.pcapng"), {})
assert dialogue.session.opened
"""
MAKES_A_LAN = f"""
import sys
sys.path.insert(0, {str(ROOT / "network" / "inside")!r})
import main
main._allow_parts("pyroute2", {str(Path(find_spec("pyroute2").origin).parent)!r})
import lan
"""


def _loaded(program, folder):
    """The top-level modules in a fresh process after this program."""
    shown = f"{program}\nimport sys\nprint('loaded:', *{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, cwd=folder, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_importing_labkit_loads_nothing_that_takes_time(tmp_path):
    assert not _loaded("import labkit", tmp_path) & {*HEAVY, *RUNTIME}


@pytest.mark.parametrize("capture", ("auto", "tap"))
def test_a_session_is_captured_decrypted_and_printed_without_a_library_for_packets_or_pictures(capture, tmp_path):
    assert not _loaded(SESSION.format(capture=capture), tmp_path) & {*HEAVY, "dns"}


def test_a_capture_file_is_decoded_without_what_runs_a_lab(tmp_path):
    _loaded(SESSION.format(capture="auto"), tmp_path)
    assert not _loaded(FILE, tmp_path) & {*HEAVY, "asyncio", "ssl", "aiosmtpd"}


def test_the_process_of_a_lan_loads_no_event_loop_and_no_tls(tmp_path):
    loaded = _loaded(MAKES_A_LAN, tmp_path)
    assert "pyroute2" in loaded and not loaded & {"labkit", *RUNTIME}


def test_the_dns_loads_in_the_room_of_the_defences_alone():
    rooms = [path for path in ROOT.rglob("*.py") if ROOT / "defences" not in path.parents]
    for path in rooms:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert "dns" not in {name.partition(".")[0] for name in names}, path
