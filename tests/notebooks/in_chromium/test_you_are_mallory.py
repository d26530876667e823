"""The console of "You are Mallory" in JupyterLab, in Chromium, clicked through as a student does it.

With SCREENSHOTS=folder it is kept as pictures, in both themes, for people to look at.
"""

import os
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

BEGIN = """from labkit import Lab, policies, you_are_mallory
lab = Lab()
mail = lab.smtp(auth="always")
console = you_are_mallory(lab, seconds=60)"""
RUN = 'console.run(lab.send, mail, "The PIN is 4921", login=("alice", "hunter2"))'
LOOK = "console.verdict"
END = "lab.close()"
SHOWN = ".jp-OutputArea-output"


KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


@pytest.fixture(scope="module")
def notebook(lab, jupyter_of_its_own):
    """A notebook that each test runs again, or the cells that it needs, with a new lab."""
    cells = [nbformat.v4.new_code_cell(source) for source in (BEGIN, RUN, LOOK, END)]
    written = nbformat.v4.new_notebook(cells=cells, metadata=KERNEL)
    nbformat.write(written, jupyter_of_its_own / "notebooks" / "mallory.ipynb")
    with lab.open("mallory.ipynb") as opened:
        yield opened


def photograph(notebook, name):
    if "SCREENSHOTS" in os.environ:
        for theme in ("Light", "Dark"):
            notebook.lab.theme(theme)
            notebook.photograph(Path(os.environ["SCREENSHOTS"]) / f"mallory-{name}-{theme.lower()}.png")
        notebook.lab.theme("Light")


class Console:
    """What is to be seen and clicked below a cell."""

    def __init__(self, cell):
        self.cell = cell.locator(".lk-console")
        self.line = self.cell.get_by_label("The line, which you may change")
        self.own = self.cell.get_by_label("A line of your own")

    def button(self, word):
        return self.cell.get_by_role("button", name=word)

    def click(self, word):
        self.button(word).click()

    def held(self, title):
        expect(self.cell.get_by_role("status")).to_contain_text(f"Held: {title}")


@pytest.fixture
def console(notebook):
    """The console, with the first line on it."""
    notebook.run(notebook.cell("from labkit"))
    running = notebook.cell("console.run")
    notebook.run(running)
    shown = Console(running)
    shown.held("mail → alice, greeting 220")
    return shown


def test_one_line_is_edited_and_the_password_leaks(notebook, console):
    photograph(notebook, "begins")
    console.click("Pass it on")
    console.held("alice → mail, command EHLO")
    console.click("Pass it on")
    console.held("mail → alice, reply 250")
    offered = console.line.input_value()
    assert "250-STARTTLS\n" in offered
    console.line.fill(offered.replace("250-STARTTLS\n", ""))
    photograph(notebook, "edits")
    console.click("Send what I wrote")
    console.held("alice → mail, command AUTH")
    looking = notebook.cell("console.verdict")
    notebook.run(looking)
    expect(looking.locator(SHOWN)).to_contain_text("Still under way. Held: alice → mail, command AUTH")
    console.click("Pass all from now on")
    expect(console.cell.locator(".lk-card")).to_contain_text("leaked (password, user name, message, subject)")
    expect(console.cell.get_by_role("row", name="removed “250-STARTTLS”")).to_be_visible()
    expect(console.cell.get_by_role("button", name="Pass it on")).not_to_be_visible()
    notebook.run(looking)
    expect(looking.locator(SHOWN)).to_contain_text("leaked (password")
    photograph(notebook, "ends")
    assert notebook.errors() == [] and notebook.lab.complaints == []


def test_the_keyboard_alone_is_enough_to_answer_in_the_place_of_the_server(notebook, console):
    press = notebook.page.keyboard.press
    console.line.focus()
    press("Tab")
    for following in ("alice → mail, command EHLO", "mail → alice, reply 250", "alice → mail, command STARTTLS"):
        expect(console.button("Pass it on")).to_be_focused()
        press("Enter")
        console.held(following)
    for _ in range(4):
        press("Tab")
    expect(console.own).to_be_focused()
    notebook.page.keyboard.type("454 4.7.0 Not today")
    press("Tab")
    press("Enter")
    expect(console.cell.get_by_text("alice will be told: “454 4.7.0 Not today”")).to_be_visible()
    photograph(notebook, "answers")
    for _ in range(3):
        press("Shift+Tab")
    expect(console.button("Drop it")).to_be_focused()
    press("Space")
    console.held("alice → mail, command AUTH")
    console.click("End the attack")
    expect(console.cell.locator(".lk-card")).to_contain_text("the server refused STARTTLS with 454 4.7.0 Not today")
    assert notebook.errors() == [] and notebook.lab.complaints == []


@pytest.mark.thorough
def test_axe_has_nothing_to_complain_about_while_a_line_is_held(notebook, console):
    found = []
    for theme in ("Dark", "Light"):
        notebook.lab.theme(theme)
        found.append(Axe().run(notebook.page, context=".lk-console", options={"preload": False}).response)
    console.click("End the attack")
    assert all(each["passes"] for each in found)
    violations = [broken for each in found for broken in each["violations"]]
    assert [(broken["id"], node["html"]) for broken in violations for node in broken["nodes"]] == []


def test_run_all_does_not_wait_for_the_student(notebook):
    assert notebook.run_all(), notebook.errors()
    console = Console(notebook.cell("console.run"))
    expect(console.cell.get_by_role("status")).to_contain_text("so StripCapability decided")
    expect(console.cell.locator(".lk-card")).to_contain_text("leaked (password")
    expect(notebook.cell("console.verdict").locator(SHOWN)).to_contain_text("leaked (password")
    assert notebook.errors() == [] and notebook.lab.complaints == []


@pytest.mark.thorough  # tests/byhand/test_console.py says it without a browser
def test_a_lab_that_is_closed_leaves_nothing_held(notebook, console):
    console.click("Pass it on")
    console.held("alice → mail, command EHLO")
    notebook.run(notebook.cell("lab.close()"))
    expect(console.cell.get_by_role("row", name="(the attack was over)").first).to_be_visible()
    expect(console.button("Pass it on")).not_to_be_visible()
    looking = notebook.cell("console.verdict")
    notebook.run(looking)
    expect(looking.locator(SHOWN)).to_contain_text("unharmed")
    assert notebook.errors() == [] and notebook.lab.complaints == []
