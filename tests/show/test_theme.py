import re

import pytest
from playwright.sync_api import sync_playwright
from tools import tool

from labkit import Lab
from labkit.show.page import sentence
from labkit.show.recordings import recorded
from labkit.show.theme import COLOURS, STYLE

READ_ON = {
    "ink": ("paper", "raised", "by-client", "by-server", "random", "structure"),
    "soft": ("paper", "raised"),
    "tcp": ("paper", "raised"),
    "clear": ("paper", "raised"),
    "tls": ("paper", "raised"),
    "sealed": ("paper", "raised"),
    "right": ("paper", "raised"),
    "wrong": ("paper", "raised"),
    "secret-ink": ("secret",),
}


def luminance(colour):
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_on_light_and_on_dark_paper():
    for role, papers in READ_ON.items():
        for paper in papers:
            for mode in ("light", "dark"):
                ratio = contrast(getattr(COLOURS[role], mode), getattr(COLOURS[paper], mode))
                assert ratio >= 4.5, f"{role} on {paper}, {mode}: {ratio:.2f}"


def test_each_role_has_a_light_colour_of_its_own_so_that_a_picture_can_be_recoloured():
    assert len({shade.light for shade in COLOURS.values()}) == len(COLOURS)


def test_the_style_sheet_changes_nothing_else_on_the_page():
    rules = re.sub(r"@(?:media|container)[^{]*\{(.*?\})\s*\}", r"\1", STYLE)
    for selectors in re.findall(r"([^{}]+)\{", rules):
        for selector in selectors.split(","):
            assert ".labkit" in selector, selector


@pytest.fixture(scope="module")
def page():
    """A page in Chromium; each test gives it other contents."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=tool("chromium"), args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize(
    "front_end, mode",
    [
        ('<body data-jp-theme-light="true">', "light"),
        ('<body data-jp-theme-light="false">', "dark"),
        ('<body class="vscode-light">', "light"),
        ('<body class="vscode-dark">', "dark"),
        ('<html theme="light"><body>', "light"),
        ('<html theme="dark"><body>', "dark"),
        ('<html data-theme="light"><body>', "light"),
        ('<html data-theme="dark"><body>', "dark"),
        ('<body class="vscode-high-contrast">', "dark"),
        ('<body class="vscode-high-contrast vscode-high-contrast-light">', "light"),
        ("<body>", None),
    ],
)
@pytest.mark.parametrize("system", ["light", "dark"])
def test_colours_follow_the_front_end_and_where_it_says_nothing_the_system(page, front_end, mode, system):
    page.emulate_media(color_scheme=system)
    page.set_content(front_end + sentence("words").html)
    style = page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.querySelector('.labkit')))")
    expected = [getattr(COLOURS[role], mode or system) for role in ("ink", "paper")]
    assert [_hex(colour) for colour in style] == expected


def test_an_own_theme_of_the_front_end_gives_paper_and_ink(page):
    for paper, ink in (
        ("--jp-layout-color0", "--jp-ui-font-color0"),
        ("--vscode-editor-background", "--vscode-editor-foreground"),
        ("--pst-color-background", "--pst-color-text-base"),
    ):
        page.set_content(f'<body style="{paper}:#fdf6e3;{ink}:#073642">{sentence("words").html}</body>')
        style = page.evaluate(
            "(s => [s.color, s.backgroundColor])(getComputedStyle(document.querySelector('.labkit')))"
        )
        assert [_hex(colour) for colour in style] == ["#073642", "#fdf6e3"]


def test_nothing_moves_for_a_reader_who_wants_that(page):
    page.emulate_media(reduced_motion="reduce")
    page.set_content(f"<style>p{{transition:color 2s}}</style>{sentence('words').html}")
    assert page.evaluate("getComputedStyle(document.querySelector('p')).transitionDuration") == "0s"


WIDER_THAN_ITS_PLACE = """() => [...document.querySelectorAll('.labkit, .labkit *')]
    .filter(it => !it.closest('figure') && it.clientWidth && it.scrollWidth > it.clientWidth + 1)
    .map(it => `${it.className}: ${it.scrollWidth} in ${it.clientWidth}`)"""


@pytest.fixture(scope="module")
def several_views():
    with Lab("loopback", capture="tap") as lab:
        pages = [lab._repr_html_()]
    opened = recorded("starttls_tls13").decrypted()
    return "".join([*pages, opened._repr_html_(), opened.steps()._repr_html_(), opened.ladder()._repr_html_()])


@pytest.mark.parametrize("width", (250, 345, 500))
def test_nothing_is_cut_off_in_a_narrow_place_and_pictures_keep_their_size(page, several_views, width):
    """WCAG 2.2, 1.4.10: as beside JupyterLab's list of files at a zoom of 200 %. Pictures scroll."""
    page.set_content(f"<main style='width:{width}px'>{several_views}</main>")
    assert page.evaluate(WIDER_THAN_ITS_PLACE) == []
    assert page.locator("svg.lk-figure").bounding_box()["width"] > 500


def _hex(colour):
    """``rgb(1, 2, 3)`` as #010203."""
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", colour)[:3])
