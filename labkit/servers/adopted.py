"""A server that labkit did not write, used by the lab like its own once the lab knows its port.

Dovecot, Postfix or any other program. Its settings are not known here, except whether TLS begins with the first byte.
"""

from labkit.dialects.base import Dialect
from labkit.network.listener import ForeignListener
from labkit.servers.settings import Settings
from labkit.servers.standing import Standing
from labkit.trust.certificates import Certificate


class AdoptedServer(Standing):
    """A program that listens on a host and speaks this dialect. `certificate` is what it was given by the lab, if so;
    an attacker poses under the name in it."""

    def __init__(
        self, listener: ForeignListener, dialect: Dialect, settings: Settings, certificate: Certificate
    ) -> None:
        self.protocol = dialect.name
        self.settings = settings
        self.certificate = certificate
        self._listener = listener

    @property
    def facts(self) -> str:
        """What is known of it, in one line."""
        return f"a program that labkit did not write, {'implicit TLS' if self.settings.implicit else 'no TLS at first'}"

    def close(self) -> None:
        """Forget it. The program runs on until it is closed itself. A second call does nothing."""
        self._listener.close()

    def __repr__(self) -> str:
        where = f"port {self.port}{self.elsewhere and f' ({self.elsewhere})'}"
        return f"<{self.protocol} server on {self.host}, {where}: {self.facts}{', forgotten' * self.closed}>"
