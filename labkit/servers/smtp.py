"""An SMTP submission server (RFC 6409) that takes mail for anybody: aiosmtpd with the lab's settings, mailbox and log.

STARTTLS is RFC 3207, AUTH is RFC 4954 with PLAIN (RFC 4616) and LOGIN, TLS from the first byte is RFC 8314 §3.3. The
protocol itself is aiosmtpd's; only what a lesson wants to switch or to see is here.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, TLSSetupException, sanitize, syntax

from labkit.certificates import SERVER_NAME, Certificate
from labkit.contexts import VERSIONS, versions
from labkit.errors import LabError
from labkit.network import Host
from labkit.servers.log import ServerLog
from labkit.servers.loop import ServerLoop
from labkit.servers.mailbox import Mailbox, Message
from labkit.servers.tls import ServerTLS, encryption

STARTTLS = ("offered", "off", "required")
AUTH = ("after TLS", "always", "none")
MECHANISMS = ("PLAIN", "LOGIN")
USERS = {"alice": "hunter2"}
"""Who may log in unless a lesson says otherwise: user -> password."""

_IDENT = "ESMTP of the STARTTLS lab"
_IDLE_LIMIT = 300.0
"""Seconds; RFC 5321 §4.5.3.2.7 asks a server to wait at least five minutes for a command."""

# aiosmtpd reports every hang-up as a warning or a traceback; what a learner should see stands in the server's log.
logging.getLogger("mail.log").addHandler(logging.NullHandler())
logging.getLogger("mail.log").propagate = False


@dataclass(frozen=True)
class Settings:
    """What a server does. Raises `LabError` for a value that means nothing."""

    port: int
    starttls: str = "offered"
    """One of `STARTTLS`."""
    implicit: bool = False
    """TLS before the first byte of SMTP; STARTTLS is then not offered."""
    auth: str = "after TLS"
    """When logging in is possible: one of `AUTH`."""
    mechanisms: tuple[str, ...] = MECHANISMS
    tls: tuple[str, ...] = tuple(VERSIONS)
    ciphers: str | None = None
    users: Mapping[str, str] = field(default_factory=lambda: dict(USERS), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tls", versions(self.tls))
        _one_of("starttls", self.starttls, STARTTLS)
        _one_of("auth", self.auth, AUTH)
        for mechanism in self.mechanisms:
            _one_of("mechanisms", mechanism, MECHANISMS)


def _one_of(name: str, value: str, possible: tuple[str, ...]) -> None:
    if value not in possible:
        raise LabError(f"{name} cannot be {value!r}: use {' or '.join(map(repr, possible))}.")


class SMTPServer:
    """A running server: its `mailbox`, its `log`, where it listens."""

    def __init__(
        self, host: Host, loop: ServerLoop, settings: Settings, certificate: Certificate, context: ssl.SSLContext
    ) -> None:
        self.settings = settings
        self.certificate = certificate
        self.mailbox = Mailbox()
        self.log = ServerLog()
        self.context = context
        self._loop = loop
        self.mechanisms = settings.mechanisms if settings.auth != "none" else ()
        self._open: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._connections = 0
        self._arrivals: set[asyncio.Task[Any]] = set()
        self._stopped = False
        self._listener = host.listen(settings.port)
        try:
            loop.call(self._start)
        except BaseException:
            self._listener.close()
            raise

    @property
    def host(self) -> str:
        """The name of the host that it runs on."""
        return self._listener.host

    @property
    def port(self) -> int:
        """The port that it stands for: 587."""
        return self._listener.port

    @property
    def address(self) -> tuple[str, int]:
        """Where it really listens, for tools outside the lab: (IP address, port)."""
        return self._listener.address

    def close(self) -> None:
        """Stop listening and drop every connection. A second call does nothing."""
        if self._stopped:
            return
        self._loop.call(self._stop)

    def __repr__(self) -> str:
        how = "implicit TLS" if self.settings.implicit else f"STARTTLS {self.settings.starttls}"
        return (
            f"<SMTP server on {self.host}, port {self.port} (really {self.address[0]}:{self.address[1]}): {how}, "
            f"AUTH {self.settings.auth}, {' and '.join(self.settings.tls)}, certificate {self.certificate.kind}"
            f"{', closed' if self._stopped else ''}>"
        )

    # asyncio's own Server, when closed, loses the connections that it is just accepting; so we accept here.

    def _start(self) -> None:
        self._listener.socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener.socket, self._accept)

    def _accept(self) -> None:
        with suppress(OSError):  # the client may have gone again
            sock, _ = self._listener.socket.accept()
            loop = asyncio.get_running_loop()
            arrival = loop.create_task(loop.connect_accepted_socket(self._new_connection, sock))
            self._arrivals.add(arrival)
            arrival.add_done_callback(self._arrivals.discard)

    def _stop(self) -> None:
        self._stopped = True
        asyncio.get_running_loop().remove_reader(self._listener.socket)
        self._listener.close()
        for transport in list(self._open):
            transport.abort()

    def _keep(self, transport: asyncio.BaseTransport) -> None:
        """Know a connection, to drop it at the end; the end may have come while it was being accepted."""
        self._open.add(transport)
        if self._stopped:
            transport.abort()

    def _new_connection(self) -> asyncio.BaseProtocol:
        self._connections += 1
        session = _Session(self, self._connections, self._keep)
        if not self.settings.implicit:
            return session
        return _ImplicitTLS(session, self.context)

    async def handle_EHLO(
        self, smtp: SMTP, session: Session, _: Envelope, hostname: str, lines: list[str]
    ) -> list[str]:
        """aiosmtpd's hook for the answer to EHLO: as one piece, and without a mechanism there is no AUTH to offer."""
        session.host_name = hostname
        return ["\r\n".join(line for line in lines if line.strip() != "250-AUTH")]

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:
        """aiosmtpd's hook for a message that has arrived."""
        message = Message(
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            data=bytes(envelope.content or b""),
            over=encryption(smtp.transport)[0] or "clear text",
            user=session.auth_data or "",
        )
        self.mailbox.keep(message)
        return f"250 2.0.0 Stored as message {len(self.mailbox)}"

    async def handle_exception(self, error: Exception) -> str:
        """aiosmtpd's hook for what went wrong; the connection's log line was written where it happened."""
        return f"451 4.3.0 Cannot do that now: {type(error).__name__}"


class _Session(SMTP):
    """One client's conversation, written into the server's log."""

    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"

    def __init__(self, server: SMTPServer, number: int, keep: Callable[[asyncio.BaseTransport], None]) -> None:
        settings = server.settings
        super().__init__(
            server,
            hostname=SERVER_NAME,
            ident=_IDENT,
            tls_context=None if settings.implicit or settings.starttls == "off" else server.context,
            require_starttls=settings.starttls == "required",
            timeout=_IDLE_LIMIT,
            # aiosmtpd counts only STARTTLS as TLS; on an implicit port everything is inside it.
            auth_require_tls=settings.auth == "after TLS" and not settings.implicit,
            auth_exclude_mechanism=[name for name in MECHANISMS if name not in server.mechanisms],
            authenticator=self._check,
            loop=asyncio.get_running_loop(),
        )
        self._users = settings.users
        self._keep = keep
        self.note = partial(server.log.write, number)
        self._smtp_methods = {verb: partial(self._heard, verb, act) for verb, act in self._smtp_methods.items()}

    def arrived(self, transport: asyncio.BaseTransport) -> None:
        """A TCP connection is there."""
        self._keep(transport)
        self.note("connection from {}:{}".format(*transport.get_extra_info("peername")[:2]))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if transport.get_extra_info("sslcontext") is None:
            self.arrived(transport)
        super().connection_made(transport)
        if all(encryption(transport)):
            self.note("{} with {}".format(*encryption(transport)))

    def connection_lost(self, error: Exception | None) -> None:
        self.note(f"connection lost: {error}" if isinstance(error, OSError) else "connection closed")
        super().connection_lost(error)

    async def push(self, status: str | bytes) -> None:
        text = status if isinstance(status, str) else status.decode("utf-8", "backslashreplace")
        for line in text.split("\r\n"):
            self.note(f"S: {line}")
        await super().push(status)

    @syntax("STARTTLS", when="tls_context")
    async def smtp_STARTTLS(self, arg: str) -> None:
        if any(encryption(self.transport)):
            await self.push("503 5.5.1 TLS is already active")
            return
        if self.tls_context is None:
            await self.push("502 5.5.1 This server does not speak STARTTLS")
            return
        if arg:
            await self.push("501 5.5.4 STARTTLS takes no argument")
            return
        await self.push("220 Ready to start TLS")
        done: asyncio.Future[None] = self.loop.create_future()
        self._original_transport = self.transport
        self._tls_protocol = ServerTLS(self, self.tls_context, self.note, done)
        self._original_transport.set_protocol(self._tls_protocol)
        self._tls_protocol.connection_made(self._original_transport)
        with suppress(OSError):  # the reason is in the log already
            await done
        if not any(encryption(self.transport)):
            raise TLSSetupException

    async def _heard(self, verb: str, act: Callable[[str | None], Awaitable[None]], arg: str | None) -> None:
        shown = sanitize(f"{verb} {arg or ''}".encode("utf-8", "surrogateescape")).decode("utf-8", "backslashreplace")
        self.note(f"C: {shown.rstrip()}")
        await act(arg)

    def _check(self, _: SMTP, __: Session, ___: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
        user = given.login.decode("utf-8", "replace")
        right = self._users.get(user, "").encode() == given.password and user in self._users
        return AuthResult(success=right, handled=False, auth_data=user)


class _ImplicitTLS(ServerTLS):
    """TLS from the first byte, with the session inside it."""

    def __init__(self, session: _Session, context: ssl.SSLContext) -> None:
        super().__init__(session, context, session.note)
        self._arrived = session.arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._arrived(transport)
        super().connection_made(transport)
