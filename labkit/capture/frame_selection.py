"""Some of the conversations of a trace, alone: the frames that certain clients sent and received."""

from collections.abc import Collection

from labkit.capture.encapsulation import segment
from labkit.capture.frames import address
from labkit.capture.pcap import Frame


def frames_of(frames: Collection[Frame], clients: Collection[str]) -> list[Frame]:
    """The frames to and from these clients, each ``ip:port``, in their order."""
    return [frame for frame in frames if not clients.isdisjoint(_ends(frame))]


def _ends(frame: Frame) -> tuple[str, ...]:
    found = segment(frame.link, frame.data)
    if found is None:
        return ()
    return tuple(f"{address(host)}:{port}" for host, port in (found.source, found.target))
