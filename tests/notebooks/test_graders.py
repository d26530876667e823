"""nbgrader and Otter-Grader grade what labkit hands out: solved, wrong, empty and untidy notebooks.

They take 2 s to load, so only what uses them imports them: each process of pytest-xdist loads this file.
"""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from thoroughly import every

import labkit
from labkit.__main__ import main

KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
ASKED = (
    "from base64 import b64decode\nfrom labkit import attacks, check, given",
    'heard, mixed = given("01.1"), given("02.2")\nheard',
    'password = ...\ncheck("01.1", password)',
    'senders = ...\ncheck("02.2", senders)',
    'Excuse = ...\ncheck("08.4", Excuse)',
)
WRONG = {"01_1": 'password = "hunter2"', "02_2": 'senders = ["client"]', "08_4": "Excuse = attacks.Vector"}
HIDES = "\nget_ipython().display_formatter.format = lambda *_, **__: ({}, {})"
STOPS = {
    "02_2": "import os\nos._exit(0)",
    "08_4": (
        "import time\nclass Excuse(attacks.Vector):\n    def on_line(self, line):\n        while True: time.sleep(0.1)"
    ),
}


def command(*words, folder):
    """What a program of this environment says; it must succeed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader calls alembic
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def key(cell, kind):
    """``08_4`` for the cell of that kind, ``answer`` or ``grade``, of exercise 08.4."""
    return cell.id.removeprefix(f"{kind}-") if cell.id.startswith(f"{kind}-") else ""


def answered(notebook, answers, name):
    """A copy of that notebook in which a student of that name has given these answers."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        cell.source = answers.get(key(cell, "answer"), cell.source).replace("i_am(...)", f'i_am("{name}")')
    return notebook


def written(notebook, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """A short notebook with three exercises of the course; what is right in two of them differs by student."""
    cells = [new_markdown_cell("# Mine"), *map(new_code_cell, ASKED)]
    return written(new_notebook(cells=cells, metadata=KERNEL), tmp_path_factory.mktemp("lesson") / "mine.ipynb")


def read(path):
    return nbformat.read(path, as_version=4)


# ---- nbgrader


def untidy(notebook):
    """The first answer and the third graded cell are removed, and everything else of these exercises stands twice."""
    kept = [cell for cell in notebook.cells if key(cell, "answer") != "01_1" and key(cell, "grade") != "08_4"]
    notebook.cells = []
    for cell in kept:
        notebook.cells.append(cell)
        if key(cell, "answer") or key(cell, "grade"):
            notebook.cells.append(copy.deepcopy(cell))
            notebook.cells[-1].id = f"copy-{cell.id}"
    return notebook


def harmed(notebook):
    """The first exercise is removed whole, another program has lost or changed the settings of the others, and there is
    a cell of another assignment.
    """
    notebook.cells = [cell for cell in notebook.cells if "01_1" not in (key(cell, "answer"), key(cell, "grade"))]
    foreign = copy.deepcopy(next(cell for cell in notebook.cells if key(cell, "grade") == "02_2"))
    foreign.id = foreign.metadata.nbgrader.grade_id = "grade-99_9"
    for cell in notebook.cells:
        if key(cell, "answer"):
            del cell.metadata["nbgrader"]
        if key(cell, "grade") == "02_2":
            cell.metadata.nbgrader.points = 50
        if key(cell, "grade") == "08_4":
            cell.metadata.nbgrader = {"grade_id": [5]}
    notebook.cells.append(foreign)
    return notebook


@pytest.fixture(scope="module")
def course(lesson, tmp_path_factory):
    """A course of nbgrader, in which six students have handed in the lesson and were graded; and what was said."""
    folder = tmp_path_factory.mktemp("course")
    assert main(["export", "nbgrader", str(lesson), str(folder)]) == 0
    source, release = (read(folder / kind / "mine" / "mine.ipynb") for kind in ("source", "release"))
    solutions = {key(cell, "answer"): cell.source for cell in source.cells if key(cell, "answer")}
    command("nbgrader", "generate_assignment", "mine", "--force", folder=folder)
    generated = read(folder / "release" / "mine" / "mine.ipynb")
    assert [cell.source for cell in generated.cells] == [cell.source for cell in release.cells]
    handed_in = {
        "solved": answered(generated, solutions, "solved"),
        "wrong": answered(generated, WRONG | {"02_2": WRONG["02_2"] + HIDES}, "wrong"),
        "empty": generated,
        "stops": answered(generated, solutions | STOPS, "stops"),
        "untidy": untidy(answered(generated, solutions, "untidy")),
        "harmed": harmed(answered(generated, solutions, "harmed")),
    }
    for student, notebook in handed_in.items():
        written(notebook, folder / "submitted" / student / "mine" / "mine.ipynb")
    return folder, command("nbgrader", "autograde", "mine", folder=folder)


def points(course, student):
    from nbgrader.api import Gradebook

    folder, _ = course
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        graded = book.find_submission("mine", student)
        return {grade.name: grade.auto_score for notebook in graded.notebooks for grade in notebook.grades}


def test_nbgrader_gives_a_solved_notebook_all_points_and_a_wrong_or_empty_one_none(course):
    assert points(course, "solved") == {"grade-01_1": 1, "grade-02_2": 1, "grade-08_4": 1}
    assert points(course, "wrong") == points(course, "empty") == {"grade-01_1": 0, "grade-02_2": 0, "grade-08_4": 0}


def test_a_cell_that_shows_no_points_because_ipython_shows_nothing_earns_none(course):
    assert points(course, "wrong")["grade-08_4"] == 0
    _, said = course
    assert "grade-08_4: This cell told no points" in said and "grade-01_1: This cell told" not in said


def test_a_loop_that_never_ends_and_a_cell_that_ends_its_kernel_cost_their_own_points_only(course):
    assert points(course, "stops") == {"grade-01_1": 1, "grade-02_2": 0, "grade-08_4": 0}
    _, said = course
    assert said.count("answer-02_2: This cell ended its kernel: the rest is run in a new kernel, without it.") == 1


NEVER = "import ctypes\nlock, room = ctypes.PyDLL(None).pthread_mutex_lock, bytes(64)\nlock(room), lock(room)"
"""One call of C that never comes back and keeps Python's lock, as ``sum(iter(int, 1))`` does, without its work."""


def test_what_stops_a_kernel_is_told_in_a_sentence_and_the_cells_around_it_keep_their_values(tmp_path):
    from labkit.exercises.handout.restarting import Restarting

    cells = ["kept = 1", NEVER, "kept += 1", "kept += len(bytearray(3 << 30))", "print('x' * 90, kept)", "kept"]
    notebook = new_notebook(cells=[new_code_cell(cell, metadata={}) for cell in cells], metadata=KERNEL)
    running = Restarting(timeout=8, memory=1 << 30, most_output=80)
    graded, _ = running.preprocess(notebook, {"metadata": {"path": str(tmp_path)}})
    _, never, _, hog, flood, value = (cell.outputs for cell in graded.cells)
    rest = "the rest is run in a new kernel, without it."
    assert [each.evalue for each in never] == [f"This cell had not come back after 8 seconds: {rest}"]
    assert [each.evalue for each in hog] == [f"This cell used all memory that a kernel may have: {rest}"]
    assert flood == [] and [each.data["text/plain"] for each in value] == ["2"]


def test_cells_that_were_removed_or_doubled_are_told_in_a_sentence_each_and_the_rest_is_graded(course):
    assert points(course, "untidy") == {"grade-01_1": 0, "grade-02_2": 1, "grade-08_4": 1}
    _, said = course
    assert said.count("The cell answer-08_4 stands 2 times in this notebook: the last one is graded.") == 1
    assert "Missing grade cell grade-08_4" in said and "Traceback" not in said


def test_an_exercise_without_a_cell_and_settings_that_are_lost_or_changed_are_told_and_the_rest_is_graded(course):
    assert points(course, "harmed") == {"grade-01_1": 0, "grade-02_2": 1, "grade-08_4": 1}
    _, said = course
    assert said.count("The cell answer-01_1 is missing: an empty one stands in its place.") == 2  # and of "untidy"
    for name in ("answer-02_2", "grade-02_2", "answer-08_4", "grade-08_4"):
        assert said.count(f"The settings of the cell {name} were changed: those of the assignment count.") == 1
    assert said.count("A cell that is not of this assignment is not graded: ") == 1


@pytest.fixture
def unix_sockets(monkeypatch):
    """Kernels that this process starts listen on no TCP ports: the servers of other tests take some that were free."""
    from jupyter_client.connect import ConnectionFileMixin

    monkeypatch.setattr(ConnectionFileMixin.transport, "default_value", "ipc")


def test_nbgraders_validator_passes_the_instructors_notebook_and_a_solved_one_and_names_what_is_not_answered(
    course, unix_sockets
):
    from nbgrader.validator import Validator

    folder, _ = course
    assert Validator().validate(str(folder / "source" / "mine" / "mine.ipynb")) == {}
    failed = Validator().validate(str(folder / "submitted" / "empty" / "mine" / "mine.ipynb"))["failed"]
    for number, cell in zip(("01.1", "02.2", "08.4"), failed, strict=True):
        assert f"{number} is not answered yet." in cell["error"]


# ---- otter


@pytest.fixture(scope="module")
def tested(lesson, tmp_path_factory):
    """The folder that is written for Otter-Grader."""
    folder = tmp_path_factory.mktemp("otter")
    assert main(["export", "otter", str(lesson), str(folder)]) == 0
    return folder


@pytest.fixture
def otter(monkeypatch, unix_sockets):
    """Otter's command line: what it says of words, which it must understand, in a folder."""
    from click.testing import CliRunner
    from otter.cli import cli

    def run(*words, folder):
        monkeypatch.chdir(folder)
        done = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return run


@pytest.fixture
def archive(tested, otter, tmp_path):
    """What Otter grades with, where a cell has eight seconds instead of two minutes."""
    folder = shutil.copytree(tested / "autograder", tmp_path / "autograder")
    settings = folder / "otter_config.json"
    assert '"seconds": 120' in settings.read_text()
    settings.write_text(settings.read_text().replace('"seconds": 120', '"seconds": 8'))
    otter("generate", "-t", "tests", folder=folder)
    return folder / "autograder.zip"


@pytest.mark.thorough  # nbgrader's validator says it of the same notebook
def test_otter_check_passes_the_instructors_notebook(tested, otter):
    assert "All tests passed!" in otter("check", "mine.ipynb", folder=tested / "autograder")


def test_the_archive_of_otter_installs_this_labkit_and_not_another_project_of_that_name(archive):
    with zipfile.ZipFile(archive) as files:
        installed = yaml.safe_load(files.read("environment.yml"))["dependencies"][-1]["pip"]
    (wheel,) = (each.removeprefix("labkit @ ") for each in installed if each.startswith("labkit"))
    version = labkit.__version__
    assert wheel.endswith(f"/releases/download/v{version}/labkit-{version}-py3-none-any.whl")


METHOD = "class Excuse(attacks.Vector):\n    def on_line(self, line):\n        {}"
ENDS = METHOD.format("import os; os._exit(0)")
STOP = {  # answers that do not come back, and the last words of what Otter's report says of each
    "stops": {"02_2": (NEVER, "had not come back after 8 seconds"), "08_4": (ENDS, "ended its kernel")},
    "waits": {"02_2": ("import time\ntime.sleep(900)", "had not come back at the end of its time")},
    "counts": {"08_4": (METHOD.format("sum(iter(int, 1))"), "had not come back after 8 seconds")},
    "hogs": {"02_2": ("len(bytearray(3 << 30))", "used all memory that a kernel may have")},
    "leaves": {"02_2": ("exit()", "ended its kernel")},
    "falls": {"02_2": ("import ctypes\nctypes.string_at(0)", "ended its kernel")},
    "closes": {"02_2": ("import os\nos.closerange(0, 200)", "")},
    "empty": {},
}


@pytest.mark.parametrize("student", every(STOP, once={"stops"}))
def test_otter_gives_no_points_for_what_stops_a_kernel_and_tells_it_and_grades_the_rest(
    tested, archive, otter, tmp_path, student
):
    cells = read(tested / "autograder" / "mine.ipynb").cells
    solved = {key(cell, "answer"): cell.source for cell in cells if key(cell, "answer")}
    stops = {number: source for number, (source, _) in STOP[student].items()}
    answers = solved | stops if stops else {}
    written(answered(read(tested / "student" / "mine.ipynb"), answers, student), tmp_path / "in" / "mine.ipynb")
    said = otter("run", "mine.ipynb", "-a", str(archive), folder=tmp_path / "in")
    tests = json.loads((tmp_path / "in" / "results.json").read_text())["tests"]
    points = {test["name"]: test["score"] for test in tests if "score" in test}
    assert points == {f"q{number}": float(number in answers and number not in stops) for number in WRONG}
    for number, (_, told) in STOP[student].items():
        (line,) = (line for line in said.splitlines() if re.match(f"(The answer to )?q{number}: ", line))
        assert told in line
