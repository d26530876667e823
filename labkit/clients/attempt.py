"""One attempt of a client of any protocol: its connection, its policy about TLS, and its time limit.

Whatever the server or the wire does, the result is an `Outcome`; nothing is raised for it and nothing waits without
end. What a policy says is in `policies`, how a failure is put in words in `failures`.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

from labkit.clients.failures import GREETING, HANDSHAKE, ErrorWords, Stopped, put
from labkit.clients.outcome import CLEAR, EXPLICIT_TLS, IMPLICIT_TLS, Outcome
from labkit.clients.policies import EXPLICIT, IMPLICIT, STOP, Policy
from labkit.errors import LabError, OutsideTheLab
from labkit.limits import within_limits
from labkit.network import Host
from labkit.network.checks import check_timeout
from labkit.trust.certificates import SERVER_NAME
from labkit.trust.contexts import spoken

O = TypeVar("O", bound=Outcome)  # noqa: E741

TIMEOUT = 5.0
"""Seconds for one whole attempt, from connecting to the farewell."""


class Client(Protocol):
    """What an attempt needs of a protocol's client."""

    words: ErrorWords
    """The protocol's own errors -> how they are put in words."""
    answers: tuple[type[BaseException], ...]
    """Errors that report what the server said; they stay the reason when the time ran out afterwards."""

    def farewell(self) -> None:
        """Send the farewell if the server still answers."""

    def close(self) -> None:
        """Close the connection."""


class Attempt:
    """What a client does once, in `timeout` seconds. `step` says, for an error message, where in the conversation it
    is."""

    def __init__(
        self, host: Host, policy: Policy, context: ssl.SSLContext, timeout: float, name: str = SERVER_NAME
    ) -> None:
        check_timeout(timeout)
        self.name = name
        """The name of the server that is wanted: it goes into SNI and is compared with the certificate."""
        self.policy = policy
        self.timeout = timeout
        self.how = CLEAR
        self.step = "while connecting"
        self._host = host
        self._context = context
        self.version = ""
        """The TLS version, once TLS has begun."""
        self._cipher, self._password, self._why_clear = "", "", ""
        self._alarm: socket.socket | None = None
        self._expired = False

    @property
    def wants_upgrade(self) -> bool:
        """Whether the policy says that TLS starts after an upgrade command."""
        return self.policy.starts == EXPLICIT

    def run(self, client: Client, kind: type[O], talk: Callable[[], dict[str, Any]]) -> O:
        """Carry out the conversation and return its outcome; what `talk` returns are further fields of it.

        Raises `OutsideTheLab` for an address that is not the lab's.
        """
        with within_limits("The attempt"), self._limited(client):
            try:
                more = talk()
                outcome = self._outcome(kind, done=True, why=self._why_clear, more=more)
            except OutsideTheLab:
                raise
            except Exception as error:
                outcome = self._outcome(kind, done=False, why=self._reason(error, client), more={})
            client.farewell()
        return outcome

    def connect(self, to: str, port: int) -> socket.socket:
        """A connection to a host of the lab and a nominal port; inside TLS where the policy is implicit."""
        sock = self._host.connect(to, port, self.timeout)
        sock.settimeout(2 * self.timeout)  # the alarm comes first, whose error names the limit
        self._alarm = sock.dup()  # stays valid when TLS takes the connection over
        if self.policy.starts == IMPLICIT:
            sock = self._shake_hands(sock, IMPLICIT_TLS)
        elif self.policy.starts != EXPLICIT:
            self._why_clear = f"the policy {self.policy.name!r} asks for no TLS"
        self.step = GREETING
        return sock

    def wrap_socket(self, sock: socket.socket, server_hostname: str = SERVER_NAME) -> ssl.SSLSocket:
        """Shake hands; the standard library calls this after the go-ahead, since an attempt stands in for its
        context."""
        return self._shake_hands(sock, EXPLICIT_TLS)

    def without_tls(self, why: str) -> None:
        """Go on in clear text if the policy allows it. Raises `Stopped` otherwise."""
        if self.policy.without == STOP:
            raise Stopped(f"{why}, and the policy {self.policy.name!r} stops without TLS")
        self._why_clear = f"{why}, and the policy {self.policy.name!r} goes on without TLS"

    def sends_password(self) -> None:
        """Note whether the password crosses in clear text or inside TLS."""
        self._password = self.how

    def _shake_hands(self, sock: socket.socket, how: str) -> ssl.SSLSocket:
        self.step = HANDSHAKE
        inside = self._context.wrap_socket(sock, server_hostname=self.name)
        self.how, self.version = how, spoken(inside.version())
        self._cipher = (inside.cipher() or ("",))[0]
        return inside

    def _outcome(self, kind: type[O], done: bool, why: str, more: dict[str, Any]) -> O:
        verified = self.policy.verify and self.how != CLEAR
        return kind(done, self.policy.name, self.how, self.version, self._cipher, verified, self._password, why, **more)

    def _reason(self, error: Exception, client: Client) -> str:
        late = self._expired and not isinstance(error, (Stopped, *client.answers))
        if late or isinstance(error, TimeoutError):
            return f"the time limit of {self.timeout:g} s ran out {self.step}"
        return put(error, self.step, client.words)

    @contextmanager
    def _limited(self, client: Client) -> Iterator[None]:
        """Shut the connection when the time limit is over, even if bytes still come; close it at the end."""
        timer = threading.Timer(self.timeout, self._give_up)
        timer.daemon = True
        try:
            timer.start()
            yield
        finally:
            timer.cancel()
            if timer.ident is not None:  # else no thread could be started
                timer.join()
            with suppress(OSError):
                client.close()
            if self._alarm:
                self._alarm.close()

    def _give_up(self) -> None:
        self._expired = True
        if self._alarm:
            with suppress(OSError):
                self._alarm.shutdown(socket.SHUT_RDWR)


def check_words(*words: str) -> None:
    """Raises `LabError` for words that cannot be part of a command."""
    for word in words:
        if not (isinstance(word, str) and word.isascii() and word.isprintable()):
            raise LabError(f"{word!r} cannot be part of a command: use printable ASCII.")


def check_login(login: tuple[str, str]) -> None:
    """Raises `LabError` for a login that cannot be sent."""
    if not isinstance(login, tuple | list) or len(login) != 2:
        raise LabError(f"A login is a pair, for example ('alice', 'hunter2'), not {login!r}.")
    check_words(*login)
