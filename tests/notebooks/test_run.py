"""Every lesson on loopback, in a kernel without privileges: each exercise as it is shipped, and behind it solved.

`in_chromium/test_jupyterlab.py` does the same on the best network that this machine allows.
"""

import json
import shutil
import subprocess
import sys

import pytest
from lesson_files import (
    FIRST,
    NAMES,
    NOTEBOOKS,
    add_solutions,
    check_order,
    check_solved,
    check_unanswered,
    exercise_cells,
    number_of,
    read,
    run,
)
from thoroughly import every

from labkit.exercises.lessons import numbers

UNPRIVILEGED = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""Runs a program as a user who may do nothing that the others may not; see the Makefile."""


def test_every_lesson_has_a_notebook_and_every_notebook_a_lesson():
    assert [number_of(path) for path in NOTEBOOKS] == [number for number in numbers() if number.isdigit()]
    assert {"00", "01", "02", "03"} <= set(numbers())


@pytest.fixture(scope="session")
def kernel(jupyter_of_its_own):
    """The name of a kernel whose labs are on loopback, without privileges where this machine can take them away."""
    possible = shutil.which(UNPRIVILEGED[0]) and not subprocess.run([*UNPRIVILEGED, "true"]).returncode
    place = jupyter_of_its_own / "DATA_DIR" / "kernels" / "loopback"
    place.mkdir(parents=True)
    command = [
        *(UNPRIVILEGED if possible else ()),
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
    ]
    spec = {"argv": command, "display_name": place.name, "language": "python", "env": {"LABKIT_NETWORK": "loopback"}}
    (place / "kernel.json").write_text(json.dumps(spec), "utf-8")
    return place.name


@pytest.mark.parametrize("path", every(NOTEBOOKS, once=FIRST), ids=NAMES)
def test_a_lesson_runs_from_top_to_bottom_without_noise_and_every_solution_is_right_in_it(path, kernel, tmp_path):
    notebook = read(path)
    asked = exercise_cells(notebook)
    solved = add_solutions(notebook, asked)
    run(notebook, tmp_path / "notebooks", kernel)
    check_order(notebook)
    check_unanswered(asked, number_of(path))
    check_solved(solved)
