"""What readers of tagged and of coded lines share: recognising a command where the state only guesses what comes."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from labkit.dialects.base import CLIENT, Phrase
from labkit.dialects.reader import BufferedReader

_LONGEST_COMMAND = 512
"""Bytes within which a command is recognised (RFC 5321 §4.5.3.1.4)."""


class LineReader(BufferedReader):
    """A framing defines `_READS`, and how a command is recognised by its first line."""

    _READS: ClassVar[Mapping[str, Callable[[Any], Phrase | None]]]
    """State -> the method that reads what the client says in it."""

    def __init__(self) -> None:
        super().__init__()
        self._guessed = False
        """Whether the client's state is a guess, because an answer is missing or came early."""

    def _client(self) -> Phrase | None:
        if self._guessed and not self._take_guess():
            return None
        return self._READS[self._next](self)

    def _take_guess(self) -> bool:
        """Replace the guess by what the client's first line shows; False while that line is incomplete."""
        buffer = self._buffers[CLIENT]
        end = buffer.line()
        if not end and len(buffer) < _LONGEST_COMMAND:
            return False
        self._guessed = False
        self._settle(bytes(buffer[: end or _LONGEST_COMMAND]))
        return True

    @abstractmethod
    def _settle(self, line: bytes) -> None:
        """Put the client into COMMAND if this line, or the beginning of one, is a command."""
