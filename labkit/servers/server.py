"""The base of every server of the lab: it listens on a host, accepts clients, writes a log, and can be closed.

Each protocol is a subclass of `Server` in a file of its own.
"""

import asyncio
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar
from weakref import WeakSet

from labkit.errors import LabError
from labkit.mail.postoffice import PostOffice
from labkit.network import Host
from labkit.network.entrance import Entrance
from labkit.servers.log import ServerLog
from labkit.servers.quirks import KEEPS_BUFFER, KEEPS_LOGIN, check
from labkit.servers.settings import RELAY, Settings
from labkit.servers.standing import Standing
from labkit.servers.tls import ServerTLS
from labkit.trust.certificates import Certificate

_AT_ONCE = 128
"""Clients that are accepted in a row before open sessions get their turn."""

Note = Callable[[str], None]
"""Writes a line about one connection into the server's log."""


class Server(Standing, ABC):
    """A running server: its `log`, where it listens, and the `post` that it takes or hands out."""

    protocol: ClassVar[str]
    """The name of the dialect that it speaks: ``IMAP``."""
    ports: ClassVar[Mapping[bool, int]]
    """Implicit TLS or not -> the port that it has unless another is given. A protocol without implicit TLS has one."""
    choice: ClassVar[tuple[str, ...]] = ()
    """The SASL mechanisms of which the setting `mechanisms` chooses some; empty where a login has one form."""
    relays: ClassVar[bool] = False
    """Whether it has the setting `relay`."""
    secret = False
    """Whether its `repr` hides its settings."""
    quirks: ClassVar[tuple[str, ...]] = (KEEPS_BUFFER, KEEPS_LOGIN)
    """The mistakes of `labkit.servers.quirks` that it can make."""

    def __init__(
        self,
        host: Host,
        settings: Settings,
        certificate: Certificate,
        context: ssl.SSLContext,
        post: PostOffice,
    ) -> None:
        self.settings = settings
        self.certificate = certificate
        self.context = context
        self.post = post
        self.log = ServerLog()
        self._loop = host.network.loop
        self._open: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._connections = 0
        self._under_way: set[asyncio.Task[Any]] = set()
        self._stopped = False
        self._listener = host.listen(settings.port)
        try:
            self._loop.call(self._start)
        except BaseException:
            self._listener.close()
            raise

    @classmethod
    def check_settings(cls, settings: Settings) -> None:
        check(settings.quirks, cls.quirks, cls.protocol)
        if settings.implicit and True not in cls.ports:
            raise LabError(
                f"{cls.protocol} has no implicit TLS: no port is registered for it. Leave out implicit=True; "
                "the server offers to upgrade unless starttls is 'off'."
            )
        if settings.relay != RELAY[0] and not cls.relays:
            raise LabError(f"The setting relay means nothing for {cls.protocol}, which sends no mail. Leave it out.")
        if settings.mechanisms is not None and not cls.choice:
            raise LabError(
                f"The setting mechanisms means nothing for {cls.protocol}: its server gives no choice of them. "
                "Leave it out."
            )

    @property
    def facts(self) -> str:
        """Its settings, in one line."""
        if self.secret:
            return "its settings are not shown"
        settings = self.settings
        start = "implicit TLS" if settings.implicit else f"STARTTLS {settings.starttls}"
        mistakes = [f"quirk: {' and '.join(settings.quirks)}"] if settings.quirks else []
        versions = " and ".join(settings.tls)
        return ", ".join(
            [start, f"login {settings.auth}", versions, f"certificate: {self.certificate.kind}", *mistakes]
        )

    def close(self) -> None:
        """Stop listening and drop every connection. A second call does nothing."""
        if not self._stopped:
            self._loop.call(self._stop)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a conversation, or another piece of work, in the servers' thread; for that thread alone."""
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def __repr__(self) -> str:
        where = f"port {self.port}{self.elsewhere and f' ({self.elsewhere})'}"
        return f"<{self.protocol} server on {self.host}, {where}: {self.facts}{', closed' if self._stopped else ''}>"

    @abstractmethod
    def _session(self, note: Note) -> asyncio.Protocol:
        """The protocol that talks to one new client."""

    def _start(self) -> None:
        self._entrance = Entrance(self._loop.events, self._listener.socket, _AT_ONCE, self._come_in, self._not_accepted)

    def _come_in(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        self.begin(self._welcome(sock, address))

    def _not_accepted(self, error: OSError) -> None:
        self.log.write(self._connections + 1, f"connection not accepted: {error.strerror}")

    async def _welcome(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        self._connections += 1
        note = partial(self.log.write, self._connections)
        note("connection from {}:{}".format(*address[:2]))
        session = self._session(note)
        protocol = ServerTLS(session, self.context, note) if self.settings.implicit else session
        with suppress(OSError):  # the client has gone again
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, sock)
            self._open.add(transport)
            if self._stopped:  # while it was being accepted
                transport.abort()

    def _stop(self) -> None:
        self._stopped = True
        self._entrance.close()
        self._listener.close()
        for transport in list(self._open):
            transport.abort()
