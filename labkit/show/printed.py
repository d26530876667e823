"""Text that came over the wire, made safe to look at: every control and direction character becomes visible."""

import re
from collections.abc import Sequence
from functools import cache

from labkit.decode.escaped import escaped

# C0 and C1 controls, DEL, and the invisible characters that reorder or hide text (Unicode TR 36, section 3).
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff0-\uffff\ud800-\udfff]"
)
"""A character that is not visible as what it is."""
_NO_OBJECT, _NO_CHARACTER = "\ufffc", "\ufffd"
"""The only two of them that `str.isprintable` lets pass."""


@cache
def _name(char: str) -> str:
    code = ord(char)
    return chr(0x2400 + code) if code < 0x20 else f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"


def printable(text: str) -> str:
    """Text in which nothing is invisible: control characters as their pictures (␍, ␛), others as ``\\u202e``."""
    if text.isprintable() and not (_NO_OBJECT in text or _NO_CHARACTER in text):
        return text
    return INVISIBLE.sub(lambda found: _name(found[0]), text)


def printable_lines(text: str) -> str:
    """The same of a text of several lines, which remain lines."""
    lines = text.split("\n")
    return text if _is_printable("".join(lines)) else "\n".join(map(printable, lines))


def printable_row(cells: Sequence[str]) -> Sequence[str]:
    """The same of each of the cells, which together are tested once."""
    return cells if _is_printable("".join(cells)) else [printable(cell) for cell in cells]


def _is_printable(text: str) -> bool:
    return text.isprintable() and not (_NO_OBJECT in text or _NO_CHARACTER in text)


def decoded(data: bytes) -> str:
    """Bytes from the wire as printable text: UTF-8, with ``\\xNN`` for what is not."""
    return printable(str(data, "ascii") if data.isascii() else escaped(data))
