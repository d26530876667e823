"""Temporary files with a path, which are removed however the process ends.

OpenSSL takes key logs and certificates as paths only. On Linux the path leads to memory (memfd_create(2)), which is
gone with the process, however it ends. Elsewhere it is a private temporary file, removed on close; where a process was
killed before that, the next one removes it. A folder that programs of other users reach has to be on the disk: a guard
process removes it if this process was killed.
"""

import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from labkit.errors import LabError
from labkit.limits import SENTENCES, within_limits

try:
    import fcntl
except ImportError:  # Windows, which does not remove a file that is held open
    fcntl = None

T = TypeVar("T")

_PREFIX = "labkit-secrets-"
_FOLDER_PREFIX = "labkit-folder-"
_REACHABLE = 0o711
"""Mode of the folder: other users may enter it, but not list it."""
_GUARD = 'read -r _; rm -rf -- "$1"'
_FAREWELL = 5.0
"""Seconds for the guard process to end; it takes milliseconds."""


class ScratchFile:
    """A file for this process alone; removed by `close`, or when nothing refers to this object any more.

    Raises `LabError` where no file can be made.
    """

    def __init__(self, contents: bytes = b"") -> None:
        with within_limits("Making a file for secrets"):
            fd, self.path, on_disk = _in_memory() or _on_disk()
            self.close = weakref.finalize(self, _forget, fd, self.path if on_disk else "", os.getpid())
            """Forget the bytes. A second call does nothing."""
            with open(self.path, "wb") as file:
                file.write(contents)

    def read(self) -> bytes:
        """Everything that was written through the path; nothing after `close`."""
        if not self.close.alive:
            return b""
        with open(self.path, "rb") as file:
            return file.read()

    def __enter__(self) -> "ScratchFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def temporary(make: Callable[[], T]) -> T:
    """Return what `make` returns, a function of `tempfile`. Raises `LabError` where there is no folder for it, and
    `Exhausted`."""
    with within_limits("Making a temporary file"):
        try:
            return make()
        except OSError as error:
            if error.errno in SENTENCES:
                raise
            os.close(os.open(os.devnull, os.O_RDONLY))  # without a descriptor left, tempfile says that no folder is
            raise LabError(
                f"No temporary file can be made ({error.strerror or error}): "
                "set TMPDIR to a folder that can be written to."
            ) from error


class ScratchFolder:
    """A folder that other processes, also those of other users, can reach if they know its `path`; removed by `close`.

    It is also removed when this process ends without `close`, for whatever reason. Raises `LabError` if no folder can
    be made.
    """

    def __init__(self) -> None:
        with within_limits("Making a folder for programs"):
            self.path = temporary(partial(tempfile.mkdtemp, prefix=_FOLDER_PREFIX))
            try:
                guard = None if os.name == "nt" else _guard(self.path)
            except BaseException:
                shutil.rmtree(self.path, ignore_errors=True)
                raise
        os.chmod(self.path, _REACHABLE)
        self.close = weakref.finalize(self, _remove, self.path, guard, os.getpid())
        """Remove the folder and all that is in it. A second call does nothing, nor does one in a forked process."""

    def __enter__(self) -> "ScratchFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _guard(folder: str) -> "subprocess.Popen[bytes]":
    """A process that removes a folder when the descriptor of its standard input is closed."""
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "labkit", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Control-C is for the kernel alone
    )


def _remove(folder: str, guard: "subprocess.Popen[bytes] | None", maker: int) -> None:
    if os.getpid() != maker:
        return
    if guard is not None:
        guard.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            guard.wait(_FAREWELL)
    shutil.rmtree(folder, ignore_errors=True)


def _forget(fd: int, on_disk: str, maker: int) -> None:
    """Empty and close a file, and remove it from the disk. A forked process only closes its copy of the descriptor."""
    if os.getpid() == maker:
        os.ftruncate(fd, 0)  # another descriptor of the same file may stay open for longer
    os.close(fd)
    if on_disk and os.getpid() == maker:
        with suppress(OSError):  # Windows keeps a file that is held open
            os.unlink(on_disk)


def _in_memory() -> tuple[int, str, bool] | None:
    try:
        fd = os.memfd_create("labkit")
    except (AttributeError, OSError):
        return None
    path = f"/proc/self/fd/{fd}"
    if os.path.exists(path):
        return fd, path, False
    os.close(fd)
    return None


def _on_disk() -> tuple[int, str, bool]:
    temporary(_remove_abandoned)
    fd, path = temporary(partial(tempfile.mkstemp, prefix=_PREFIX))
    _lock(fd)
    return fd, path, True


def _remove_abandoned() -> None:
    """Remove the files of processes that have ended: the lock of a file (flock(2)) ends with its process."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), open(path, "rb") as file:
            if path.stat().st_size and _lock(file.fileno()):  # an empty one may not be locked yet
                path.unlink()


def _lock(fd: int) -> bool:
    """Lock a file. False when another process has locked it."""
    with suppress(BlockingIOError):
        if fcntl is not None:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
