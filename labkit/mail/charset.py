"""From bytes to text: charsets, and the encoded words of header fields (RFC 2047). Nothing here raises for any bytes.

Other rooms decode mail with these functions alone, because a message may name any word as its charset.
"""

import codecs
import encodings
import pkgutil
import re
from base64 import b64decode
from functools import lru_cache
from quopri import decodestring

_NO_CHARSETS = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
"""Python's codecs for other things than mail; the first three raise with every error handler."""
_CODECS = {module.name for module in pkgutil.iter_modules(encodings.__path__)} | set(encodings.aliases.aliases)
"""The only names for which Python is asked: asking for an unknown one searches the disk each time."""
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_ESCAPED = {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(0x80, 0x100)}

_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_WORD = re.compile(r"=\?([^?\s]+)\?([BbQq])\?([^?]*)\?=")
_WORDS = re.compile(rf"{_WORD.pattern}(?:\s*{_WORD.pattern})*")
"""Encoded words with nothing but white space between them, which belongs to none of them (RFC 2047 §6.2)."""


def text(data: bytes, charset: str = "utf-8") -> str:
    r"""The text in `data`.

    A byte that is no letter in `charset` stands as ``\xNN``. An unknown charset is read as UTF-8, and so is US-ASCII,
    because what a sender calls so is often more. The text can be encoded again: it holds no surrogates.
    """
    try:
        codec = _codec(charset)
        said = _utf8(data) if codec == "utf-8" else data.decode(codec, "backslashreplace")
    except (LookupError, ValueError):  # an unknown codec, one not for text, or one without this error handler
        said = _utf8(data)
    # UTF-7 and some others can write half a surrogate pair.
    return said if said.isascii() else said.encode("utf-8", "backslashreplace").decode("utf-8")


def _utf8(data: bytes) -> str:
    """As with ``backslashreplace``, which takes a microsecond for each byte that it replaces."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape").translate(_ESCAPED)


@lru_cache(64)
def _codec(charset: str) -> str:
    """Python's name for a charset, or UTF-8; RFC 2231 §5 allows a language after an asterisk."""
    name = encodings.normalize_encoding(charset.partition("*")[0].strip()).lower()
    known = name in _CODECS and name not in _NO_CHARSETS
    return name if known and codecs.lookup(name).name != "ascii" else "utf-8"


def field_text(value: bytes) -> str:
    """The value of a header field on one line, with its encoded words in letters."""
    said = text(_FOLD.sub(b"", value)).strip()
    if "=?" in said:
        said = _WORDS.sub(_decoded_words, said)
    return " ".join(said.splitlines())


def _decoded_words(words: re.Match[str]) -> str:
    """Some words: bytes in one charset are put together first, because a letter may be cut in two between words."""
    runs: list[tuple[str, list[bytes]]] = []
    for charset, encoding, coded in _WORD.findall(words[0]):
        data = coded.encode("utf-8")
        plain = unbase64(data) if encoding in "Bb" else decodestring(data.replace(b"_", b"=20"))
        if not runs or runs[-1][0] != charset.lower():
            runs.append((charset.lower(), []))
        runs[-1][1].append(plain)
    return "".join(text(b"".join(pieces), charset) for charset, pieces in runs)


def unbase64(data: bytes) -> bytes:
    """What `data` says in base64: other bytes are passed over (RFC 2045 §6.8), and its end may be cut off."""
    letters = data.translate(None, _NOT_BASE64).partition(b"=")[0]
    whole = letters[: len(letters) - (len(letters) % 4 == 1)]
    return b64decode(whole + b"=" * (-len(whole) % 4))
