"""The teacher's guide: no lesson and no exercise is left out, and its minutes are those of the notebooks."""

import json
import re
from pathlib import Path

import pytest

from labkit.exercises import lessons

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "site" / "guides" / "teacher.md").read_text(encoding="utf-8")
NUMBERS = [number for number in lessons.numbers() if number.isdigit()]
_NEXT = re.compile(r"^### |^## ", re.MULTILINE)


def part(number: str) -> str:
    """What the guide says of a lesson, from its heading to the next."""
    _, found, rest = GUIDE.partition(f"\n### {number} · ")
    assert found, f"the guide has no part on lesson {number}"
    return _NEXT.split(rest)[0]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_lesson_has_goals_trouble_and_questions(number):
    said = part(number)
    assert said.startswith(lessons.lesson(number).title)
    assert all(f"**{words}" in said for words in ("Goals:**", "Where one gets stuck:**", "Ask:**"))


@pytest.mark.parametrize("number", NUMBERS)
def test_every_exercise_has_its_answer_and_what_a_wrong_one_reveals(number):
    rows = re.findall(r"^\| (\d\d\.\d+) \| ([^|]+) \| ([^|]+) \|$", part(number), re.MULTILINE)
    assert [row for row, _, _ in rows] == [exercise.number for exercise in lessons.lesson(number).exercises]
    assert all(len(answer) > 5 and len(reveals) > 20 for _, answer, reveals in rows)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_minutes_are_those_of_the_notebook(path):
    minutes = re.search(r"\*(\d\d) minutes", path.read_text(encoding="utf-8"))[1]
    assert f"*{minutes} minutes" in part(path.stem[:2])


APART = {"00", "03", "08", "09", "10", "15"}
"""Lessons of which the guide says why they take another time than is reckoned."""


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_minutes_are_reckoned_as_the_guide_says(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    words = sum(len("".join(cell["source"]).split()) for cell in cells if cell["cell_type"] == "markdown")
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    exercises = sum('\ncheck("' in source for source in code)
    run = sum(not source.startswith("# hint(") for source in code) - exercises
    minutes = int(re.search(r"\*(\d\d) minutes", part(path.stem[:2]))[1])
    near = abs(words / 150 + run / 2 + 5 * exercises - minutes) <= 5
    assert near or path.stem[:2] in APART


def test_what_a_class_needs_besides_is_there():
    heads = re.findall(r"^##+ (.+)$", GUIDE, re.MULTILINE)
    for wanted in (
        "Three hours",
        "One day",
        "Four weeks",
        "no network",
        "shared machine",
        "Law and ethics",
        "Everybody",
    ):
        assert any(wanted in head for head in heads), wanted
    assert "loopback is shared" in GUIDE


def test_the_hub_of_the_measurement_has_the_limits_that_the_guide_recommends():
    recommended = re.findall(r"^(c\.\S+ = \d+)", GUIDE, re.MULTILINE)
    measured = (ROOT / "bench" / "hub_config.py").read_text(encoding="utf-8").splitlines()
    assert recommended and set(recommended) <= set(measured)
