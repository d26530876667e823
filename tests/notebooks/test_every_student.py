"""Whatever is drawn for a student can be solved: the cell that shows it, the solution and the check, in a row.

The cells are run here and not in a kernel, for several students.
"""

from base64 import b64decode

import pytest
from lesson_files import NOTEBOOKS, code_cells, exercise_cells, read
from thoroughly import every

import labkit
from labkit import Lab
from labkit.exercises import drawn_for
from labkit.exercises.lessons import exercise

STUDENTS = ("ada", "bert", "cleo", "dan")


def _drawn():
    """(number of an exercise, the cell that shows what is given, its last line), of all notebooks."""
    for notebook in map(read, NOTEBOOKS):
        cells = [cell.source for cell in code_cells(notebook)]
        for number, cell in exercise_cells(notebook).items():
            shown = [source for source in cells if f'given("{number}"' in source]
            if shown:
                yield pytest.param(number, shown[0].splitlines()[0], cell.source.splitlines()[-1], id=number)


@pytest.fixture(scope="module")
def names():
    """What the lessons have made before their exercises."""
    with Lab(network="loopback") as lab:
        known = {name: getattr(labkit, name) for name in ("attacks", "check", "given", "policies", "recorded")}
        yield known | {"lab": lab, "grid": lab.policies(), "b64decode": b64decode}


@pytest.mark.parametrize("student", every(STUDENTS, once=("ada",)))
@pytest.mark.parametrize(("number", "shown", "checked"), list(_drawn()))
def test_every_student_can_solve_what_is_drawn(student, number, shown, checked, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what a lesson keeps beside its notebook
    known = dict(names)
    with drawn_for(student):
        exec(f"{shown}\n{exercise(number).solution}", known)
        assert eval(checked, known).text.startswith(f"✔ {number}")


def test_every_exercise_of_which_something_is_given_shows_it_above_the_answer():
    shown = {parameters.values[0] for parameters in _drawn()}
    every = [number for notebook in map(read, NOTEBOOKS) for number in exercise_cells(notebook)]
    assert shown == {number for number in every if exercise(number).given}
