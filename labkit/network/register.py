"""The ports and addresses of a network: the listener on each port, the host on the path to it, and their names. Ports
are in host order.
"""

from typing import NamedTuple, TypeVar

from labkit.network.interception import Interception
from labkit.network.listener import TCP, UDP, Listener

L = TypeVar("L", bound=Listener)

_NAMES_KEPT = 4096


class Tables(NamedTuple):
    """The ports of one transport; the keys are (host name, nominal port)."""

    listeners: dict[tuple[str, int], Listener]
    """The listener on the port."""
    interceptions: dict[tuple[str, int], Interception]
    """The host that is on the path to the port."""


class Register:
    """The listeners, interceptions and names of one network."""

    def __init__(self) -> None:
        self.tables = {TCP: Tables({}, {}), UDP: Tables({}, {})}
        self.nominal: dict[int, int] = {}
        """Real port -> nominal port of the open listeners."""
        self.opened: list[tuple[int, int]] = []
        """(real port, nominal port) of every listener there has been, in order."""
        self.names: dict[str, str] = {}
        """``ip:port`` or ``ip`` -> host name: what an address in a capture is called; ``ip:port>`` -> the host that the
        client at that end talks to, where several hosts share an address or one poses as another."""

    @property
    def listeners(self) -> dict[tuple[str, int], Listener]:
        """(host name, nominal port) -> what listens there over TCP."""
        return self.tables[TCP].listeners

    @property
    def interceptions(self) -> dict[tuple[str, int], Interception]:
        """(server, nominal port) -> the host that is on the path to it over TCP."""
        return self.tables[TCP].interceptions

    def remember(self, listener: L) -> L:
        """Enter a new listener in the tables."""
        self.tables[listener.transport].listeners[listener.host, listener.port] = listener
        self.nominal[listener.address[1]] = listener.port
        self.opened.append((listener.address[1], listener.port))
        for port in (listener.port, listener.address[1]):
            self.name(f"{listener.address[0]}:{port}", listener.host)
        return listener

    def forget(self, listener: Listener) -> None:
        """Take a listener out of the tables; its name stays for the captures that still show it."""
        listeners = self.tables[listener.transport].listeners
        if listeners.get((listener.host, listener.port)) is listener:
            del listeners[listener.host, listener.port]
            if all(other.address[1] != listener.address[1] for other in self._open()):
                self.nominal.pop(listener.address[1], None)

    def name(self, endpoint: str, host: str) -> None:
        """Note which host uses this ``ip:port``; the oldest notes are dropped when there are more than 4096."""
        self.names.pop(endpoint, None)
        self.names[endpoint] = host
        if len(self.names) > _NAMES_KEPT:
            oldest = next(key for key in self.names if not self._listens(key))
            del self.names[oldest]

    def _open(self) -> list[Listener]:
        return [listener for tables in self.tables.values() for listener in tables.listeners.values()]

    def _listens(self, endpoint: str) -> bool:
        if endpoint.endswith(">"):
            return False
        ports = {port for listener in self._open() for port in (listener.port, listener.address[1])}
        return ":" not in endpoint or int(endpoint.rpartition(":")[2]) in ports
