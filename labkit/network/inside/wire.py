"""A wire that takes time and loses frames, for kernels without netem: frames carried by hand between two interfaces.

Each packet socket (packet(7)) takes what arrives at its interface, and after the delay the other one sends it. TCP,
ARP and every program on the hosts see a slow link and nothing else.
"""

import contextlib
import heapq
import itertools
import math
import random
import socket
import time

_ALL_PROTOCOLS = 0x0003
_SOL_PACKET, _IGNORE_OUTGOING = 263, 23
_LARGEST = 1 << 16


class Wire:
    """Joins two interfaces of this network namespace; `delay` in seconds, `loss` the probability for each frame."""

    def __init__(self, one: str, other: str, delay: float, loss: float) -> None:
        self._delay = delay
        self._loss = loss
        self._numbers = itertools.count()
        self._under_way: list[tuple[float, int, socket.socket, bytes]] = []
        """(when it arrives, its number, where to send it, the frame), the next one first."""
        first, second = _port(one), _port(other)
        self.ends = {first: second, second: first}
        """Where frames arrive -> where they leave."""

    def take(self, end: socket.socket) -> None:
        """Take the frames that have arrived at this end."""
        arrival = time.monotonic() + self._delay
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = end.recv(_LARGEST)
                if random.random() >= self._loss:
                    heapq.heappush(self._under_way, (arrival, next(self._numbers), self.ends[end], frame))

    def deliver(self) -> float | None:
        """Send the frames whose time has come; the seconds until the next one is due."""
        now = time.monotonic()
        self._send_due(now)
        return self._under_way[0][0] - now if self._under_way else None

    def _send_due(self, now: float) -> None:
        while self._under_way and self._under_way[0][0] <= now:
            _, _, end, frame = heapq.heappop(self._under_way)
            with contextlib.suppress(OSError):  # a full queue loses a frame, as on any wire
                end.send(frame)

    def close(self) -> None:
        """Close the sockets; frames under way are sent at once."""
        self._send_due(math.inf)
        for end in self.ends:
            end.close()


def _port(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    sock.setblocking(False)
    sock.bind((interface, _ALL_PROTOCOLS))
    return sock
