"""Capturing without privilege, on any system: a relay in the path of the lab's connections, and frames of what it saw.

While a tap is on, the network diverts every connection that a host makes to another host by name. Every payload byte
and every time is real; the headers around them are rebuilt as the client and the server on its nominal port would have
seen them. Several captures at once share one relay. How bytes are carried is `relay`.
"""

import random
import socket
import threading
import time
from functools import partial
from operator import itemgetter

from labkit.capture.conversation import CLIENT, SERVER
from labkit.capture.frames import ACK, ETHERNET, FIN, PSH, RST, SYN, FoundSegment, Segment, ends
from labkit.capture.headers import PAYLOAD_LIMIT, build, build_datagram
from labkit.capture.pcap import Frame
from labkit.network import Network
from labkit.network.listener import Address, Listener
from labkit.network.relay import Relay, Witness

_FLAGS = {"syn": SYN, "syn-ack": SYN | ACK, "ack": ACK, "data": PSH | ACK, "fin": FIN | ACK, "rst": RST | ACK}
_OTHER = {CLIENT: SERVER, SERVER: CLIENT}
_WRAP = 0xFFFFFFFF


class Tap:
    """Frames of the connections that cross a network from construction to `stop`.

    A connection that was made through a tap is carried on when the capture is over, without being recorded, until its
    ends close it or the network is closed; a later capture that starts before then records how it goes on.
    """

    how = (
        "Captured with a tap, a relay between client and server: every payload byte and every time is real, "
        "the TCP/IP headers "
        "were rebuilt with the nominal ports, and what other programs sent to a server's real port went past it. "
        "Datagrams were taken down where a server of the lab got or sent them."
    )

    def __init__(self, network: Network) -> None:
        self.frames: list[Frame] = []
        """What was caught; filled by `stop`, so that building headers delays no connection."""
        self.seen: list[tuple[int, FoundSegment, int]] = []
        """(nanoseconds since 1970, what makes the `Segment`, number of the packet) of each step."""
        self._datagrams: list[tuple[int, bytes, bytes]] = []
        """(nanoseconds since 1970, the two ends, the bytes) of each datagram."""
        self._network = network
        self._path = _Path.of(network, self)
        network.witnesses.append(self._witness)

    def stop(self, settle: float) -> None:
        """End when every connection has ended, after `settle` seconds at most."""
        try:
            self._path.remove(self, settle)
        finally:
            self._network.witnesses.remove(self._witness)
        built = [(time_ns, build(Segment(*fields), number)) for time_ns, fields, number in self.seen]
        built += [
            (time_ns, build_datagram(ends_, data, number))
            for number, (time_ns, ends_, data) in enumerate(self._datagrams)
        ]
        self.frames += [Frame(time_ns, ETHERNET, data, len(data)) for time_ns, data in sorted(built, key=itemgetter(0))]
        self.seen.clear()
        self._datagrams.clear()

    def _witness(self, client: Address, listener: Listener, answers: bool, data: bytes) -> None:
        written, names = self._network.written, self._network.names
        paths = self._network.tables[listener.transport].interceptions
        meant = next((host for (host, _), path in paths.items() if path.listener is listener), listener.host)
        near = written.get(names.get(f"{client[0]}:{client[1]}", ""), client[0]), client[1]
        far = written.get(meant, listener.address[0]), listener.port
        source, target = ((socket.inet_aton(ip), port) for ip, port in ((far, near) if answers else (near, far)))
        self._datagrams.append((time.time_ns(), ends(source, target), data))


class _Path:
    """Set as `Network.diversion` while taps are on: connections go through a relay, and frames to the taps."""

    _making = threading.RLock()  # the garbage collector may end a tap inside

    def __init__(self, network: Network, first: Tap) -> None:
        self._network = network
        self._taps: tuple[Tap, ...] = (first,)
        self.written = network.written
        """Host -> the address that is written into its frames."""
        self._previous = network.diversion
        self._relay = Relay(network, network.loop, PAYLOAD_LIMIT, ended=self._step_out)
        network.diversion = self

    @classmethod
    def of(cls, network: Network, tap: Tap) -> "_Path":
        """The path of this network, with this tap added."""
        with cls._making:
            path = network.diversion
            if isinstance(path, cls) and path._relay.enter():
                path._taps += (tap,)
                return path
            return cls(network, tap)

    def __call__(self, sender: str, host: str, port: int, address: Address) -> Address:
        """Where to connect instead of `address` (`labkit.network.hosts.Diversion`)."""
        server = self._previous(sender, host, port, address) if self._previous else address
        if not self._taps:
            return server
        nominal = address[0], port
        on = self._network.host(sender)
        label, pace = (sender, host, nominal, server), self._network.pace(sender, host, port)
        return self._relay.listen(on, server, label, partial(_story, self, (sender, host), nominal), pace)

    def remove(self, tap: Tap, settle: float) -> None:
        """Remove a tap once the connections have ended or `settle` seconds are over."""
        try:
            self._relay.leave(settle)
        finally:
            with self._making:
                self._taps = tuple(other for other in self._taps if other is not tap)

    def record(self, fields: FoundSegment, number: int) -> None:
        """Record the segment with these fields, sent now, in every tap; its bytes are delivered after that."""
        step = time.time_ns(), fields, number
        for tap in self._taps:
            tap.seen.append(step)

    def _step_out(self) -> None:
        if self._network.diversion is self:
            self._network.diversion = self._previous


def _story(path: _Path, hosts: tuple[str, str], server: Address, client: Address) -> Witness:
    """The witness of one connection: turns its steps into segments with sequence numbers that fit (RFC 9293 §3.4).

    `hosts` are the names of the client's and the server's host.
    """
    near, far = (
        (socket.inet_aton(path.written.get(host, ip)), port)
        for host, (ip, port) in zip(hosts, (client, server), strict=True)
    )
    ways = {CLIENT: ends(near, far), SERVER: ends(far, near)}
    first = {CLIENT: random.getrandbits(32), SERVER: random.getrandbits(32)}
    following = dict(first)
    number = random.getrandbits(16)

    def tell(sender: str, kind: str, payload: bytes, heard: int) -> None:
        nonlocal number
        number += 1
        flags = _FLAGS[kind]
        ack = (first[_OTHER[sender]] + heard) & _WRAP if flags & ACK else 0
        path.record((ways[sender], following[sender], ack, flags, payload, 0), number)
        following[sender] = (following[sender] + len(payload) + bool(flags & (SYN | FIN))) & _WRAP

    return tell
