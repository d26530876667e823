"""What the private LAN costs: sessions a second against loopback, and the time, CPU and memory of one that is made.

The sessions that are compared take turns, one on each network, in two labs of this process, so that a busy moment of
the machine hits both. Where the machine allows no private LAN there is nothing to measure, and it says so.
"""

import os
import statistics
import time
from collections.abc import Iterator

import psutil
from figures import AT_LEAST, AT_MOST, Figure

_TURNS = 300
_LABS = 20
_LOGIN = ("alice", "hunter2")


def measure(_: int) -> Iterator[Figure]:
    """Sessions a second on both networks; the seconds that a LAN is made and removed in, its CPU and its memory."""
    yield _sessions()
    yield from _lifetime()


def _sessions() -> Figure:
    from labkit import Lab

    with Lab("loopback") as here, Lab("namespace") as there:
        labs = [(lab, lab.smtp(), []) for lab in (here, there)]
        for _ in range(_TURNS):
            for lab, server, seconds in labs:
                began = time.perf_counter()
                if not lab.send(server, "The PIN is 4921", login=_LOGIN):
                    raise RuntimeError(f"A session on {lab.network.kind} failed.")
                seconds.append(time.perf_counter() - began)
    loopback, lan = (statistics.median(seconds) for _, _, seconds in labs)
    absolute = f"{1 / lan:.0f} / {1 / loopback:.0f} a second (medians of {_TURNS})"
    return Figure("sessions a second: private LAN / loopback", loopback / lan, AT_LEAST, 0.7, absolute)


def _lifetime() -> Iterator[Figure]:
    from labkit.network import make

    ups, downs, sizes = [], [], []
    before = _cpu_of_children()
    for _ in range(_LABS):
        began = time.perf_counter()
        network = make("namespace")
        up = time.perf_counter()
        sizes.append(psutil.Process(network.broker.pid).memory_full_info().pss / 1e6)
        down = time.perf_counter()
        network.close()
        ups.append(up - began)
        downs.append(time.perf_counter() - down)
    for what, seconds, target in (("up", ups, 1.0), ("down", downs, 0.2)):
        absolute = f"{min(seconds) * 1e3:.0f} to {max(seconds) * 1e3:.0f} ms, {_LABS} times"
        yield Figure(f"a private LAN is {what}", statistics.median(seconds), AT_MOST, target, absolute, "s")
    cpu = (_cpu_of_children() - before) / _LABS
    yield Figure("the CPU of a private LAN's process", cpu, AT_MOST, 0.2, f"mean of {_LABS}", "s")
    memory = statistics.median(sizes)
    yield Figure("the memory of a private LAN's process", memory, AT_MOST, 12, f"PSS, median of {_LABS}", "MB")


def _cpu_of_children() -> float:
    """CPU seconds, user and system, of the processes that this one has started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system
