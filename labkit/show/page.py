"""Something to look at: HTML where there is a browser, plain text where there is none; both safe to show."""

import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from labkit.show.html import Node, div, p, render
from labkit.show.printed import printable
from labkit.show.theme import STYLE

if TYPE_CHECKING:
    from markupsafe import Markup


def fresh() -> str:
    """An identifier that nothing else on a page has, also not what another kernel left in the same notebook."""
    return f"lk{os.urandom(5).hex()}"


@cache
def style_sheet() -> "Markup":
    """The style element that every output brings along. Every rule is for what is inside ``.labkit``."""
    from markupsafe import Markup

    return Markup(f"<style>{STYLE}</style>")


class Page:
    """A piece of HTML with its plain-text alternative. Jupyter picks the first, `print` and `repr` the second."""

    def __init__(self, body: Callable[[], Node], text: str) -> None:
        """`body` makes the HTML, when a front end asks for it; every line of `text` is made printable."""
        self.body = body
        self.text = "\n".join(map(printable, text.split("\n")))

    @property
    def html(self) -> str:
        """The HTML, complete with its style sheet: no script, nothing loaded from elsewhere."""
        return render(div("labkit")[style_sheet(), self.body()])

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def joined(pages: Sequence[Page]) -> Page:
    """Pages one below the other, as one."""
    return Page(lambda: [page.body() for page in pages], "\n\n".join(page.text for page in pages))


def sentence(said: str) -> Page:
    """A page of one paragraph."""
    return Page(lambda: p[said], said)
