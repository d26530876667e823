"""Every lesson in JupyterLab, in Chromium. The tests of one notebook share its tab, and follow each other in order.

With SCREENSHOTS=folder every lesson is kept as a picture, in both themes, for people to look at.
"""

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from in_jupyterlab import browser, server
from lesson_files import NAMES, NOTEBOOKS, check_order, check_unanswered, exercise_cells, number_of
from playwright.sync_api import expect

from labkit.exercises.lessons import lesson

SHOWN = {
    "table th:has-text('what, and what it means')": r"capture\w*|.*\.decrypted\(\)",
    'figure svg[aria-label^="Ladder"]': r".*\.ladder\(.*\)",
    ".lk-bytes code": r".*\.bytes\(.*\)",
}
"""What is in the output of a cell -> how the last line of such a cell reads."""
WITHOUT_ALTERNATIVE = """pictures => pictures
    .filter(it => !it.closest('[aria-hidden=true]'))
    .filter(it => !(it.getAttribute('alt') || (it.getAttribute('role') == 'img' && it.getAttribute('aria-label'))))
    .map(it => it.outerHTML.slice(0, 200))"""
WIDER_THAN_THEIR_PLACE = """pages => pages
    .filter(it => it.scrollWidth > it.clientWidth + 1)
    .map(it => it.innerText.slice(0, 200))"""

CUT_OFF_OR_SCROLLING = """page => ['.jp-RenderedMarkdown', '.jp-OutputArea-output', '.cm-scroller']
    .flatMap(name => [...page.querySelectorAll(name)])
    .flatMap(part => [part, ...part.querySelectorAll('*')])
    .filter(it => !it.closest('svg') && it.clientWidth && getComputedStyle(it).overflowX != 'visible')
    .filter(it => it.scrollWidth > it.clientWidth + 1)
    .map(it => `${it.className}: ${it.scrollWidth} in ${it.clientWidth}: ${it.innerText.slice(0, 80)}`)"""
CONTRAST = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}
"""axe-core looks at the colours of every word, and describes those only that are too faint."""
NARROW_WINDOW = 1024
"""Pixels."""


@pytest.fixture(scope="module")
def lab(jupyter_of_its_own):
    with server(jupyter_of_its_own) as (url, token), browser(url, token) as page:
        yield page


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=NAMES)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def notebook(lab, path):
    with lab.open(path.name) as opened:
        assert opened.run_all(), opened.errors()
        yield opened


@pytest.fixture
def asked(path):
    return lesson(number_of(path))


def test_all_cells_run_without_an_answer_without_an_error_and_without_noise(notebook, path):
    assert notebook.errors() == []
    content = notebook.content()
    check_order(content)
    check_unanswered(exercise_cells(content), number_of(path))


def test_transcripts_ladders_and_bytes_are_there(notebook):
    for look, ending in SHOWN.items():
        for cell in notebook.cells_that_end_with(ending):
            expect(cell.locator(look).first).to_be_visible()
    expect(notebook.body.locator("figure svg, .lk-bytes, .lk-grid").first).to_be_visible()


def test_every_picture_has_an_alternative_in_words(notebook):
    assert notebook.body.locator(".labkit svg, .labkit img").evaluate_all(WITHOUT_ALTERNATIVE) == []


def test_nothing_is_wider_than_its_place(notebook):
    assert notebook.body.locator(".labkit").evaluate_all(WIDER_THAN_THEIR_PLACE) == []


@pytest.mark.parametrize("width", (NARROW_WINDOW, 1280))
def test_nothing_is_cut_off_or_scrolls_sideways(notebook, width):
    with notebook.unrolled(width):
        assert notebook.body.evaluate(CUT_OFF_OR_SCROLLING) == []


def test_every_word_that_the_lab_shows_has_enough_contrast_in_light_and_in_dark(lab, notebook):
    shown = notebook.body.locator(".labkit").evaluate_all("parts => parts.map(it => it.outerHTML)")
    with lab.page.context.browser.new_page(viewport={"width": 1280, "height": 900}) as page:
        page.set_content(f"<main>{''.join(shown)}</main>")
        for light in ("true", "false"):
            page.evaluate("light => document.body.dataset.jpThemeLight = light", light)
            found = Axe().run(page, options=CONTRAST).response
            assert found["passes"] and found["passes"][0]["nodes"]
            assert [node["html"] for broken in found["violations"] for node in broken["nodes"]] == []


def test_a_prediction_is_made_with_the_keyboard_and_recalled(notebook, asked):
    asking = notebook.cell(f'predict("{asked.number}")')
    press = notebook.page.keyboard.press
    choices = asking.locator(".lk-choice")
    choices.first.focus()
    right = list(asked.prediction.choices).index(asked.prediction.right)
    for _ in range(right):
        press("Tab")
    expect(choices.nth(right)).to_be_focused()
    press("Enter")
    expect(asking.locator(".lk-card")).to_contain_text(f"{asked.number}: you predict")
    recalling = notebook.cell(f'recall("{asked.number}")')
    expect(recalling.locator(".lk-card")).to_contain_text("you predicted nothing")
    notebook.run(recalling)
    expect(recalling.locator(".lk-card")).to_contain_text(f"✔ {asked.number}: as you predicted")


def test_an_exercise_is_answered_wrongly_and_then_rightly(notebook, asked):
    exercise = asked.exercises[0]
    cell, source = notebook.answer_cell(exercise.number)
    checking = source.splitlines()[-1]
    expect(cell.locator(".lk-card")).to_contain_text(f"… {exercise.number}: not answered yet")
    answer = re.match(r'check\("[^"]+", (\w+)', checking)[1]
    notebook.write(cell, f'{answer} = "no idea"\n{checking}')
    expect(cell.locator(".lk-card.lk-wrong")).to_contain_text(f"✘ {exercise.number}: not yet")
    notebook.write(cell, f"{exercise.solution}\n{checking}")
    expect(cell.locator(".lk-card.lk-right")).to_contain_text(f"✔ {exercise.number}: right")
    reporting = notebook.cell("progress()")
    notebook.run(reporting)
    expect(reporting.get_by_role("row", name=re.compile(rf"{exercise.number} ✔ solved, 2 tries"))).to_be_visible()


def test_a_lesson_can_be_read_in_light_and_in_dark(lab, notebook, path):
    papers = []
    for theme in ("Light", "Dark"):
        lab.theme(theme)
        papers.append(notebook.body.locator(".labkit").first.evaluate("it => getComputedStyle(it).backgroundColor"))
        if "SCREENSHOTS" in os.environ:
            notebook.photograph(Path(os.environ["SCREENSHOTS"]) / f"{path.stem}-{theme.lower()}.png")
    assert papers == ["rgb(255, 255, 255)", "rgb(17, 17, 17)"]
    lab.theme("Light")


def test_nothing_asks_for_anything_outside_and_the_browser_complains_about_nothing(lab, notebook):
    assert lab.strangers == [] and lab.complaints == []
    expect(lab.page.get_by_text("Jupyter news")).to_have_count(0)  # JupyterLab asks for leave to fetch them
