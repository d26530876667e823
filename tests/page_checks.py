"""What every page of the lab must satisfy, whatever it shows."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

_VOID = {"br", "hr", "img", "input", "meta", "link"}
_ACTIVE = {"script", "img", "iframe", "object", "embed", "link", "a", "form", "input"}
_LOADS = re.compile(r"@import|url\((?!#)")


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.unnamed: list[str] = []
        """Tables that have neither a caption nor a label, heads without a scope, and heads without a word."""
        self._wordless = False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self._name(tag, dict(attrs))
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def _name(self, tag, attributes):
        self._wordless = tag == "th" or (self._wordless and "aria-label" not in attributes)
        if (tag == "table" and "aria-label" not in attributes) or (tag == "th" and "scope" not in attributes):
            self.unnamed.append(tag)
        if tag == "caption" and self.unnamed[-1:] == ["table"]:
            self.unnamed.pop()

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        if tag == "th" and self._wordless:
            self.unnamed.append("th without a word")
        self.open.pop()

    def handle_data(self, data):
        self._wordless = self._wordless and not data.strip()
        self.words.append(data)


def read_page(html: str) -> _Balance:
    """Parse a page: every tag is closed in order, nothing is active or loaded, identifiers are used once.

    Every table has a caption or a label, and every head a scope and a word.
    """
    page = _Balance()
    page.feed(html)
    page.close()
    assert not page.open
    assert not page.tags & _ACTIVE
    assert not page.unnamed
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not _LOADS.search(html)
    identifiers = [value for name, value in page.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))
    return page


def svg_of(html: str) -> ElementTree.Element:
    """The drawing on a page, parsed as XML."""
    return ElementTree.fromstring(re.search(r"<svg id=.*?</svg>", html, re.DOTALL)[0])
