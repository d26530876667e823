"""Binder: its files install what pyproject.toml names, and lessons run in the room that it gives.

Binder gives one core, 2 GB for Jupyter and its kernels, and no capability to capture packets (mybinder.org, user
guidelines). Its image cannot be built here, because conda's packages are out of reach.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from lesson_files import FOLDER, NOTEBOOKS, number_of
from thoroughly import every
from tools import tool

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
README = (ROOT / "README.md").read_text("utf-8")
ROOM = 1_500_000_000
"""Bytes for a kernel: 2 GB without what Jupyter's server takes."""


def listed(path):
    """The packages in an environment file, those for conda and those for pip."""
    text = (ROOT / path).read_text("utf-8").partition("dependencies:\n")[2]
    lines = (line.partition("  #")[0] for line in re.findall(r"^ +- (.+)$", text, re.MULTILINE))
    return sorted(line for line in lines if line != "pip:")


def test_binder_installs_what_conda_installs_but_for_the_project_which_postbuild_adds():
    conda = listed("environment.yml")
    (project,) = (line for line in conda if line.startswith("-e "))
    extras = PROJECT["optional-dependencies"][project.removeprefix("-e .[").rstrip("]")]
    assert listed("binder/environment.yml") == sorted([line for line in conda if line != project] + extras)


def test_postbuild_stops_at_the_first_failure_and_installs_the_project_without_solving_again():
    script = ROOT / "binder" / "postBuild"
    lines = [line for line in script.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert os.access(script, os.X_OK) and script.read_text("utf-8").startswith("#!/bin/bash\n")
    assert lines[:2] == ["set -e", "pip install --no-deps -e ."]
    assert not [name for name in ("requirements.txt", "apt.txt", "Dockerfile") if (ROOT / "binder" / name).exists()]


def test_the_badge_opens_the_first_lesson_of_the_repository_that_pyproject_names():
    repository = PROJECT["urls"]["Repository"]
    assert f"git+{repository}" in README  # Colab's first cell
    owner, name = repository.removeprefix("https://github.com/").split("/")
    (link,) = re.findall(r"\[!\[[^\]]*\]\(https://mybinder\.org/badge_logo\.svg\)\]\((.*?)\)", README)
    opened = f"notebooks/{NOTEBOOKS[0].name}"
    assert link == f"https://mybinder.org/v2/gh/{owner}/{name}/HEAD?urlpath=lab/tree/{opened}"


def executed(number, folder):
    """That lesson with the output of a kernel on one core, in `ROOM`, that may not open packet sockets."""
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("progress*.json"))
    (lesson,) = (folder / path.name for path in NOTEBOOKS if number_of(path) == number)
    no_capture = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"] if os.geteuid() == 0 else []
    core = str(min(os.sched_getaffinity(0)))
    limits = [tool("prlimit"), f"--data={ROOM}", tool("taskset"), "--cpu-list", core, *no_capture]
    run = ["-m", "nbconvert", "--execute", "--to", "notebook", "--inplace", "--ExecutePreprocessor.timeout=120"]
    done = subprocess.run(
        [*limits, sys.executable, *run, str(lesson)],
        env=os.environ | {"LABKIT_NETWORK": "loopback"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return nbformat.read(lesson, as_version=4)


TOLD = {"00": "a tap", "02": "STARTTLS", "08": "a tap"}
"""Number of a lesson -> what it shows there: two of them tell how they capture."""


@pytest.mark.parametrize("number", every(TOLD, once=("00",)))
def test_a_lesson_runs_in_the_room_that_binder_gives_and_captures_by_the_tap(number, tmp_path):
    notebook = executed(number, tmp_path / "notebooks")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []
    shown = "\n".join(output.data.get("text/plain", "") for output in outputs if "data" in output)
    assert TOLD[number] in shown
