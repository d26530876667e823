"""imaplib as a victim, and the mistakes of IMAP clients, each a few lines over the library that does not make them.

The mistakes are models of the published descriptions, not the products' code.
"""

import imaplib
import re
import socket
import ssl
from contextlib import suppress
from typing import Any

from labkit.attacks.victims import browsers, habits
from labkit.attacks.victims.buffer import KeptBuffer
from labkit.attacks.victims.habits import careful, if_offered
from labkit.attacks.victims.programs import Program


class DialledIMAP(imaplib.IMAP4):
    """imaplib's client, connected by its program."""

    def __init__(self, program: Program, port: int) -> None:
        self._program = program
        super().__init__(program.scene.server, port, program.scene.timeout)

    def _create_socket(self, timeout: float) -> socket.socket:
        return self._program.dial(self.port)


class IMAPProgram(Program):
    """imaplib: stores a draft."""

    kind = DialledIMAP
    errors = (imaplib.IMAP4.error, OSError, ValueError)

    def _end(self) -> None:
        if self.client:
            self.client.logout()

    def offers_tls(self) -> bool:
        return "STARTTLS" in self.client.capabilities

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        self.client.starttls(context)

    def log_in(self) -> None:
        if self.client.state == "NONAUTH":  # PREAUTH, and nothing is left to do
            self.client.login(*self.scene.login)

    def work(self) -> None:
        self.client.append("Drafts", "", "", self.scene.mail.encode())

    def look(self) -> list[str]:
        told = self.client.untagged_responses.items()
        return [*self.client.capabilities, *(f"{name} {_as_text(values)}" for name, values in told)]


def _as_text(values: list[Any]) -> str:
    return " ".join(value.decode("utf-8", "backslashreplace") for value in values if isinstance(value, bytes))


class _KeepingIMAPClient(DialledIMAP):
    """imaplib reads with two methods that may be overridden."""

    @property
    def buffer(self) -> KeptBuffer:
        return self.__dict__.setdefault("_buffer", KeptBuffer(self))

    def readline(self) -> bytes:
        return self.buffer.readline()

    def read(self, size: int) -> bytes:
        return self.buffer.read(size)


class KeepingIMAP(IMAPProgram):
    """Keeps its buffer across the upgrade."""

    variant = "keeping"

    kind = _KeepingIMAPClient


class EarlyIMAP(KeepingIMAP):
    """Takes an OK that came before its STARTTLS for the answer, and starts no TLS (CVE-2026-42246: net-imap)."""

    variant = "early"

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        if b" OK " not in self.client.buffer.held:
            super().upgrade(context)
            return
        tag = self.client._new_tag()
        self.client.send(tag + b" STARTTLS\r\n")
        self.client.readline()


class TaglessIMAP(KeepingIMAP):
    """Reads one line as the answer to STARTTLS, whatever its tag; what is not OK means no TLS (CVE-2021-32066)."""

    variant = "tagless"

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        self.client.send(self.client._new_tag() + b" STARTTLS\r\n")
        if self.client.readline().split()[1:2] == [b"OK"]:
            self.client.sock = context.wrap_socket(self.client.sock, server_hostname=self.scene.server)
            self.client.buffer.held = b""


class ForgetfulIMAP(IMAPProgram):
    """Does what imaplib leaves to its user: forgets all that was said before TLS, more than RFC 9051 §6.2.1 asks."""

    variant = "forgetful"

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        super().upgrade(context)
        self.client.untagged_responses.clear()


class BoldIMAP(IMAPProgram):
    """Takes every answer to its login for success."""

    variant = "bold"

    def log_in(self) -> None:
        with suppress(imaplib.IMAP4.error):
            super().log_in()
        self.client.state = "AUTH"


class AlertingIMAP(ForgetfulIMAP):
    """Shows the ALERT of a greeting to its user before there is TLS, as RFC 3501 §7.1 asked and RFC 9051 no longer
    does."""

    variant = "alerting"

    def _start(self, port: int) -> imaplib.IMAP4:
        client = super()._start(port)
        greeting = client.welcome.decode("utf-8", "backslashreplace")
        self.believed += [greeting] * ("[ALERT]" in greeting)
        return client


def follows_referral(program: Program) -> None:
    """Verified TLS; but where a greeting sends it elsewhere, it goes, with TLS if it is offered (RFC 2221)."""
    try:
        careful(program)
    except imaplib.IMAP4.error as error:
        to = re.search(r"\[REFERRAL imap://([^:/]+):(\d+)", str(error))
        if to is None:
            raise
        program.scene = program.scene._replace(server=to[1], port=int(to[2]))
        if_offered(program)


def forgets_after_greeting(program: Program) -> None:
    """Requires TLS, but forgets that after a greeting that makes no sense, and logs in (CVE-2020-28896: Mutt)."""
    try:
        careful(program)
    except imaplib.IMAP4.error:
        if program.client:  # it came through the greeting
            raise
        sock = program.dial(program.scene.port)
        with sock, sock.makefile("rb") as answers:
            answers.readline()
            sock.sendall(f"a1 LOGIN {' '.join(program.scene.login)}\r\n".encode())
            answers.readline()


PROGRAM = IMAPProgram
SPECIAL = (
    (careful, KeepingIMAP),
    (careful, EarlyIMAP),
    (careful, TaglessIMAP),
    (careful, ForgetfulIMAP),
    (careful, AlertingIMAP),
    (careful, BoldIMAP),
    (habits.looks, IMAPProgram),
    (browsers.browses, IMAPProgram),
    (browsers.browses_strictly, IMAPProgram),
    (follows_referral, IMAPProgram),
    (forgets_after_greeting, IMAPProgram),
)
"""(habit, program) of the victims that only this protocol has."""
