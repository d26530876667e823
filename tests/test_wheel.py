"""The wheel, as the workflow `release` builds it and tries it outside the checkout: lessons and data are inside."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import nbformat
import pytest
import yaml

import labkit

ROOT = Path(__file__).parent.parent
WORKFLOWS = ROOT / ".github" / "workflows"
MADE = (
    ".git",
    ".venv",
    "build",
    "dist",
    "__pycache__",
    ".ipynb_checkpoints",
    ".*_cache",
    ".hypothesis",
    "progress*.json",
)
"""What a copy of the checkout leaves out."""
WHERE = "import labkit, importlib.metadata as it; print(labkit.__version__, it.version('labkit'), labkit.__file__)"
READ = "from labkit import recorded; print(recorded('starttls_tls13').decrypted())"
RUN = """
import sys, nbformat
from nbclient import NotebookClient
from traitlets.config import Config
folder, name = sys.argv[1:]
place = {"metadata": {"path": folder}}
notebook = nbformat.read(f"{folder}/{name}", as_version=4)
over = Config(KernelManager={"transport": "ipc", "ip": f"{folder}/k"})  # other tests may take a port that was free
client = NotebookClient(notebook, timeout=60, kernel_name="python3", resources=place, config=over)
nbformat.write(client.execute(), f"{folder}/{name}")
"""


def run(*command: object, folder: Path, **settings: str) -> str:
    """What a command prints that must succeed; `settings` are added to its environment."""
    surroundings = os.environ | settings
    words = [*map(str, command)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, cwd=folder, env=surroundings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- the workflow


def jobs() -> dict:
    return yaml.safe_load((WORKFLOWS / "release.yml").read_text("utf-8"))["jobs"]


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """A folder where each command of the job `build` has run: the checkout is in `labkit`, the environment in `lab`.

    In place of an index, pip has the packages of this environment, without labkit; they are what labkit asks for.
    """
    folder = tmp_path_factory.mktemp("release")
    shutil.copytree(ROOT, folder / "labkit", ignore=shutil.ignore_patterns(*MADE))
    (folder / "packages").mkdir()
    for place in filter(Path.is_dir, map(Path, sys.path)):
        for package in place.iterdir() if place.name == "site-packages" else ():
            if not package.name.startswith(("labkit", "_labkit")):
                (folder / "packages" / package.name).symlink_to(package)
    settings = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "packages"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "RUNNER_TEMP": str(folder),
        "GITHUB_REF_NAME": f"v{labkit.__version__}",
    }
    for step in jobs()["build"]["steps"]:
        if "run" in step:
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            run(*command, folder=folder / "labkit", **settings)
    return folder


def test_the_files_that_are_published_are_a_wheel_and_a_source_archive_with_the_news(released):
    made = sorted(path.name for path in (released / "labkit" / "dist").iterdir())
    of = f"labkit-{labkit.__version__}"
    assert made == ["NEWS.md", f"{of}-py3-none-any.whl", f"{of}.tar.gz"]
    news, changes = (
        path.read_text("utf-8") for path in (released / "labkit" / "dist" / "NEWS.md", ROOT / "CHANGELOG.md")
    )
    assert f"## {labkit.__version__}\n\n{news}" in changes and "\n- " in news and "\n## " not in news
    with tarfile.open(released / "labkit" / "dist" / f"{of}.tar.gz") as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "Makefile", ".ci/run", "tests/test_wheel.py", "notebooks/00_start_here.ipynb"} <= inside


def test_nothing_is_published_that_was_not_tested_and_only_that_job_may_write():
    publish = jobs()["publish"]
    assert sorted(publish["needs"]) == ["build", "test"] and publish["permissions"] == {"contents": "write"}
    assert jobs()["test"] == {"uses": "./.github/workflows/test.yml"}
    tested = yaml.safe_load((WORKFLOWS / "test.yml").read_text("utf-8"))[True]  # YAML 1.1 reads "on" as true
    assert "workflow_call" in tested
    assert [name for name, job in jobs().items() if "permissions" in job] == ["publish"]


@pytest.mark.parametrize("file", ("labkit/__init__.py", "CITATION.cff", "CHANGELOG.md"))
def test_a_tag_of_another_version_is_refused_in_a_sentence(tmp_path, file):
    for name in ("labkit/__init__.py", "CITATION.cff", "CHANGELOG.md", "setup/release.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        text = (ROOT / name).read_text("utf-8")
        (tmp_path / name).write_text(text if name == file else text.replace(labkit.__version__, "9.9.9"), "utf-8")
    command = [sys.executable, tmp_path / "setup" / "release.py", "v9.9.9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("release: ") and file in line


# ---- the wheel


@pytest.fixture(scope="module")
def python(released) -> Path:
    """The Python of the environment with the wheel; of this environment it sees the other packages, not labkit."""
    inside = released / "lab" / "bin" / "python"
    (packages,) = (released / "lab" / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(str(released / "packages"))
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
