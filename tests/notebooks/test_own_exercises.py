"""The folder of exercises that a teacher copies: its own tests pass, and its notebook runs, as it is and solved."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from kernels import client
from lesson_files import exercise_cells, printed, result

EXAMPLE = Path(__file__).parents[2] / "examples" / "exercises"


@pytest.fixture
def copied(tmp_path):
    """A copy of the folder, outside the project."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "mine", ignore=shutil.ignore_patterns("__pycache__", "progress*")))


def run(folder, answers):
    """Its notebook, with these answers, run from top to bottom; number -> what is said of each."""
    notebook = nbformat.read(folder / "exercises.ipynb", as_version=4)
    for number, cell in exercise_cells(notebook).items():
        if number in answers:
            cell.source = f"{answers[number]}\n{cell.source.splitlines()[-1]}"
    client(notebook, 60, resources={"metadata": {"path": str(folder)}}).execute()
    assert printed(notebook) == []
    return {number: result(cell) for number, cell in exercise_cells(notebook).items()}


def test_the_exercises_of_the_example_are_tested_and_their_notebook_asks_and_takes_the_solutions(copied):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."],
        cwd=copied,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout
    assert all(said.startswith("… ") for said in run(copied, {}).values())
    listing = (
        "import delivery_exercises as own, json\n"
        "print(json.dumps({each.number: each.solution for each in own.LESSON.exercises}))"
    )
    solutions = subprocess.run([sys.executable, "-c", listing], cwd=copied, capture_output=True, text=True, timeout=60)
    said = run(copied, json.loads(solutions.stdout))
    assert len(said) == 2 and all(text.startswith("✔ ") for text in said.values())
