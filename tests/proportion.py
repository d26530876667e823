"""Whether work takes time in proportion to its input."""

from collections.abc import Callable
from time import process_time

Work = Callable[[], object]


def assert_in_proportion(work: Callable[[int], Work]) -> None:
    """Twice the size takes about twice the time; `work` makes what is timed, for a size of 500 and more."""
    size = 500
    while seconds(work(size)) < 0.01 and size < 32_000:
        size *= 2
    once, twice = work(size), work(2 * size)
    # What else the machine does only adds to a time: the least of several is the nearest to the truth.
    times: list[tuple[float, float]] = []
    while len(times) < 4 or (len(times) < 20 and not _twice(times)):
        times.append((seconds(once), seconds(twice)))
    assert _twice(times), times


def seconds(work: Work) -> float:
    """CPU time."""
    before = process_time()
    work()
    return process_time() - before


def _twice(times: list[tuple[float, float]]) -> bool:
    """Whether the longer ones took less than three times as long as the shorter ones; four times is quadratic."""
    shorter, longer = map(min, zip(*times, strict=True))
    return longer < 3 * shorter
