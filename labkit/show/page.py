"""A page: HTML for a browser and plain text for a terminal, both escaped."""

import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from labkit.show.html import Node, div, p, render
from labkit.show.printed import printable_lines
from labkit.show.theme import STYLE

if TYPE_CHECKING:
    from markupsafe import Markup


def fresh() -> str:
    """A random HTML identifier, unique also beside outputs that an earlier kernel left in the notebook."""
    return f"lk{os.urandom(5).hex()}"


@cache
def style_sheet() -> "Markup":
    """The style element that is part of every output. All its rules apply inside ``.labkit`` only."""
    from markupsafe import Markup

    return Markup(f"<style>{STYLE}</style>")


class Page:
    """A piece of HTML with its plain-text alternative. Jupyter picks the first, `print` and `repr` the second."""

    def __init__(self, body: Callable[[], Node], text: str) -> None:
        """`body` makes the HTML, when a front end asks for it; every line of `text` is made printable."""
        self.body = body
        self.text = printable_lines(text)

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
