"""The bytes of a capture as they are stored: in a file, in a pipe, on standard input, compressed by gzip or not.

A source that cannot be read twice is copied when it is first opened. What the bytes mean is `pcap`.
"""

import sys
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from typing import BinaryIO

from labkit.errors import CaptureError

_GZIP = b"\x1f\x8b"
_STANDARD_INPUT = "-"
_IN_MEMORY = 64 << 20
"""Bytes of a copy that are kept in memory; a larger one is a temporary file."""

DAMAGED_GZIP = (EOFError, BadGzipFile, zlib.error)
"""What reading raises where compressed bytes are cut or damaged."""


class Stored:
    """The bytes at a path; ``-`` is standard input, which is read to its end when it is first opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._copy: SpooledTemporaryFile[bytes] | None = None

    @property
    def name(self) -> str:
        """What it is called at the beginning of a sentence."""
        return "Standard input" if self._is_standard_input else str(self.path)

    @property
    def lasting(self) -> bool:
        """Whether it is an ordinary file, which other processes can read too."""
        return not self._is_standard_input and self.path.is_file()

    @property
    def _is_standard_input(self) -> bool:
        return str(self.path) == _STANDARD_INPUT

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes from the beginning, without compression. Raises `CaptureError`.

        Reading raises one of `DAMAGED_GZIP` where the compressed bytes are cut or damaged.
        """
        try:
            with self._opened() as file:
                compressed = file.read(len(_GZIP)) == _GZIP
                file.seek(0)
                yield GzipFile(fileobj=file, mode="rb") if compressed else file
        except OSError as error:
            raise CaptureError(
                f"{self.name} cannot be read ({error.strerror or error}): check the name and the permissions."
            ) from error

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self._copy is None:
            with nullcontext(sys.stdin.buffer) if self._is_standard_input else self.path.open("rb") as file:
                if not self._is_standard_input and file.seekable():
                    yield file
                    return
                self._copy = _copied(file)
            weakref.finalize(self, self._copy.close)
        self._copy.seek(0)
        yield self._copy


def _copied(source: BinaryIO) -> "SpooledTemporaryFile[bytes]":
    copy = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (it is needed for as long as it can be read again)
    copyfileobj(source, copy)
    return copy
