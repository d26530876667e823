"""A message and its parts, by their exact bytes (RFC 5322, 2045, 2046 and 2231), however strange they are.

The standard library's email package reads most of this too, but no longer knows the bytes that said it, and raises for
some of them. Time grows with the size of a message and no faster. Nothing here raises for any bytes.
"""

import re
from binascii import a2b_uu
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from quopri import decodestring
from urllib.parse import unquote_to_bytes

from labkit.mail.charset import field_text, text, unbase64

_DEEPEST = 20
"""Levels of parts within parts that are looked into."""
_LONGEST_ADDRESSES = 64 << 10
"""Bytes of a field that are searched for addresses."""
_BLANK_LINE = re.compile(rb"^\r?\n", re.MULTILINE)
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:(.*(?:\n[ \t].*)*)\n?", re.MULTILINE)
_FIELDS = re.compile(rb"(?:>?From .*\n)?(?:[!-9;-~]+[ \t]*:.*(?:\n|\Z)(?:[ \t].*(?:\n|\Z))*)+(?:\r?\n)?")
"""The fields at the beginning of a message, and the blank line after them; some programs put an mbox line before."""
_UUENCODED = re.compile(
    rb"begin (?<=^begin )[0-7]{3,4} ([^\r\n]+)\r?\n((?>[ -`][ -`]*\r?\n)*+)end[ \t]*\r?$", re.MULTILINE
)
"""A uuencoded file, from its name to ``end`` (POSIX, uuencode). The word is looked for first, then that it begins a
line: ``^`` would be tried at each byte, which takes twenty times as long."""
_TYPE = re.compile(rb"\s*([^\s/;\"]+)/([^\s/;\"]+)\s*(?:;|\Z|\()")
_PARAMETER = re.compile(rb";\s*([^\s;=\"]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)(?:\"|\Z)|([^;]*))", re.DOTALL)
_SECTION = re.compile(r"(.+?)(?:\*(\d{1,4}))?(\*?)")
"""A parameter's name, the number of its piece, and whether it is percent-encoded (RFC 2231 §3, §4)."""


@dataclass(frozen=True)
class Entity:
    """A message, or a part of one (RFC 2045 §2.4)."""

    header: bytes
    """With the blank line at its end."""
    body: bytes
    depth: int = 0
    start: int = 0
    """Offset of its first byte in the whole message."""

    @property
    def body_start(self) -> int:
        """Offset of the first byte of the body in the whole message."""
        return self.start + len(self.header)

    def field(self, name: str) -> bytes | None:
        """The first field of that name: what stands after the colon, in one line."""
        return self._first.get(name.lower().encode())

    def fields(self, names: Collection[str]) -> bytes:
        """The fields with these names as they are in the header, and a blank line."""
        wanted = {name.lower().encode() for name in names}
        return b"".join(m[0] for m in _FIELD.finditer(self.header) if m[1].lower() in wanted) + b"\r\n"

    @cached_property
    def _first(self) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for match in _FIELD.finditer(self.header):
            found.setdefault(match[1].lower(), re.sub(rb"\r?\n", b"", match[2]).strip())
        return found

    def addresses(self, name: str) -> list[tuple[str, str]]:
        """(display name, address) of each mailbox in a field, encoded words as they are.

        One without either is left out. A field that is nested beyond reason is one display name.
        """
        from email.utils import getaddresses  # loads sockets and dates, which reading a capture does without

        value = (self.field(name) or b"").decode("latin-1")[:_LONGEST_ADDRESSES]
        try:
            found = getaddresses([value])
        except RecursionError:  # a comment may hold a comment (RFC 5322 §3.2.2)
            found = [(value, "")]
        return [pair for pair in found if any(pair)]

    @cached_property
    def type(self) -> tuple[str, str]:
        """Type and subtype, in lower case; ``("text", "plain")`` where none can be read (RFC 2045 §5.2)."""
        match = _TYPE.match(self.field("content-type") or b"")
        return (match[1].decode("latin-1").lower(), match[2].decode("latin-1").lower()) if match else ("text", "plain")

    def parameters(self, field: str) -> list[tuple[str, str]]:
        """The parameters of a field such as Content-Type, without the value before them; each name once."""
        pieces: dict[str, list[tuple[int, bool, bytes]]] = {}
        for name, quoted, bare in _PARAMETER.findall(self.field(field) or b""):
            value = re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) if quoted else bare.partition(b" (")[0].strip()
            base, number, encoded = _SECTION.fullmatch(name.decode("latin-1")).groups()
            pieces.setdefault(base.lower(), []).append((int(number or 0), bool(encoded), value))
        return [(name, _joined(found)) for name, found in pieces.items()]

    def parameter(self, field: str, name: str) -> str:
        """One parameter of a field; empty where it is missing."""
        return dict(self.parameters(field)).get(name, "")

    @cached_property
    def parts(self) -> tuple["Entity", ...]:
        """The parts of a multipart; none in anything else."""
        boundary = self.parameter("content-type", "boundary")
        if self.type[0] != "multipart" or not boundary or self.depth >= _DEEPEST:
            return ()
        line = re.compile(
            rb"(?:^|\r?\n)--" + re.escape(boundary.encode("latin-1", "replace")) + rb"(--)?[ \t]*(?:\r?\n|$)"
        )
        found, start = [], -1
        for match in line.finditer(self.body):
            if start >= 0:
                found.append(self._within(start, max(start, match.start())))
            start = match.end()
            if match[1]:
                return tuple(found)
        return (*found, self._within(start, len(self.body))) if start >= 0 else ()

    @cached_property
    def inner(self) -> "Entity | None":
        """The message that a part of type message/rfc822 holds, or one of message/global (RFC 6532 §3.7)."""
        is_message = self.type in _MESSAGES and self.depth < _DEEPEST
        return self._within(0, len(self.body)) if is_message else None

    def _within(self, start: int, end: int) -> "Entity":
        return divide(self.body[start:end], self.depth + 1, self.body_start + start)

    @property
    def shown(self) -> "Entity":
        """The same as programs show it, if it has no blank line: what is no field is its body."""
        return self if self.body else as_read(self.header, self.depth, self.start)

    def numbered(self) -> tuple["Entity", ...]:
        """What the numbers 1, 2, … below this part stand for (RFC 3501 §6.4.5)."""
        return self.parts or (self.inner.as_numbers() if self.inner else ())

    def as_numbers(self) -> tuple["Entity", ...]:
        """What the numbers stand for in a whole message: its parts, or its body as part 1."""
        return self.parts or (self,)

    def leaves(self) -> Iterator["Entity"]:
        """The parts that have no parts, in order; itself, where it has none. A message within is one of them."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()

    @property
    def is_text(self) -> bool:
        """Whether the body is there to be read; reports are (RFC 3464), and a multipart in which no part is found."""
        return self.type[0] in ("text", "multipart", "message") and not (self.is_attachment or self.inner)

    @property
    def is_attachment(self) -> bool:
        return (self.field("content-disposition") or b"").lower().startswith(b"attachment")

    @property
    def encryption(self) -> str:
        """``S/MIME`` or ``OpenPGP`` where the body says itself that it is encrypted (RFC 8551 §3.2.2, RFC 9580 §5)."""
        if self.type in _CMS and self.parameter("content-type", "smime-type").lower() in _ENVELOPES:
            return "S/MIME"
        armour = _ARMOUR.match(self.body)
        first = unbase64(armour[1])[:1] if armour else b""
        return "OpenPGP" if first and _packet(first[0]) in _SEALED_PACKETS else ""

    @cached_property
    def uuencoded(self) -> "tuple[tuple[str, int, int], ...]":
        """Files within the text, as was usual before MIME: name, offsets in the body of the first byte and the one
        after the last."""
        return tuple((field_text(one[1]), *one.span()) for one in _UUENCODED.finditer(self.body))

    @property
    def file_name(self) -> str:
        """What an attachment is called; empty where it has no name."""
        name = self.parameter("content-disposition", "filename") or self.parameter("content-type", "name")
        return field_text(name.encode())

    @property
    def _encoding(self) -> bytes:
        named = (self.field("content-transfer-encoding") or b"").partition(b"(")[0]  # a comment may follow
        return named.strip().lower()

    @property
    def is_encoded(self) -> bool:
        """Whether the body is not there as it is (RFC 2045 §6)."""
        return self._encoding in _ENCODINGS

    @property
    def text(self) -> str:
        """The body, decoded (RFC 2045 §6), without the last line endings."""
        charset = self.parameter("content-type", "charset") or "utf-8"
        if self._encoding == _BASE64:
            return _base64_text(self.body, charset).rstrip("\r\n")
        decode = _ENCODINGS.get(self._encoding, bytes)
        return text(decode(self.body), charset).rstrip("\r\n")


def _base64_text(body: bytes, charset: str) -> str:
    """What a body says in base64, and what stands behind it as it is: a mailing list may add its own lines.

    Of a body that is no base64 and becomes no text, all stands as it is.
    """
    coded = _BASE64_LINES.match(body).end()
    decoded, behind = text(unbase64(body), charset), body[coded:]
    is_whole = not behind.strip() and len(body.translate(None, b" \t\r\n")) % 4 == 0
    is_padded = behind and body[:coded].rstrip().endswith(b"=")  # so no more of it follows
    if is_whole or (not is_padded and _is_readable(decoded)):
        return decoded
    coded = coded if behind.strip() else 0
    return "\n".join(filter(None, (text(unbase64(body[:coded]), charset), text(body[coded:], charset).strip())))


def _is_readable(said: str) -> bool:
    """Whether most of a text is letters: what is read as base64 and is none gives bytes that are no text."""
    strange = said.count("\\x") + sum(not letter.isprintable() for letter in said if letter not in "\r\n\t")
    return bool(said) and strange * _FEW < len(said)


def _uudecoded(body: bytes) -> bytes:
    """The first file in a body that is one; the body as it is where there is none."""
    found = _UUENCODED.search(body)
    return b"".join(map(_uudecoded_line, found[2].splitlines())) if found else body


def _uudecoded_line(line: bytes) -> bytes:
    """A line whose first letter tells how many bytes it has; what some programs add to its end is cut off."""
    size = (line[0] - 32) % 64
    try:
        return a2b_uu(line[: 1 + (size + 2) // 3 * 4])
    except ValueError:
        return line


_BASE64 = b"base64"
_BASE64_LINES = re.compile(rb"(?:[A-Za-z0-9+/]*+={0,2}+[ \t]*+\r?\n)*+(?:[A-Za-z0-9+/]+={0,2}[ \t]*\Z)?")
"""As many lines as there are without anything but base64."""
_FEW = 8
"""One strange letter in so many is a letter of another charset."""
_ENCODINGS: dict[bytes, Callable[[bytes], bytes]] = {
    _BASE64: unbase64,
    b"quoted-printable": decodestring,
    **dict.fromkeys((b"x-uuencode", b"uuencode", b"x-uue"), _uudecoded),
}


_MESSAGES = {("message", "rfc822"), ("message", "global")}
_CMS = {("application", "pkcs7-mime"), ("application", "x-pkcs7-mime")}
_ENVELOPES = {"enveloped-data", "authenveloped-data"}
_ARMOUR = re.compile(
    rb"\s*-----BEGIN PGP MESSAGE-----[ \t]*\r?\n(?:[\w-]+: [^\n]*\n)*[ \t]*\r?\n([A-Za-z0-9+/]{4})", re.ASCII
)
"""OpenPGP's frame of text, and the beginning of what is in it (RFC 9580 §6.2)."""
_SEALED_PACKETS = {1, 3, 9, 18, 20}
"""Types of packets with which encrypted content begins: an encrypted session key, or the encrypted data."""


def _packet(head: int) -> int:
    """The type of an OpenPGP packet with this first byte (RFC 9580 §4.2)."""
    return head & 0x3F if head & 0x40 else head >> 2 & 0xF


def _joined(pieces: list[tuple[int, bool, bytes]]) -> str:
    """The value of a parameter from its pieces: (number, whether it is percent-encoded, bytes)."""
    pieces = sorted(pieces, key=lambda piece: piece[0])
    if len({number for number, *_ in pieces}) < len(pieces):
        pieces = pieces[:1]  # the same parameter again: the first counts
    charset = "utf-8"
    if pieces[0][1] and pieces[0][2].count(b"'") >= 2:
        said, _, value = pieces[0][2].split(b"'", 2)
        charset, pieces[0] = said.decode("latin-1") or charset, (0, True, value)
    return text(b"".join(unquote_to_bytes(value) if encoded else value for _, encoded, value in pieces), charset)


def divide(data: bytes, depth: int = 0, start: int = 0) -> Entity:
    """A message or part in header and body; without a blank line, all of it is header."""
    blank = _BLANK_LINE.search(data)
    end = blank.end() if blank else len(data)
    return Entity(data[:end], data[end:], depth, start)


def as_read(data: bytes, depth: int = 0, start: int = 0) -> Entity:
    """A message as programs show it: what is neither a field nor a blank line begins the body, and is not lost."""
    fields = _FIELDS.match(data)
    end = fields.end() if fields else len(data) - len(data.lstrip(b"\r\n"))
    return Entity(data[:end], data[end:], depth, start)
