"""A lesson becomes an assignment: nothing that gives an answer away is handed out, and every answer is graded."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from labkit.__main__ import main
from labkit.errors import LabError
from labkit.exercises.handout import assignment, nbgrader, otter
from labkit.exercises.handout.without_solutions import without_solutions
from labkit.exercises.lessons import lesson, numbers

LESSONS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
WRITERS = {"nbgrader": nbgrader.export, "otter": otter.export}
FOR_STUDENTS = {"nbgrader": "release", "otter": "student"}


def sources(path):
    """What stands in the cells of a notebook."""
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("grader", WRITERS)
def test_students_get_every_question_of_a_lesson_and_no_answer(grader, path, tmp_path):
    read = assignment.read(path)
    exercises = lesson(path.stem[:2]).exercises
    assert [asked.exercise for asked in read.asked] == list(exercises)
    files = WRITERS[grader](read, tmp_path)
    handed_out = [file for file in files if FOR_STUDENTS[grader] in file.relative_to(tmp_path).parts]
    text = "\n".join("\n".join(sources(file)) if file.suffix == ".ipynb" else file.read_text() for file in handed_out)
    for exercise in exercises:
        assert exercise.solution not in text and exercise.number in text
    assert not re.search(r"^#? ?(hint|solution)\(|\bgrade\(|BEGIN (SOLUTION|HIDDEN)", text, re.MULTILINE)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_instructors_get_every_solution_and_a_locked_cell_that_grades_it(path, tmp_path):
    read = assignment.read(path)
    file = next(file for file in nbgrader.export(read, tmp_path) if "source" in file.relative_to(tmp_path).parts)
    marked = [cell for cell in nbformat.read(file, 4).cells if "nbgrader" in cell.metadata]
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in marked}
    for asked in read.asked:
        answer, graded = cells[f"answer-{asked.key}"], cells[f"grade-{asked.key}"]
        assert asked.exercise.solution in answer.source and answer.metadata.nbgrader.solution
        assert f"grade({asked.arguments}).points" in graded.source and graded.metadata.nbgrader.points == asked.points
        assert graded.metadata.nbgrader.locked and not graded.metadata.editable and not graded.metadata.deletable
        ast.parse(answer.source), ast.parse(graded.source)


def test_a_course_holds_more_than_one_lesson_and_keeps_the_settings_that_a_teacher_changed(tmp_path):
    nbgrader.export(assignment.read(LESSONS[0]), tmp_path)
    (tmp_path / "nbgrader_config.py").write_text("# mine")
    nbgrader.export(assignment.read(LESSONS[1]), tmp_path)
    assert {path.name for path in (tmp_path / "source").iterdir()} == {LESSONS[0].stem, LESSONS[1].stem}
    assert (tmp_path / "nbgrader_config.py").read_text() == "# mine"


# ---- notebooks that cannot be handed out


def asking(*sources, name="mine.ipynb"):
    """The text of a notebook with these cells."""
    return nbformat.writes(new_notebook(cells=[new_markdown_cell("# Mine"), *map(new_code_cell, sources)]))


FIRST, SECOND = 'answer = ...\ncheck("08.2", answer)', 'answer = ...\ncheck("08.3", answer)'
BAD = {
    "08_cut.ipynb": (asking(FIRST)[:90], "is not a Jupyter notebook, or it is damaged"),
    "binary.ipynb": ("\0\1", "is not a Jupyter notebook"),
    "other.ipynb": ('{"cells": 5}', "is not a Jupyter notebook"),
    "list.ipynb": ("[]", "is not a Jupyter notebook"),
    "silent.ipynb": (asking("1 + 1"), "asks for no answer"),
    "doubled.ipynb": (asking(FIRST, SECOND, FIRST), "checks 08.2 in more than one cell"),
    "unknown.ipynb": (asking('check("08.77", 1)'), "There is no exercise '08.77'; lesson 08 has"),
    "mixed.ipynb": (asking('%time\ncheck("08.2", 1)'), "which is not Python as it stands"),
    "08_short.ipynb": (asking(FIRST, SECOND), "lacks the cell that checks 08.1, 08.4, 08.5"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_notebook_that_cannot_be_handed_out_is_told_in_a_sentence_and_nothing_is_written(name, tmp_path, capsys):
    content, told = BAD[name]
    (tmp_path / name).write_text(content)
    assert main(["export", "otter", str(tmp_path / name), str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("labkit: ") and told in line and line.endswith(".")
    assert not (tmp_path / "out").exists()


def test_a_missing_notebook_and_a_folder_that_cannot_be_written_are_told(tmp_path, capsys):
    (tmp_path / "mine.ipynb").write_text(asking(FIRST))
    assert main(["export", "nbgrader", str(tmp_path / "gone.ipynb"), str(tmp_path)]) == 2
    assert main(["export", "nbgrader", str(tmp_path / "mine.ipynb"), "/proc/self/out"]) == 2
    assert main(["export", "nbgrader", str(tmp_path / "mine.ipynb"), str(tmp_path / "out")]) == 0
    assert main(["export", "nbgrader", str(tmp_path / "mine.ipynb"), str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert ["cannot be read" in told[0], "cannot be written" in told[1], "is there already" in told[2]] == [True] * 3


def test_exercises_of_ones_own_are_found_in_a_module(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("my_own_exercises.py").write_text(
        "from labkit.exercises import Exercise, add, equals\n"
        'add(Exercise("mine.1", "Which?", equals(220), hints=("a", "b"), solution="code = 220", because="So."))\n'
    )
    Path("mine.ipynb").write_text(asking('code = ...\ncheck("mine.1", code)'))
    assert main(["export", "otter", "mine.ipynb", "out"]) == 2
    assert main(["export", "otter", "mine.ipynb", "out", "--exercises", "my_own_exercises"]) == 0
    assert main(["export", "otter", "mine.ipynb", "out", "--exercises", "nowhere_to_be_found"]) == 2
    assert "The module nowhere_to_be_found cannot be imported" in capsys.readouterr().err
    assert json.loads(Path("out/autograder/mine.ipynb").read_text())


def test_what_is_asked_across_lines_is_graded_in_one(tmp_path):
    cell = 'def f(a):\n    ...\n\n\ncheck(\n    "08.2",\n    f,\n    (1,\n     2),\n)'
    (tmp_path / "mine.ipynb").write_text(asking(cell))
    (asked,) = assignment.read(tmp_path / "mine.ipynb").asked
    assert (asked.start, asked.answer, asked.arguments) == ("def f(a):\n    ...", "f", "'08.2', f, (1, 2)")


def test_an_installation_without_solutions_says_so(tmp_path, monkeypatch):
    (tmp_path / "mine.ipynb").write_text(asking(FIRST))
    read = assignment.read(tmp_path / "mine.ipynb")
    monkeypatch.setitem(vars(read.asked[0].exercise), "solution", "")
    with pytest.raises(LabError, match="The solution of 08\\.2 is left out of this installation"):
        nbgrader.export(read, tmp_path / "out")


# ---- without solutions

EVERY_SOLUTION = """
import labkit
from labkit.exercises import lessons, solution
found = [each for number in lessons.numbers() for each in lessons.lesson(number).exercises]
print(labkit.__file__, len(found), sorted({each.solution for each in found}), solution("08.2"))
"""


def test_a_copy_for_students_has_every_exercise_and_no_solution(tmp_path, capsys):
    copied = tmp_path / "lab"
    assert main(["handout", str(copied)]) == 0
    assert {path.name for path in copied.rglob("*") if path.name in ("tests", "__pycache__")} == set()
    done = subprocess.run(
        [sys.executable, "-c", EVERY_SOLUTION], cwd=copied, capture_output=True, text=True, timeout=100
    )
    exercises = [each for number in numbers() if number.isdigit() for each in lesson(number).exercises]
    readme = (copied / "README.md").read_text("utf-8")
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", readme)
    assert len(linked) > 20 and all((copied / path).exists() for path in linked)
    assert readme.splitlines()[2].startswith("> This is a copy for students.") and "`examples/clients`" in readme
    assert done.stdout.startswith(f"{copied}/labkit/__init__.py {len(exercises)} ['']"), done.stderr
    assert "Solutions are left out of this installation" in done.stdout
    assert main(["handout", str(copied)]) == main(["handout", "/proc/self/lab"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_whatever_stands_around_a_solution_stays():
    before = 'E = Exercise("ä.1", "ü?", solution=("a\\n"\n "b ß"), because="ö"); F = Other(solution="kept")\n'
    after = 'E = Exercise("ä.1", "ü?", solution=(""), because="ö"); F = Other(solution="kept")\n'
    in_a_list = 'G = [Exercise("b", solution={})]'
    source = before + in_a_list.format('f"{1}"')
    assert without_solutions(source.encode()).decode() == after + in_a_list.format('""')


def test_a_pipe_is_no_notebook_and_nothing_waits_for_it(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.ipynb")
    assert main(["export", "otter", str(tmp_path / "pipe.ipynb"), str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"labkit: {tmp_path / 'pipe.ipynb'} is no file: name a notebook.\n"
