import pytest
from lesson_files import NAMES, NOTEBOOKS, code_cells, exercise_cells, number_of, printed, read, result, run

from labkit.exercises.lessons import lesson, numbers
from labkit.show.exercises import OPEN


def test_every_lesson_has_a_notebook_and_every_notebook_a_lesson():
    assert [number_of(path) for path in NOTEBOOKS] == [number for number in numbers() if number.isdigit()]
    assert {"00", "01", "02", "03"} <= set(numbers())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_runs_from_top_to_bottom_without_an_answer_and_without_noise(path, tmp_path):
    notebook = run(read(path), tmp_path / "notebooks")
    assert printed(notebook) == []
    assert [cell.execution_count for cell in code_cells(notebook)] == [*range(1, len(code_cells(notebook)) + 1)]
    cells = exercise_cells(notebook)
    assert list(cells) == [exercise.number for exercise in lesson(number_of(path)).exercises]
    for number, cell in cells.items():
        assert result(cell).startswith(f"{OPEN} {number}")
