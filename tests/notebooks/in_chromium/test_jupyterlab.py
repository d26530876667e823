"""Every lesson in JupyterLab, in Chromium. The tests of one notebook share its tab, and follow each other in order.

With SCREENSHOTS=folder every lesson is kept as a picture, in both themes, for people to look at.
"""

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from lesson_files import FIRST, NAMES, NOTEBOOKS, check_order, check_unanswered, exercise_cells, number_of
from playwright.sync_api import expect
from thoroughly import every

from in_chromium.in_jupyterlab import wait_for_words
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
KINDS_OF_WORDS = """known => {
    const seen = new Set(known), fresh = [], looks = new Map([[document.documentElement, '']]);
    const look = it => {
        if (!looks.has(it)) {
            const style = getComputedStyle(it), classes = it.getAttribute('class')?.replace(/\\d+/g, '');
            looks.set(it, [look(it.parentElement), it.localName, classes, style.color, style.background,
                style.opacity, style.fontSize, style.fontWeight, style.position].join());
        }
        return looks.get(it);
    };
    const worded = it => [...it.childNodes].some(each => each.nodeType == Node.TEXT_NODE && each.data.trim());
    for (const it of document.querySelectorAll('main *')) {
        if (!worded(it) || !it.checkVisibility() || seen.has(look(it))) continue;
        seen.add(look(it));
        fresh.push(look(it));
        it.dataset.judged = '';
    }
    for (const output of document.querySelectorAll('main > :not(:has([data-judged]))'))
        output.replaceChildren(...output.querySelectorAll('style'));
    return fresh;
}"""
"""Marks the first visible word of each kind that is not known yet, empties outputs without one; gives the new kinds.

Words are of a kind when they, and all that they stand in, have the same names, classes (but for numbers), and colours.
"""
CONTRAST = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}
"""axe-core looks at the colours of the words, and describes those only that are too faint."""
NARROW_WINDOW = 1024
"""Pixels."""


@pytest.fixture(scope="module", params=every(NOTEBOOKS, once=FIRST), ids=NAMES)
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
    with notebook.laid_out(width):
        assert notebook.body.evaluate(CUT_OFF_OR_SCROLLING) == []


@pytest.fixture(scope="module")
def judged():
    """The kinds of words that axe-core has seen in this lesson or in another: it takes 2 ms for a word."""
    return []


def test_every_word_that_the_lab_shows_has_enough_contrast_in_light_and_in_dark(lab, notebook, judged):
    shown = notebook.body.locator(".labkit").evaluate_all("parts => parts.map(it => it.outerHTML)")
    with lab.page.context.browser.new_page(viewport={"width": 1280, "height": 900}) as page:
        for light in ("true", "false"):
            page.set_content(f"<body data-jp-theme-light={light}><main>{''.join(shown)}</main>")
            first, fresh = not judged, page.evaluate(KINDS_OF_WORDS, judged)
            judged += fresh
            if fresh:
                found = Axe().run(page, context="[data-judged]", options=CONTRAST).response
                assert found["passes"] or not first  # of the few kinds that a later lesson adds, axe may judge none
                assert [node["html"] for broken in found["violations"] for node in broken["nodes"]] == []


def test_a_prediction_is_made_with_the_keyboard_and_recalled(notebook, asked):
    asking = notebook.cell(f'predict("{asked.number}")')
    choices = asking.locator(".lk-choice")
    choices.first.focus()
    right = list(asked.prediction.choices).index(asked.prediction.right)
    for _ in range(right):
        notebook.page.keyboard.press("Tab")
    assert choices.nth(right).evaluate("button => button == document.activeElement")
    notebook.page.keyboard.press("Enter")
    wait_for_words(asking.locator(".lk-card"), f"{asked.number}: you predict")
    recalling = notebook.cell(f'recall("{asked.number}")')
    wait_for_words(recalling.locator(".lk-card"), "you predicted nothing")
    notebook.run(recalling)
    wait_for_words(recalling.locator(".lk-card"), f"✔ {asked.number}: as you predicted")


def test_an_exercise_is_answered_wrongly_and_then_rightly(notebook, asked):
    exercise = asked.exercises[0]
    cell, source = notebook.answer_cell(exercise.number)
    checking = source.splitlines()[-1]
    wait_for_words(cell.locator(".lk-card"), f"… {exercise.number}: not answered yet")
    answer = re.match(r'check\("[^"]+", (\w+)', checking)[1]
    notebook.write(cell, f'{answer} = "no idea"\n{checking}')
    wait_for_words(cell.locator(".lk-card.lk-wrong"), f"✘ {exercise.number}: not yet")
    notebook.write(cell, f"{exercise.solution}\n{checking}")
    wait_for_words(cell.locator(".lk-card.lk-right"), f"✔ {exercise.number}: right")
    reporting = notebook.cell("progress()")
    notebook.run(reporting)
    reporting.get_by_role("row", name=re.compile(rf"{exercise.number} ✔ solved, 2 tries")).wait_for()


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
