import ast
import re
import subprocess
import sys
from itertools import pairwise

import pytest
from lesson_files import FOLDER, NAMES, NOTEBOOKS, code_cells, exercise_cells, number_of, read

from labkit.exercises.lessons import lesson

LONGEST = 6
"""Lines of a cell that a student takes in at a glance."""

WIDEST = 72
"""Characters of a line of code: more is cut off, or scrolls, in a window of 1024 pixels."""

PARTS = ("Predict", "Run", "See", "Explain", "Your turn", "Recap")
"""What the headings of a lesson begin with; each comes at least once."""

_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)[^)]*\)")
_LOADED = re.compile(r"<(img|script|iframe|link|object|embed|video|audio|style)\b|@import|url\(", re.IGNORECASE)
_BEYOND_A_LESSON = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.While, ast.Try, ast.Global)
_BELOW_A_LESSON = {"asyncio", "threading", "socket", "ssl", "subprocess", "os", "sys", "multiprocessing", "importlib"}


@pytest.fixture(params=NOTEBOOKS, ids=NAMES)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return read(path)


def prose(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def headings(notebook):
    return [(len(marks), title) for text in prose(notebook) for marks, title in _HEADING.findall(text)]


def sources(notebook):
    return [cell.source for cell in code_cells(notebook)]


def test_a_notebook_is_kept_without_output_and_for_any_python(notebook):
    assert notebook.nbformat == 4 and notebook.nbformat_minor >= 5
    assert notebook.metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert notebook.metadata.language_info == {"name": "python"}
    assert not [cell for cell in code_cells(notebook) if cell.outputs or cell.execution_count is not None]
    assert not [cell for cell in notebook.cells if cell.metadata or not cell.source.strip()]


def test_a_notebook_begins_with_its_title_its_question_and_what_it_takes(path, notebook):
    number = number_of(path)
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {number} · {lesson(number).title}\n")
    assert re.search(r"^\*\*The question:\*\* .+\?$", first.source, re.MULTILINE)
    assert re.search(r"^At the end you can .+\.$", first.source, re.MULTILINE)
    assert re.search(r"^\*\d\d minutes\. You need .+\*$", first.source, re.MULTILINE)


def test_a_file_is_named_after_its_lesson(path):
    number = number_of(path)
    words = re.sub(r"\W+", "_", lesson(number).title.lower()).strip("_")
    assert path.stem == f"{number}_{words}"


def test_a_lesson_has_its_parts_in_order(notebook):
    second = [title for depth, title in headings(notebook) if depth == 2]
    first_of = [
        next((at for at, title in enumerate(second) if re.split(r"[:,]", title)[0] == part), None) for part in PARTS
    ]
    assert None not in first_of, dict(zip(PARTS, first_of, strict=True))
    predict, run, _, _, turn, recap = first_of
    assert predict == 0 and run == 1 and recap == len(second) - 1
    assert {title for title in second[turn:recap] if not title.startswith("Your turn")} == set()


def test_headings_are_one_title_and_then_sections_each_with_a_name_of_its_own(notebook):
    found = headings(notebook)
    assert found[0][0] == 1 and {depth for depth, _ in found[1:]} <= {2, 3}
    assert all(after - before <= 1 for (before, _), (after, _) in pairwise(found))
    titles = [title for _, title in found]
    assert len(set(titles)) == len(titles)
    assert not [title for title in titles if title.endswith((".", ":")) or len(title) > 70]


def test_a_lesson_asks_for_a_prediction_first_and_comes_back_to_it_at_the_end(path, notebook):
    code = sources(notebook)
    asked, recalled = code.index(f'predict("{number_of(path)}")'), code.index(f'recall("{number_of(path)}")')
    assert not [source for source in code[:asked] if "lab.capture" in source]
    assert not [source for source in code[recalled:] if source.startswith("check(")]


def test_the_goals_of_a_lesson_do_not_give_its_prediction_away(path, notebook):
    asked = lesson(number_of(path)).prediction
    words = {letter: set(re.findall(r"[a-z]{5,}", choice.lower())) for letter, choice in asked.choices.items()}
    telling = words.pop(asked.right).difference(*words.values())
    goals = re.search(r"^At the end you can .+$", notebook.cells[0].source, re.MULTILINE)[0]
    assert telling & set(re.findall(r"[a-z]+", goals.lower())) == set()


def test_a_lesson_ends_with_five_lines_and_the_one_thing_to_remember(notebook):
    recap = "\n".join(prose(notebook)).partition("## Recap")[2]
    assert len(re.findall(r"^- .+", recap, re.MULTILINE)) == 5
    assert notebook.cells[-1].source.startswith("**The one thing to remember:** ")


def test_a_lesson_leads_to_the_next(path, notebook):
    following = f"{int(number_of(path)) + 1:02}"
    links = [f"]({other.name})" for other in NOTEBOOKS if number_of(other) == following]
    assert [link for link in links if link not in notebook.cells[-1].source] == []


def test_a_cell_is_short(notebook):
    too_long = [source for source in sources(notebook) if len(list(filter(str.strip, source.splitlines()))) > LONGEST]
    assert too_long == []


def test_a_line_of_code_fits_a_window_of_1024_pixels(notebook):
    lines = [line for cell in code_cells(notebook) for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > WIDEST] == []


def test_a_cell_calls_the_lab_and_defines_nothing_but_an_answer(notebook):
    answers = [cell.source for cell in exercise_cells(notebook).values()]
    for source in sources(notebook):
        nodes = list(ast.walk(ast.parse(source)))
        if source not in answers:
            assert not [node for node in nodes if isinstance(node, _BEYOND_A_LESSON)], source
        imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
        imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        assert not {name.partition(".")[0] for name in imported} & _BELOW_A_LESSON, source


def test_what_a_lesson_starts_is_stopped_at_its_end(notebook):
    assert sources(notebook)[-1] == "lab.close()"


def test_an_exercise_is_asked_in_words_and_has_help_below(notebook):
    for number, cell in exercise_cells(notebook).items():
        at = notebook.cells.index(cell)
        asked = next(before for before in reversed(notebook.cells[:at]) if before.cell_type == "markdown")
        below = notebook.cells[at + 1]
        assert re.search(rf"^\*\*{re.escape(number)}\*\* ", asked.source, re.MULTILINE)
        assert below.source == f'# hint("{number}")\n# solution("{number}")'


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(notebook):
    for text in prose(notebook):
        assert not _LOADED.search(text) and "<!--" not in text
        for image, target in _LINK.findall(text):
            outside = target.startswith("https://")
            assert not (image and outside), target
            assert outside or target.startswith("#") or (FOLDER / target.partition("#")[0]).exists(), target


def test_ruff_finds_nothing_in_the_notebooks():
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command, FOLDER], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def _taken(source):
    """The names that a cell binds at its top, where it is given something or has an answer."""
    if not re.search(r"\b(check|given)\(", source):
        return []
    bound = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return [name.id for node in bound for name in ast.walk(node) if isinstance(name, ast.Name) and _is_bound(name)]


def _is_bound(name):
    return isinstance(name.ctx, ast.Store)


def test_what_an_exercise_is_about_keeps_its_name_when_a_later_one_is_answered(notebook):
    names = [name for source in sources(notebook) for name in _taken(source)]
    assert len(names) == len(set(names)), names
