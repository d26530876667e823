"""What a victim's program is: a client library on a host of the lab that connects, upgrades and does its work.

Each protocol has its program in a file of its own, named like the dialect. Only where the library connects is changed;
how it speaks is its own. Whether a program upgrades, and how, is its user's habit: `habits`.
"""

import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

from labkit.errors import LabError, OutsideTheLab
from labkit.network import Host
from labkit.trust.certificates import DOMAIN, SERVER_NAME

LOGIN = ("alice", "hunter2")
TEXT = "The PIN is 4921."
"""The text of the victim's mail: the secret that an attack may leak."""
MAIL = f"From: alice@{DOMAIN}\r\nTo: bob@{DOMAIN}\r\nSubject: secret\r\n\r\n{TEXT}\r\n"


def library(name: str) -> Any:
    """The module of a client library that only some protocols need. Raises `LabError` where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise LabError(f"The package {package} is not installed: pip install -e '.[protocols]' brings it.") from error


class Scene(NamedTuple):
    """Where a victim is, and what it may use."""

    host: Host
    """The host that it runs on."""
    port: int
    """Nominal port of the server on which the conversation starts in clear text."""
    implicit: int
    """Nominal port of the server with implicit TLS."""
    trust: ssl.SSLContext
    """Verifies the server's certificate and name."""
    timeout: float = 5.0
    """Seconds for each wait."""
    server: str = SERVER_NAME
    """The name of the server: in the certificate, and where to connect."""
    login: tuple[str, str] = LOGIN
    """User and password of the victim."""
    mail: str = MAIL
    """What it sends or stores."""

    def connect(self, name: str, port: int) -> socket.socket:
        """A connection to a name in the lab's domain. Raises `OSError` as everywhere, and `OutsideTheLab`."""
        try:
            return self.host.connect(name.removesuffix(f".{DOMAIN}"), port, self.timeout)
        except OutsideTheLab:
            raise
        except LabError as error:
            raise ConnectionError(str(error)) from error


class Program(ABC):
    """A mail client that one victim runs."""

    kind: ClassVar[Callable[["Program", int], Any]]
    """(program, nominal port) -> a new client of the library."""
    errors: ClassVar[tuple[type[Exception], ...]]
    """What the library raises when the server refuses something, or TLS fails."""
    implicit: ClassVar[bool] = True
    """Whether its protocol has implicit TLS."""
    variant: ClassVar[str] = ""
    """One word for how it differs from the unchanged library; empty if it does not."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.believed: list[str] = []
        """What the program believes about the server, and what it shows to its user."""
        self.client: Any = None
        """The library's client, once it is connected and greeted."""
        self._implicit: ssl.SSLContext | None = None
        self._line: socket.socket | None = None

    @contextmanager
    def connected(self, implicit: ssl.SSLContext | None = None) -> Iterator[Any]:
        """Connect, with TLS from the first byte if there is a context for it, and hang up at the end."""
        self._implicit, self.client = implicit, None
        try:
            self.client = self._start(self.scene.implicit if implicit else self.scene.port)
            yield self
        finally:
            with suppress(*self.errors):
                self._end()
            self._hang_up()

    def dial(self, port: int) -> socket.socket:
        """A new connection to the server."""
        sock = self.dial_in_clear(port)
        if self._implicit is None:
            return sock
        try:
            return self._implicit.wrap_socket(sock, server_hostname=self.scene.server)
        except BaseException:
            sock.close()
            raise

    def dial_in_clear(self, port: int) -> socket.socket:
        """A new connection to the server, without TLS."""
        sock = self.scene.connect(self.scene.server, port)
        self._hang_up()
        self._line = sock.dup()  # stays valid when TLS takes the connection over
        return sock

    def _hang_up(self) -> None:
        """Close the connection, whatever state the library left it in."""
        if self._line is not None:
            with suppress(OSError), self._line:
                self._line.shutdown(socket.SHUT_RDWR)
            self._line = None

    @abstractmethod
    def offers_tls(self) -> bool:
        """Whether the server says that it can upgrade."""

    @abstractmethod
    def upgrade(self, context: ssl.SSLContext | None = None) -> None:
        """Start TLS as the library does it; without a context the library verifies nothing."""

    @abstractmethod
    def log_in(self) -> None:
        """Log in as the user of the scene."""

    def log_in_by_default(self) -> None:
        """Log in as `LOGIN`, with the library's default for TLS: in most, none."""
        self.log_in()

    @abstractmethod
    def work(self) -> None:
        """What the user wants: send, store or fetch a mail."""

    @abstractmethod
    def look(self) -> list[str]:
        """What the server offers and has said, as the program knows it now."""

    def _start(self, port: int) -> Any:
        return self.kind(self, port)

    @abstractmethod
    def _end(self) -> None: ...
