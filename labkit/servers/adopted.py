"""A server that labkit did not write, used like the lab's own after `Lab.adopt` was given its port.

Dovecot, Postfix or any other program. Its settings are unknown, except whether TLS begins with the first byte.
"""

from labkit.dialects.base import Dialect
from labkit.network.listener import ForeignListener
from labkit.servers.settings import Settings
from labkit.servers.standing import Standing
from labkit.trust.certificates import Certificate


class AdoptedServer(Standing):
    """A program that listens on a host and speaks this dialect. `certificate` is the one that an attacker's forgeries
    take their name from; the program may show another."""

    def __init__(
        self, listener: ForeignListener, dialect: Dialect, settings: Settings, certificate: Certificate
    ) -> None:
        self.protocol = dialect.name
        self.settings = settings
        self.certificate = certificate
        self._listener = listener

    @property
    def facts(self) -> str:
        """What kind of server it is, and whether TLS is implicit, in one line."""
        return f"a program that labkit did not write, {'implicit TLS' if self.settings.implicit else 'no TLS at first'}"

    def close(self) -> None:
        """Remove it from the lab. The program runs on until it is closed itself. A second call does nothing."""
        self._listener.close()

    def __repr__(self) -> str:
        where = f"port {self.port}{self.elsewhere and f' ({self.elsewhere})'}"
        return f"<{self.protocol} server on {self.host}, {where}: {self.facts}{', forgotten' * self.closed}>"
