"""A client that submits a message over SMTP (RFC 5321, RFC 6409): smtplib on a lab host, with a policy about TLS."""

import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from labkit.clients.attempt import TIMEOUT, Attempt, check_login, check_words
from labkit.clients.failures import GREETING, ErrorWords, Stopped, put, shown
from labkit.clients.outcome import Sent
from labkit.clients.policies import Policy
from labkit.mail.message import Outgoing
from labkit.network import Host
from labkit.trust.certificates import DOMAIN, SERVER_NAME

_MECHANISMS = {"PLAIN": smtplib.SMTP.auth_plain, "LOGIN": smtplib.SMTP.auth_login}
"""The ways to log in, in the order of preference (RFC 4616; LOGIN has no RFC) -> what the client says."""

_VERBS = {"EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "QUIT"}
_UNNOTICED = {"RSET", "QUIT"}
"""Commands that smtplib sends by itself after a refusal: an error message is about the command before them."""


def send(
    host: Host,
    to: str,
    port: int,
    mail: Outgoing,
    policy: Policy,
    context: ssl.SSLContext,
    login: tuple[str, str] | None = None,
    timeout: float = TIMEOUT,
    name: str = SERVER_NAME,
) -> Sent:
    """Send `mail` from `host` to the server at `to` (host name, nominal port), and say what happened.

    `login` is (user, password), `timeout` the seconds for the whole attempt, `name` the name that the certificate is
    compared with. Raises `OutsideTheLab` for an address that is not the lab's and `LabError` for arguments that cannot
    be put on the wire.
    """
    if login:
        check_login(login)
    check_words(mail.sender, *mail.recipients)
    attempt = Attempt(host, policy, context, timeout, name)
    client = SMTPClient(attempt, f"{host.name}.{DOMAIN}")
    return attempt.run(client, Sent, partial(client.submit, to, port, mail, login))


class SMTPClient(smtplib.SMTP):
    """smtplib as a client of the lab. See `labkit.clients.attempt.Client`."""

    ehlo_msg = "EHLO"
    answers = (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)

    def __init__(self, attempt: Attempt, name: str) -> None:
        super().__init__(local_hostname=name, timeout=attempt.timeout)
        self._host = attempt.name  # smtplib's name for what goes into SNI and is compared with the certificate
        self._attempt = attempt
        self.words = _WORDS

    def submit(self, to: str, port: int, mail: Outgoing, login: tuple[str, str] | None) -> dict[str, Any]:
        """The whole conversation up to the reply that the server has the message. Raises `Stopped`, `OSError` and
        `smtplib.SMTPException`."""
        self.greet(to, port)
        if self._attempt.wants_upgrade:
            self._upgrade()
        self.ehlo_or_helo_if_needed()  # again after STARTTLS: what was offered before is forgotten (RFC 3207 §4.2)
        if login:
            self._log_in(*login)
        if "REQUIRETLS" in mail.options and not (self._attempt.version and self.has_extn("requiretls")):
            raise Stopped("the server does not offer REQUIRETLS inside TLS, which the message asks for")
        refused = self.sendmail(mail.sender, mail.recipients, mail.data, mail.options)
        return {"refused": refusals(refused)}

    def greet(self, to: str, port: int) -> None:
        """Connect, read the greeting, and say EHLO. Raises `OSError` and `smtplib.SMTPException`."""
        code, text = self.connect(to, port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        self.ehlo_or_helo_if_needed()

    def farewell(self) -> None:
        """QUIT if the server still listens, and close TLS properly (RFC 8446 §6.1)."""
        with suppress(OSError, ValueError):
            self.docmd("quit")
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock = self.sock.unwrap()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._attempt.connect(host, port)

    def putcmd(self, cmd: str, args: str = "") -> None:
        verb = cmd.upper()
        if verb not in _VERBS:
            self._attempt.step = "during the login"
        elif verb not in _UNNOTICED:
            self._attempt.step = f"after {verb}"
        super().putcmd(verb if verb in _VERBS else cmd, args)

    def getreply(self) -> tuple[int, bytes]:
        code, text = super().getreply()
        if code == -1 and self._attempt.step != GREETING:
            raise smtplib.SMTPResponseException(code, text)
        return code, text

    def _upgrade(self) -> None:
        try:
            self.starttls(context=self._attempt)
        except smtplib.SMTPNotSupportedError:
            self._attempt.without_tls("the server offers no STARTTLS")
        except smtplib.SMTPResponseException as refusal:
            if refusal.smtp_code == -1:
                raise
            said = reply(refusal.smtp_code, refusal.smtp_error)
            self._attempt.without_tls(f"the server refused STARTTLS with {said}")

    def _log_in(self, user: str, password: str) -> None:
        if not self.has_extn("auth"):
            state = self._attempt.how
            raise Stopped(f"the server offers no login (AUTH) in this state of the connection, which is {state}")
        offered = self.esmtp_features["auth"].split()
        mechanism = next((name for name in _MECHANISMS if name in offered), None)
        if mechanism is None:
            raise Stopped(f"the server offers no way to log in that the client knows ({' or '.join(_MECHANISMS)})")
        self.user, self.password = user, password
        self.auth(mechanism, partial(self._credentials, _MECHANISMS[mechanism]))

    def _credentials(self, say: Callable[[smtplib.SMTP, str | None], str], challenge: str | None = None) -> str:
        said = say(self, challenge)
        if self.password in said:
            self._attempt.sends_password()
        return said


def _greeting(error: smtplib.SMTPConnectError, _: str) -> str:
    if error.smtp_code == -1:
        return "the server greeted with something that is not SMTP (a greeting begins with 220)"
    return f"the server greeted with {reply(error.smtp_code, error.smtp_error)}, not with 220"


def _login(error: smtplib.SMTPAuthenticationError, _: str) -> str:
    return f"the server refused the login with {reply(error.smtp_code, error.smtp_error)}"


def _recipients(error: smtplib.SMTPRecipientsRefused, _: str) -> str:
    return f"the server refused {' and '.join(refusals(error.recipients))}"


def refusals(refused: Mapping[str, tuple[int, bytes]]) -> tuple[str, ...]:
    """Recipients that a server refused, each with its words."""
    return tuple(f"{who} with {reply(*answer)}" for who, answer in refused.items())


def _answer(error: smtplib.SMTPResponseException, step: str) -> str:
    if isinstance(error.smtp_error, str):  # these are smtplib's words, not the server's
        return f"the server's answer {step} is longer than a line may be"
    if error.smtp_code == -1:
        return f"the server's answer {step} is not SMTP (a reply begins with three digits)"
    return f"the server answered {reply(error.smtp_code, error.smtp_error)} {step}"


def _disconnected(error: smtplib.SMTPServerDisconnected, step: str) -> str:
    """smtplib says this also for what broke underneath; that is the better reason."""
    if isinstance(error.__context__, OSError):
        return put(error.__context__, step, _WORDS)
    return f"the server closed the connection {step}"


def reply(code: int, text: bytes | str) -> str:
    """A reply in one line: the code, and what the server said."""
    return f"{code} {shown(text)}".strip()


_WORDS: ErrorWords = {
    smtplib.SMTPConnectError: _greeting,
    smtplib.SMTPAuthenticationError: _login,
    smtplib.SMTPRecipientsRefused: _recipients,
    smtplib.SMTPResponseException: _answer,
    smtplib.SMTPServerDisconnected: _disconnected,
    smtplib.SMTPException: lambda error, step: f"{str(error).rstrip('.')} ({step})",
}
