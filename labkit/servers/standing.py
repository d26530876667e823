"""Where a server of the lab listens: the properties of its listener that all kinds of servers have."""

from collections.abc import Mapping
from typing import Any

from labkit.errors import LabError
from labkit.network import Listener
from labkit.servers.settings import Settings


class Standing:
    """Something that listens on a host."""

    _listener: Listener

    @classmethod
    def check_settings(cls, settings: Settings) -> None:
        """Raises `LabError` for a setting that this kind of server does not have."""

    @property
    def host(self) -> str:
        """The name of the host that it runs on."""
        return self._listener.host

    @property
    def port(self) -> int:
        """The nominal port: 587."""
        return self._listener.port

    @property
    def closed(self) -> bool:
        """Whether it has stopped listening."""
        return self._listener.closed

    @property
    def address(self) -> tuple[str, int]:
        """Where it really listens, for tools outside the lab: (IP address, port)."""
        return self._listener.address

    @property
    def elsewhere(self) -> str:
        """``really 127.0.0.1:40001`` where the real port is not the nominal one, otherwise empty."""
        return self._listener.elsewhere


def check_not_replaced(server: Any, servers: Mapping[tuple[str, int], Standing]) -> None:
    """Raises `LabError` for a closed server in whose place another of `servers` runs, which would be reached."""
    there = servers.get((getattr(server, "host", ""), getattr(server, "port", 0)), server)
    if there is not server and getattr(server, "closed", False):
        raise LabError(f"{server!r} was replaced: in its place runs {there!r}. Use what the later start returned.")
