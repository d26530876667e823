"""poplib as a victim, and the mistakes of POP3 clients, each a few lines over the library that does not make them.

The mistakes are models of the published descriptions, not the products' code.
"""

import poplib
import socket
import ssl

from labkit.attacks.victims import habits
from labkit.attacks.victims.buffer import KeepingFile
from labkit.attacks.victims.programs import Program


class DialledPOP3(poplib.POP3):
    """poplib's client, connected by its program."""

    def __init__(self, program: Program, port: int) -> None:
        self._program = program
        super().__init__(program.scene.server, port, program.scene.timeout)

    def _create_socket(self, timeout: float) -> socket.socket:
        return self._program.dial(self.port)


class POP3Program(Program):
    """poplib: fetches the mail that is there."""

    kind = DialledPOP3
    errors = (poplib.error_proto, OSError, ValueError)

    def _end(self) -> None:
        if self.client:
            self.client.quit()

    def offers_tls(self) -> bool:
        return "STLS" in self.client.capa()

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        self.client.stls(context)

    def log_in(self) -> None:
        self.client.user(self.scene.login[0])
        self.client.pass_(self.scene.login[1])

    def work(self) -> None:
        count, _ = self.client.stat()
        for number in range(1, count + 1):
            self.believed += [line.decode("utf-8", "backslashreplace") for line in self.client.retr(number)[1]]

    def look(self) -> list[str]:
        return list(self.client.capa())


class _KeepingPOP3Client(KeepingFile, DialledPOP3): ...


class KeepingPOP3(POP3Program):
    """Keeps its buffer across the upgrade."""

    variant = "keeping"

    kind = _KeepingPOP3Client


def forgets_without_list(program: Program) -> None:
    """Requires TLS, but forgets that when the list of capabilities is refused (CVE-2021-22946: curl)."""
    with program.connected():
        try:
            program.client.capa()
        except poplib.error_proto:
            pass
        else:
            program.upgrade(program.scene.trust)
        program.log_in()
        program.work()


PROGRAM = POP3Program
SPECIAL = ((habits.careful, KeepingPOP3), (forgets_without_list, POP3Program))
"""(habit, program) of the victims that only this protocol has."""
