"""A client that connects to a mail server in one way and measures the time: smtplib on a host of the lab.

It closes the connection after the answer with which the way ends, so that the answer comes last in a capture.
"""

import smtplib
import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from labkit.errors import LabError
from labkit.mail.message import compose
from labkit.network import Host
from labkit.trials.way import IMPLICIT, STARTTLS, Way
from labkit.trust.certificates import DOMAIN, SERVER_NAME
from labkit.trust.contexts import client_context

if TYPE_CHECKING:
    from labkit.lab import Lab

_PATIENCE = 20.0
"""Seconds for an answer, beside the delays."""
_LOGIN = ("alice", "hunter2")
_SENDER, _RECIPIENT = f"alice@{DOMAIN}", f"bob@{DOMAIN}"


class TimedRun(NamedTuple):
    """One session."""

    way: Way
    delay: float
    """Seconds of a round trip."""
    seconds: float
    """From before the connection is opened to the answer that the way ends with."""
    client: tuple[str, int]
    """The client's end: (IP address, port in host order)."""
    port: int
    """The nominal port of the server."""


class TimedClient:
    """A client that repeats one way at one distance: `delay` seconds of a round trip."""

    def __init__(self, lab: "Lab", host: Host, port: int, way: Way, delay: float) -> None:
        self.way = way
        self.delay = delay
        self._host = host
        self._port = port
        self._context = client_context(lab.authority, True, way.version or "TLS 1.3", lab.keylog.path)
        self._message = compose("The PIN is 4921", "Hello", _SENDER, _RECIPIENT).data
        self._session: ssl.SSLSession | None = None

    def prepare(self) -> None:
        """Run once untimed, so that the hosts know each other's hardware addresses and TLS has a session to resume."""
        self._go(session=None)

    def run(self) -> TimedRun:
        """Run once and measure the time. Raises `LabError` if the session fails."""
        return self._go(self._session)

    def _go(self, session: ssl.SSLSession | None) -> TimedRun:
        limit = _PATIENCE + 10 * self.delay
        client = _Submission(self._host, _ResumingContext(self._context, session), self.way.starts, limit)
        try:
            began = time.perf_counter()
            client.go(self._port, self.way, self._message)
            seconds = time.perf_counter() - began
            if self.way.resumed:
                self._keep(client.sock, session)
            return TimedRun(self.way, self.delay, seconds, client.sock.getsockname()[:2], self._port)
        except (OSError, smtplib.SMTPException) as error:
            raise LabError(
                f"A session ({self.way.name}) over a round trip of {self.delay * 1000:g} ms failed: {error}."
            ) from error
        finally:
            with suppress(OSError):
                client.close()

    def _keep(self, sock: ssl.SSLSocket, resumed: ssl.SSLSession | None) -> None:
        if resumed is not None and not sock.session_reused:
            raise LabError(f"A session ({self.way.name}) was not resumed: the server began a new one.")
        self._session = self._session or sock.session


class _ResumingContext:
    """What smtplib takes for an `ssl.SSLContext`: one that resumes a session, where there is one."""

    def __init__(self, context: ssl.SSLContext, session: ssl.SSLSession | None) -> None:
        self._context = context
        self._session = session

    def wrap_socket(self, sock: socket.socket, server_hostname: str = SERVER_NAME) -> ssl.SSLSocket:
        """The socket inside TLS, its handshake done."""
        return self._context.wrap_socket(sock, server_hostname=SERVER_NAME, session=self._session)


class _Submission(smtplib.SMTP):
    """smtplib on a host of the lab."""

    def __init__(self, host: Host, context: _ResumingContext, starts: str, limit: float) -> None:
        super().__init__(local_hostname=f"{host.name}.{DOMAIN}", timeout=limit)
        self._from = host
        self._context = context
        self._starts = starts

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = self._from.connect(host, port, timeout)
        return self._context.wrap_socket(sock) if self._starts == IMPLICIT else sock

    def go(self, port: int, way: Way, message: bytes) -> None:
        """The whole way, up to its last answer. Raises `OSError` or `smtplib.SMTPException`."""
        _expect(220, self.connect("mail", port))
        self.ehlo_or_helo_if_needed()
        if way.starts == STARTTLS:
            self.starttls(context=self._context)
            _expect(250, self.ehlo())
        if way.login:
            self.user, self.password = _LOGIN
            self.auth("PLAIN", self.auth_plain)
        for _ in range(way.messages):
            (self._pipeline if way.pipelined else self._one_by_one)(message)

    def _one_by_one(self, message: bytes) -> None:
        _expect(250, self.mail(_SENDER))
        _expect(250, self.rcpt(_RECIPIENT))
        _expect(250, self.data(message))

    def _pipeline(self, message: bytes) -> None:
        """MAIL, RCPT and DATA together, which a server must offer (RFC 2920 §3.1)."""
        if not self.has_extn("pipelining"):
            raise smtplib.SMTPNotSupportedError("the server does not offer PIPELINING")
        self.send(f"MAIL FROM:<{_SENDER}>\r\nRCPT TO:<{_RECIPIENT}>\r\nDATA\r\n")
        for code in (250, 250, 354):
            _expect(code, self.getreply())
        self.send(message.rstrip(b"\r\n") + b"\r\n.\r\n")
        _expect(250, self.getreply())


def _expect(code: int, reply: tuple[int, bytes]) -> None:
    if reply[0] != code:
        raise smtplib.SMTPResponseException(*reply)
