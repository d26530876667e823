import pytest
from lesson_files import NAMES, NOTEBOOKS, exercise_cells, number_of, printed, read, result, run, solve

from labkit.exercises.lessons import lesson
from labkit.show.exercises import RIGHT


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_every_solution_is_right_in_its_notebook(path, tmp_path):
    notebook = read(path)
    solve(notebook)
    run(notebook, tmp_path / "notebooks")
    assert printed(notebook) == []
    said = {number: result(cell) for number, cell in exercise_cells(notebook).items()}
    assert list(said) == [exercise.number for exercise in lesson(number_of(path)).exercises]
    assert {number: text for number, text in said.items() if not text.startswith(f"{RIGHT} {number}: right")} == {}
