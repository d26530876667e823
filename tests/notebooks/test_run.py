"""Every lesson in a kernel: each exercise as it is shipped, and then, in the cell behind it, with its solution."""

import pytest
from lesson_files import (
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

from labkit.exercises.lessons import numbers


def test_every_lesson_has_a_notebook_and_every_notebook_a_lesson():
    assert [number_of(path) for path in NOTEBOOKS] == [number for number in numbers() if number.isdigit()]
    assert {"00", "01", "02", "03"} <= set(numbers())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_lesson_runs_from_top_to_bottom_without_noise_and_every_solution_is_right_in_it(path, tmp_path):
    notebook = read(path)
    asked = exercise_cells(notebook)
    solved = add_solutions(notebook)
    run(notebook, tmp_path / "notebooks")
    check_order(notebook)
    check_unanswered(asked, number_of(path))
    check_solved(solved, number_of(path))
