"""Being on the path: a host that gets the connections which others mean for a server.

How it got there is the network's affair: on loopback connections are diverted, on a LAN the neighbours are deceived
with ARP. What it does with what it gets does not belong here.
"""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.network.hosts import Address, Host, Listener


class Interception:
    """`attacker` stands between everybody else and one port of `server`, from construction to `close`."""

    def __init__(
        self,
        attacker: "Host",
        server: str,
        listener: "Listener",
        address: "Address",
        heal: Callable[[], None] = lambda: None,
    ) -> None:
        self.attacker = attacker
        self.server = server
        self.port = listener.port
        """The nominal port of the server, host order."""
        self.listener = listener
        """Gets the connections of the victims."""
        self.address = address
        """Where a tool outside the lab connects to become a victim: (IP address, real port)."""
        self._heal = heal
        attacker.network.interceptions[server, self.port] = self

    @property
    def pose(self) -> str:
        """What the attacker is to a victim: ``mallory posing as mail``."""
        return f"{self.attacker.name} posing as {self.server}"

    def meets(self, host: str) -> bool:
        """Whether connections from this host are intercepted: all but the attacker's own."""
        return host != self.attacker.name

    def accept(self) -> socket.socket:
        """The next connection of a victim. Raises `OSError` as the listener's socket does."""
        sock, victim = self.listener.socket.accept()
        self.met(victim)
        return sock

    def met(self, victim: tuple[Any, ...]) -> None:
        """Note whom the victim at this address talks to; for a connection that was accepted elsewhere."""
        self.attacker.network.name("{}:{}>".format(*victim[:2]), self.pose)

    def connect(self, timeout: float) -> socket.socket:
        """A new connection from the attacker to the real server; see `Host.connect`."""
        return self.attacker.connect(self.server, self.port, timeout)

    def close(self) -> None:
        """Step out of the path and heal what was changed; connections that stand go on. A second call does nothing."""
        interceptions = self.attacker.network.interceptions
        if interceptions.get((self.server, self.port)) is self:
            del interceptions[self.server, self.port]
            try:
                self._heal()
            finally:
                self.listener.close()

    def __enter__(self) -> "Interception":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.attacker.name} on the path to port {self.port} of {self.server}>"
