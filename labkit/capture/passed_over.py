"""Frames in which no TCP segment was read, counted by what they are.

Some carry no TCP by their nature (ARP, ICMP, UDP between two programs); others may carry a TCP conversation that the
lab cannot reach (encrypted tunnels, cut frames, IP fragments without the rest). Only the second kind means that
something may be missing from the conversations. Datagrams to and from a name server are kept.
"""

from collections import Counter
from typing import NamedTuple

NAME_SERVER = 53
"""The UDP port (RFC 1035 §4.2.1)."""
_MOST_NAMED = 6
"""Names that a sentence lists."""


class NoTcp(NamedTuple):
    """Why a frame has no readable TCP segment."""

    name: str
    """What it holds, as a noun: ``ARP``, ``encrypted 802.11``."""
    hides: bool = True
    """Whether TCP may be inside."""


class Datagram(NamedTuple):
    """What one UDP datagram carried."""

    time: int
    """Nanoseconds since 1970 (UTC)."""
    hosts: bytes
    """Source and target address, 4 or 16 bytes each."""
    source: int
    target: int
    """The ports, host order."""
    payload: bytes


class PassedOver:
    """How many frames were passed over, and what they are."""

    def __init__(self) -> None:
        self.frames: Counter[NoTcp] = Counter()
        self.datagrams: list[Datagram] = []
        """Those to and from port 53: questions to a name server and its answers; see `labkit.defences.lookups`."""

    def clear(self) -> None:
        """Count anew."""
        self.frames.clear()
        self.datagrams.clear()

    def add(self, what: NoTcp, frames: int = 1) -> None:
        """Count some frames."""
        self.frames[what] += frames

    def join(self, other: "PassedOver") -> None:
        """Add what another process counted in the same frames."""
        self.frames |= other.frames
        self.datagrams = self.datagrams or other.datagrams

    @property
    def hidden(self) -> str:
        """One sentence on the frames that may hide a conversation; empty without such frames."""
        hiding = {what.name: number for what, number in self.frames.items() if what.hides}
        if not hiding:
            return ""
        return f"Passed over, so a conversation in them is not shown: {_listed(hiding)}."

    @property
    def all(self) -> str:
        """All that was passed over, as the end of a sentence: ``12 frames of ARP and 3 frames of UDP``."""
        return _listed({what.name: number for what, number in self.frames.items()})


def _listed(counts: dict[str, int]) -> str:
    by_number = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{_frames(number)} of {name}" for name, number in by_number[:_MOST_NAMED]]
    if rest := by_number[_MOST_NAMED:]:
        named.append(f"{_frames(sum(number for _, number in rest))} of {len(rest)} other kinds")
    return " and ".join(filter(None, (", ".join(named[:-1]), *named[-1:])))


def _frames(number: int) -> str:
    return "1 frame" if number == 1 else f"{number:,} frames"
