"""Where a server of the lab stands: what each of them tells of its listener, whatever serves there."""

from labkit.network import Listener
from labkit.servers.settings import Settings


class Standing:
    """Something that listens on a host."""

    _listener: Listener

    @classmethod
    def check_settings(cls, settings: Settings) -> None:
        """Raises `LabError` for a setting that means nothing to this kind of server."""

    @property
    def host(self) -> str:
        """The name of the host that it runs on."""
        return self._listener.host

    @property
    def port(self) -> int:
        """The port that it stands for: 587."""
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
        """``really 127.0.0.1:40001`` for a server that only stands for its port, and nothing for one that is there."""
        return self._listener.elsewhere
