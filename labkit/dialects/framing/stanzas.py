"""XML stanzas: each side sends one endless XML document, whose top-level elements are what it says (RFC 6120 §4).

The stream is cut without an XML parser: tags are found and their depth is counted. Nothing is expanded, so an entity
stays the text that it is, and nesting costs no memory. A document type, which RFC 6120 §11.1 forbids, is a phrase of
kind unknown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from labkit.dialects.base import CLIENT, SERVER, Phrase
from labkit.dialects.reader import COMMAND, LARGEST, WAIT, Buffer, BufferedReader

HEADER, STANZA, END, OTHER = "header", "stanza", "end", "other"
"""The pieces of a stream: the tag that opens the document, an element in it, the tag that closes it, and the rest."""

_NAME = re.compile(rb"</?(?:[^\s<>/:'\"]+:)?([^\s<>/:'\"]+)")
_IN_TAG = re.compile(rb"[\"'>]")
_IN_DECLARATION = re.compile(rb"[\"'>\[\]]")
"""Bytes that may end a tag or a declaration, or hide its end."""
_SPECIAL = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>"))
"""(beginning, end) of markup that is not a tag."""
_TEXT = re.compile(rb"\S")


class XMLPiece(NamedTuple):
    """A whole piece of a stream, with the white space, comments and declarations before it."""

    shape: str
    """HEADER, STANZA, END or OTHER."""
    name: str
    """The local name of the element; of OTHER: ``text``, ``DOCTYPE`` or the name of the element that is too large."""
    data: bytes


class StanzaCutter:
    """Cuts the buffer of one side into pieces. It looks at each byte once, however the bytes are split.

    `root` is the local name of the element that a document consists of.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self.restart()

    def restart(self) -> None:
        """Forget everything: what comes next stands at the top of the document."""
        self._depth = 0
        """Open elements within the document."""
        self.name = ""
        """The local name of the element that is being read; empty between elements."""
        self._begin(0)

    @property
    def text(self) -> bool:
        """Whether there is text outside of any element, which no piece can begin with."""
        return self._text

    def cut(self, buffer: Buffer) -> XMLPiece | None:
        """Take the next piece out of the buffer; None while it is not whole."""
        while (start := buffer.find(b"<", self._position)) >= 0:
            self._text |= not self.name and _TEXT.search(buffer, self._position, start) is not None
            if self._text:
                return self._take(buffer, OTHER, "text", start)
            self._position = start
            end = self._markup_end(buffer, start)
            if not end:
                return self._too_large(buffer)
            self._position, self._looked, self._quote, self._brackets = end, 0, b"", 0
            if piece := self._complete(buffer, start, end):
                return piece
        self._text |= not self.name and _TEXT.search(buffer, self._position) is not None
        self._position = len(buffer)
        return self._too_large(buffer)

    def _begin(self, position: int) -> None:
        self._position = position
        """How far the buffer has been read."""
        self._looked = 0
        """Up to which offset the end of the markup at `_position` has been searched."""
        self._quote = b""
        self._brackets = 0
        """The quote that is open there, and how many brackets are."""
        self._text = False
        """Whether there is text outside of any element."""

    def _take(self, buffer: Buffer, shape: str, name: str, end: int) -> XMLPiece:
        self._begin(0)
        self.name = ""
        return XMLPiece(shape, name, buffer.take(end))

    def _too_large(self, buffer: Buffer) -> XMLPiece | None:
        """The beginning of an element that is too large, as much as one phrase may hold."""
        if not buffer.full:
            return None
        self._begin(max(0, self._position - LARGEST))
        return XMLPiece(OTHER, self.name or "text", buffer.take(LARGEST))

    def _complete(self, buffer: Buffer, start: int, end: int) -> XMLPiece | None:
        """The piece that this markup completes."""
        if buffer.startswith((b"<!--", b"<![CDATA[", b"<?"), start):
            return None
        if buffer.startswith(b"<!", start):
            return None if self._depth else self._take(buffer, OTHER, "DOCTYPE", end)
        named = _NAME.match(buffer, start, end)
        name = named[1].decode("utf-8", "backslashreplace") if named else ""
        if buffer.startswith(b"</", start):
            return self._closes(buffer, name, end)
        if not self._depth and name == self._root:
            return self._take(buffer, HEADER, name, end)
        self.name = self.name or name
        self._depth += not buffer.endswith(b"/>", start, end)
        return None if self._depth else self._take(buffer, STANZA, self.name, end)

    def _closes(self, buffer: Buffer, name: str, end: int) -> XMLPiece | None:
        if not self._depth:
            return self._take(buffer, END, name, end)
        self._depth -= 1
        return None if self._depth else self._take(buffer, STANZA, self.name, end)

    # ---- where markup ends

    def _markup_end(self, buffer: Buffer, start: int) -> int:
        """Where the markup that begins at `start` ends; 0 while it is not whole."""
        head = bytes(buffer[start : start + len(b"<![CDATA[")])
        for begins, ends in _SPECIAL:
            if head.startswith(begins):
                return self._special_end(buffer, start + len(begins), ends)
            if begins.startswith(head):  # which markup this is is not known yet
                return 0
        return self._tag_end(buffer, start, _IN_DECLARATION if head.startswith(b"<!") else _IN_TAG)

    def _special_end(self, buffer: Buffer, inside: int, ends: bytes) -> int:
        end = buffer.find(ends, max(inside, self._looked))
        if end >= 0:
            return end + len(ends)
        self._looked = len(buffer) - len(ends) + 1
        return 0

    def _tag_end(self, buffer: Buffer, start: int, stops: re.Pattern[bytes]) -> int:
        at = max(start + 1, self._looked)
        while stop := (re.compile(re.escape(self._quote)) if self._quote else stops).search(buffer, at):
            found, at = stop[0], stop.end()
            if self._quote:
                self._quote = b""
            elif found == b">" and not self._brackets:
                return at
            elif found in (b'"', b"'"):
                self._quote = found
            else:
                self._brackets += {b"[": 1, b"]": -1}.get(found, 0)
        self._looked = len(buffer)
        return 0


@dataclass(frozen=True)
class Stanzas:
    """The words of a dialect, and which of them ask for an answer.

    The order of the states: a stanza of `go_aheads` puts the client into WAIT; the server's go-ahead, its refusal, or
    the end of its document puts it back into COMMAND.
    """

    root: str
    """The local name of the document: ``stream`` (RFC 6120 §4.2)."""
    kinds: Mapping[tuple[str, str], str]
    """(sender, title) -> kind of phrase; the others are commands of the client and replies of the server."""
    go_aheads: Mapping[str, tuple[str, str]]
    """Stanza that asks to start TLS -> the titles of the server's go-ahead and of its refusal."""


class StanzaReader(BufferedReader):
    """A dialect's reader gives its `_stanzas`.

    The title of a phrase is the local name of its element; that of the end of the document has a slash before it.
    """

    _stanzas: ClassVar[Stanzas]
    _longest = LARGEST

    def __init__(self) -> None:
        super().__init__()
        self._cutters = {side: StanzaCutter(self._stanzas.root) for side in (CLIENT, SERVER)}
        self._answers = ("", "")
        """What may answer the client's wish to start TLS: the go-ahead and the refusal."""

    def begun(self, sender: str) -> tuple[str, str]:
        usual, name = "command" if sender == CLIENT else "reply", self._cutters[sender].name
        return self._stanzas.kinds.get((sender, name), usual), name or "unfinished"

    def rest(self, sender: str) -> bytes:
        self._cutters[sender].restart()
        if sender == SERVER:
            self._next = COMMAND
        return super().rest(sender)

    def _client(self) -> Phrase | None:
        said = self._say(CLIENT, "command")
        if said and said.title in self._stanzas.go_aheads:
            self._next, self._answers = WAIT, self._stanzas.go_aheads[said.title]
        return said

    def _server(self) -> Phrase | None:
        said = self._say(SERVER, "reply")
        if said is None or self._next != WAIT or said.kind == "unknown":
            return said
        go_ahead, refusal = self._answers
        if said.title not in (go_ahead, refusal, f"/{self._stanzas.root}"):
            return said
        self._next = COMMAND
        kind = {go_ahead: "go-ahead", refusal: "refusal"}.get(said.title, said.kind)
        return said._replace(kind=kind)

    def _say(self, sender: str, usual: str) -> Phrase | None:
        piece = self._cutters[sender].cut(self._buffers[sender])
        if piece is None:
            return None
        if piece.shape == OTHER or (piece.shape == END and piece.name != self._stanzas.root):
            return Phrase(sender, "unknown", piece.name, piece.data)
        title = f"/{piece.name}" if piece.shape == END else piece.name
        return Phrase(sender, self._stanzas.kinds.get((sender, title), usual), title, piece.data)
