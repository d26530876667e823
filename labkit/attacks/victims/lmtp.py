"""smtplib.LMTP as a victim: a mail server that hands a message to the server which stores it."""

import smtplib
import socket

from labkit.attacks.victims import habits
from labkit.attacks.victims.programs import Program
from labkit.attacks.victims.smtp import SMTPProgram
from labkit.trust.certificates import DOMAIN


class DialledLMTP(smtplib.LMTP):
    """smtplib's client, connected by its program."""

    def __init__(self, program: Program, port: int) -> None:
        self._program = program
        super().__init__(program.scene.server, port, f"alice.{DOMAIN}", timeout=program.scene.timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._program.dial(port)


class LMTPProgram(SMTPProgram):
    """smtplib.LMTP: delivers a mail."""

    kind = DialledLMTP
    implicit = False


PROGRAM = LMTPProgram
SPECIAL = ((habits.relays, LMTPProgram),)
"""(habit, program) of the victims that only this protocol has."""
