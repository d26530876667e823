import json
import os
import subprocess
import sys

import pytest
from asked import exercise, lesson
from page_checks import read_page

from labkit.errors import LabError
from labkit.exercises import add, check, draw, hint, i_am, keeping, overview, predict, progress, recall, solution
from labkit.exercises.drawn import Draw
from labkit.exercises.record import StudentRecord, Work
from labkit.show.page import sentence


@pytest.fixture(autouse=True)
def asked():
    add(lesson(exercises=[exercise(f"mine.{number}") for number in (1, 2, 3)]))


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    """Start a kernel beside the notebooks in a folder: `kernel()` starts one, which knows nothing of the one before."""
    beside, home = tmp_path / "notebooks", tmp_path / "home"
    beside.mkdir()
    home.mkdir()
    monkeypatch.chdir(beside)
    monkeypatch.setattr(keeping, "in_kernel", lambda: True)
    monkeypatch.setattr(keeping.Path, "home", lambda: home)

    def restarted():
        keeping.keeper.cache_clear()
        return keeping.keeper()

    restarted()
    return restarted


def row(number):
    line = next(line for line in progress().text.splitlines() if line.strip().startswith(number))
    return " ".join(line.split())


def test_progress_lists_every_lesson_and_what_was_done_in_it():
    assert row("mine A lesson of mine").endswith("not begun")
    for answer in (1, 250, 220, 5):
        check("mine.1", answer)
    check("mine.2", 1)
    hint("mine.2")
    hint("mine.2")
    solution("mine.2")
    assert row("mine.1") == "mine.1 ✔ solved, 3 tries"
    assert row("mine.2") == "mine.2 ✘ 1 try, not solved 2 hints, solution"
    assert row("mine.3") == "mine.3 not tried"
    assert row("00 Start here").endswith("not begun")
    assert row("mine A lesson of mine") == "mine A lesson of mine"


def test_the_lesson_that_the_student_is_at_comes_first_and_whole_and_others_in_a_line():
    check("mine.1", 220)
    assert progress().text.splitlines()[1].startswith("mine A lesson of mine")
    check("00.1", 5)
    lines = progress().text.splitlines()
    assert lines[1].startswith("00 Start here") and lines[2].split()[0] == "00.1"
    assert row("mine") == "mine A lesson of mine 1 of 3 solved" and not [
        line for line in lines if line.split()[0] == "mine.1"
    ]


def test_after_a_restart_the_lesson_of_the_notebook_comes_first(monkeypatch):
    monkeypatch.setenv(keeping.NOTEBOOK, "/home/ada/notebooks/03_inside_tls.ipynb")
    keeping.keeper.cache_clear()
    assert progress().text.splitlines()[1].startswith("03 Inside TLS")


def test_the_prediction_is_part_of_it():
    predict("mine", "a")
    assert row("prediction") == "prediction (a) everything"
    recall("mine")
    assert row("prediction") == "prediction ✘ (a) everything"


def test_progress_is_a_table_in_a_notebook():
    check("mine.1", 220)
    page = read_page(progress()._repr_html_())
    assert {"table", "caption", "th"} <= page.tags and "✔ solved, 1 try" in "".join(page.words)


def test_progress_is_saved_for_handing_in(tmp_path):
    check("mine.1", 1)
    check("mine.1", 220)
    hint("mine.2")
    predict("mine", "b")
    saved = json.loads(progress().save(tmp_path / "progress.json").read_text("utf-8"))
    assert saved.pop("digest") and saved.pop("student")
    assert saved == {
        "exercises": {
            "mine.1": {"tried": 2, "solved": True, "hints": 0, "solution": False},
            "mine.2": {"tried": 0, "solved": False, "hints": 1, "solution": False},
        },
        "predictions": {"mine": {"choice": "b", "recalled": False}},
    }


def test_a_file_that_holds_something_else_is_left_alone_by_save(tmp_path):
    for content in ("", "no JSON", "[1]", '{"exercises": [1]}', '{"exercises": {"x.1": {"tried": 1}}}'):
        path = tmp_path / "notes.json"
        path.write_text(content, "utf-8")
        with pytest.raises(LabError, match="holds no saved progress; choose another name"):
            progress().save(path)
        assert path.read_text("utf-8") == content


def test_the_file_of_another_student_is_left_alone_by_save(tmp_path, monkeypatch):
    path = progress().save(tmp_path / "progress.json")
    before = path.read_bytes()
    keeping.keeper.cache_clear()
    with pytest.raises(LabError, match="another student"):
        progress().save(path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(LabError, match="choose another place"):
        progress().save(tmp_path / "missing" / "progress.json")
    with pytest.raises(LabError, match="choose another place"):
        progress().save(tmp_path)


# ---- kept in a file, in a kernel


def test_a_restarted_kernel_finds_what_was_done_and_draws_the_same(kernel):
    check("mine.1", 220)
    predict("mine", "a")
    recall("mine")
    student = keeping.keeper().record.student
    kernel()
    assert row("mine A lesson of mine") and "1 of 3 solved" in progress().text
    assert keeping.keeper().record.student == student
    assert "decided" in predict("mine", "b").text


def test_outside_a_kernel_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keeping.keeper.cache_clear()
    check("mine.1", 220)
    assert not list(tmp_path.iterdir()) and "Not kept in a file" in progress().text


def test_two_kernels_share_the_file_and_neither_loses_anything(kernel):
    one = keeping.keeper()
    other = kernel()
    other.record.work("mine.2").answered(right=True)
    other.keep()
    one.record.work("mine.1").answered(right=True)
    one.record.work("mine.2").answered(right=False)
    one.keep()
    third = kernel().record
    assert third.work("mine.1").solved and third.work("mine.2").solved
    assert one.record.student == other.record.student == third.student


AT_ONCE = """
import sys
from labkit.exercises import keeping
keeping.in_kernel = lambda: True
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    keeping.keeper().record.work(f"{sys.argv[1]}.{number}").answered(right=True)
    keeping.keeper().keep()
print(*keeping.keeper().news())
"""


def test_kernels_that_write_at_the_same_time_lose_nothing_and_agree_who_the_student_is(tmp_path):
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, name],
            cwd=tmp_path,
            env=os.environ | {"HOME": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two", "three")
    ]
    assert [kernel.stdout.readline() for kernel in kernels] == ["ready\n"] * 3
    for kernel in kernels:
        kernel.stdin.write("begin\n")
        kernel.stdin.flush()
    assert [kernel.communicate(timeout=100)[0].strip() for kernel in kernels] == [""] * 3
    assert [path.name for path in tmp_path.iterdir()] == [keeping.FILE]
    assert len(json.loads((tmp_path / keeping.FILE).read_text())["exercises"]) == 60


def _cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def _cheated(path):
    path.write_text(path.read_text("utf-8").replace('"solved": false', '"solved": true'), "utf-8")


def _emptied(path):
    path.write_bytes(b"")


def _of_another_version(path):
    path.write_text('{"exercises": {"mine.1": {"tried": 2}}, "predictions": {}}', "utf-8")


def _binary(path):
    path.write_bytes(b"\xff\xfe\x00\x80" * 9)


def _deep(path):
    path.write_text("[" * 100_000, "utf-8")


@pytest.mark.parametrize("harm", [_cut, _cheated, _emptied, _of_another_version, _binary, _deep])
def test_a_damaged_file_is_told_in_one_sentence_and_kept_under_another_name(kernel, tmp_path, harm):
    check("mine.1", 1)
    path = tmp_path / "notebooks" / keeping.FILE
    harm(path)
    damaged = path.read_bytes()
    kernel()
    said = check("mine.2", 220).text
    assert said.startswith("✔ mine.2") and said.count("could not be used") == 1
    assert (path.parent / "progress.damaged-1.json").read_bytes() == damaged
    assert "could not be used" not in check("mine.2", 220).text
    kernel()
    assert "1 of 3 solved" in progress().text and "could not be used" not in progress().text


def test_a_file_that_is_damaged_while_a_kernel_runs_costs_that_kernel_nothing(kernel, tmp_path):
    check("mine.1", 220)
    path = tmp_path / "notebooks" / keeping.FILE
    for number in (1, 2, 3):
        _cut(path)
        assert f"progress.damaged-{number}.json" in check("mine.2", 1).text
    kernel()
    assert "1 of 3 solved" in progress().text


def test_where_the_folder_cannot_be_written_the_file_is_in_the_home_folder(kernel, tmp_path, monkeypatch):
    monkeypatch.chdir("/proc/self")
    kernel()
    check("mine.1", 220)
    kept = tmp_path / "home" / keeping.FALLBACK
    assert kept.exists() and str(kept) in progress().text
    kernel()
    assert "1 of 3 solved" in progress().text


def test_where_nothing_can_be_written_that_is_said_once_and_the_kernel_goes_on(kernel, monkeypatch):
    monkeypatch.chdir("/proc/self")
    monkeypatch.setattr(keeping.Path, "home", lambda: keeping.Path("/proc/self"))
    kernel()
    assert "cannot be kept on this machine" in check("mine.1", 220).text
    assert "cannot be kept on this machine" not in check("mine.1", 220).text
    assert "✔ solved" in progress().text and "Not kept in a file" in progress().text


def test_a_named_student_does_not_go_on_in_the_file_of_another(kernel, tmp_path, monkeypatch):
    check("mine.1", 220)
    monkeypatch.setenv(keeping.STUDENT, "ada")
    kernel()
    said = progress().text
    assert "it is another student's: it is kept as progress.other-1.json" in said and "1 of 3 solved" not in said
    kernel()
    assert keeping.keeper().record.student == "ada" and "another" not in progress().text


def test_no_half_written_file_is_left_behind(kernel, tmp_path):
    check("mine.1", 220)
    (tmp_path / "notebooks" / keeping.FILE).unlink()
    (tmp_path / "notebooks" / keeping.FILE).mkdir()
    check("mine.1", 220)
    assert [path.name for path in (tmp_path / "notebooks").iterdir()] == [keeping.FILE]
    assert (tmp_path / "home" / keeping.FALLBACK).exists()


def test_in_a_kernel_a_button_downloads_what_was_done(kernel, monkeypatch):
    check("mine.1", 220)
    monkeypatch.setattr(overview, "in_kernel", lambda: True)
    shown = progress()
    assert list(shown._repr_mimebundle_()) == ["application/vnd.jupyter.widget-view+json"]
    table, button = overview.download(sentence("table"), "mine.json", '{"a": 1}').children
    assert "table" in table.value and 'download="mine.json"' in button.value and "eyJhIjogMX0=" in button.value


# ---- who answers


def test_a_student_who_gives_a_name_is_given_what_is_drawn_from_it_and_is_found_again_under_it(kernel, tmp_path):
    (tmp_path / "notebooks" / keeping.FILE).unlink()
    assert "you are anna" in i_am(" anna ").text
    check("mine.1", 220)
    assert draw().word("PIN") == Draw("anna").word("PIN")
    assert [path.name for path in (tmp_path / "notebooks").iterdir()] == [keeping.FILE]
    kernel()
    i_am("anna")
    assert "1 of 3 solved" in progress().text


def test_two_names_in_one_folder_keep_two_records_and_that_is_told(kernel):
    i_am("anna")
    check("mine.1", 220)
    assert "it is kept as progress.other-2.json" in i_am("bob").text  # the first had no name
    assert "1 of 3 solved" not in progress().text and keeping.keeper().record.student == "bob"


@pytest.mark.parametrize("name", [(), (...,), ("",), ("  ",), (5,), (None,)])
def test_a_name_that_is_missing_is_asked_for(name):
    assert 'like `i_am("anna")`' in i_am(*name).text


def test_the_name_that_a_class_has_given_stays(monkeypatch):
    monkeypatch.setenv(keeping.STUDENT, "ada")
    keeping.keeper.cache_clear()
    assert "you are ada" in i_am("bob").text and "changes nothing" in i_am("bob").text
    assert keeping.keeper().record.student == "ada"


# ---- where the system refuses to write

REFUSED = """
import resource
from pathlib import Path
from labkit.exercises import add, check, equals, Exercise, keeping, progress
keeping.in_kernel = lambda: True
add(Exercise("mine.1", "Which?", equals(220), hints=("a", "b"), solution="code = 220", because="So."))
{before}
pages = [check("mine.1", answer).text for answer in (1, 2, 220)] + [progress().text]
print(*pages, sep="\\n")
{after}
"""
NO_ROOM = "resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))"
ROOM_AGAIN = "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2); print(progress().text)"


def refused(tmp_path, before, after=""):
    """What a student reads whose kernel may not write, beside the notebooks and in the home folder."""
    code = REFUSED.format(before=before, after=after)
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_where_no_byte_can_be_written_that_is_told_once_and_what_was_kept_before_stays(tmp_path):
    earlier = StudentRecord("anna", {"00.1": Work(1, True)}).written()
    (tmp_path / keeping.FILE).write_text(earlier)
    said = refused(tmp_path, NO_ROOM)
    assert said.count("Progress cannot be kept on this machine (File too large)") == 1
    assert "✔ mine.1: right" in said and "solved, 3 tries" in said and "1 of 3 solved" in said
    assert (tmp_path / keeping.FILE).read_text() == earlier
    assert [path.name for path in tmp_path.iterdir()] == [keeping.FILE]


def test_when_there_is_room_again_nothing_of_the_meantime_is_lost(tmp_path):
    said = refused(tmp_path, NO_ROOM, ROOM_AGAIN)
    assert "Kept in `progress.json`" in said
    assert json.loads((tmp_path / keeping.FILE).read_text())["exercises"]["mine.1"]["tried"] == 3


def test_without_the_locks_of_unix_progress_is_kept_all_the_same(kernel, monkeypatch, tmp_path):
    monkeypatch.setattr(keeping, "fcntl", None)
    check("mine.1", 220)
    kernel()
    assert "1 of 3 solved" in progress().text


WITHOUT_UNIX = """
import os, socket, sys
for module in ("fcntl", "termios", "resource", "pwd", "grp", "pty", "tty", "syslog"):
    sys.modules[module] = None
for holder, names in ((socket, ("AF_PACKET",)), (os, ("fork", "geteuid", "killpg", "sched_getaffinity"))):
    for name in names:
        if hasattr(holder, name):
            delattr(holder, name)
from labkit import Lab, attacks, check, policies
with Lab("loopback") as lab:
    mail = lab.smtp()
    with lab.capture() as capture:
        lab.send(mail, "The PIN is 4921", login=("alice", "hunter2"), policy=policies.verified)
    with lab.mallory(attacks.StripCapability()) as mallory:
        lab.send(mail, "The PIN is 4921", policy=policies.opportunistic)
print(lab.network.kind, capture.decrypted().dialogue.session.opened, mallory.verdict.outcome, check("00.1", 1, capture))
"""


def test_where_python_has_nothing_of_unix_a_lab_runs_is_captured_and_is_attacked(tmp_path):
    """A Python without the modules and functions that only Unix has, as on Windows."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_UNIX], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("loopback True leaked")
