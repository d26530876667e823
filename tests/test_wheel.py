"""The wheel, installed in an empty environment outside the checkout: the lessons and the recordings are inside."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
WHERE = "import labkit, importlib.metadata as it; print(labkit.__version__, it.version('labkit'), labkit.__file__)"
READ = "from labkit import recorded; print(recorded('starttls_tls13').decrypted())"
RUN = """
import sys, nbformat
from nbclient import NotebookClient
folder, name = sys.argv[1:]
place = {"metadata": {"path": folder}}
notebook = nbformat.read(f"{folder}/{name}", as_version=4)
client = NotebookClient(notebook, timeout=60, kernel_name="python3", resources=place)
nbformat.write(client.execute(), f"{folder}/{name}")
"""


def run(*command: object, folder: Path = ROOT) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=240, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of an environment with the wheel; of this environment it sees the other packages, not labkit."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("labkit-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env")
    inside = folder / "env" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", inside, "install", "--no-deps", wheel)
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text("\n".join(each for each in sys.path if each.endswith("site-packages")))
    return inside


def test_the_package_is_the_installed_one(python, tmp_path):
    said, known, place = run(python, "-c", WHERE, folder=tmp_path).split()
    assert Path(place).is_relative_to(python.parents[1]) and not Path(place).is_relative_to(ROOT)
    assert said == known


def test_a_recording_is_read(python, tmp_path):
    assert "AUTH PLAIN" in run(python, "-c", READ, folder=tmp_path)


def test_the_lessons_are_copied_as_they_are_and_the_first_one_runs(python, tmp_path):
    told = run(python, "-m", "labkit", "lessons", "class", folder=tmp_path)
    copied = {path.name: path for path in (tmp_path / "class" / "notebooks").iterdir()}
    lessons = {path.name: path for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert copied.keys() == lessons.keys() and "00_start_here.ipynb" in told
    assert {name: path.read_bytes() for name, path in copied.items()} == {
        name: path.read_bytes() for name, path in lessons.items()
    }
    run(python, "-c", RUN, tmp_path / "class" / "notebooks", "00_start_here.ipynb", folder=tmp_path)
    ran = nbformat.read(copied["00_start_here.ipynb"], as_version=4)
    assert "STARTTLS" in "".join(str(cell.outputs) for cell in ran.cells if cell.cell_type == "code")
    assert sorted(path.name for path in (tmp_path / "class" / "data").glob("*.pcapng")) == sorted(
        path.name for path in (ROOT / "data").glob("*.pcapng")
    )


@pytest.mark.parametrize("grader", ("nbgrader", "otter"))
def test_a_lesson_is_exported_for_a_grader(python, tmp_path, grader):
    lesson = ROOT / "notebooks" / "00_start_here.ipynb"
    told = run(python, "-m", "labkit", "export", grader, lesson, tmp_path / "out", folder=tmp_path).splitlines()
    assert told and all((tmp_path / line).is_file() for line in told)


def test_what_a_student_has_written_is_never_overwritten(python, tmp_path):
    mine = tmp_path / "notebooks" / "00_start_here.ipynb"
    mine.parent.mkdir()
    mine.write_text("mine")
    command = [python, "-m", "labkit", "lessons", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 1 and mine.read_text() == "mine"
    assert done.stderr.splitlines() == [f"labkit: {mine} was there already and is another one: it was left as it is."]
    assert (tmp_path / "notebooks" / "01_mail_in_the_clear.ipynb").exists()


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(python, tmp_path):
    (tmp_path / "file").touch()
    command = [python, "-m", "labkit", "lessons", tmp_path / "file"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1) and "choose another folder" in done.stderr


def test_the_published_figures_are_read(python, tmp_path):
    read = "from labkit import published; print(published('stripping_by_country'))"
    assert "96.1 %" in run(python, "-c", read, folder=tmp_path)
