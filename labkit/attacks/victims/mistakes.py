"""Programs with the mistakes that real clients made, each a few lines over the library that does not make them.

They are models of the published descriptions, not the products' code.
"""

import imaplib
import poplib
import re
import ssl
from contextlib import suppress
from typing import Any

from labkit.attacks.victims.habits import careful, if_offered
from labkit.attacks.victims.programs import (
    LOGIN,
    DialledIMAP,
    DialledPOP3,
    DialledSMTP,
    IMAPProgram,
    POP3Program,
    Program,
    SMTPProgram,
)

_PAGE = 0.5
"""Seconds for a page; a mail server does not close the connection behind it."""


class KeptBuffer:
    """Reads lines of whatever socket its client has now, and keeps what it has read ahead, also across the upgrade.

    Mutt (CVE-2020-14954), libetpan (CVE-2020-15953) and curl (CVE-2021-22947) did that.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.held = b""
        """What was read and nobody has asked for yet."""

    def readline(self, limit: int = -1) -> bytes:
        while b"\n" not in self.held and (data := self._client.sock.recv(4096)):
            self.held += data
        return self.read(self.held.find(b"\n") + 1 or len(self.held))

    def read(self, size: int) -> bytes:
        while len(self.held) < size and (data := self._client.sock.recv(4096)):
            self.held += data
        taken, self.held = self.held[:size], self.held[size:]
        return taken

    def close(self) -> None:
        """Nothing of its own is open."""


class _KeepingFile:
    """smtplib and poplib read from their `file`: here it is one `KeptBuffer`, whatever they put in its place."""

    @property
    def file(self) -> KeptBuffer:
        return self.__dict__.setdefault("buffer", KeptBuffer(self))

    @file.setter
    def file(self, _: Any) -> None: ...


class _KeepingSMTPClient(_KeepingFile, DialledSMTP): ...


class _KeepingPOP3Client(_KeepingFile, DialledPOP3): ...


class _KeepingIMAPClient(DialledIMAP):
    """imaplib reads with two methods that may be overridden."""

    @property
    def buffer(self) -> KeptBuffer:
        return self.__dict__.setdefault("_buffer", KeptBuffer(self))

    def readline(self) -> bytes:
        return self.buffer.readline()

    def read(self, size: int) -> bytes:
        return self.buffer.read(size)


class KeepingSMTP(SMTPProgram):
    """Keeps its buffer across the upgrade."""

    kind = _KeepingSMTPClient


class KeepingIMAP(IMAPProgram):
    """Keeps its buffer across the upgrade."""

    kind = _KeepingIMAPClient


class KeepingPOP3(POP3Program):
    """Keeps its buffer across the upgrade."""

    kind = _KeepingPOP3Client


class EarlyIMAP(KeepingIMAP):
    """Holds STARTTLS for done when the OK comes before the question, and starts no TLS (CVE-2026-42246: net-imap)."""

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        if b" OK " not in self.client.buffer.held:
            super().upgrade(context)
            return
        tag = self.client._new_tag()
        self.client.send(tag + b" STARTTLS\r\n")
        self.client.readline()


class TaglessIMAP(KeepingIMAP):
    """Reads one line as the answer to STARTTLS, whatever its tag; what is not OK means no TLS (CVE-2021-32066)."""

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        self.client.send(self.client._new_tag() + b" STARTTLS\r\n")
        if self.client.readline().split()[1:2] == [b"OK"]:
            self.client.sock = context.wrap_socket(self.client.sock, server_hostname=self.scene.server)
            self.client.buffer.held = b""


class ForgetfulIMAP(IMAPProgram):
    """Does what imaplib leaves to its user: forgets all that was said before TLS, more than RFC 9051 §6.2.1 asks."""

    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        super().upgrade(context)
        self.client.untagged_responses.clear()


class BoldIMAP(IMAPProgram):
    """Holds itself for logged in, whatever the answer to its login is."""

    def log_in(self) -> None:
        with suppress(imaplib.IMAP4.error):
            super().log_in()
        self.client.state = "AUTH"


class AlertingIMAP(ForgetfulIMAP):
    """Shows the ALERT of a greeting to its user before there is TLS, as RFC 3501 §7.1 asked and RFC 9051 no "
    "longer does."""

    def _start(self, port: int) -> imaplib.IMAP4:
        client = super()._start(port)
        greeting = client.welcome.decode("utf-8", "backslashreplace")
        self.believed += [greeting] * ("[ALERT]" in greeting)
        return client


# ---- habits that need to know the protocol


def browses(program: Program) -> None:
    """Asks the server's name for a page, over verified TLS, and shows whatever comes (HTTP/0.9)."""
    program.believed += _page(program)


def browses_strictly(program: Program) -> None:
    """Asks the server's name for a page, over verified TLS, and shows what begins like HTTP (RFC 9112 §4)."""
    page = _page(program)
    if not page or not page[0].startswith("HTTP/"):
        raise ConnectionError("this is no answer of HTTP")
    program.believed += page


def _page(program: Program) -> list[str]:
    name = program.scene.server
    sock = program.scene.connect(name, 443)
    with program.scene.trust.wrap_socket(sock, server_hostname=name) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        data = b""
        with suppress(TimeoutError):
            tls.settimeout(_PAGE)
            while piece := tls.recv(1 << 16):
                data += piece
    return data.decode("utf-8", "backslashreplace").splitlines()


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
            sock.sendall(f"a1 LOGIN {' '.join(LOGIN)}\r\n".encode())
            answers.readline()


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
