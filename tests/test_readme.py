"""The READMEs say what is true: their Python runs, what they name is there, and the tables leave nothing out."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import labkit

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "data/README.md")


def _blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs_from_its_first_block_to_its_last(page, tmp_path):
    code = "\n".join(_blocks("python", (ROOT / page).read_text(encoding="utf-8")))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert code and done.returncode == 0, done.stderr


def test_the_first_session_of_the_readme_does_what_its_comments_say(tmp_path):
    code = _blocks("python", README)[0]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert {path.name for path in tmp_path.iterdir()} == {"session.svg", "session.pcapng"}
    assert "STARTTLS" in done.stdout and "leaked" in done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_every_link_into_the_project_leads_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)\)|src=\"([^\"]+)\"", text)
    inside = [link or source for link, source in links if "://" not in (link or source)]
    assert inside and not [link for link in inside if not ((ROOT / page).parent / link).exists()]


def test_every_lesson_is_listed_in_order():
    listed = re.findall(r"^\| (\d\d) \| \[[^]]+\]\(notebooks/(\1_\w+\.ipynb)\)", README, re.MULTILINE)
    assert [name for _, name in listed] == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_every_lesson_leads_to_its_page_among_those_that_the_repository_publishes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    owner, name = project["urls"]["Repository"].removeprefix("https://github.com/").split("/")
    address = f"https://{owner}.github.io/{name}/"
    listed = re.findall(r"\(notebooks/(\w+)\.ipynb\) .*\[page\]\((.+)\) \|$", README, re.MULTILINE)
    assert listed == [
        (path.stem, f"{address}lessons/{path.stem}.html") for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    ]
    assert f"[the published pages]({address})" in README


def test_every_room_of_the_package_is_named():
    row = next(line for line in README.splitlines() if line.startswith("| [`labkit/`]"))
    folders = {path.parent.name for path in (ROOT / "labkit").glob("*/__init__.py")}
    assert set(re.findall(r"`(\w+)`", row)) == folders


def test_every_command_is_one_that_make_and_python_know():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE)) == {*targets}
    shown = subprocess.run(
        [sys.executable, "-m", "labkit", "--help"], capture_output=True, text=True, timeout=60
    ).stdout
    commands = re.findall(r"^    ([a-z]+) ", shown, re.MULTILINE)
    assert set(re.findall(r"python -m labkit ([a-z]+)", README)) == {*commands}


@pytest.mark.parametrize("name", labkit.__all__)
def test_every_name_that_a_learner_imports_is_there_and_says_what_it_is(name):
    assert getattr(labkit, name).__doc__
    assert name in dir(labkit)
