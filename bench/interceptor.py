"""What an attacker in the path costs: sessions per second through an attacker that changes nothing, against a plain
relay.

Both carry the same STARTTLS sessions of the same lab, in turns. And how long every attack on every client takes.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from figures import AT_LEAST, AT_MOST, Figure

_ROUNDS = 15
_SESSIONS = 20
"""In one round, per way."""
_PIECE = 1 << 16


def measure(_: int) -> list[Figure]:
    """The figures; raises when a session fails."""
    return [_beside_a_relay(), _whole_matrix()]


def _beside_a_relay() -> Figure:
    from labkit import Lab

    with Lab("loopback") as lab:
        server = lab.smtp()

        def through(way: Callable) -> float:
            with way(lab):
                return _rate(lambda: lab.send(server, "The PIN is 4921", login=("alice", "hunter2")))

        rounds = [(through(_attacked), through(_relayed)) for _ in range(_ROUNDS)]
    ratio = statistics.median(attacker / relay for attacker, relay in rounds)
    attacker, relay = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    absolute = f"{attacker:.0f} and {relay:.0f} sessions/s"
    return Figure("sessions through an attacker / a relay", ratio, AT_LEAST, 0.8, absolute)


def _rate(send: Callable[[], object]) -> float:
    """Sessions per second."""
    begun = time.perf_counter()
    for _ in range(_SESSIONS):
        if not (sent := send()):
            raise RuntimeError(str(sent))
    return _SESSIONS / (time.perf_counter() - begun)


@contextmanager
def _attacked(lab) -> Iterator[None]:
    from labkit.attack import targets
    from labkit.attacks.engine.interceptor import Interceptor
    from labkit.attacks.vector import Vector

    with Interceptor(lab.network, Vector(), targets(lab, Vector()), lab.authority, lab.keylog.path):
        yield


@contextmanager
def _relayed(lab) -> Iterator[None]:
    from labkit.network.loop import Loop
    from labkit.network.relay import Relay

    def witness(*_: object) -> Callable[..., None]:
        return lambda *_: None

    loop = Loop()  # in the servers' own loop the relay would not have to wake their thread, as the attacker does
    relay = Relay(lab.network, loop, _PIECE, ended=lambda: None)
    lab.network.diversion = lambda sender, host, port, address: relay.listen(
        lab.network.host(sender), address, (sender, host, port), witness
    )
    try:
        yield
    finally:
        lab.network.diversion = None
        relay.leave(1.0)
        loop.close()


def _whole_matrix() -> Figure:
    from labkit import Lab
    from labkit.trials.attacks import every_attack

    begun = time.perf_counter()
    cells = len(every_attack(partial(Lab, "loopback")))
    seconds = time.perf_counter() - begun
    return Figure("every attack on every policy", seconds, AT_MOST, 60, f"{cells} sessions with their verdicts", "s")
