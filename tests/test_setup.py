"""The set-up: one list of packages, what a machine without the right Python is told, and that nothing is done twice."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tools import tool

ROOT = Path(__file__).parent.parent
OTHER_NAMES = {"matplotlib-base": "matplotlib"}
"""What conda calls a package that has another name on PyPI."""
THE_PROJECT = "-e .[protocols]"
GIVEN = {"python", "pip"}
"""In environment.yml only: what there is before any package."""


def _requirement(line: str) -> tuple[str, str]:
    """The name and the bound; conda has no extras, and its solver chooses among versions that go together."""
    name, bound = re.fullmatch(r"([\w.-]+)(?:\[.*\])?([<>=!~].*)?", line.strip()).groups()
    return OTHER_NAMES.get(name, name), bound or ""


def _environment() -> list[str]:
    """The entries of environment.yml that conda installs."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    return re.findall(r"^  - ([^:\n]+)$", text.partition("dependencies:\n")[2], re.MULTILINE)


# ---- one list of packages


def _given_to_pip() -> list[str]:
    """The lines of environment.yml that conda hands over to pip."""
    return re.findall(r"^      - (.+)$", (ROOT / "environment.yml").read_text(encoding="utf-8"), re.MULTILINE)


def test_conda_and_pip_install_the_same_packages_within_the_same_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    conda = dict(map(_requirement, _environment()))
    assert conda.keys() >= GIVEN
    found = {name: conda[name] for name in conda.keys() - GIVEN}
    others = dict(_requirement(line) for line in _given_to_pip() if line != THE_PROJECT)
    assert not found.keys() & others.keys()
    assert found | others == dict(map(_requirement, project["dependencies"]))


def test_the_python_of_conda_is_one_that_labkit_runs_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=")
    given = dict(map(_requirement, _environment()))["python"].lstrip("=")
    assert [int(part) for part in given.split(".")] >= [int(part) for part in oldest.split(".")]


def test_what_environment_yml_gives_to_pip_are_lines_that_pip_reads():
    """conda and repo2docker hand these lines over as a requirements file, which knows fewer options than pip itself."""
    *packages, project = _given_to_pip()
    assert project == THE_PROJECT  # a local path, so repo2docker has the whole project there before it installs
    assert all(map(_requirement, packages))


# ---- the commands


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what the set-up reads."""
    folder = tmp_path / "the lab"
    (folder / "setup").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "environment.yml", "setup/install.sh", "setup/lab.sh", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.mark.parametrize("target", ("lab", "test", "bench", "data", "site", "clean"))
def test_every_command_exists_and_runs_something_that_exists(checkout, target):
    planned = subprocess.run([tool("make"), "--dry-run", target], cwd=checkout, capture_output=True, text=True)
    assert planned.returncode == 0 and planned.stdout
    for path in re.findall(r"(?<![\w/])(?:notebooks|bench|data|setup|site|tests)/[\w./]+", planned.stdout):
        assert (ROOT / path).exists(), f"make {target} runs {path}"


def _make(folder: Path, pattern: str) -> Path:
    made = folder / pattern.replace("*", "some").rstrip("/") / "file"
    made.parent.mkdir(parents=True)
    made.touch()
    return made


def test_clean_removes_what_the_commands_made_and_leaves_what_a_learner_made(checkout):
    ignored = (checkout / ".gitignore").read_text().split()
    learners = [_make(checkout, pattern) for pattern in ignored if pattern.startswith("notebooks/")]
    made = [_make(checkout, pattern) for pattern in ignored if not pattern.startswith("notebooks/")]
    made += [_make(checkout / "notebooks", pattern) for pattern in ("__pycache__", ".ipynb_checkpoints")]
    kept = {path for path in checkout.rglob("*") if path.is_file()} - set(made)
    assert made and set(learners) < kept
    subprocess.run([tool("make"), "clean"], cwd=checkout, check=True, capture_output=True)
    assert {path for path in checkout.rglob("*") if path.is_file()} == kept


# ---- what a machine without the right Python is told

FAKE = """#!/bin/sh
case "$*" in
*version_info*) exit {too_old};;
*ensurepip*) exit {no_venv};;
--version) echo "Python from {name}";;
"-m venv .venv") mkdir -p .venv/bin && echo {name} >.venv/made-by && cp "{inside}" .venv/bin/python;;
*) exit 1;;
esac
"""
INSIDE = """#!/bin/sh
case "$*" in
"-c import pip") exit 0;;
"-m pip install"*) echo "$*" >>"{log}";;
*) exit 1;;
esac
"""
TOOLS = ("sh", "dirname", "cksum", "grep", "rm", "mkdir", "cp")


class Machine:
    """A machine with just the Pythons that a test gives it; each can make a .venv whose pip writes down its orders."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self.bin, self.checkout, self.log = folder / "bin", checkout, folder / "pip.log"
        self.inside = folder / "inside"
        self.bin.mkdir()
        for name in TOOLS:
            (self.bin / name).symlink_to(tool(name))
        self._program(self.inside, INSIDE.format(log=self.log))

    def python(self, name: str, too_old: bool = False, no_venv: bool = False) -> Path:
        text = FAKE.format(name=name, too_old=int(too_old), no_venv=int(no_venv), inside=self.inside)
        return self._program(self.bin / name, text)

    def _program(self, path: Path, text: str) -> Path:
        path.write_text(text)
        path.chmod(0o755)
        return path

    def install(self, what: str = ".", python: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / "sh"), "setup/install.sh", what]
        environment = {"PATH": str(self.bin), "PYTHON": python}
        return subprocess.run(command, cwd=self.checkout, env=environment, capture_output=True, text=True, timeout=30)

    def refuses(self, python: str = "") -> str:
        """The one sentence with which the set-up refuses."""
        result = self.install(python=python)
        assert result.returncode == 1 and not (self.checkout / ".venv").exists()
        (line,) = result.stderr.splitlines()
        assert line.startswith("setup: ") and line.endswith((".", ")."))
        return line

    @property
    def orders(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def made_by(self) -> str:
        return (self.checkout / ".venv" / "made-by").read_text().strip()


@pytest.fixture
def machine(tmp_path, checkout) -> Machine:
    if os.name != "posix":
        pytest.skip("the set-up is a shell script")
    return Machine(tmp_path, checkout)


def test_a_machine_without_python_or_with_an_old_one_is_told_which_is_needed(machine):
    assert "Python 3.11 or newer is needed and python3 is not that" in machine.refuses()
    machine.python("python3", too_old=True)
    assert "Python 3.11 or newer is needed and python3 is not that" in machine.refuses()


def test_a_python_that_was_asked_for_and_is_too_old_is_named(machine):
    machine.python("python3")
    old = machine.python("oldpython", too_old=True)
    assert f"Python 3.11 or newer is needed and {old} is not that" in machine.refuses(python=str(old))


def test_a_python_without_venv_is_told_what_to_install(machine):
    machine.python("python3", no_venv=True)
    machine.python("python", too_old=True)
    assert "python3 cannot make virtual environments: install its venv package" in machine.refuses()


def test_the_first_python_that_fits_is_taken(machine):
    machine.python("python3", no_venv=True)
    machine.python("python3.13", too_old=True)
    machine.python("python3.12")
    machine.python("python3.11")
    assert machine.install().returncode == 0 and machine.made_by == "python3.12"


def test_each_python_that_is_tested_is_found_where_no_other_is(machine):
    for minor in range(11, 15):
        machine.python(f"python3.{minor}")
        assert machine.install().returncode == 0 and machine.made_by == f"python3.{minor}"
        shutil.rmtree(machine.checkout / ".venv")
        (machine.bin / f"python3.{minor}").unlink()


def test_a_python_that_was_asked_for_is_taken_whatever_else_is_there(machine, tmp_path):
    machine.python("python3")
    (tmp_path / "bin" / "my python").symlink_to(machine.python("other"))
    assert machine.install(python=str(tmp_path / "bin" / "my python")).returncode == 0 and machine.made_by == "other"


# ---- nothing is done twice


def test_a_second_run_installs_nothing(machine):
    machine.python("python3")
    first, second = machine.install(), machine.install()
    assert (first.returncode, second.returncode, second.stdout, second.stderr) == (0, 0, "", "")
    assert len(machine.orders) == 1 and machine.orders[0].endswith("--editable .")


def test_what_the_tests_need_includes_what_the_lab_needs(machine):
    machine.python("python3")
    for what in (".", ".[test]", ".", ".[test]"):
        assert machine.install(what).returncode == 0
    assert [order.split()[-1] for order in machine.orders] == [".", ".[test]"]


def test_new_requirements_or_a_new_place_are_installed_again(machine, tmp_path):
    machine.python("python3")
    machine.install()
    with (machine.checkout / "pyproject.toml").open("a") as project:
        project.write("# another line\n")
    machine.install()
    assert len(machine.orders) == 2
    machine.checkout = machine.checkout.rename(tmp_path / "moved")
    machine.install()
    assert len(machine.orders) == 3


def test_an_installation_that_failed_is_told_and_tried_again(machine):
    machine.python("python3")
    working = machine.inside.read_text()
    machine.inside.write_text(working.replace('echo "$*"', 'exit 1; echo "$*"'))
    result = machine.install()
    assert result.returncode == 1 and "setup: pip could not install labkit" in result.stderr
    (machine.checkout / ".venv" / "bin" / "python").write_text(working)
    assert machine.install().returncode == 0 and len(machine.orders) == 1


def test_a_venv_whose_python_is_gone_is_made_anew(machine):
    machine.python("python3")
    machine.install()
    (machine.checkout / ".venv" / "bin" / "python").unlink()
    assert machine.install().returncode == 0 and len(machine.orders) == 2


# ---- JupyterLab

OPENS = """#!/bin/sh
echo "$*"
for place in "$HOME" "$JUPYTER_CONFIG_DIR" "$JUPYTER_DATA_DIR" "$JUPYTER_RUNTIME_DIR" "$IPYTHONDIR" "$MPLCONFIGDIR"; do
    mkdir -p "$place" 2>/dev/null && echo can || echo cannot
done
"""


@pytest.mark.skipif(os.name != "posix", reason="the set-up is a shell script")
def test_without_a_home_that_can_be_written_jupyterlab_has_places_of_its_own_until_it_ends(checkout, tmp_path):
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(OPENS)
    python.chmod(0o755)
    (tmp_path / "temporary").mkdir()
    home = "/proc/self/no/home"
    done = subprocess.run(
        ["sh", checkout / "setup" / "lab.sh", "--no-browser"],
        env={"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": str(tmp_path / "temporary")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    started, *places = done.stdout.splitlines()
    assert started.startswith("-m jupyterlab ") and started.endswith(" --no-browser")
    assert places == ["cannot", *["can"] * 5]
    (told,) = done.stderr.splitlines()
    assert told.startswith(f"lab: the home folder {home} cannot be written") and done.returncode == 0
    assert list((tmp_path / "temporary").iterdir()) == []


# ---- what others run


def test_the_workflow_does_what_ci_does():
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert re.findall(r"^      - run: (.*)$", workflow, re.MULTILINE) == [
        "bash .ci/run ${{ matrix.libraries }} ${{ matrix.tests }}"
    ]
    assert (ROOT / ".ci" / "run").exists()


def test_every_python_that_labkit_runs_on_is_tested_and_the_oldest_libraries_on_the_oldest_python():
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    tested = re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", workflow)[1])
    assert tested == [f"3.{minor}" for minor in range(11, 15)] and oldest == f">={tested[0]}"
    assert f'- python: "{tested[0]}"\n            libraries: oldest' in workflow


def test_the_oldest_versions_are_the_lower_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    told = subprocess.run([sys.executable, ROOT / "setup" / "oldest.py"], capture_output=True, text=True, check=True)
    bounds = dict(map(_requirement, (line.partition(";")[0] for line in project["dependencies"])))
    shown = dict(line.partition(";")[0].split("==") for line in told.stdout.splitlines())
    assert bounds.keys() <= shown.keys()
    assert all(bounds[name].startswith(f">={shown[name]}") for name in bounds)


# ---- tests side by side

SHARING = """
import pytest

@pytest.fixture(scope="module")
def made():
    return 1

@pytest.mark.parametrize("number", range(4))
def test_it(made, number):
    assert made
"""


def test_tests_that_share_what_their_module_made_run_in_one_process(tmp_path):
    for name in ("conftest.py", "networks.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path)
    for name in ("test_one.py", "test_other.py"):
        (tmp_path / name).write_text(SHARING)
    command = [sys.executable, "-m", "pytest", "-v", "-n", "3", "--dist", "loadgroup", "--rootdir", tmp_path, tmp_path]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path).stdout
    ran = re.findall(r"\[(gw\d)\].* PASSED (test_\w+)\.py::", told)
    assert len(ran) == 8, told
    assert len(set(ran)) == 2
