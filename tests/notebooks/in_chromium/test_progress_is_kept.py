"""Progress in JupyterLab, in Chromium: kept beside the notebooks, found again by another kernel, downloaded by a click.

With SCREENSHOTS=folder the table is kept as pictures, in both themes, for people to look at.
"""

import json
import os
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

BEGIN = "from labkit import check, hint, predict, progress, recall"
DO = 'predict("02", "a"), recall("02"), hint("02.1"), check("02.2", "server")'
LOOK = "progress()"
FOLDER, NAME = "kept", "02_kept.ipynb"
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


@pytest.fixture(scope="module")
def folder(lab, jupyter_of_its_own):
    """A folder that JupyterLab shows, with a notebook and nothing else."""
    made = jupyter_of_its_own / "notebooks" / FOLDER
    made.mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in (BEGIN, DO, LOOK)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), made / NAME)
    return made


def test_what_was_done_is_downloaded_as_it_is_kept(lab, folder):
    with lab.open(f"{FOLDER}/{NAME}") as notebook:
        assert notebook.run_all(), notebook.errors()
        shown = notebook.cell(LOOK)
        expect(shown.get_by_role("row").nth(2)).to_contain_text("(a) from the greeting")
        for theme in ("Dark", "Light"):
            lab.theme(theme)
            if "SCREENSHOTS" in os.environ:
                shown.screenshot(path=Path(os.environ["SCREENSHOTS"]) / f"progress-{theme.lower()}.png")
        with lab.page.expect_download() as download:
            shown.get_by_text("Download progress.json").click()
        assert download.value.suggested_filename == "progress.json"
        assert lab.strangers == [] and lab.complaints == []
    kept = (folder / "progress.json").read_text("utf-8")
    assert Path(download.value.path()).read_text("utf-8") == kept
    assert json.loads(kept)["exercises"]["02.2"]["tried"] == 1


@pytest.mark.thorough  # tests/exercises/test_progress.py says it without a browser
def test_another_kernel_finds_it_again(lab, folder):
    with lab.open(f"{FOLDER}/{NAME}") as notebook:
        for source in (BEGIN, LOOK):
            notebook.run(notebook.cell(source))
        expect(notebook.cell(LOOK).locator("table")).to_contain_text("1 try, not solved")
        notebook.write(notebook.cell("predict"), 'predict("02", "b")')
        expect(notebook.cell("predict").locator(".lk-card")).to_contain_text("02: decided")


@pytest.mark.thorough  # tests/exercises/test_progress.py says it without a browser
def test_a_damaged_file_is_told_and_kept_aside(lab, folder):
    path = folder / "progress.json"
    path.write_bytes(path.read_bytes()[:90])
    with lab.open(f"{FOLDER}/{NAME}") as notebook:
        for source in (BEGIN, LOOK):
            notebook.run(notebook.cell(source))
        expect(notebook.cell(LOOK)).to_contain_text("it is kept as progress.damaged-1.json")
    assert len(path.with_name("progress.damaged-1.json").read_bytes()) == 90
