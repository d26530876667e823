"""What TLS costs a mail session: round trips, counted in its capture, and seconds, while the way is made longer.

Clients at several distances from one server each run every way more than once, all at the same time: they mostly wait.
Of the times of a way at one distance the shortest counts, since other work on the machine can
only make one longer; where one stands out above the line through them, it is tried again. This line (least squares) has
the round trips as its slope, and as its intercept what takes time at any distance: keys, certificates, and the programs
themselves. Which round trips there must be is `way`.
"""

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

from labkit.decode.round_trips import round_trips
from labkit.errors import LabError
from labkit.network import Network
from labkit.show.cost_chart import Trend, cost_chart, cost_table, in_words
from labkit.show.page import Page
from labkit.show.table import table
from labkit.trials.timed import TimedClient, TimedRun
from labkit.trials.way import IMPLICIT, Way, way

if TYPE_CHECKING:
    from labkit.lab import Lab
    from labkit.show.capture import Capture
    from labkit.show.picture import Picture

WAYS = ("clear", "implicit, TLS 1.3", "implicit, TLS 1.2", "STARTTLS, TLS 1.3", "STARTTLS, TLS 1.2")
"""The ways that a lesson compares: until the reply to the EHLO that counts."""
DELAYS = (0.0, 0.02, 0.05, 0.1, 0.2)
"""Seconds that a round trip takes: on one machine, in one town, in one country, between two, between continents."""
_FARTHEST = 2.0
"""Seconds of a round trip; a session of ten would take twenty."""
_MOST_DELAYS, _MOST_WAYS = 8, 12
_TIMES, _AGAIN = 2, 3
"""Sessions of each way at each distance, and those that are added where a time stands out."""
_OFF, _LIMIT = 0.004, 2.5
"""Seconds above the line with which a time stands out, and seconds in which it is tried again."""
_ALONE = 5
"""Sessions of each way, one after the other, whose computing is measured."""
_SPENT = 3.0
"""Seconds in which all clients should be through; as many of one distance go at once as that takes."""

_Ends = tuple[tuple[str, int], int]
"""The client's IP address and port, and the server's nominal port."""

_TURN = 0.0005
"""Seconds after which a thread of Python gives way to another that has something to do; Python's own is ten times that,
which a session would wait for again and again."""


class Cost(NamedTuple):
    """What one way costs."""

    way: Way
    counted: int | None
    """Round trips in the capture: the smallest number of its sessions at the longest distance; None for none there."""
    times: Mapping[float, float]
    """Seconds of a round trip -> seconds of the shortest session."""
    slope: float
    """Round trips, as the times say."""
    intercept: float
    """Seconds that a session takes at no distance, as the times say."""
    work: float
    """Seconds of computing in the server's thread, for one session."""

    @property
    def predicted(self) -> int:
        """Round trips, as the protocols say."""
        return self.way.trips

    def __repr__(self) -> str:
        return (
            f"{self.way.name}: {self.predicted} round trips predicted, {in_words(self.counted)} counted, "
            f"{self.slope:.2f} measured, and {self.intercept * 1000:.0f} ms at any distance."
        )


class Costs(dict[str, Cost]):
    """Name of a way -> what it costs; `capture` holds all the sessions. A notebook shows the picture and the table."""

    def __init__(self, costs: Iterable[Cost], capture: "Capture") -> None:
        super().__init__((cost.way.name, cost) for cost in costs)
        self.capture = capture

    def __missing__(self, words: str) -> Cost:
        name = way(words).name
        if name not in self:
            raise LabError(f"{name!r} was not run: there are {', '.join(map(repr, self))}.")
        return self[name]

    def why(self, words: str) -> Page:
        """The round trips that a way must take, step by step. Raises `LabError` for one that was not run."""
        cost = self[words]
        rows = [[step.name, str(step.trips), step.why] for step in cost.way.steps]
        return table(f"{cost.way.name}: {cost.predicted} round trips", ("step", "round trips", "why"), rows)

    @cached_property
    def picture(self) -> "Picture":
        """Lines of prediction and measurement: seconds of a session over seconds of a round trip."""
        return cost_chart(self._trends)

    @cached_property
    def table(self) -> Page:
        """The numbers of the picture."""
        return cost_table(self._trends)

    @property
    def _trends(self) -> list[Trend]:
        return [
            Trend(name, cost.predicted, cost.counted, cost.times, cost.slope, cost.intercept, cost.work)
            for name, cost in self.items()
        ]

    @property
    def html(self) -> str:
        """The picture, and the table under it."""
        return Page(lambda: (self.picture.body(), self.table.body()), "").html

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return repr(self.table)


# ---- what is asked for


def chosen(ways: "Iterable[str] | str | None", delays: "Iterable[float] | None") -> tuple[list[Way], list[float]]:
    """The ways that these words describe, and the delays, the shortest first; `WAYS` and `DELAYS` unless given.

    Raises `LabError` for words or numbers that mean nothing, and for delays through which no line goes.
    """
    words = WAYS if ways is None else [ways] if isinstance(ways, str) else ways
    if not isinstance(words, Iterable):
        raise LabError(f"Ways are given as a list of words, for example ['clear', 'STARTTLS, TLS 1.3'], not {ways!r}.")
    wanted = list(dict.fromkeys(map(way, words)))
    if not 0 < len(wanted) <= _MOST_WAYS:
        raise LabError(f"1 to {_MOST_WAYS} ways are compared at once, not {len(wanted)}.")
    return wanted, _distances(DELAYS if delays is None else delays)


def _distances(delays: Any) -> list[float]:
    given = list(delays) if isinstance(delays, Iterable) and not isinstance(delays, str | bytes | Mapping) else [delays]
    for delay in given:
        if not isinstance(delay, Real) or isinstance(delay, bool) or not 0 <= delay <= _FARTHEST:
            raise LabError(f"A delay is the seconds of a round trip, from 0 to {_FARTHEST:g}, not {delay!r}.")
    found = sorted({float(delay) for delay in given})
    if not 2 <= len(found) <= _MOST_DELAYS or found[-1] - found[0] < 0.01:
        raise LabError(
            f"A line needs 2 to {_MOST_DELAYS} different delays, the longest of them at least 0.01 s longer than the "
            f"shortest, not {_listed(given)}."
        )
    return found


def _listed(delays: Sequence[float]) -> str:
    """Delays in the words of a sentence."""
    return ", ".join(f"{delay:g}" for delay in delays) or "none"


def clients(delays: Sequence[float]) -> tuple[str, ...]:
    """The hosts that a lab needs for this beside the usual three: a client at each distance."""
    return tuple(f"client-{number}" for number in range(1, len(delays) + 1))


def count(ways: Sequence[Way], delays: Sequence[float]) -> int:
    """How many sessions `every_way` runs with these arguments."""
    return len(ways) * (len(delays) * _TIMES + _ALONE)


def every_way(
    lab: "Lab", ways: Sequence[Way], delays: Sequence[float], step: Callable[[], object] = lambda: None
) -> Costs:
    """Go every way from clients at every distance, in a lab with the hosts `clients`.

    Raises `LabError` if a session fails.
    """
    submission = lab.smtp(auth="always", pipelining=True), lab.smtp(implicit=True, pipelining=True)
    ports = {way.starts: submission[way.starts == IMPLICIT].port for way in ways}
    hosts = dict(zip(delays, map(lab.network.host, clients(delays)), strict=True))
    reach = {
        (way, delay): TimedClient(lab, hosts[delay], ports[way.starts], way, delay) for delay in delays for way in ways
    }
    for client in reach.values():
        client.prepare()
    work = {way: _work(lab.network, reach[way, delays[0]], step) for way in ways}
    for delay, host in hosts.items():
        lab.network.link(host.name, delay / 2)
    with _short_turns(), lab.capture() as capture:
        runs = _runs(list(reach.values()), step)
    trips = _counted(capture)
    return Costs([_cost(way, [run for run in runs if run.way == way], trips, work[way]) for way in ways], capture)


@contextmanager
def _short_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _counted(capture: "Capture") -> dict[_Ends, int]:
    """The round trips of each connection; not of two that had the same ends, one after the other."""
    found = [((each.client, each.server[1]), each.count) for each in round_trips(capture.frames)]
    seen = Counter(ends for ends, _ in found)
    return {ends: count for ends, count in found if seen[ends] == 1}


def _runs(clients: Sequence[TimedClient], step: Callable[[], object]) -> list[TimedRun]:
    """Sessions of all these clients, until no time stands out or `_LIMIT` is over."""
    runs = _all_at_once([client for client in clients for _ in range(_TIMES)], step)
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        shortest = {way: _shortest(run for run in runs if run.way == way) for way in {run.way for run in runs}}
        again = [client for client in clients if _stands_out(shortest[client.way], client.delay)]
        if not again:
            break
        runs += _all_at_once([client for client in again for _ in range(_AGAIN)])
    return runs


def _all_at_once(clients: Sequence[TimedClient], step: Callable[[], object] = lambda: None) -> list[TimedRun]:
    """One session of each client; those of one distance are given together.

    Of the near ones, which hardly wait, only one at a time: they must not wait for each other.
    """
    runs: list[TimedRun] = []
    pools: list[ThreadPoolExecutor] = []
    under_way: list[Future[TimedRun]] = []
    try:
        for _, here in groupby(clients, key=lambda client: client.delay):
            group = list(here)
            waiting = sum(client.delay * client.way.trips for client in group)
            pools.append(ThreadPoolExecutor(1 + int(waiting / _SPENT), "labkit cost"))
            under_way += [pools[-1].submit(client.run) for client in group]
        for done in as_completed(under_way):
            runs.append(done.result())
            step()
    finally:
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=True)
    return runs


def _shortest(runs: Iterable[TimedRun]) -> dict[float, float]:
    """Seconds of a round trip -> seconds of the shortest session."""
    times: dict[float, float] = {}
    for run in sorted(runs, key=lambda run: run.delay):
        times[run.delay] = min(run.seconds, times.get(run.delay, run.seconds))
    return times


def _stands_out(times: Mapping[float, float], delay: float) -> bool:
    slope, intercept = _line(times)
    return times[delay] - slope * delay - intercept > _OFF


def _line(times: Mapping[float, float]) -> tuple[float, float]:
    """Slope and intercept of the line with the least squares.

    A session over no distance never waits, so that no program has to be woken up, and its time lies below the line: it
    is left out where two others are there.
    """
    far = {delay: seconds for delay, seconds in times.items() if delay} if len(times) > 2 else times
    return statistics.linear_regression(list(far), list(far.values()))


def _work(network: Network, client: TimedClient, step: Callable[[], object]) -> float:
    """Seconds of computing in the server's thread for one session, with nothing else on the way; the median of some."""
    spent = []
    for _ in range(_ALONE):
        began = _computed(network)
        client.run()
        spent.append(_computed(network) - began)
        step()
    return statistics.median(spent)


def _computed(network: Network) -> float:
    """Seconds that the server's thread has computed until now."""
    found: list[float] = []
    network.loop.call(lambda: found.append(time.thread_time()))
    return found[0]


def _cost(way: Way, runs: Sequence[TimedRun], trips: Mapping[_Ends, int], work: float) -> Cost:
    times = _shortest(runs)
    slope, intercept = _line(times)
    # Over a way that takes no time, an answer may be there before the client has said all that it would have said.
    ends = [(run.client, run.port) for run in runs if run.delay == max(times)]
    counted = [trips[each] for each in ends if each in trips]
    return Cost(way, min(counted, default=None), times, slope, intercept, work)
