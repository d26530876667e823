"""ldap3 as a victim: adds an entry. It makes a context of its own from files, so TLS is wrapped here, with ours."""

import ssl
from typing import Any

from labkit.attacks.victims.programs import LOGIN, TEXT, Program, library
from labkit.dialects.ldap import STARTTLS

_NAME = "uid={},dc=lab,dc=test"


class LDAPProgram(Program):
    """ldap3: adds an entry."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What ldap3 raises."""
        return (library("ldap3.core.exceptions").LDAPException, OSError, ValueError)

    def _start(self, port: int) -> Any:
        ldap3 = library("ldap3")
        server = ldap3.Server(self.scene.server, port, get_info=ldap3.NONE, connect_timeout=self.scene.timeout)
        server.candidate_addresses = lambda: [(0, 0, 0, "", (self.scene.server, port))]
        server.tls = ldap3.Tls()
        server.tls.wrap_socket = self._wrap
        client = ldap3.Connection(server, *self._login(), receive_timeout=self.scene.timeout, raise_exceptions=True)
        client.strategy._open_socket = lambda *_, **__: self._open(client, port)
        client.open()
        return client

    def _login(self) -> tuple[str, str]:
        return _NAME.format(LOGIN[0]), LOGIN[1]

    def _open(self, client: Any, port: int) -> None:
        client.socket = self.dial(port)
        client.closed = False

    def _wrap(self, client: Any, do_handshake: bool = True) -> None:
        client.socket = self._context.wrap_socket(client.socket, server_hostname=self.scene.server)

    def _end(self) -> None:
        if self.client:
            self.client.unbind()

    def offers_tls(self) -> bool:
        return STARTTLS in " ".join(self.look())

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context or ssl._create_unverified_context()
        self.client.start_tls()

    def log_in(self) -> None:
        self.client.bind()

    def work(self) -> None:
        self.client.add("cn=note,dc=lab,dc=test", "applicationProcess", {"description": TEXT})

    def look(self) -> list[str]:
        self.client.search("", "(objectClass=*)", "BASE", attributes=["supportedExtension"])
        told = [one for found in self.client.response for one in found["raw_attributes"].items()]
        return [f"{name} {b' '.join(values).decode('utf-8', 'backslashreplace')}" for name, values in told]


PROGRAM = LDAPProgram
SPECIAL = ()
"""(habit, program) of the victims that only this protocol has."""
