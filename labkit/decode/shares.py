"""A long capture file decoded by several processes, for programs that have one thread.

Each process reads the whole file, which is quick, and decodes its part of the conversations, which is not. The results
come in the order in which one process alone would give them. One process alone is about three times as quick as tshark
(``make bench ARGS=decode``); from five times on, this file would not be worth its lines.
"""

import gc
import heapq
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from typing import TypeVar

from labkit.capture.frames import ALL, Share
from labkit.capture.pcap import CaptureFile, read_frames
from labkit.capture.reassembly import conversations
from labkit.decode.event import Dialogue
from labkit.decode.file import second_look
from labkit.decode.second_look import DialoguePlace
from labkit.errors import CaptureError, LabError
from labkit.trust.keylog import Secrets, merge

_LONG = 4 << 20
"""How many bytes of a file justify one more process."""
_MOST = 4
"""The most processes: each reads the whole file, so more of them would mostly read."""
_BATCH = 50
"""How many answers are sent together."""
_ALLOCATIONS = 50_000
"""How many more objects than before there must be for the garbage collector to run: more than one dialogue has."""
_PATIENCE = 2.0
"""Seconds for a process to end."""

T = TypeVar("T")
Tell = Callable[[CaptureFile, Dialogue], T]
Placed = tuple[DialoguePlace, T]
"""(place of the dialogue, answer)."""


def told(file: CaptureFile, secrets: Secrets, tell: Tell[T]) -> Iterator[T]:
    """What `tell` returns for each dialogue in `file`, in the order of `labkit.decode.file.dialogues`.

    `tell` is a function of a module, and what it returns can be pickled. Raises `CaptureError` for what is not a
    capture and `LabError` when a process ends before it is done.
    """
    parts = _parts(file)
    with ExitStack() as processes:
        if parts == 1:
            placed = [_decoded(file, secrets, tell, ALL)]
        else:
            placed = [
                processes.enter_context(_process(file, secrets, tell, Share(number, parts))) for number in range(parts)
            ]
        for _, answer in heapq.merge(*placed):  # by place; no two are the same, so answers are not compared
            yield answer


def _parts(file: CaptureFile) -> int:
    """How many processes decode this file."""
    if not file.stored.lasting or file.path.stat().st_size < _LONG:
        return 1
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return min(len(allowed), _MOST)


def _decoded(file: CaptureFile, secrets: Secrets, tell: Tell[T], part: Share) -> Iterator[Placed[T]]:
    merge(file.secrets, secrets)
    look = second_look(file)
    with _rare_collections():
        for place, dialogue in look.in_order(conversations(file.records(part), part, file.passed_over)):
            yield place, tell(file, dialogue)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let the garbage collector run rarely: it takes 8 % of the time and finds nothing, as dialogues have no cycles."""
    threshold, *others = gc.get_threshold()
    gc.set_threshold(max(threshold, _ALLOCATIONS), *others)
    try:
        yield
    finally:
        gc.set_threshold(threshold, *others)


@contextmanager
def _process(file: CaptureFile, secrets: Secrets, tell: Tell[T], part: Share) -> Iterator[Iterator[Placed[T]]]:
    """Run a process that decodes one part, for a ``with`` block; yields its answers."""
    here, there = Pipe(duplex=False)
    process = Process(target=_work, args=(there, file.path, secrets, tell, part), daemon=True)
    process.start()
    there.close()
    try:
        yield _received(here, file)
    finally:
        here.close()
        process.terminate()
        process.join(_PATIENCE)


def _received(here: Connection, file: CaptureFile) -> Iterator[Placed[T]]:
    with suppress(EOFError):
        while isinstance(batch := here.recv(), list):
            yield from batch
        if isinstance(batch, CaptureError):
            raise batch
        file.problem, passed_over = batch
        file.passed_over.join(passed_over)
        return
    raise LabError(
        f"A process that decoded a part of {file.path} ended before it was done: "
        "what it said above tells why; where it said nothing, the machine may be short of memory."
    )


def _work(there: Connection, path: os.PathLike[str], secrets: Secrets, tell: Tell[T], part: Share) -> None:
    """Send the answers, then what is wrong with the file and what was passed over in it."""
    file = read_frames(path)
    answers = _decoded(file, secrets, tell, part)
    with suppress(BrokenPipeError, KeyboardInterrupt):  # the reader is gone
        try:
            while batch := list(islice(answers, _BATCH)):
                there.send(batch)
            there.send((file.problem, file.passed_over))
        except CaptureError as error:
            there.send(error)
