"""Files that have a path, and folders, that leave nothing behind.

OpenSSL takes key logs and certificates as paths only. On Linux the path leads to memory (memfd_create(2)), which is
gone with the process, however it ends. Elsewhere it is a private temporary file, removed on close, as a folder is
everywhere; where a process was killed before that, the next one removes it. What is in it is not known here.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "labkit-"


class ScratchFile:
    """Bytes behind a path, for this process alone; gone after `close`."""

    def __init__(self, contents: bytes = b"") -> None:
        self._fd, self.path, self._on_disk = _in_memory() or _on_disk()
        with open(self.path, "wb") as file:
            file.write(contents)

    def read(self) -> bytes:
        """Everything that was written, by us or by whoever was given the path; nothing after `close`."""
        if self._fd < 0:
            return b""
        with open(self.path, "rb") as file:
            return file.read()

    def close(self) -> None:
        """Forget the bytes. A second call does nothing."""
        if self._fd < 0:
            return
        os.ftruncate(self._fd, 0)  # whoever was given the path may hold it open for longer
        os.close(self._fd)
        self._fd = -1
        if self._on_disk:
            with suppress(PermissionError):  # Windows keeps a file that is held open
                os.unlink(self.path)

    def __enter__(self) -> "ScratchFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A private folder, gone after its `cleanup`."""
    _sweep()
    return tempfile.TemporaryDirectory(prefix=_own_prefix())


def _own_prefix() -> str:
    return f"{_PREFIX}{os.getpid()}-"


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
    _sweep()
    return *tempfile.mkstemp(prefix=_own_prefix()), True


def _sweep() -> None:
    """Remove what processes that are gone have left; the process that something belongs to stands in its name."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = path.name.removeprefix(_PREFIX).split("-", 1)[0]
        if owner.isdecimal() and not _runs(int(owner)):
            with suppress(OSError):  # somebody else's, or, on Windows, still held open
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _runs(process: int) -> bool:
    """Whether a process is running. On Windows, where looking would end it, only a file that it holds open tells."""
    if os.name == "nt":
        return process == os.getpid()
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # somebody else's, or no number of a process
    return True
