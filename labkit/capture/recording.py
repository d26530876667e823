"""`record`: one capture from beginning to end, with the method that this machine allows.

With a packet socket (`sniffer`) the frames are those that the kernel carried; with a tap (`tap`) they are rebuilt
around the bytes. What is in them is read elsewhere.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from labkit.capture.filters import EverythingOnCables, ServersOnLoopback
from labkit.capture.pcap import Frame
from labkit.capture.sniffer import Sniffer
from labkit.capture.tap import Tap
from labkit.capture.trace import Trace
from labkit.errors import CannotSniff, LabError
from labkit.interrupts import uninterrupted
from labkit.limits import within_limits
from labkit.network import Network
from labkit.trust.keylog import KeyLog

SETTLE = 0.5
"""Seconds that a capture goes on at its end for connections that have not ended yet."""


class Source(Protocol):
    """Something that catches frames from its construction to `stop`."""

    frames: list[Frame]

    @property
    def how(self) -> str:
        """One sentence on how the frames were caught."""

    def stop(self, settle: float) -> None:
        """Catch what was already sent, wait `settle` seconds at most for connections to end, and clean up."""


@contextmanager
def record(
    network: Network,
    method: str = "auto",
    keylog: KeyLog | None = None,
    into: Trace | None = None,
    host: str | None = None,
) -> Iterator[Trace]:
    """Capture what crosses `network` in the ``with`` block, into the trace that is yielded; it is filled at the end.

    With `host`, what the interface of this host sees; where all hosts share one, that is everything.
    `method` is ``af_packet`` (real frames, Linux with CAP_NET_RAW), ``tap`` (everywhere) or ``auto``, the first of them
    that works. `keylog` gives the secrets, `into` a trace to fill instead of a new one. The end waits until the
    connections have ended, half a second and two round trips at most. Raises `CannotSniff` when ``af_packet`` is asked
    for and not permitted, or does not see the delay of a link, and `LabError` for a method that does not exist.
    """
    if method not in _SOURCES:
        ways = ", ".join(map(repr, _SOURCES))
        raise LabError(f"There is no way to capture called {method!r}: use one of {ways}.")
    trace = into if into is not None else Trace()
    begun = _Begun()
    try:
        with uninterrupted(), within_limits("Starting a capture"):
            source = _SOURCES[method](network, host)
            begun.end = weakref.finalize(begun, _end, source, trace, network, keylog)
            begun.end.atexit = False
        yield trace
    finally:
        with uninterrupted():
            begun.end()


class _Begun:
    """A running capture. It is ended at the latest when this object is collected: an interrupt may prevent `_end`."""

    def __init__(self) -> None:
        self.end: Callable[[], object] = lambda: None


def _end(source: Source, trace: Trace, network: Network, keylog: KeyLog | None) -> None:
    """Stop the source, and fill the trace with what it caught."""
    with uninterrupted():
        try:
            source.stop(SETTLE + 2 * network.longest_round_trip)
        finally:
            trace.fill(source.frames, keylog.text() if keylog else "", dict(network.names), source.how)


def _sniffer(network: Network, host: str | None) -> Sniffer:
    sock = network.host(host).sniff() if host else network.watch()
    where = f"on the interface of {host}" if host else network.lookout
    if network.cables:
        return Sniffer(sock, EverythingOnCables(network.cables), where)
    if network.longest_round_trip:
        sock.close()
        raise CannotSniff(
            "A packet socket does not see the delay of a slow link on loopback: the tap captures instead."
        )
    return Sniffer(sock, ServersOnLoopback(network.nominal, network.opened), where)


def _sniffer_alone(network: Network, host: str | None) -> Sniffer:
    try:
        return _sniffer(network, host)
    except CannotSniff as refusal:
        raise CannotSniff(f"{refusal} It may not where 'af_packet' is asked for: ask for 'auto'.") from refusal


def _tap(network: Network, host: str | None) -> Tap:
    return Tap(network)


def _either(network: Network, host: str | None) -> "Sniffer | Tap":
    try:
        return _sniffer(network, host)
    except CannotSniff:
        return _tap(network, host)


_SOURCES: dict[str, Callable[[Network, str | None], Source]] = {
    "auto": _either,
    "af_packet": _sniffer_alone,
    "tap": _tap,
}
