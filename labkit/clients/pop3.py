"""A client that fetches mail over POP3 (RFC 1939): poplib on a lab host, with a policy about TLS.

It looks and takes nothing: the messages stay on the server.
"""

import poplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from labkit.clients.attempt import Attempt
from labkit.clients.failures import GREETING, ErrorWords, Stopped, shown
from labkit.mail.message import Mail
from labkit.trust.certificates import SERVER_NAME

_NO_CAPA, _NO_STLS = "-ERR CAPA not supported by server", "-ERR STLS not supported by server"
"""The beginning of poplib's error message."""
_CAPABILITIES_UNKNOWN = {"USER": []}
"""The capabilities of a server without CAPA (RFC 2449): it is older than STLS."""


class POP3Client(poplib.POP3):
    """poplib as a client of the lab. See `labkit.clients.attempt.Client`."""

    answers = ()

    def __init__(self, attempt: Attempt) -> None:
        self.words: ErrorWords = {poplib.error_proto: _answer}
        self.sock = self.file = None
        self._attempt = attempt

    def read_inbox(self, at: str, port: int, login: tuple[str, str]) -> dict[str, Any]:
        """The whole conversation up to the last message."""
        self._at = at, port
        super().__init__(SERVER_NAME, port)  # poplib connects here; with this name the certificate is compared
        if self._attempt.wants_upgrade:
            self._upgrade()
        offered = self._capabilities()  # what was offered before TLS is forgotten (RFC 2595 §4)
        self._log_in(offered, *login)
        count, _ = self._ask("STAT", self.stat)
        return {"messages": tuple(self._message(number) for number in range(1, count + 1))}

    def farewell(self) -> None:
        """QUIT if the server still listens, and close TLS properly (RFC 8446 §6.1)."""
        with suppress(AttributeError, OSError, ValueError, poplib.error_proto):
            self._shortcmd("QUIT")
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock = self.sock.unwrap()

    def _create_socket(self, timeout: float) -> socket.socket:
        return self._attempt.connect(*self._at)

    def _ask(self, verb: str, call: Callable[..., Any], *arguments: object) -> Any:
        self._attempt.step = f"after {verb}"
        return call(*arguments)

    def _capabilities(self) -> dict[str, list[str]]:
        try:
            return self._ask("CAPA", self.capa)
        except poplib.error_proto as error:
            self._may_lack_capa(error)
            return _CAPABILITIES_UNKNOWN

    def _upgrade(self) -> None:
        try:
            self._ask("STLS", self.stls, self._attempt)  # poplib asks for the capabilities first
        except poplib.error_proto as error:
            self._attempt.without_tls(self._why_no_tls(error))

    def _why_no_tls(self, error: poplib.error_proto) -> str:
        if _is_refusal(error):
            return f"the server refused STLS with {shown(error.args[0])}"
        if error.args[0] != _NO_STLS:
            self._may_lack_capa(error)
        return "the server offers no STLS"

    def _may_lack_capa(self, error: poplib.error_proto) -> None:
        """Raises what happened in CAPA unless the server refused it, which an old one may."""
        happened = error.__context__ if error.args[0] == _NO_CAPA else error
        if not _is_refusal(happened):
            self._attempt.step = "after CAPA" if happened is not error else self._attempt.step
            raise happened from None

    def _log_in(self, offered: dict[str, list[str]], user: str, password: str) -> None:
        if "USER" not in offered:
            state = self._attempt.how
            raise Stopped(f"the server offers no login (USER) in this state of the connection, which is {state}")
        try:
            self._ask("USER", self.user, user)
            self._attempt.sends_password()
            self._ask("PASS", self.pass_, password)
        except poplib.error_proto as error:
            if not _is_refusal(error):
                raise
            raise Stopped(f"the server refused the login with {shown(error.args[0])}") from None

    def _message(self, number: int) -> Mail:
        _, lines, _ = self._ask("RETR", self.retr, number)
        return Mail(b"".join(line + b"\r\n" for line in lines))


def _is_refusal(error: BaseException) -> bool:
    said = error.args[0] if error.args else b""
    return isinstance(said, bytes) and said.startswith(b"-ERR")


def _answer(error: poplib.error_proto, step: str) -> str:
    said = error.args[0]
    if said == "-ERR EOF":  # these are poplib's words, not the server's
        return f"the server closed the connection {step}"
    if said == "line too long":
        return f"the server's answer {step} is longer than a line may be"
    if _is_refusal(error):
        return f"the server {'greeted with' if step == GREETING else 'answered'} {shown(said)}" + (
            ", not with +OK" if step == GREETING else f" {step}"
        )
    if isinstance(said, str):  # poplib's words, from Python 3.14 on, for numbers that are none
        return f"the server's answer {step} makes no sense"
    if step == GREETING:
        return "the server greeted with something that is not POP3 (a greeting begins with +OK)"
    return f"the server's answer {step} is not POP3 (a reply begins with +OK or -ERR)"
