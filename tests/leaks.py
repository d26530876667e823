"""What this process has open, each thing by its name, so that a test can say what an action has left behind.

Only what is new was left: what is gone belonged to an earlier test in the same process, which was closed late.
"""

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil


def what_is_open() -> Counter[str]:
    """The descriptors, threads and child processes of this process, and how often each is there."""
    children = (f"process {child.pid}" for child in psutil.Process().children(recursive=True))
    threads = (f"thread {thread.name} {thread.native_id}" for thread in threading.enumerate())
    return Counter([*_descriptors(), *children, *threads])


def what_is_held() -> Counter[str]:
    """What is open and no garbage."""
    gc.collect()
    return what_is_open()


def left(before: Counter[str], patience: float = 0.0, now: Callable[[], Counter[str]] = what_is_open) -> Counter[str]:
    """What is open now and was not `before`, once it has had `patience` seconds to end."""
    deadline = time.monotonic() + patience
    while (new := now() - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    return new


def _descriptors() -> Iterator[str]:
    """Linux names each descriptor; elsewhere psutil knows files and sockets."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        process = psutil.Process()
        yield from (opened.path for opened in process.open_files())
        yield from (str(connection._replace(fd=-1)) for connection in process.net_connections("all"))
        return
    for number in os.listdir(folder):
        with suppress(FileNotFoundError):  # the one with which the folder was read
            yield os.readlink(folder / number)
