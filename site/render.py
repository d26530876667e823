"""Builds the web pages of the lab: `make site`, or `python site/render.py [check]`; they are in build/site.

Every lesson and every page with a ``{code-cell}`` runs here, in a kernel of its own, and Sphinx gets it with its
outputs. What labkit knows (attacks, defences, protocols) is written by catalogue.py. A warning of Sphinx is an error.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import nbformat
from catalogue import PAGES
from myst_nb.core.read import read_myst_markdown_notebook
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PLACE = ROOT / "build" / "site"
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL = "```{code-cell}"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_AT_ONCE = 2
_CELL_PATIENCE = 120
"""Seconds that one cell may take before a hanging page is given up."""


def build(place: Path, run: Collection[str] | None = None) -> Path:
    """Build the pages in `place`, and return the folder with the HTML.

    `run` names the lessons and pages to execute, for example ``00_start_here``; of the other lessons only the beginning
    is shown, and the other pages are shown without outputs. Unless it is given, all are executed.
    """
    source, html = place / "source", place / "html"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("*.py", "__pycache__", "README.md"))
    shutil.copy(HERE / "conf.py", source)
    shutil.copytree(ROOT / "data", source / "pictures", ignore=lambda _, names: {n for n in names if n[-4:] != ".svg"})
    shutil.copy(ROOT / "CHANGELOG.md", source / "changelog.md")
    shutil.copy(ROOT / "CITATION.cff", source)
    (source / "lessons").mkdir()
    for name, page in PAGES.items():
        (source / f"{name}.md").write_text(page(), "utf-8")
    pages = [*LESSONS, *(path for path in source.rglob("*.md") if CELL in path.read_text("utf-8"))]
    _lead_to_notebooks(source, [page.name for page in pages if page.suffix == ".md"])
    with ThreadPoolExecutor(_AT_ONCE) as workers:
        list(workers.map(partial(_write, source, run), pages))
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", place / "doctrees"]
    subprocess.run([*command, source, html], check=True)
    return html


def _lead_to_notebooks(source: Path, names: list[str]) -> None:
    """Change the links to these pages, which become notebooks."""
    link = re.compile(rf"(\]\((?:[^)\s]*/)?)({'|'.join(map(re.escape, names))})(?=[)#])")
    for page in source.rglob("*.md"):
        text = page.read_text("utf-8")
        page.write_text(link.sub(lambda found: f"{found[1]}{Path(found[2]).stem}.ipynb", text), "utf-8")


def _write(source: Path, run: Collection[str] | None, page: Path) -> None:
    """Write the page into Sphinx's source, as a notebook with its outputs."""
    lesson = page.suffix == ".ipynb"
    notebook = nbformat.read(page, as_version=4) if lesson else _notebook(page)
    if run is None or page.stem in run:
        _execute(notebook, page.stem)
    elif lesson:
        del notebook.cells[1:]
    place = source / "lessons" / page.name if lesson else page.with_suffix(".ipynb")
    nbformat.write(notebook, place)
    if not lesson:
        page.unlink()


def _notebook(page: Path) -> nbformat.NotebookNode:
    # Without the lines of its cells, myst-nb puts 10,000 empty ones in front of each for its messages.
    notebook = read_myst_markdown_notebook(page.read_text("utf-8"), path=str(page), add_source_map=True)
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.from_dict(notebook)


def _execute(notebook: nbformat.NotebookNode, name: str) -> None:
    """Add the outputs of a fresh kernel, which works in an empty folder and without a student's name."""
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        surroundings = {**os.environ, "LABKIT_STUDENT": "site"}
        client = NotebookClient(notebook, timeout=_CELL_PATIENCE, kernel_name="python3", resources=place)
        client.execute(env=surroundings, stderr=subprocess.DEVNULL)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        cell.outputs = [output for output in cell.outputs if _shown_without_kernel(output)]
    outputs = [output for cell in cells for output in cell.outputs]
    notebook.metadata.pop("widgets", None)
    noise = [output.text for output in outputs if output.get("name") == "stderr"]
    if noise:
        raise SystemExit(f"{name} complains: {noise[0]}")


def _shown_without_kernel(output: nbformat.NotebookNode) -> bool:
    """Whether an output has anything besides a widget; a progress bar has not."""
    data = output.get("data", {})
    return data.pop(_WIDGET, None) is None or "text/html" in data


def main(arguments: list[str]) -> int:
    """Build the whole site; with ``check``, look at every page in Chromium, too."""
    html = build(PLACE)
    print(f"Open {html / 'index.html'} in a browser.")
    if arguments == ["check"]:
        from check import complaints

        found = 0
        for complaint in complaints(html):
            found += 1
            print(complaint, flush=True)
        print(f"{found} complaints.")
        return 1 if found else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
