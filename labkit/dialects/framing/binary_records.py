"""Binary records: each says its own length, in bytes before its content (LDAP, RFC 4511 §5.1; PostgreSQL).

A length is believed up to the largest record that the protocol knows, and nothing is reserved for it.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from labkit.dialects.base import CLIENT, SERVER, Phrase
from labkit.dialects.reader import COMMAND, LARGEST, WAIT, Buffer, BufferedReader

REPLY = "reply"
"""The state in which the server begins; the client begins in COMMAND."""

NOT_A_RECORD = -1

Size = Callable[[Buffer], int]
"""(a buffer) -> the size in bytes of the record at its beginning: 0 while too few bytes are there to tell,
`NOT_A_RECORD` for bytes that are not a record."""


def fixed(size: int) -> Size:
    """Records of `size` bytes."""
    return lambda buffer: size


def counted(before: int, width: int) -> Size:
    """Records with `before` bytes, then a big-endian length of `width` bytes that counts itself and all after it."""

    def size(buffer: Buffer) -> int:
        if len(buffer) < before + width:
            return 0
        length = int.from_bytes(buffer[before : before + width], "big")
        return before + length if length >= width else NOT_A_RECORD

    return size


def ber(tag: int) -> Size:
    """BER elements with this tag byte and a definite length of at most four bytes (X.690 §8.1.3)."""

    def size(buffer: Buffer) -> int:
        if buffer[:1] != bytes([tag]):
            return NOT_A_RECORD
        if len(buffer) < 2:
            return 0
        first = buffer[1]
        if first < 0x80:
            return 2 + first
        width = first & 0x7F
        if not 1 <= width <= 4:
            return NOT_A_RECORD
        return 2 + width + int.from_bytes(buffer[2 : 2 + width], "big") if len(buffer) >= 2 + width else 0

    return size


_KINDS = {CLIENT: "command", SERVER: "reply"}
"""Side -> kind of a record of it that is not whole."""


@dataclass(frozen=True)
class BinaryRecords:
    """How long the records of a dialect are, and the order of the states of both sides.

    The client begins in COMMAND, the server in REPLY. A record whose title stands in `after` changes both. In WAIT the
    client says nothing until the server's answer has put it into another state.
    """

    sizes: Mapping[tuple[str, str], Size]
    """(sender, its state) -> how long its next record is."""
    after: Mapping[str, tuple[str, str]]
    """Title of a record -> the next states of client and server; an empty text leaves that side's state as it is."""
    most: int
    """The largest size of a record in bytes; bytes that state a larger one are not a record."""


class BinaryRecordReader(BufferedReader):
    """A dialect's reader defines its `_records`, and what each of them is."""

    _records: ClassVar[BinaryRecords]
    _longest = LARGEST

    def __init__(self) -> None:
        super().__init__()
        self._server_next = REPLY
        self._left = {CLIENT: 0, SERVER: 0}
        """Bytes that are left of a record which is too large to come in one phrase."""
        self._begun: dict[str, Phrase | None] = {CLIENT: None, SERVER: None}
        """The last piece of it."""

    def begun(self, sender: str) -> tuple[str, str]:
        begun = self._begun[sender]
        return (begun.kind, begun.title) if begun else (_KINDS[sender], "unfinished")

    def rest(self, sender: str) -> bytes:
        self._left[sender], self._begun[sender] = 0, None
        if sender == SERVER and self._next == WAIT:
            self._next = COMMAND
        return super().rest(sender)

    @abstractmethod
    def _named(self, sender: str, data: bytes) -> tuple[str, str]:
        """Kind and title of a record, or of the first piece of one. Kind go-ahead starts TLS."""

    def _client(self) -> Phrase | None:
        return self._record(CLIENT, self._next)

    def _server(self) -> Phrase | None:
        return self._record(SERVER, self._server_next)

    def _record(self, sender: str, state: str) -> Phrase | None:
        buffer, begun = self._buffers[sender], self._begun[sender]
        size = self._left[sender] or self._records.sizes[sender, state](buffer)
        if not begun and not 0 <= size <= self._records.most:
            return Phrase(sender, "unknown", "unknown", buffer.take(min(len(buffer), LARGEST)))
        end = min(size, LARGEST)
        if not end or len(buffer) < end:
            return None
        data = buffer.take(end)
        said = begun._replace(data=data) if begun else self._say(sender, data)
        self._left[sender] = size - end
        self._begun[sender] = said if size > end else None
        return said

    def _say(self, sender: str, data: bytes) -> Phrase:
        kind, title = self._named(sender, data)
        client, server = self._records.after.get(title, ("", ""))
        self._next, self._server_next = client or self._next, server or self._server_next
        return Phrase(sender, kind, title, data)
