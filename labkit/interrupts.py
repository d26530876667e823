"""Interrupts (SIGINT: Control-C, the stop button of a notebook), delayed while something is started or stopped.

Python raises KeyboardInterrupt between any two instructions of the main thread: also between starting a thread and
storing a reference to it. Inside `uninterrupted` such steps are completed, and the interrupt follows.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Deliver an interrupt that arrives inside the block at its end. Has no effect outside of the main thread.

    Use it only for steps that take seconds at most, because the user cannot stop them.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or not callable(signal.getsignal(signal.SIGINT)):  # ignored, or the end of the process
        yield
        return
    arrived: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        arrived.append(number)

    previous = signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if arrived:
            signal.raise_signal(signal.SIGINT)
