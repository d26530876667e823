"""Some of the conversations of a trace, alone: the frames that certain clients sent and received."""

import socket
from collections.abc import Collection

from labkit.capture.frames import segment
from labkit.capture.pcap import Frame


def frames_of(frames: Collection[Frame], clients: Collection[str]) -> list[Frame]:
    """The frames to and from these clients, each ``ip:port``, in their order."""
    return [frame for frame in frames if not clients.isdisjoint(_ends(frame))]


def _ends(frame: Frame) -> tuple[str, ...]:
    found = segment(frame.link, frame.data)
    if found is None:
        return ()
    family = socket.AF_INET if len(found.source) == 4 else socket.AF_INET6
    ends = (found.source, found.source_port), (found.target, found.target_port)
    return tuple(f"{socket.inet_ntop(family, address)}:{port}" for address, port in ends)
