"""JupyterLab as a student has it: a server on this machine and a notebook in Chromium, without a screen.

`Lab.open` gives a `Notebook`, whose verbs are what a student does: run all cells, write in a cell, run it, click.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from lesson_files import FOLDER
from playwright.sync_api import Locator, Page, expect, sync_playwright
from tools import tool

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PATIENCE = 60
"""Seconds to wait for a start, or for a cell."""

expect.set_options(timeout=_PATIENCE * 1000)

_TALLEST = 16_000
"""Pixels of a picture's height; Chromium draws nothing below."""

_NOISE = ('[data-mime-type="application/vnd.jupyter.error"]', '[data-mime-type="application/vnd.jupyter.stderr"]')
_ITS_OWN = ("Failed to execute 'removeChild' on 'Node'",)
"""Errors of JupyterLab's own toolbar, which React and Lumino both clear; no output is part of it."""

_PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
_CURRENT = "jupyterapp.shell.currentWidget"


@contextmanager
def server(home: Path) -> Iterator[tuple[str, str]]:
    """JupyterLab on a copy of the notebooks in `home`; gives its address and its token."""
    notebooks = home / "notebooks"
    shutil.copytree(FOLDER, notebooks, ignore=shutil.ignore_patterns(".ipynb_checkpoints"), dirs_exist_ok=True)
    options = ["--no-browser", "--allow-root", "--expose-app-in-browser", "--LabApp.extension_manager=readonly"]
    options += ["--KernelManager.transport=ipc"]  # the servers of other tests may take a port that was found free
    options += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.root_dir={notebooks}"]
    options += [f"--LabApp.app_settings_dir={FOLDER.parent / 'setup' / 'jupyterlab'}"]  # those of `make lab`
    _without_graders(home / "CONFIG_DIR")
    log = home / "jupyterlab.log"
    with log.open("wb") as written:
        process = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], stdout=written, stderr=written)
        try:
            yield _address(process, Path(os.environ["JUPYTER_RUNTIME_DIR"]), log)
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def _without_graders(settings: Path) -> None:
    """JupyterLab as a student has it: the graders, which only the tests install, bring extensions of their own."""
    pages = ("@jupyter/nbgrader", "@jupyter-notebook/lab-extension", "ipylab", "jupyterlab-jupytext")
    servers = ("assignment_list", "course_list", "formgrader", "validate_assignment")
    handlers = ("jupyterlab_jupytext", *(f"nbgrader.server_extensions.{name}" for name in servers))
    _write(settings / "labconfig" / "page_config.json", {"disabledExtensions": dict.fromkeys(pages, True)})
    off = {"ServerApp": {"jpserver_extensions": dict.fromkeys(handlers, False)}}
    _write(settings / "jupyter_server_config.json", off)


def _write(path: Path, settings: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings), "utf-8")


def _address(process: subprocess.Popen, runtime: Path, log: Path) -> tuple[str, str]:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        for path in runtime.glob("jpserver-*.json"):
            known = json.loads(path.read_text("utf-8") or "{}")
            if known:
                return known["url"], known["token"]
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text('utf-8', 'replace')}")


@contextmanager
def browser(url: str, token: str) -> Iterator["Lab"]:
    """JupyterLab in Chromium."""
    program = next(filter(None, map(shutil.which, _BROWSERS)), None) or tool(_BROWSERS[0])
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=_QUIET)
        try:
            yield Lab(chromium.new_page(viewport=_WINDOW), url, token)
        finally:
            chromium.close()


_WINDOW = {"width": 1280, "height": 900}


def wait_for_words(place: Locator, words: str) -> None:
    """Wait until these words can be read at that place.

    Playwright's `expect` describes the page each time that it looks in vain: in a long notebook for a second.
    """
    place.filter(has_text=words).first.wait_for()


class Lab:
    """The page of JupyterLab in the browser."""

    def __init__(self, page: Page, url: str, token: str) -> None:
        self.page = page
        self.strangers: list[str] = []
        """Addresses outside of the server that something on the page asked for."""
        self.complaints: list[str] = []
        """Errors in the browser's console since a notebook was opened, other than JupyterLab's own (`_ITS_OWN`)."""
        page.set_default_timeout(_PATIENCE * 1000)
        page.on("request", lambda request: self._asked(request.url, url))
        page.on("console", lambda said: self._complained(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self._complained(str(error)))
        page.goto(f"{url}lab?token={token}&reset")  # no tabs of an earlier test
        page.wait_for_function("window.jupyterapp")
        page.evaluate("jupyterapp.restored")

    def _asked(self, address: str, url: str) -> None:
        if not address.startswith((url, "data:", "blob:")):
            self.strangers.append(address)

    def _complained(self, error: str) -> None:
        if not any(own in error for own in _ITS_OWN):
            self.complaints.append(error)

    def command(self, name: str, **options: str) -> object:
        """Do what a menu entry of JupyterLab does, and wait till it is done."""
        return self.page.evaluate("([name, options]) => jupyterapp.commands.execute(name, options)", [name, options])

    def theme(self, name: str) -> None:
        """Switch to JupyterLab's theme ``Light`` or ``Dark``."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        self.page.wait_for_function(f"document.body.dataset.jpThemeLight == '{str(name == 'Light').lower()}'")

    @contextmanager
    def open(self, path: str) -> Iterator["Notebook"]:
        """A notebook in a tab of its own, with a kernel; both are gone afterwards."""
        self.page.evaluate(
            "async path => { const panel = await jupyterapp.commands.execute('docmanager:open', {path});"
            " await panel.context.ready; await panel.sessionContext.ready; await panel.revealed; }",
            path,
        )
        try:
            yield Notebook(self)
        finally:
            self.page.evaluate(f"{_CURRENT}.sessionContext.shutdown()")
            self.command("docmanager:save")
            self.command("application:close")
            expect(self.page.locator(_PANEL)).to_have_count(0)
            self.complaints.clear()


class Notebook:
    """The notebook in the current tab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.page = lab.page
        self.body = self.page.locator(f"{_PANEL} .jp-Notebook")

    def run_all(self) -> bool:
        """Run all cells; true when none failed."""
        done = bool(self.lab.command("notebook:run-all-cells"))
        self.page.locator(f'{_PANEL} .jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
        return done

    def errors(self) -> list[str]:
        """What the cells printed as errors, or on their standard error."""
        return self.body.locator(", ".join(_NOISE)).all_inner_texts()

    def content(self) -> nbformat.NotebookNode:
        """The notebook as JupyterLab would save it now, with the output of its cells."""
        return nbformat.reads(self.page.evaluate(f"JSON.stringify({_CURRENT}.content.model.toJSON())"), as_version=4)

    def cell(self, source: str) -> Locator:
        """The code cell that begins with that line."""
        return self._at(next(at for at, each in enumerate(self._sources()) if each.startswith(source)))

    def cells_that_end_with(self, pattern: str) -> list[Locator]:
        """The cells whose last line matches."""
        return [self._at(at) for at, each in enumerate(self._sources()) if re.fullmatch(pattern, each.splitlines()[-1])]

    def answer_cell(self, number: str) -> tuple[Locator, str]:
        """The cell that checks an exercise, and its source."""
        last_line = f'check("{number}"'
        sources = self._sources()
        index = next(at for at, each in enumerate(sources) if each.splitlines()[-1].startswith(last_line))
        return self._at(index), sources[index]

    def _sources(self) -> list[str]:
        return self.page.evaluate(f"[...{_CURRENT}.content.model.cells].map(cell => cell.sharedModel.source)")

    def _at(self, index: int) -> Locator:
        return self.body.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')

    def write(self, cell: Locator, source: str) -> None:
        """Replace what is in a cell, and run it."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("ControlOrMeta+Enter")

    def run(self, cell: Locator) -> None:
        """Run a cell as it is."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+Enter")

    @contextmanager
    def laid_out(self, width: int) -> Iterator[None]:
        """All cells with their layout, in view or not, in a window of that many pixels' width."""
        self.page.set_viewport_size({**_WINDOW, "width": width})
        forced = self.page.add_style_tag(content=f"{_PANEL} .jp-Cell {{ content-visibility: visible !important }}")
        self.page.wait_for_timeout(400)
        try:
            yield
        finally:
            forced.evaluate("it => it.remove()")
            self.page.set_viewport_size(_WINDOW)

    def photograph(self, path: Path) -> None:
        """The whole notebook as a picture."""
        scrolled = self.page.locator(f"{_PANEL} .jp-WindowedPanel-outer")
        for _ in range(2):  # how high a cell is JupyterLab only guesses until it has been in view
            height = scrolled.evaluate("it => it.firstElementChild.scrollHeight")
            self.page.set_viewport_size({**_WINDOW, "height": min(height + 120, _TALLEST)})
            scrolled.evaluate("it => it.scrollTo(0, 0)")
            self.page.wait_for_timeout(600)
        scrolled.screenshot(path=path)
        self.page.set_viewport_size(_WINDOW)
