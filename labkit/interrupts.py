"""Interrupts (SIGINT: Control-C, the stop button of a notebook), delayed while something begins or ends.

Python raises KeyboardInterrupt between any two instructions of the main thread: also between the start of a thread and
the line that notes it. What begins or ends inside `uninterrupted` does so completely, and the interrupt follows.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Deliver an interrupt that arrives inside the block at its end. Has no effect outside of the main thread.

    Only for what ends by itself within seconds: until then the user cannot stop it.
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
