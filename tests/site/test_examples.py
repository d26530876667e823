"""What the pages of the site say in Python is true: every cell runs, and the contributor's examples are carried out."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
_CELL = re.compile(r"^```\{code-cell\}\n(?P<options>(?::.*\n)*)(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(
    r"^```\{code-block\} python\n:caption: (?P<place>[^\n]+)\n\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL
)
PAGES = sorted(path for path in SITE.rglob("*.md") if _CELL.search(path.read_text(encoding="utf-8")))
GUIDE = {block["place"]: block["code"] for block in _BLOCK.finditer((SITE / "guides" / "contributor.md").read_text())}


def python(code: str, folder: Path) -> str:
    """What the code prints, run in a folder whose labkit, if it has one, is used."""
    environment = {**os.environ, "PYTHONPATH": str(folder if (folder / "labkit").is_dir() else ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=240, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


EACH = """
for name, code in {pages!r}.items():
    exec(compile(code, name, "exec"), {{"__name__": "__main__"}})
"""
"""Each page has a namespace of its own; the name of a page stands in its tracebacks."""


def test_every_cell_of_every_page_runs(tmp_path):
    pages = {}
    for page in PAGES:
        cells = [cell for cell in _CELL.finditer(page.read_text(encoding="utf-8")) if "raises" not in cell["options"]]
        pages[page.name] = "\n".join(cell["code"] for cell in cells)
    python(EACH.format(pages=pages), tmp_path)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the package with the files of the contributor's guide in their places."""
    shutil.copytree(ROOT / "labkit", tmp_path / "labkit", ignore=shutil.ignore_patterns("__pycache__"))
    for place, code in GUIDE.items():
        if place.endswith(".py"):
            assert not (tmp_path / place).exists()
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).write_text(code, encoding="utf-8")
    listed = tmp_path / "labkit" / "dialects" / "__init__.py"
    text = listed.read_text(encoding="utf-8")
    text, found = re.subn(r"^(ALL: .*)\]$", r"\1, TOY]", text, flags=re.MULTILINE)
    assert found == 1
    before = "from labkit.dialects.xmpp import"
    listed.write_text(text.replace(before, f"from labkit.dialects.toy import TOY\n{before}"), encoding="utf-8")
    return tmp_path


def test_the_contributors_protocol_is_served_decoded_attacked_and_listed(checkout):
    told = python(GUIDE["in a notebook"], checkout)
    assert "LOGIN alice hunter2" in told and "decrypted" in told
    assert re.search(r"^leaked \(.*password", told, re.MULTILINE)
    assert re.search(r"^Toy\b|\bToy\b.*SECURE", told, re.MULTILINE)


EVERY_ANSWER = """
for number, words, answer in WRONG:
    assert words in check(number, answer).text
for number, answer in RIGHT:
    assert check(number, answer).text.startswith("✔")
print(len(WRONG), len(RIGHT))
"""


def test_the_contributors_lesson_is_asked_answered_and_recalled(checkout):
    cells = GUIDE["notebooks/20_the_go_ahead.ipynb"]
    shown = re.sub(r"^(predict|check|recall)(\(.*\))$", r"print(\1\2)", cells, flags=re.MULTILINE)
    unanswered = python(shown, checkout)
    assert "20: predict" in unanswered and "20.1: not answered yet" in unanswered
    assert "✔ 20.1: right" in python(shown.replace("code = ...", "code = 220"), checkout)
    tried = f"{cells}\n{GUIDE['tests/exercises/students/lesson_20.py']}\n{EVERY_ANSWER}"
    assert python(tried, checkout).splitlines()[-1] == "4 3"


def test_the_contributors_attack_stops_a_careful_client_and_makes_a_careless_one_leak(tmp_path):
    cells = [cell["code"] for cell in _CELL.finditer((SITE / "guides" / "contributor.md").read_text(encoding="utf-8"))]
    tried = "\n".join(cells[:2]) + "\nprint(report, mallory.verdict, sep='\\n')"
    assert "leaked (" in python(tried, tmp_path)
    assert "stopped" in python(tried.replace("policies.opportunistic", "policies.verified"), tmp_path)
