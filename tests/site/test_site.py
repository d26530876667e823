"""The web pages, built with one lesson executed, in Chromium; and pages with faults, which the same check must find."""

import re
import tomllib
from pathlib import Path

import check
import pytest
import render
from thoroughly import every

import labkit
from labkit.attacks import catalogue
from labkit.trials import threats

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)  # all lessons are rendered, and two processors may be busy with other tests
EXECUTED = ("02_the_starttls_handshake",)
LOOKED_AT = ("lessons/02_the_starttls_handshake.html", "guides/student.html")


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> Path:
    return render.build(tmp_path_factory.mktemp("site"), EXECUTED)


def page(html, name) -> str:
    return (html / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", every(LOOKED_AT, once=LOOKED_AT[:1]))
def test_chromium_and_axe_have_nothing_to_complain_about(html, name):
    assert list(check.complaints(html, (name,))) == []


def test_an_executed_lesson_shows_what_it_showed_when_it_ran(html):
    lesson = page(html, f"lessons/{EXECUTED[0]}.html")
    assert "250-STARTTLS" in lesson and 'role="img"' in lesson and "This picture in words" in lesson
    assert "Traceback" not in lesson and "widget-view" not in lesson


def test_every_lesson_guide_and_public_name_has_its_place(html):
    lessons = page(html, "lessons/index.html")
    assert all(f"{path.stem}.html" in lessons for path in render.LESSONS)
    guides = page(html, "guides/index.html")
    assert all(
        f"{path.stem}.html" in guides for path in (ROOT / "site" / "guides").glob("*.md") if path.stem != "index"
    )
    described = "".join(path.read_text(encoding="utf-8") for path in (html / "reference").glob("*.html"))
    names = set(
        re.findall(
            r'<dt class="sig[^"]*" id="(?:module-)?labkit\.(?:\w+\.)*(\w+)"|id="module-labkit\.([\w.]+)"', described
        )
    )
    found = {one or other.rpartition(".")[2] for one, other in names}
    assert set(labkit.__all__) <= found


def test_the_catalogue_names_every_attack_and_every_defence(html):
    attacks, defended = page(html, "catalogue/attacks.html"), page(html, "catalogue/defences.html")
    assert all(f'id="attack-{kind.id.lower()}"' in attacks for kind in catalogue.ALL)
    assert all(number in attacks for number in catalogue.NOT_RUN)
    assert all(column.name in defended for column in threats.COLUMNS)
    assert all(row.what in defended for row in threats.ROWS)


def test_the_version_stands_in_the_citation_and_in_the_changes():
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"\nversion: {labkit.__version__}\n" in cited and f"\nlicense: {project['license']}\n" in cited
    assert f"\nrepository-code: {project['urls']['Repository']}\n" in cited
    assert {"cff-version", "message", "title", "authors"} <= set(re.findall(r"^([\w-]+):", cited, re.MULTILINE))
    assert re.search(r"^## (.+)$", changes, re.MULTILINE)[1] in (labkit.__version__, "Unreleased")
    assert f"\n## {labkit.__version__}\n" in changes
    for told in (ROOT / "README.md", ROOT / "site" / "guides" / "student.md"):
        wheels = set(re.findall(r"labkit-[\d.]+-py3-none-any\.whl", told.read_text(encoding="utf-8")))
        assert wheels == {f"labkit-{labkit.__version__}-py3-none-any.whl"}


# ---- pages with a fault each, which the check has to find

SOUND = """<!doctype html><html lang="en" data-theme="light"><head><title>A page</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<script>document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"
</script><style>html[data-theme=dark] {{ background: #111; color: #eee; color-scheme: dark }}</style></head>
<body><a href="#main-content">Skip</a><main id="main-content"><h1>A page</h1>{body}</main></body></html>"""
FAULTS = {
    "leads nowhere": '<a href="missing.html">there</a>',
    "leads to no place": '<a href="#nothing">there</a>',
    "without scope": "<table><tr><th>head</th><td>1</td></tr></table>",
    "color-contrast": '<p style="color: #999; background: #aaa">words</p>',
    "heading-order": "<h4>too deep</h4>",
    "image-alt": '<img src="index.html">',
    "too wide for a window of 1024": '<div style="width: 1100px; height: 1px"></div>',
    "nothing is to be seen": '<a href="#main-content" style="outline: none">there</a>',
    "something moves": "<style>@keyframes k {to {opacity: .9}} p {animation: k 9s infinite}</style><p>words</p>",
    "asks": '<script>fetch("http://127.0.0.1:9/")</script>',
    "do not follow the theme": '<div class="labkit" style="color-scheme: light">words</div>',
}


@pytest.fixture(scope="module")
def chromium():
    with check.chromium() as browser:
        yield browser


def looked_at(browser, folder: Path, body: str) -> list[str]:
    (folder / "index.html").write_text(SOUND.format(body=body), encoding="utf-8")
    with check.served(folder) as address:
        return [*check.broken_links(folder), *check.looked_at(browser, address, "index.html")]


@pytest.mark.thorough  # the page of the site above is one
def test_a_page_without_a_fault_has_none(chromium, tmp_path):
    assert looked_at(chromium, tmp_path, "<p>words</p>") == []


def test_each_kind_of_fault_is_found(chromium, tmp_path):
    told = looked_at(chromium, tmp_path, "".join(FAULTS.values()))
    assert [complaint for complaint in FAULTS if not [each for each in told if complaint in each]] == []
