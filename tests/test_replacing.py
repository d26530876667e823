"""What a person has saved is whole, or what was there before: on a full disk, in a pipe, behind a link."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from thoroughly import every

from labkit.errors import LabError
from labkit.exercises.record import StudentRecord
from labkit.replacing import replacing, write

FULL = """
import resource
import sys
from pathlib import Path
from labkit.__main__ import main
from labkit.errors import LabError
{prepare}
sys.dont_write_bytecode = True  # before Python 3.12.8 a compiled file that did not fit was left cut
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))  # bytes that a file may have
try:
    sys.exit({act})
except LabError as error:
    sys.exit(f"labkit: {{error}}")
"""
CAPTURE = "from labkit import recorded; capture = recorded('starttls_tls13')"
COLLECTED = "main(['collect', 'anna.json', 'cut.json', '--csv', 'kept'])"
LESSON = Path(__file__).parent.parent / "notebooks" / "00_start_here.ipynb"
ACTS = {
    "a capture": (CAPTURE, "capture.save('kept.pcapng')", "kept.pcapng"),
    "a picture": (CAPTURE + "; picture = capture.ladder()", "picture.save('kept.svg')", "kept.svg"),
    "progress": ("from labkit.exercises import progress", "progress().save('anna.json')", "anna.json"),
    "the table of a class": ("", COLLECTED, "kept"),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "anna.json").write_text(StudentRecord("anna").written())
    (tmp_path / "cut.json").write_bytes((tmp_path / "anna.json").read_bytes()[:-20])
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="only Unix limits the size of files")
@pytest.mark.parametrize("what", ACTS)
def test_a_full_disk_is_told_in_a_sentence_and_what_was_saved_before_stays(what, folder):
    prepare, act, name = ACTS[what]
    kept = folder / name
    if not kept.exists():
        kept.write_text("of yesterday")
    earlier, files = kept.read_bytes(), set(folder.iterdir())
    code = FULL.format(prepare=prepare, act=act)
    environment = {**os.environ, "LABKIT_STUDENT": "anna"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode and "Traceback" not in done.stderr
    assert "File too large" in done.stderr and name in done.stderr
    assert kept.read_bytes() == earlier and set(folder.iterdir()) == files
    if act is COLLECTED:
        assert "Solved exercises of 1 student" in done.stdout and "cut.json is not counted" in done.stderr


def test_an_error_half_way_leaves_what_was_there(tmp_path):
    kept = tmp_path / "kept"
    write(kept, "of yesterday")
    with pytest.raises(ZeroDivisionError), replacing(kept) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert kept.read_text() == "of yesterday" and list(tmp_path.iterdir()) == [kept]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write(pipe, "a,b\r\n")
    reader.join(60)
    assert read == [b"a,b\r\n"] and pipe.is_fifo()


def test_a_link_leads_to_the_new_file(tmp_path):
    (tmp_path / "link").symlink_to("kept")
    for text in ("one", "two"):
        write(tmp_path / "link", text)
        assert (tmp_path / "kept").read_text() == text and (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("name", ("missing/kept", "."))
def test_a_place_that_is_none_is_named(tmp_path, name):
    with pytest.raises(LabError, match=r"cannot be written .*choose another place"):
        write(tmp_path / name, "text")
    assert list(tmp_path.iterdir()) == []


IN_A_FOLDER = {
    "the lessons": ["lessons", "lab"],
    "an assignment for nbgrader": ["export", "nbgrader", str(LESSON), "lab"],
    "an assignment for otter": ["export", "otter", str(LESSON), "lab"],
}


@pytest.mark.skipif(sys.platform == "win32", reason="only Unix limits the size of files")
@pytest.mark.parametrize("what", every(IN_A_FOLDER, once=("an assignment for nbgrader",)))
def test_where_there_was_no_room_no_cut_file_is_left_and_the_same_command_works_later(what, tmp_path):
    code = FULL.format(prepare="", act=f"main({IN_A_FOLDER[what]})")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode and done.stderr.startswith("labkit: lab/")
    assert done.stderr.count("File too large") == done.stderr.count("\n") == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    again = [sys.executable, "-m", "labkit", *IN_A_FOLDER[what]]
    subprocess.run(again, cwd=tmp_path, check=True, capture_output=True, timeout=200)


@pytest.mark.skipif(sys.platform == "win32", reason="only Unix limits the size of files")
def test_a_copy_for_students_that_does_not_fit_is_told_in_one_line_and_taken_away(tmp_path):
    code = FULL.format(prepare="", act="main(['handout', 'hand'])")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode and done.stderr.startswith("labkit: hand cannot be written")
    assert done.stderr.count("File too large") == done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
