"""smtplib as a victim, and the mistakes of SMTP clients, each a few lines over the library that does not make them.

The mistakes are models of the published descriptions, not the products' code.
"""

import smtplib
import socket
import ssl

from labkit.attacks.victims import habits
from labkit.attacks.victims.buffer import KeepingFile
from labkit.attacks.victims.programs import Program
from labkit.trust.certificates import DOMAIN


class DialledSMTP(smtplib.SMTP):
    """smtplib's client, connected by its program."""

    def __init__(self, program: Program, port: int) -> None:
        self._program = program
        super().__init__(program.scene.server, port, f"{program.scene.host.name}.{DOMAIN}", program.scene.timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._program.dial(port)


class SMTPProgram(Program):
    """smtplib: sends a mail."""

    kind = DialledSMTP
    errors = (smtplib.SMTPException, OSError, ValueError)

    def _start(self, port: int) -> smtplib.SMTP:
        client = self.kind(self, port)
        client.ehlo_or_helo_if_needed()
        return client

    def _end(self) -> None:
        if self.client:
            self.client.quit()

    def offers_tls(self) -> bool:
        return self.client.has_extn("starttls")

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        self.client.starttls(context=context)

    def log_in(self) -> None:
        self.client.login(*self.scene.login)

    def work(self) -> None:
        self.client.sendmail(f"{self.scene.login[0]}@{DOMAIN}", [f"bob@{DOMAIN}"], self.scene.mail)

    def look(self) -> list[str]:
        self.client.ehlo_or_helo_if_needed()
        return [" ".join([name, *value.split()]).upper() for name, value in self.client.esmtp_features.items()]


class _KeepingSMTPClient(KeepingFile, DialledSMTP): ...


class KeepingSMTP(SMTPProgram):
    """Keeps its buffer across the upgrade."""

    variant = "keeping"

    kind = _KeepingSMTPClient


PROGRAM = SMTPProgram
SPECIAL = ((habits.only_for_login, SMTPProgram), (habits.relays, SMTPProgram), (habits.careful, KeepingSMTP))
"""(habit, program) of the victims that only this protocol has."""
