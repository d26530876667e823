"""What the command ``decode`` costs, with all that it writes, beside tshark's two full outputs.

The capture is `mixed`. CPU seconds of one process count, because a server decodes for many at once; the output goes
nowhere. tshark writes more (every field of every layer), we write what was said and what it means.
"""

from collections.abc import Iterator
from statistics import median

from figures import AT_LEAST, Figure
from mixed import recorded
from processes import cpu_seconds, python

_ROUNDS = 3
_TSHARK = {"text": ("-V",), "JSON": ("-T", "json")}
_OURS = {"text": (), "JSON": ("--json",)}
_TARGETS = {"text": 2, "JSON": 10}


def measure(_: int) -> Iterator[Figure]:
    """tshark's CPU seconds against ours, for text and for JSON."""
    path = recorded()
    taken: dict[tuple[str, str], list[float]] = {}
    for _ in range(_ROUNDS):
        for form in _TARGETS:
            theirs = ("tshark", "-n", "-r", path, *_TSHARK[form])
            ours = python("-m", "labkit", "decode", *_OURS[form], path)
            taken.setdefault((form, "tshark"), []).append(cpu_seconds(theirs))
            taken.setdefault((form, "ours"), []).append(cpu_seconds(ours))
    for form, target in _TARGETS.items():
        theirs, ours = median(taken[form, "tshark"]), median(taken[form, "ours"])
        what = f"output: tshark {' '.join(_TSHARK[form])} / decode {' '.join(_OURS[form])}".rstrip()
        yield Figure(what, theirs / ours, AT_LEAST, target, f"{theirs:.2f} s / {ours:.2f} s of CPU")
