"""A client that submits a message over SMTP (RFC 5321, RFC 6409) and follows a policy about TLS: smtplib on a lab host.

Whatever the server or the wire does, the result is an `Outcome`; nothing is raised for it and nothing waits without end.
What a policy says is in `policies`, what TLS is made of in `labkit.contexts`, how a failure is put in words in `failures`.
"""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage

from labkit.certificates import DOMAIN, SERVER_NAME
from labkit.clients.failures import Stopped, sentence
from labkit.clients.outcome import CLEAR, EXPLICIT_TLS, IMPLICIT_TLS, Outcome
from labkit.clients.policies import EXPLICIT, IMPLICIT, STOP, Policy
from labkit.errors import LabError, OutsideTheLab
from labkit.network import Host

TIMEOUT = 5.0
"""Seconds for one whole attempt, from connecting to QUIT."""

_VERBS = {"ehlo", "helo", "mail", "rcpt", "data", "rset", "quit"}


def send(
    host: Host,
    to: str,
    port: int,
    message: EmailMessage,
    policy: Policy,
    context: ssl.SSLContext,
    login: tuple[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Outcome:
    """Send `message` from `host` to the server at `to` (host name, nominal port), and say what happened.

    `login` is (user, password), `timeout` the seconds for the whole attempt. Raises `OutsideTheLab` for an address that is
    not the lab's and `LabError` for arguments that cannot be put on the wire.
    """
    client = _Client(host, policy, context, timeout)
    with client.time_limit():
        try:
            client.submit(to, port, message, login)
            return client.outcome(sent=True, why=client.why_clear)
        except OutsideTheLab:
            raise
        except (OSError, LabError, Stopped) as error:
            return client.outcome(sent=False, why=sentence(error, client.step, client.expired, timeout))
        except ValueError as error:
            raise LabError(f"This cannot be sent as SMTP commands: {error}.") from error
        finally:
            client.farewell()


class _Client(smtplib.SMTP):
    """smtplib on a lab host, with a policy. `step` says, for an error message, where in the conversation we are."""

    ehlo_msg = "EHLO"

    def __init__(self, host: Host, policy: Policy, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(local_hostname=f"{host.name}.{DOMAIN}", timeout=timeout)
        self._host = SERVER_NAME  # smtplib's name for what goes into SNI and is compared with the certificate
        self._from = host
        self._policy = policy
        self._context = context
        self._alarm: socket.socket | None = None
        self._how, self._version, self._cipher, self._password = CLEAR, "", "", ""
        self.why_clear = ""
        self.step = "while connecting"
        self.expired = False

    def submit(self, to: str, port: int, message: EmailMessage, login: tuple[str, str] | None) -> None:
        """The whole conversation up to the server's word that it has the message."""
        code, text = self.connect(to, port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        self.ehlo_or_helo_if_needed()
        if self._policy.starts == EXPLICIT:
            self._upgrade()
        if self._how == CLEAR and not self.why_clear:
            self.why_clear = f"the policy {self._policy.name!r} asks for no TLS"
        self.ehlo_or_helo_if_needed()  # again after STARTTLS: what was offered before is forgotten (RFC 3207 §4.2)
        if login:
            self._log_in(*login)
        self.sendmail(str(message["From"]), [str(message["To"])], message.as_bytes())

    def outcome(self, sent: bool, why: str) -> Outcome:
        """What is known now, as a record."""
        verified = self._policy.verify and self._how != CLEAR
        return Outcome(
            sent, self._policy.name, self._how, self._version, self._cipher, verified, self._password, why
        )

    def farewell(self) -> None:
        """QUIT if the server still listens, close TLS properly (RFC 8446 §6.1), and close the connection."""
        with suppress(OSError, ValueError):
            self.docmd("quit")
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock = self.sock.unwrap()
        with suppress(OSError):
            self.close()
        if self._alarm:
            self._alarm.close()

    @contextmanager
    def time_limit(self) -> Iterator[None]:
        """Shuts the connection when the whole attempt takes too long, however busy the server looks."""
        timer = threading.Timer(self.timeout, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _give_up(self) -> None:
        self.expired = True
        if self._alarm:
            with suppress(OSError):
                self._alarm.shutdown(socket.SHUT_RDWR)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = self._from.connect(host, port, timeout)
        self._alarm = sock.dup()  # stays valid when TLS takes the connection over
        if self._policy.starts == IMPLICIT:
            self.step = "during the TLS handshake"
            sock = self._context.wrap_socket(sock, server_hostname=self._host)
            self._protected(IMPLICIT_TLS, sock)
        self.step = "before the greeting"
        return sock

    def putcmd(self, cmd: str, args: str = "") -> None:
        verb = cmd.split(" ")[0].upper()
        self.step = f"after {verb}" if verb.isalpha() and len(verb) < 9 else "during the login"
        super().putcmd(cmd.upper() if cmd in _VERBS else cmd, args)

    def _upgrade(self) -> None:
        try:
            self.starttls(context=self._context)
        except smtplib.SMTPNotSupportedError:
            self._without_tls("the server offers no STARTTLS")
        except smtplib.SMTPResponseException as refusal:
            self._without_tls(f"the server refused STARTTLS with {refusal.smtp_code}")
        else:
            self._protected(EXPLICIT_TLS, self.sock)

    def _without_tls(self, why: str) -> None:
        if self._policy.without == STOP:
            raise Stopped(f"{why}, and the policy {self._policy.name!r} stops without TLS")
        self.why_clear = f"{why}, and the policy {self._policy.name!r} goes on without TLS"

    def _protected(self, how: str, sock: ssl.SSLSocket) -> None:
        self._how = how
        self._version = (sock.version() or "").replace("TLSv", "TLS ")
        self._cipher = (sock.cipher() or ("",))[0]

    def _log_in(self, user: str, password: str) -> None:
        if not self.has_extn("auth"):
            raise Stopped(f"the server offers no login (AUTH) in this state of the connection, which is {self._how}")
        self._password = self._how
        self.login(user, password)
