"""A client that fetches mail over IMAP (RFC 3501): imaplib on a lab host, with a policy about TLS.

It looks and takes nothing: the mailbox is opened with EXAMINE, and no flag changes.
"""

import imaplib
import re
import socket
import ssl
from contextlib import suppress
from typing import Any

from labkit.clients.attempt import Attempt
from labkit.clients.failures import GREETING, ErrorWords, Stopped, put, shown
from labkit.clients.outcome import CLEAR
from labkit.mail.message import Mail
from labkit.trust.certificates import SERVER_NAME

_IN_COMMAND = re.compile(r"^(command: \S+ => )+")
"""What imaplib puts before the reason why a command failed."""


class IMAPClient(imaplib.IMAP4):
    """imaplib as a client of the lab. See `labkit.clients.attempt.Client`."""

    answers = ()

    def __init__(self, attempt: Attempt) -> None:
        self.words: ErrorWords = {imaplib.IMAP4.abort: self._broken, imaplib.IMAP4.error: self._answer}
        self._attempt = attempt
        self._last = b""  # line that the server sent

    def read_inbox(self, at: str, port: int, login: tuple[str, str]) -> dict[str, Any]:
        """The whole conversation up to the last message."""
        self._at = at, port
        super().__init__(SERVER_NAME, port)  # imaplib connects here; with this name the certificate is compared
        if self._attempt.wants_upgrade:
            self._upgrade()
        if self.state == "NONAUTH":
            self._log_in(*login)
        count = self._count(self._done(self.select("INBOX", readonly=True))[-1])
        return {"messages": tuple(self._message(number) for number in range(1, count + 1))}

    def farewell(self) -> None:
        """LOGOUT if the server still listens, and close TLS properly (RFC 8446 §6.1)."""
        with suppress(AttributeError, OSError, ValueError, imaplib.IMAP4.error):
            self.logout()

    def close(self) -> None:
        """Close the connection, which imaplib calls shutdown; its close is a command of IMAP."""
        with suppress(AttributeError):  # it never connected
            self.shutdown()

    # ---- methods of imaplib that are overridden

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._attempt.connect(*self._at)

    def _refresh_capabilities(self, consume: bool = False) -> None:
        """Ask for the capabilities; from Python 3.14 on, imaplib would take them from a greeting or a reply."""
        if consume:  # the capabilities of the greeting; imaplib would not ask after a login
            self._get_capabilities()

    def send(self, data: bytes) -> None:
        words = data.split()
        if len(words) > 1:  # otherwise it is the continuation of AUTHENTICATE
            self._attempt.step = f"after {words[1].decode()}"
        super().send(data)

    def readline(self) -> bytes:
        self._last = super().readline()
        return self._last

    def shutdown(self) -> None:
        if self.state == "LOGOUT" and isinstance(self.sock, ssl.SSLSocket):
            with suppress(OSError, ValueError):
                self.readline()  # the tagged answer to LOGOUT, for which imaplib does not wait
                self.sock = self.sock.unwrap()
        super().shutdown()

    # ---- the conversation

    def _upgrade(self) -> None:
        if self.state != "NONAUTH":
            self._attempt.without_tls(
                "the server says that the client is logged in already (PREAUTH), and then STARTTLS comes too late"
            )
        elif "STARTTLS" not in self.capabilities:
            self._attempt.without_tls("the server offers no STARTTLS")
        else:
            self._start_tls()

    def _start_tls(self) -> None:
        try:
            self.starttls(self._attempt)
        except imaplib.IMAP4.error:
            if self._attempt.how != CLEAR or not (refusal := self._refusal()):
                raise
            self._attempt.without_tls(f"the server refused STARTTLS with {refusal}")

    def _log_in(self, user: str, password: str) -> None:
        if "LOGINDISABLED" in self.capabilities and "AUTH=PLAIN" not in self.capabilities:
            state = self._attempt.how
            raise Stopped(
                f"the server takes no login (LOGINDISABLED) in this state of the connection, which is {state}"
            )
        self._attempt.sends_password()
        try:
            if "LOGINDISABLED" in self.capabilities:
                self.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
            else:
                self.login(_quoted(user), password)
        except imaplib.IMAP4.error:
            if refusal := self._refusal():
                raise Stopped(f"the server refused the login with {refusal}") from None
            raise

    def _count(self, told: bytes | None) -> int:
        if told is None:
            raise Stopped(f"the server's answer {self._attempt.step} does not say how many messages there are")
        return int(told)

    def _message(self, number: int) -> Mail:
        data = self._done(self.fetch(str(number), "(BODY.PEEK[])"))
        found = next((part[1] for part in data if isinstance(part, tuple)), None)
        if found is None:
            raise Stopped(f"the server's answer {self._attempt.step} holds no message")
        return Mail(found)

    def _done(self, answer: tuple[str, list[Any]]) -> list[Any]:
        if answer[0] != "OK":
            raise imaplib.IMAP4.error(answer[0])
        return answer[1]

    # ---- what went wrong

    def _refusal(self) -> str:
        """The server's last line without its tag, where it is a refusal."""
        tag, _, said = self._last.partition(b" ")
        return shown(said) if tag not in (b"*", b"+") and said.startswith((b"NO", b"BAD")) else ""

    def _broken(self, error: imaplib.IMAP4.abort, step: str) -> str:
        said = _IN_COMMAND.sub("", str(error))
        if isinstance(error.__context__, OSError):
            return put(error.__context__, step, self.words)
        if said == "socket error: EOF":
            return f"the server closed the connection {step}"
        if said.startswith("socket error: unterminated line"):
            return f"the server closed the connection in the middle of its answer {step}"
        if not said.startswith("unexpected"):  # then it is the text after BYE
            return f"the server said BYE {shown(said)} {step}"
        if step == GREETING:
            return "the server greeted with something that is not IMAP (a greeting begins with * OK)"
        return f"the server's answer {step} is not IMAP"

    def _answer(self, error: imaplib.IMAP4.error, step: str) -> str:
        said = str(error)
        if said.startswith("got more than"):
            return f"the server's answer {step} is longer than a line may be"
        if step == GREETING:
            return f"the server greeted with {shown(self._last)}, not with * OK"
        if refusal := self._refusal():
            return f"the server answered {refusal} {step}"
        return f"{shown(said)} ({step})"


def _quoted(word: str) -> str:
    """A word that imaplib puts into a command as it is."""
    if word.isalnum():
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
