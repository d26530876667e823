"""A picture: a matplotlib figure as inline SVG that follows the page's theme, with its text alternative.

Figures are made without pyplot, so a learner's own plots and settings stay as they are. Drawing code takes the colours
from `ink`: they are those of light paper, and on a page each becomes the CSS variable of its role.
"""

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.errors import LabError
from labkit.replacing import replacing
from labkit.show import html
from labkit.show.page import Page, fresh
from labkit.show.printed import printable
from labkit.show.theme import COLOURS, variable

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

WIDTH = 636.0
"""Points; 848 CSS pixels, the width of an output in JupyterLab on a small screen."""
FORMATS = ("svg", "png", "pdf")

_SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.usetex": False,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica", "sans-serif"],
    "path.simplify": False,
    "pdf.fonttype": 42,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_ROLES = {shade.light: variable(role) for role, shade in COLOURS.items()}
_TAG = re.compile("<[^<>]*>")
_COLOUR = re.compile("|".join(_ROLES))
_IDENTIFIER = re.compile(r'(\bid="|href="#|url\(#)')
_PRINT_DPI = 200


# Where the home folder cannot be written, matplotlib keeps its fonts in a temporary folder, and warns of it at length.
logging.getLogger("matplotlib").addFilter(lambda record: record.levelno > logging.WARNING)


def ink(role: str) -> str:
    """The colour to draw with, by its role in `theme.COLOURS`."""
    return COLOURS[role].light


def canvas(height: float) -> "Figure":
    """An empty, transparent figure, `WIDTH` points wide and `height` points high, made without pyplot."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, facecolor="none", edgecolor="none")
    FigureCanvasSVG(figure)
    return figure


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings about glyphs that matplotlib's font lacks: the browser draws them with its own fonts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


class Picture(Page):
    """A figure: Jupyter shows its SVG; `print` and `repr` give its text alternative."""

    def __init__(self, figure: "Figure", text: str, label: str, words: str = "") -> None:
        super().__init__(self._figure, text)
        self.figure = figure
        self.label = label
        """One sentence on what the picture shows."""
        self.words = words or text
        """The picture in sentences, for readers who cannot see it."""

    def _figure(self) -> html.Node:
        key = fresh()
        lines = [[html.br, line] for line in self.words.split("\n")]
        lines[0] = lines[0][1:]
        told = html.summary[html.small["This picture in words"]], html.pre("lk-words", id=f"{key}-words")[lines]
        return html.figure[self._svg(key), html.details[told]]

    def _svg(self, key: str) -> "Markup":
        """The SVG element alone: unique identifiers, a scoped style sheet, and CSS variables as colours."""
        from markupsafe import Markup

        drawn = self._render("svg").decode()
        drawn = _TAG.sub(lambda tag: _themed(tag[0], key), drawn[drawn.index("<svg") :].strip())
        drawn = drawn.replace(">*{", f">#{key} *{{", 1)
        named = Markup('<svg id="{}" class="lk-figure" role="img" aria-label="{}" aria-describedby="{}-words" ')
        return named.format(key, printable(self.label), key) + Markup(drawn.removeprefix("<svg "))

    def _render(self, kind: str, **options: object) -> bytes:
        import matplotlib

        target = io.BytesIO()
        with matplotlib.rc_context(_SETTINGS), quiet():
            self.figure.savefig(target, format=kind, **options, **({"metadata": _NO_METADATA} if kind == "svg" else {}))
        return target.getvalue()

    def save(self, path: str | Path) -> None:
        """Write the picture, on light paper, as SVG, PNG or PDF by the suffix of `path`.

        Raises `LabError` for another suffix, or when the file cannot be written.
        """
        kind = Path(path).suffix.lower().removeprefix(".")
        if kind not in FORMATS:
            raise LabError(f"A picture cannot be saved as {str(path)!r}: end the name with .svg, .png or .pdf.")
        drawn = self._render(kind, dpi=_PRINT_DPI if kind == "png" else "figure", facecolor=ink("paper"))
        try:
            with replacing(path) as file:
                file.write(drawn)
        except OSError as error:
            raise LabError(
                f"The picture cannot be written to {str(path)!r} ({error.strerror}): choose another place."
            ) from error


def _themed(tag: str, key: str) -> str:
    """Replace the colours and identifiers in one SVG tag; text between tags is unchanged."""
    return _COLOUR.sub(lambda colour: _ROLES[colour[0]], _IDENTIFIER.sub(rf"\g<1>{key}-", tag))
