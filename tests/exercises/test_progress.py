import json

import pytest
from asked import exercise, lesson
from page_checks import read_page

from labkit.errors import LabError
from labkit.exercises import add, check, hint, predict, progress, recall, record, solution


@pytest.fixture(autouse=True)
def asked():
    add(lesson(exercises=[exercise(f"mine.{number}") for number in (1, 2, 3)]))


def row(number):
    line = next(line for line in progress().text.splitlines() if line.strip().startswith(number))
    return " ".join(line.split())


def test_progress_lists_every_lesson_and_what_was_done_in_it():
    assert row("mine A lesson of mine").endswith("not in this notebook")
    for answer in (1, 250, 220, 5):
        check("mine.1", answer)
    check("mine.2", 1)
    hint("mine.2")
    hint("mine.2")
    solution("mine.2")
    assert row("mine.1") == "mine.1 ✔ solved, 3 tries"
    assert row("mine.2") == "mine.2 ✘ 1 try, not solved 2 hints, solution"
    assert row("mine.3") == "mine.3 not tried"
    assert row("00 Start here").endswith("not in this notebook")
    assert row("mine A lesson of mine") == "mine A lesson of mine"


def test_the_prediction_is_part_of_it():
    predict("mine", "a")
    assert row("prediction") == "prediction (a) everything"
    recall("mine")
    assert row("prediction") == "prediction ✘ (a) everything"


def test_progress_is_a_table_in_a_notebook():
    check("mine.1", 220)
    page = read_page(progress()._repr_html_())
    assert {"table", "caption", "th"} <= page.tags and "✔ solved, 1 try" in "".join(page.words)


def test_progress_is_saved_for_handing_in(tmp_path):
    check("mine.1", 1)
    check("mine.1", 220)
    hint("mine.2")
    predict("mine", "b")
    path = progress().save(tmp_path / "progress.json")
    assert json.loads(path.read_text("utf-8")) == {
        "exercises": {
            "mine.1": {"tried": 2, "solved": True, "hints": 0, "solution": False},
            "mine.2": {"tried": 0, "solved": False, "hints": 1, "solution": False},
        },
        "predictions": {"mine": "b"},
    }


def test_what_another_notebook_saved_in_the_same_file_stays(tmp_path, monkeypatch):
    path = tmp_path / "progress.json"
    check("mine.1", 220)
    check("mine.2", 1)
    predict("mine", "a")
    progress().save(path)
    monkeypatch.setattr(record, "exercises", {})
    monkeypatch.setattr(record, "predictions", {})
    check("mine.2", 220)
    check("mine.1", 1)
    saved = json.loads(progress().save(path).read_text("utf-8"))
    assert saved["exercises"]["mine.1"]["solved"] and saved["exercises"]["mine.2"]["solved"]
    assert saved["predictions"] == {"mine": "a"}


@pytest.mark.parametrize(
    "content", ["", "no JSON", "[1]", '{"exercises": [1]}', '{"exercises": {"x.1": {"tried": 1}}}']
)
def test_a_file_that_holds_something_else_is_left_alone(tmp_path, content):
    path = tmp_path / "notes.json"
    path.write_text(content, "utf-8")
    with pytest.raises(LabError, match="holds no saved progress; choose another name"):
        progress().save(path)
    assert path.read_text("utf-8") == content


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(LabError, match="choose another place"):
        progress().save(tmp_path / "missing" / "progress.json")
    with pytest.raises(LabError, match="choose another place"):
        progress().save(tmp_path)
