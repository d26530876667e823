"""Something to look at: HTML where there is a browser, plain text where there is none; both safe to show.

What came over the wire may hold anything, also markup and terminal escapes. `printable` makes every control and
direction character visible, and `markup` escapes the rest for HTML; nothing from the wire reaches a page without them.
"""

import html
import os
import re

from labkit.decode.escaped import escaped
from labkit.show.theme import STYLE

# C0 and C1 controls, DEL, and the invisible characters that reorder or hide text (Unicode TR 36, section 3).
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff0-\uffff\ud800-\udfff]"
)
"""A character that nobody sees as what it is."""


def _name(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"


def printable(text: str) -> str:
    """Text in which nothing is invisible: control characters as their pictures (␍, ␛), others as ``\\u202e``."""
    return text if text.isascii() and text.isprintable() else INVISIBLE.sub(_name, text)


def markup(text: str) -> str:
    """Any text, made printable and escaped, to stand between tags or inside a quoted attribute."""
    return html.escape(printable(text))


def decoded(data: bytes) -> str:
    """Bytes from the wire as printable text: UTF-8, with ``\\xNN`` for what is not."""
    return printable(str(data, "ascii") if data.isascii() else escaped(data))


def fresh() -> str:
    """An identifier that nothing else on a page has, also not what another kernel left in the same notebook."""
    return f"lk{os.urandom(5).hex()}"


class Page:
    """A piece of HTML with its plain-text alternative. Jupyter picks the first, `print` and `repr` the second."""

    def __init__(self, body: str, text: str) -> None:
        self._body = body
        self.text = text

    @property
    def html(self) -> str:
        """The HTML, complete with its style sheet: no script, nothing loaded from elsewhere."""
        return f'<div class="labkit">{STYLE}{self._content()}</div>'

    def _content(self) -> str:
        return self._body

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text
