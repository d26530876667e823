"""From a captured frame of any kind to its TCP segment: link layers, tunnels and IP, one header after the other.

Which layers there are stands in `links`, `tunnels` and `internet`, how they follow each other in `layers`. Ethernet
with plain IPv4, which nearly every frame is, is read by `frames.find`; IP fragments are joined in `fragments`.
"""

from struct import error as StructError

from labkit.capture import frames, links, tunnels  # noqa: F401 (they fill the tables)
from labkit.capture.fragments import Fragments
from labkit.capture.frames import FoundSegment, Segment
from labkit.capture.internet import UDP, tunnel
from labkit.capture.layers import LINKS, PLAIN_UDP, PROTOCOLS, U16, Layer, Packet
from labkit.capture.passed_over import NAME_SERVER, Datagram, NoTcp, PassedOver

_CUT = NoTcp("headers cut by the capture")


class Unwrapper:
    """Finds the TCP segments in the frames of one capture, and counts the frames that have none.

    Datagrams to and from a name server are kept, too.
    """

    def __init__(self, passed_over: PassedOver | None = None) -> None:
        self.passed_over = passed_over if passed_over is not None else PassedOver()
        self._fragments = Fragments()

    def find(self, link: int, data: bytes, time: int = 0) -> FoundSegment | None:
        """The fields of the `Segment` in a frame of this link type, captured at this nanosecond. Never raises.

        None for an IP fragment that does not complete a datagram, and for a frame that is counted.
        """
        packet = Packet(data, self._fragments)
        step: Layer | FoundSegment | NoTcp | None = LINKS.get(link) or NoTcp(f"link type {link}")
        try:
            while callable(step):
                step = step(packet)
        except (StructError, IndexError):
            step = _CUT
        if self._fragments.given_up:
            self._give_up()
        if isinstance(step, NoTcp):
            self.passed_over.add(step)
            if step is PLAIN_UDP:
                self._keep(packet, time)
            return None
        return step

    def _keep(self, packet: Packet, time: int) -> None:
        """Keep a datagram to or from a name server."""
        source, target = U16(packet.data, packet.start - 8)[0], U16(packet.data, packet.start - 6)[0]
        if NAME_SERVER in (source, target):
            payload = packet.data[packet.start : packet.end]
            self.passed_over.datagrams.append(Datagram(time, packet.hosts, source, target, payload))

    def finish(self) -> None:
        """Count the fragments that still wait: no more frames will come."""
        self._fragments.finish()
        self._give_up()

    def _give_up(self) -> None:
        for protocol, number, head in self._fragments.given_up:
            hides = _may_hide(protocol, head)
            name = "IP fragments without the rest" if hides else "IP fragments of something else than TCP"
            self.passed_over.add(NoTcp(name, hides), number)
        self._fragments.given_up.clear()


def _may_hide(protocol: int, head: bytes) -> bool:
    """Whether a datagram of this protocol with this beginning may contain TCP."""
    if protocol == UDP:
        return len(head) >= 4 and tunnel(U16(head, 2)[0], U16(head, 0)[0]) is not None
    return not isinstance(PROTOCOLS.get(protocol), NoTcp)


def segment(link: int, data: bytes) -> Segment | None:
    """The TCP segment in a single frame of this link type; None for anything else, IP fragments included."""
    found = frames.find(link, data) or Unwrapper().find(link, data)
    return found and Segment(*found)


def known(link: int) -> bool:
    """Whether frames of this link type can be read."""
    return link in LINKS
