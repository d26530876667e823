"""sievelib as a victim: stores a filter.

sievelib verifies with the authorities of the system and takes no context, so its two steps that make the connection and
the TLS on it are done here; every byte of ManageSieve is its own.
"""

import ssl
from typing import Any

from labkit.attacks.victims.programs import LOGIN, TEXT, Program, library

_SCRIPT = f'require ["reject"];\r\nreject "{TEXT}";\r\n'


class ManageSieveProgram(Program):
    """sievelib: stores a filter."""

    implicit = False

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What sievelib raises."""
        return (library("sievelib.managesieve").Error, OSError, ValueError)

    def _start(self, port: int) -> Any:
        managesieve = library("sievelib.managesieve")
        client = managesieve.Client(self.scene.server, port)
        client.sock = self.dial(port)
        client.sock.settimeout(self.scene.timeout)
        client._Client__enable_ssl = lambda **_: self._wrap(client)
        if not client._Client__get_capabilities():
            raise managesieve.Error("Failed to read capabilities from server")
        return client

    def _wrap(self, client: Any) -> None:
        client.sock = self._context.wrap_socket(client.sock, server_hostname=self.scene.server)

    def _end(self) -> None:
        if self.client:
            self.client.logout()

    def offers_tls(self) -> bool:
        return self.client.has_tls_support()

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context or ssl._create_unverified_context()
        if not self.client._Client__starttls():
            raise library("sievelib.managesieve").Error("STARTTLS was refused")

    def log_in(self) -> None:
        if not self.client._Client__authenticate(*LOGIN):
            raise library("sievelib.managesieve").Error(self.client.errmsg.decode("utf-8", "backslashreplace"))

    def work(self) -> None:
        if not self.client.putscript("holiday", _SCRIPT):
            raise library("sievelib.managesieve").Error(self.client.errmsg.decode("utf-8", "backslashreplace"))

    def look(self) -> list[str]:
        return [f"{name} {value or ''}".strip() for name, value in self.client._Client__capabilities.items()]


PROGRAM = ManageSieveProgram
SPECIAL = ()
"""(habit, program) of the victims that only this protocol has."""
