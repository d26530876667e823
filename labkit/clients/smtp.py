"""A client that submits a message over SMTP (RFC 5321, RFC 6409) and follows a policy about TLS: smtplib on a lab host.

Whatever the server or the wire does, the result is an `Outcome`; nothing is raised for it and nothing waits without
end. What a policy says is in `policies`, what TLS is made of in `labkit.contexts`, how a failure is put in words in
`failures`.
"""

import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from functools import partial

from labkit.certificates import DOMAIN, SERVER_NAME
from labkit.clients.failures import GREETING, HANDSHAKE, Stopped, reply, sentence
from labkit.clients.outcome import CLEAR, EXPLICIT_TLS, IMPLICIT_TLS, Outcome
from labkit.clients.policies import EXPLICIT, IMPLICIT, STOP, Policy
from labkit.contexts import spoken
from labkit.errors import LabError, OutsideTheLab
from labkit.network import Host

TIMEOUT = 5.0
"""Seconds for one whole attempt, from connecting to QUIT."""

_MECHANISMS = {"PLAIN": smtplib.SMTP.auth_plain, "LOGIN": smtplib.SMTP.auth_login}
"""The ways to log in, in the order of preference (RFC 4616; LOGIN has no RFC) -> what the client says."""

_VERBS = {"EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "QUIT"}
_UNNOTICED = {"RSET", "QUIT"}
"""What smtplib says of its own accord after a refusal: an error message is about what came before it."""


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

    `login` is (user, password), `timeout` the seconds for the whole attempt. Raises `OutsideTheLab` for an address
    that is not the lab's and `LabError` for arguments that cannot be put on the wire.
    """
    _check(message, login, timeout)
    client = _Client(host, policy, context, timeout)
    with client.attempt():
        try:
            client.submit(to, port, message, login)
            outcome = client.outcome(sent=True, why=client.why_clear)
        except OutsideTheLab:
            raise
        except (OSError, LabError, Stopped, ValueError) as error:
            outcome = client.outcome(sent=False, why=sentence(error, client.step, client.expired, timeout))
        client.farewell()
    return outcome


def _check(message: EmailMessage, login: tuple[str, str] | None, timeout: float) -> None:
    if timeout <= 0:
        raise LabError(f"A time limit is a number of seconds above 0, not {timeout:g}.")
    if login and (isinstance(login, str) or len(login) != 2):
        raise LabError(f"A login is a pair, for example ('alice', 'hunter2'), not {login!r}.")
    for word in (str(message["From"]), str(message["To"]), *(login or ())):
        if not (word.isascii() and word.isprintable()):
            raise LabError(f"{word!r} cannot be part of an SMTP command: use printable ASCII.")


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
        return Outcome(sent, self._policy.name, self._how, self._version, self._cipher, verified, self._password, why)

    def farewell(self) -> None:
        """QUIT if the server still listens, and close TLS properly (RFC 8446 §6.1)."""
        with suppress(OSError, ValueError):
            self.docmd("quit")
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock = self.sock.unwrap()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Shut the connection when all this takes too long, however busy the server looks; close it at the end."""
        timer = threading.Timer(self.timeout, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            with suppress(OSError):
                self.close()
            if self._alarm:
                self._alarm.close()

    def _give_up(self) -> None:
        self.expired = True
        if self._alarm:
            with suppress(OSError):
                self._alarm.shutdown(socket.SHUT_RDWR)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = self._from.connect(host, port, timeout)
        sock.settimeout(2 * timeout)  # the alarm comes first, and knows that it was the time limit
        self._alarm = sock.dup()  # stays valid when TLS takes the connection over
        if self._policy.starts == IMPLICIT:
            self.step = HANDSHAKE
            sock = self._context.wrap_socket(sock, server_hostname=self._host)
            self._protected(IMPLICIT_TLS, sock)
        self.step = GREETING
        return sock

    def putcmd(self, cmd: str, args: str = "") -> None:
        verb = cmd.upper()
        if verb not in _VERBS:
            self.step = "during the login"
        elif verb not in _UNNOTICED:
            self.step = f"after {verb}"
        super().putcmd(verb if verb in _VERBS else cmd, args)

    def getreply(self) -> tuple[int, bytes]:
        code, text = super().getreply()
        if code == -1 and self.step != GREETING:
            raise smtplib.SMTPResponseException(code, text)
        if code == 220 and self.step == "after STARTTLS":
            self.step = HANDSHAKE
        return code, text

    def _upgrade(self) -> None:
        try:
            self.starttls(context=self._context)
        except smtplib.SMTPNotSupportedError:
            self._without_tls("the server offers no STARTTLS")
        except smtplib.SMTPResponseException as refusal:
            if refusal.smtp_code == -1:
                raise
            self._without_tls(f"the server refused STARTTLS with {reply(refusal.smtp_code, refusal.smtp_error)}")
        else:
            self._protected(EXPLICIT_TLS, self.sock)

    def _without_tls(self, why: str) -> None:
        if self._policy.without == STOP:
            raise Stopped(f"{why}, and the policy {self._policy.name!r} stops without TLS")
        self.why_clear = f"{why}, and the policy {self._policy.name!r} goes on without TLS"

    def _protected(self, how: str, sock: ssl.SSLSocket) -> None:
        self._how = how
        self._version = spoken(sock.version())
        self._cipher = (sock.cipher() or ("",))[0]

    def _log_in(self, user: str, password: str) -> None:
        if not self.has_extn("auth"):
            raise Stopped(f"the server offers no login (AUTH) in this state of the connection, which is {self._how}")
        offered = self.esmtp_features["auth"].split()
        mechanism = next((name for name in _MECHANISMS if name in offered), None)
        if mechanism is None:
            raise Stopped(f"the server offers no way to log in that the client knows ({' or '.join(_MECHANISMS)})")
        self.user, self.password = user, password
        self.auth(mechanism, partial(self._credentials, _MECHANISMS[mechanism]))

    def _credentials(self, say: Callable[[smtplib.SMTP, str | None], str], challenge: str | None = None) -> str:
        said = say(self, challenge)
        if self.password in said:
            self._password = self._how
        return said
