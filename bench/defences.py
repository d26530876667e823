"""How long the matrix of the defences takes, and how long a sender waits for an answer of the DNS that is validated."""

import time
from collections.abc import Iterator
from statistics import median

from figures import AT_MOST, Figure
from lessons import on_few_cores

from labkit import Lab
from labkit.trials.defences import HOSTS, every_defence
from labkit.trials.threats import count

_MATRIX, _LOOKUP = 60.0, 25.0
"""Seconds, and milliseconds."""
_NAMES = (("bob.test", "MX"), ("mail.bob.test", "A"), ("_25._tcp.mail.bob.test", "TLSA"), ("nobody.bob.test", "A"))
_TIMES = 10


def measure(_: int) -> Iterator[Figure]:
    """The seconds of the matrix on two cores, and the milliseconds of a lookup by a resolver with an empty cache."""
    with on_few_cores(), Lab("loopback", hosts=HOSTS) as lab:
        began = time.perf_counter()
        every_defence(lab)
        seconds = time.perf_counter() - began
        yield Figure("defences: the matrix", seconds, AT_MOST, _MATRIX, f"{seconds:.1f} s, {count()} messages", "s")
        lab.domain("bob.test").sign().tlsa("3 1 1")
        lab.resolve(*_NAMES[0])  # the zone is signed when the first question comes
        waits = [_wait(lab, *name) for _ in range(_TIMES) for name in _NAMES]
        yield Figure(
            "defences: a lookup, validated",
            median(waits),
            AT_MOST,
            _LOOKUP,
            f"median of {len(waits)}, the slowest {max(waits):.0f} ms",
            "ms",
        )


def _wait(lab: Lab, name: str, type: str) -> float:
    """Milliseconds until the answer is there, with the keys and the proofs that it needs."""
    began = time.perf_counter()
    answer = lab.resolve(name, type)
    if not answer.secure:
        raise RuntimeError(f"{name} {type} was {answer.status}: {answer.why}")
    return (time.perf_counter() - began) * 1000
