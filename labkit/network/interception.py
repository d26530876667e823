"""Being on the path: a host that accepts the connections which other hosts open to a server.

Each network does it in its own way: on loopback connections are diverted, on a LAN false hardware addresses are sent to
the neighbours. What it does with the connections does not belong here.
"""

import socket
from collections.abc import Callable
from typing import Any

from labkit.network.listener import Address, Listener


class Interception:
    """`attacker` stands between all other hosts and one port of `server`, until `close`.

    `connect` opens a connection from the attacker to the real server, `name` notes what an endpoint is called, and
    `leave` takes the attacker off the path. `how` says in a sentence how it got there.
    """

    def __init__(
        self,
        attacker: str,
        server: str,
        listener: Listener,
        how: str,
        connect: Callable[[float], socket.socket],
        name: Callable[[str, str], None],
        leave: "Callable[[Interception], None]",
    ) -> None:
        self.attacker = attacker
        self.server = server
        self.listener = listener
        """Accepts the connections of the victims."""
        self.how = how
        self.connect = connect
        """(timeout in seconds) -> a new connection from the attacker to the real server; see `Host.connect`."""
        self._name = name
        self._leave = leave

    @property
    def port(self) -> int:
        """The nominal port of the server, host order."""
        return self.listener.port

    @property
    def address(self) -> Address:
        """Where a tool outside the lab connects to become a victim: (IP address, real port)."""
        return self.listener.address

    @property
    def pose(self) -> str:
        """What the attacker is to a victim: ``mallory posing as mail``."""
        return f"{self.attacker} posing as {self.server}"

    def applies_to(self, host: str) -> bool:
        """Whether connections from this host are intercepted: all but the attacker's own."""
        return host != self.attacker

    def accept(self) -> socket.socket:
        """The next connection of a victim. Raises `OSError` as the listener's socket does."""
        sock, victim = self.listener.socket.accept()
        self.note_victim(victim)
        return sock

    def note_victim(self, victim: tuple[Any, ...]) -> None:
        """Note the server that the victim at this address talks to; for a connection that was accepted elsewhere."""
        self._name("{}:{}>".format(*victim[:2]), self.pose)

    def close(self) -> None:
        """Leave the path; open connections go on. A second call does nothing."""
        self._leave(self)

    def __enter__(self) -> "Interception":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.attacker} on the path to port {self.port} of {self.server}>"
