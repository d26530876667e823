"""Questions to a name server, found in captured frames without a library for the DNS: what goes to port 53, or comes.

Only the lab's own frames are looked at: Ethernet, IPv4 and UDP. What the bytes say is `labkit.defences.lookups`.
"""

from collections.abc import Iterable, Iterator
from socket import inet_ntoa
from struct import Struct

from labkit.capture.frames import ETHERNET
from labkit.capture.layers import PLAIN_UDP
from labkit.capture.passed_over import PassedOver
from labkit.capture.pcap import Frame

_PORT = 53
_UDP = 17
_PORTS = Struct("!HH")


def asks(frames: Iterable[Frame], passed_over: PassedOver) -> bool:
    """Whether there is any in these frames, of which those without TCP were counted."""
    return bool(passed_over.frames[PLAIN_UDP]) and next(dns_messages(frames), None) is not None


def dns_messages(frames: Iterable[Frame]) -> Iterator[tuple[int, str, bytes]]:
    """(time, client as ``ip:port``, bytes of a DNS message) of each datagram to or from port 53."""
    for frame in frames:
        data = frame.data
        if frame.link != ETHERNET or len(data) < 42 or data[12:14] != b"\x08\x00" or data[23] != _UDP:
            continue
        at = 14 + (data[14] & 15) * 4
        if len(data) < at + 8:
            continue
        source, target = _PORTS.unpack_from(data, at)
        if target == _PORT:
            yield frame.time, f"{inet_ntoa(data[26:30])}:{source}", data[at + 8 :]
        elif source == _PORT:
            yield frame.time, f"{inet_ntoa(data[30:34])}:{target}", data[at + 8 :]
