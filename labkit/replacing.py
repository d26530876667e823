"""Writing a file that a person has named: it replaces an earlier one only when it is complete.

So a full disk, or an error half-way, leaves the earlier file as it was. A device or a pipe is written to as it is.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from labkit.errors import LabError


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write to, which replaces `path` at the end of the block unless the block fails. Raises OSError."""
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            yield file
        return
    place = Path(os.path.realpath(path))  # a link leads to the same file as before
    new = place.with_name(f".labkit-{secrets.token_hex(4)}")
    try:
        with new.open("wb") as file:
            yield file
        os.replace(new, place)
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Write text, in UTF-8 and with the ends of lines that it has. Raises `LabError` where that cannot be done."""
    try:
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise LabError(f"{path} cannot be written ({error.strerror}): choose another place.") from error
