"""Resources that a process can run out of, as sentences: descriptors, processes, threads, memory, room on the disk."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from labkit.errors import Exhausted

_DESCRIPTORS = "this process may open no more files and sockets: close labs that are no longer used, or raise the limit"
_PROCESSES = "no more processes and threads may be started: end programs that are no longer used, or raise the limit"
_DISK = "there is no room left on the disk: remove files, or set TMPDIR to a folder with more room."
_MEMORY = "there is no memory left: end programs that are no longer used, or raise the limit"

SENTENCES = {
    errno.EMFILE: f"{_DESCRIPTORS} (ulimit -n).",
    errno.ENFILE: f"{_DESCRIPTORS} of the system (fs.file-max).",
    errno.EAGAIN: f"{_PROCESSES} (ulimit -u).",
    errno.ENOMEM: f"{_MEMORY} (ulimit -v).",
    errno.ENOBUFS: f"{_MEMORY} (ulimit -v).",
    errno.ENOSPC: _DISK,
    errno.EDQUOT: _DISK,
}
"""Error number -> what is missing, and what to do."""

_NO_THREAD = "can't start new thread"
"""The message of `threading` when the system allows no more threads."""
_NO_ROOM = ("failed to map segment", "cannot allocate memory")
"""The dynamic linker's message when a library does not fit into memory."""


@contextmanager
def within_limits(action: str) -> Iterator[None]:
    """Raise `Exhausted` where the block needs more than the system gives; `action` begins the sentence."""
    try:
        yield
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        number = _number(error)
        if number not in SENTENCES:
            raise
        raise Exhausted(f"{action} failed: {SENTENCES[number]}") from error


def _number(error: Exception) -> int | None:
    """The error number of what is missing; None for every other error."""
    said = str(error).lower()
    if isinstance(error, MemoryError) or (isinstance(error, ImportError) and any(words in said for words in _NO_ROOM)):
        return errno.ENOMEM
    if isinstance(error, RuntimeError):
        return errno.EAGAIN if said.startswith(_NO_THREAD) else None
    return getattr(error, "errno", None)
