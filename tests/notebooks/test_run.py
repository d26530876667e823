import pytest
from lesson_files import NAMES, NOTEBOOKS, check_unanswered, number_of, read, run

from labkit.exercises.lessons import numbers


def test_every_lesson_has_a_notebook_and_every_notebook_a_lesson():
    assert [number_of(path) for path in NOTEBOOKS] == [number for number in numbers() if number.isdigit()]
    assert {"00", "01", "02", "03"} <= set(numbers())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_runs_from_top_to_bottom_without_an_answer_and_without_noise(path, tmp_path):
    check_unanswered(run(read(path), tmp_path / "notebooks"), number_of(path))
