"""An SMTP submission server (RFC 6409): aiosmtpd with the settings, mailbox and log of the lab.

STARTTLS is RFC 3207, AUTH is RFC 4954 with PLAIN (RFC 4616) and LOGIN, TLS from the first byte is RFC 8314 §3.3. The
lab's network is the protected one from which RFC 6409 §4.3 lets mail be taken without a login; for other domains than
its own the server wants one, so that it is no open relay (RFC 5321 §7.9). The protocol itself is aiosmtpd's; here is
only what a lesson configures or observes.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, TLSSetupException, sanitize, syntax

from labkit.mail.mailbox import Mailbox, Message
from labkit.servers.quirks import KEEPS_BUFFER, KEEPS_LOGIN, MAIL, REFUSES
from labkit.servers.server import Note, Server
from labkit.servers.session import SKIPPED_LIMIT
from labkit.servers.settings import MECHANISMS
from labkit.servers.tls import ServerTLS, encryption, over
from labkit.trust.certificates import SERVER_NAME

_IDENT = "ESMTP ready"
"""What the greeting says; the word STARTTLS stands only where it is offered."""
_IDLE_LIMIT = 300.0
"""Seconds; RFC 5321 §4.5.3.2.7 asks a server to wait at least five minutes for a command."""

_REFUSALS = 20
"""Negative replies after which a client is dismissed (RFC 5321 §7.8 leaves the number open; it is Postfix's)."""
_DISMISSAL = "421 4.7.0 Too many commands were refused: goodbye"
_TOO_MANY_UNKNOWN = "502 5.5.1 Too many unrecognized commands, goodbye."
"""How aiosmtpd dismisses a client, with a code that does not say so (RFC 5321 §3.8)."""
_HEARD_OUT = 1.0
"""Seconds that a client may still talk after the dismissal."""
_CONTROL = re.compile(r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What no reply may have besides its line ends (RFC 5321 §2.3.8, §4.2); aiosmtpd repeats a client's words in some."""

# aiosmtpd reports every hang-up as a warning or a traceback; what a learner should see stands in the server's log.
logging.getLogger("mail.log").addHandler(logging.NullHandler())
logging.getLogger("mail.log").propagate = False

_UNREADABLE = (IndexError, ValueError, AttributeError, RecursionError)
"""What the standard library's parser of addresses raises, besides its own error, where one is cut or deeply nested."""


class _NotAnAddress(Exception):
    """A command names an address that cannot be read."""


class SMTPServer(Server):
    """A running server. `mailbox` holds every message that it took; those to bob are in his inbox, too."""

    protocol = "SMTP"
    ports: ClassVar = {False: 587, True: 465}
    choice = MECHANISMS
    relays = True
    quirks = MAIL

    def __init__(self, *arguments: Any) -> None:
        self.mailbox = Mailbox()
        super().__init__(*arguments)

    @property
    def facts(self) -> str:
        """Its settings, in one line."""
        return super().facts + ", an open relay" * (self.settings.relay == "always" and not self.secret)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The ways to log in."""
        chosen = self.settings.mechanisms
        return () if self.settings.auth == "none" else MECHANISMS if chosen is None else chosen

    def _session(self, note: Note) -> asyncio.Protocol:
        return SMTPSession(self, note)

    async def take(self, message: Message, client: str) -> str:
        """Handle a message from the client of that name. Returns the reply."""
        self.mailbox.keep(message)
        self.post.deliver(message)
        return f"250 2.0.0 Stored as message {len(self.mailbox)}"

    async def handle_EHLO(
        self, smtp: SMTP, session: Session, _: Envelope, hostname: str, lines: list[str]
    ) -> list[str]:
        """aiosmtpd's hook for the answer to EHLO: as one piece, and without a mechanism there is no AUTH to offer."""
        session.host_name = hostname
        offered = [line for line in lines if line.strip() != "250-AUTH"]
        if self.settings.pipelining:
            offered.insert(-1, "250-PIPELINING")
        encrypted = any(encryption(smtp.transport))
        if encrypted and self.settings.lists_upgrade(encrypted):
            offered.insert(-1, "250-STARTTLS")
        if self.requires_tls_now(smtp.transport):
            offered.insert(-1, "250-REQUIRETLS")
        return ["\r\n".join(offered)]

    def requires_tls_now(self, transport: asyncio.BaseTransport | None) -> bool:
        """Whether a connection may ask that every further hop has TLS."""
        return self.settings.requiretls and any(encryption(transport))

    async def handle_RCPT(self, _: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """aiosmtpd's hook for a recipient: others than the server's own are for clients that have logged in."""
        if not (session.authenticated or self.settings.relay == "always" or self._is_own(address)):
            return f"550 5.7.1 No relaying without a login: only {' and '.join(sorted(self.post.domains))} is here"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_VRFY(self, _: SMTP, __: Session, ___: Envelope, ____: str) -> str:
        """aiosmtpd's hook for the question whether a user exists: the reply is the same for all (RFC 5321 §7.3)."""
        return "252 2.0.0 Send it, and delivery will be tried"

    def _is_own(self, address: str) -> bool:
        """Whether mail to this address ends here."""
        return "@" not in address or address.lower().rpartition("@")[2] in self.post.domains

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:
        """aiosmtpd's hook for a message that has arrived."""
        message = Message(
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            data=bytes(envelope.content or b""),
            over=over(smtp.transport),
            user=session.auth_data or "",
            options=tuple(envelope.mail_options),
        )
        return await self.take(message, session.host_name or "")

    async def handle_exception(self, error: Exception) -> str:
        """aiosmtpd's hook for what stopped a command; a failed handshake is in the log already and gets no reply."""
        if isinstance(error, _NotAnAddress):
            return "501 5.1.3 That is not an address"
        return "451 4.3.0 Something went wrong on the server: the command was not carried out"


class Exchanger(SMTPServer):
    """The mail server of one domain: what is for others comes into its own `mailbox`, and into no inbox."""

    def __init__(self, *arguments: Any, domain: str) -> None:
        self.domain = domain
        super().__init__(*arguments)

    def _is_own(self, address: str) -> bool:
        """It takes all, and keeps what is for others: a relay would pass it on."""
        return True

    async def take(self, message: Message, client: str) -> str:
        """Keep a message, and deliver it if a recipient is of the domain."""
        self.mailbox.keep(message)
        if any(recipient.lower().endswith(f"@{self.domain}") for recipient in message.recipients):
            self.post.deliver(message)
        return f"250 2.0.0 Stored as message {len(self.mailbox)}"


class SMTPSession(SMTP):
    """One client's conversation, written into the server's log."""

    protocol_ident = _IDENT
    """What stands after the server's name in its greeting."""

    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"

    def __init__(self, server: SMTPServer, note: Note) -> None:
        settings = server.settings
        super().__init__(
            server,
            hostname=SERVER_NAME,
            ident=self.protocol_ident,
            tls_context=None if settings.implicit or settings.starttls == "off" else server.context,
            require_starttls=settings.starttls == "required",
            timeout=_IDLE_LIMIT,
            # aiosmtpd counts only STARTTLS as TLS; on an implicit port everything is inside it.
            auth_require_tls=settings.auth == "after TLS" and not settings.implicit,
            auth_exclude_mechanism=[name for name in MECHANISMS if name not in server.mechanisms],
            authenticator=self._check,
            loop=asyncio.get_running_loop(),
        )
        self._ended = False
        """Whether the client has sent FIN."""
        self._refusals = 0
        """Negative replies so far."""
        self._skipped = 0
        """Bytes of the line that is read, as far as they were skipped."""
        self._quirks = settings.quirks
        self._password_fits = server.post.authenticate
        self.note = note
        self._smtp_methods = {verb: partial(self._run_command, verb, act) for verb, act in self._smtp_methods.items()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.transport is None:
            super().connection_made(transport)
            self._reader.readuntil = partial(self._until, self._reader.readuntil)
            return
        clear, behind = self.session, bytes(self._reader._buffer)
        super().connection_made(transport)  # it is inside TLS now; this forgets the session and what is in the buffer
        if KEEPS_LOGIN in self._quirks:
            self.session.authenticated, self.session.auth_data = clear.authenticated, clear.auth_data
        if KEEPS_BUFFER in self._quirks:
            self._reader.feed_data(behind)
        elif behind:
            self.note(f"{len(behind)} bytes behind the command that starts TLS are thrown away")

    def _getparams(self, params: Sequence[str]) -> dict[str, str | bool] | None:
        """The parameters of MAIL for aiosmtpd, without the one that it does not know (RFC 8689 §2)."""
        found = super()._getparams(params)
        if found and not self.envelope.mail_from and self.event_handler.requires_tls_now(self.transport):
            found.pop("REQUIRETLS", None)
        return found

    def eof_received(self) -> bool:
        """In clear text, what was asked before the end is still answered; aiosmtpd would give it up."""
        self._ended = True
        self._reader.feed_eof()
        return not any(encryption(self.transport))

    def connection_lost(self, error: Exception | None) -> None:
        self.note(f"connection lost: {error}" if isinstance(error, OSError) else "connection closed")
        super().connection_lost(error)

    async def push(self, status: str | bytes) -> None:
        # Only while this waits is it noticed that a client with many pending commands has gone; that ends the session.
        await asyncio.sleep(0)
        if self.transport is None or self.transport.is_closing():
            raise asyncio.CancelledError
        said = status if isinstance(status, str) else status.decode("utf-8", "backslashreplace")
        text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", said)
        self._refusals += text[:1] in "45"
        dismissed = self._refusals > _REFUSALS or text == _TOO_MANY_UNKNOWN
        for line in (_DISMISSAL if dismissed else text).split("\r\n"):
            self.note(f"S: {line}")
        await super().push(_DISMISSAL if dismissed else text)
        if dismissed:
            await self._drain()

    async def _until(self, read: Callable[..., Awaitable[bytes]], separator: bytes = b"\n") -> bytes:
        """The next bytes up to a separator. Where they end without one, and where they go on without end, the session
        ends. aiosmtpd skips a long line for as long as it comes, and keeps the one that belongs to a message."""
        try:
            line = await read(separator)
        except asyncio.IncompleteReadError:
            raise asyncio.CancelledError from None
        except asyncio.LimitOverrunError as error:
            self._skipped += error.consumed
            if self._skipped > SKIPPED_LIMIT:
                await self.push("421 4.7.0 The line has no end")
                await self._drain()
            raise
        self._skipped = 0
        return line

    async def _drain(self) -> None:
        """Close the connection after the dismissal, when the client has stopped talking: see `Session.dismiss`."""
        with suppress(OSError):  # it goes on talking, or has reset the connection
            if self.transport.can_write_eof():
                self.transport.write_eof()
            async with asyncio.timeout(_HEARD_OUT):
                while await self._reader.read(self._reader._limit):
                    pass
        raise asyncio.CancelledError

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
        if REFUSES in self._quirks:
            await self.push("454 4.7.0 TLS is not available just now")
            return
        await self.push("220 Ready to start TLS")
        if self._ended:
            self.note("TLS handshake failed: the client closed the connection")
            raise asyncio.CancelledError
        self._original_transport = self.transport
        self._tls_protocol = ServerTLS(self, self.tls_context, self.note)
        await self._tls_protocol.take_over(self._original_transport)
        if not any(encryption(self.transport)):
            raise TLSSetupException

    def _getaddr(self, arg: str) -> tuple[str, str]:
        try:
            address, rest = super()._getaddr(arg)
        except _UNREADABLE as error:
            raise _NotAnAddress from error
        # A lone quotation mark is an empty address from Python 3.14 on; only <> is one (RFC 5321 §4.5.5).
        in_brackets = bool(arg) and arg.lstrip().startswith("<")
        if address is None or (arg and not address and not in_brackets):
            raise _NotAnAddress
        if in_brackets and not arg[: len(arg) - len(rest)].rstrip().endswith(">"):  # aiosmtpd adds what is missing
            raise _NotAnAddress
        return address, rest

    async def _run_command(self, verb: str, act: Callable[[str | None], Awaitable[None]], arg: str | None) -> None:
        shown = sanitize(f"{verb} {arg or ''}".encode("utf-8", "surrogateescape")).decode("utf-8", "backslashreplace")
        self.note(f"C: {shown.rstrip()}")
        await act(arg)

    def _check(self, _: SMTP, __: Session, ___: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
        user, password = (part.decode("utf-8", "replace") for part in given)
        return AuthResult(success=self._password_fits(user, password), handled=False, auth_data=user)


SERVER = SMTPServer
