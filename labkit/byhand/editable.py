r"""Bytes from the wire as text that a person can edit, and back: exact to the byte, whatever they are.

A line of the text is a line on the wire and stands for its CRLF, too; a text that ends with a single backslash has no
CRLF at its end. What cannot be seen or typed is written as ``\x1b``, a backslash as ``\\``.
"""

import re

from labkit.show.printed import INVISIBLE

_NEEDS_ESCAPE = re.compile(rf"\\|{INVISIBLE.pattern}")
_NAMED = {"\\": r"\\", "\r": r"\r", "\n": r"\n", "\t": r"\t"}
_ESCAPED = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([\\rnt]))")
_MEANT = {escape[1:].encode(): character.encode() for character, escape in _NAMED.items()}
_OPEN_END = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")
"""Backslashes at the end of which the last escapes nothing."""


def written(data: bytes) -> str:
    """These bytes as text."""
    *lines, rest = data.split(b"\r\n")
    if rest or not lines:
        return "\n".join(map(_line, [*lines, rest])) + "\\"
    return "\n".join(map(_line, lines))


def read(text: str) -> bytes:
    """The bytes that a text stands for; each text stands for some."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    end = b"" if _OPEN_END.search(text) else b"\r\n"
    lines = (text if end else text[:-1]).split("\n")
    return b"\r\n".join(map(_bytes, lines)) + end


def _line(data: bytes) -> str:
    return _NEEDS_ESCAPE.sub(_escape, data.decode("utf-8", "surrogateescape"))


def _escape(found: re.Match[str]) -> str:
    hexadecimal = (f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "surrogateescape"))
    return _NAMED.get(found[0]) or "".join(hexadecimal)


def _bytes(line: str) -> bytes:
    return _ESCAPED.sub(_unescape, line.encode("utf-8", "backslashreplace"))


def _unescape(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode()) if found[1] else _MEANT[found[2]]
