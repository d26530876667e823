"""Looks at the built pages in Chromium, as a reader does: links, search, themes, narrow windows, keyboard, axe-core.

`complaints` gives a sentence for each thing that is wrong. Nothing is loaded from another machine.
"""

import functools
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_WIDTHS = (1280, 1024, 640, 320)
"""CSS pixels of the window: 640 is 1280 at 200 % zoom, 320 is 1280 at 400 % (WCAG 2.2, 1.4.4 and 1.4.10)."""
_PATIENCE = 60_000
"""Milliseconds that the browser may take for one thing."""


class _Anchors(HTMLParser):
    """The targets of a page, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.leads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.names |= {told[name] for name in ("id", "name") if told.get(name)}
        self.leads += [told[name] for name in ("href", "src") if told.get(name)]


def _anchors(path: Path) -> _Anchors:
    found = _Anchors()
    found.feed(path.read_text("utf-8"))
    return found


def pages_of(html: Path) -> list[str]:
    """The pages of the site, without the pieces that the theme brings along."""
    return sorted(str(path.relative_to(html)) for path in html.rglob("*.html") if "_static" not in path.parts)


def broken_links(html: Path) -> list[str]:
    """Every link inside the site whose file, or whose place in the file, does not exist."""
    pages = {(html / name).resolve(): _anchors(html / name) for name in pages_of(html)}
    broken = []
    for path, page in pages.items():
        for link in page.leads:
            address, place = urldefrag(unquote(link))
            if ":" in address.partition("/")[0] or address.startswith("//"):
                continue
            target = (path.parent / address.partition("?")[0]).resolve() if address else path
            if not target.exists():
                broken.append(f"{path.relative_to(html.resolve())}: {link} leads nowhere.")
            elif place and target in pages and place not in pages[target].names:
                broken.append(f"{path.relative_to(html.resolve())}: {link} leads to no place on that page.")
    return broken


@contextmanager
def served(html: Path) -> Iterator[str]:
    """Serve the pages on a port of this machine; yields their address."""
    handler = functools.partial(_Quiet, directory=str(html))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium. Raises `RuntimeError` where it is not installed."""
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        raise RuntimeError("No Chromium is installed here: install the package chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


def complaints(html: Path, names: Iterable[str] | None = None) -> Iterator[str]:
    """What is wrong with these pages, or with all; the links of all pages are checked in any case."""
    yield from broken_links(html)
    with served(html) as address, chromium() as browser:
        for name in names or pages_of(html):
            yield from (f"{name}: {each}" for each in looked_at(browser, address, name))
        yield from (f"search: {each}" for each in _searched(browser, address))


@contextmanager
def _opened(browser: Browser, address: str, name: str, **options: object) -> Iterator[tuple[Page, list[str]]]:
    """A page in a window of its own, and what the browser complains about while it is open."""
    said: list[str] = []
    with browser.new_context(**options) as context:
        page = context.new_page()
        page.set_default_timeout(_PATIENCE)
        page.on("response", lambda came: said.append(f"{came.url} is not there") if came.status >= 400 else None)
        page.on("request", lambda asked: said.append(f"asks {asked.url}") if _strange(asked.url, address) else None)
        page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{address}{name}")
        yield page, said


def _strange(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))


def looked_at(browser: Browser, address: str, name: str) -> Iterator[str]:
    """What is wrong with one page, in both themes."""
    for theme in ("light", "dark"):
        window = {"width": _WIDTHS[0], "height": 900}
        with _opened(browser, address, name, color_scheme=theme, reduced_motion="reduce", viewport=window) as (
            page,
            said,
        ):
            yield from (f"{each} ({theme})" for each in _judged(page, theme))
            if theme == "light":
                yield from _narrowed(page)
                yield from _walked(page)
            yield from said


_WITHOUT_SCOPE = "heads => heads.filter(it => !it.scope).map(it => it.innerText.slice(0, 60))"
_MOVING = "document.getAnimations().filter(it => it.playState == 'running').length"
_THEME = "document.documentElement.dataset.theme"
_AXE = {"preload": False, "resultTypes": ["violations"]}
"""Options of axe-core: it loads no style sheet again, and reports only violations."""
_RULES: dict[str, dict[str, object]] = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}
"""The rules of axe-core that are run in each theme: only colours differ between themes."""
_PAPER = "it => getComputedStyle(it).colorScheme"


def _judged(page: Page, theme: str) -> Iterator[str]:
    """The complaints of axe-core, without the rules that are left out."""
    if page.evaluate(_THEME) != theme:
        yield f"its theme is {page.evaluate(_THEME)}"
    outputs = page.locator(".labkit")
    if outputs.count() and outputs.first.evaluate(_PAPER) != theme:
        yield "the lab's outputs do not follow the theme"
    for broken in Axe().run(page, options=_AXE | _RULES[theme]).response["violations"]:
        yield from (f"{broken['id']}: {node['html'][:160]}" for node in broken["nodes"])
    yield from (f"a head without scope: {each}" for each in page.locator("th").evaluate_all(_WITHOUT_SCOPE))
    if page.evaluate(_MOVING):
        yield "something moves, for a reader who wants that nothing does"


_WIDER = "document.documentElement.scrollWidth - window.innerWidth"


def _narrowed(page: Page) -> Iterator[str]:
    """Whether a reader has to scroll sideways for more than a table or a picture."""
    for width in _WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(100)
        if page.evaluate(_WIDER) > 1:
            yield f"{page.evaluate(_WIDER)} pixels too wide for a window of {width}"
    page.set_viewport_size({"width": _WIDTHS[0], "height": 900})


_FOCUSED = """() => {
    const it = document.activeElement, box = it.getBoundingClientRect(), style = getComputedStyle(it);
    const shown = box.width > 0 && box.height > 0 && style.visibility == 'visible';
    const seen = it.matches(':focus-visible') && (style.outlineStyle != 'none' || style.boxShadow != 'none');
    return [it == document.body ? '' : it.outerHTML.slice(0, 120), shown, seen, !!it.closest('main')];
}"""
_MOST_STOPS = 60


def _walked(page: Page) -> Iterator[str]:
    """The first stops of the tab key: each can be seen, and the first leads past the navigation."""
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.keyboard.press("Tab")
    if "#main-content" not in page.evaluate(_FOCUSED)[0]:
        yield "the first stop of the tab key does not skip the navigation"
    page.keyboard.press("Enter")
    for _ in range(_MOST_STOPS):
        page.keyboard.press("Tab")
        what, shown, seen, _main = page.evaluate(_FOCUSED)
        if not what:
            return
        if not shown or not seen:
            yield f"the tab key stops where nothing is to be seen: {what}"


def _searched(browser: Browser, address: str) -> Iterator[str]:
    """Search as a reader does: press Ctrl+K, type, find; then switch the theme with the button."""
    with _opened(browser, address, "index.html", color_scheme="light") as (page, said):
        page.keyboard.press("Control+k")
        page.keyboard.insert_text("StripCapability")
        page.keyboard.press("Enter")
        page.wait_for_selector("#search-results li a")
        found = page.locator("#search-results li a").evaluate_all("links => links.map(it => it.href)")
        if not [link for link in found if "catalogue/attacks" in link]:
            yield f"StripCapability is not found in the catalogue, but in {found[:5]}"
        page.goto(f"{address}index.html")
        for wanted in ("Dark", "Light"):
            page.get_by_role("button", name="Color mode").first.click()
            page.locator(".theme-switch-container .dropdown-item", has_text=wanted).first.click()
            if page.evaluate(_THEME) != wanted.lower():
                yield f"the button for the theme leads to {page.evaluate(_THEME)} instead of {wanted}"
        yield from said
