"""An LMTP server (RFC 2033) that stores mail in the lab's mailboxes: aiosmtpd's LMTP with the settings of the lab."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from labkit.mail.mailbox import Message
from labkit.servers.server import Note
from labkit.servers.smtp import SMTPServer, SMTPSession
from labkit.servers.tls import encryption

_BEFORE_TLS = ("LHLO", "STARTTLS", "NOOP", "QUIT")
"""Commands that are carried out where TLS is required; aiosmtpd's own list has EHLO in the place of LHLO."""


class LMTPServer(SMTPServer):
    """A running server. `mailbox` is what it took; the share of each user is in the inbox, too."""

    protocol = "LMTP"
    ports: ClassVar = {False: 24}

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:
        """aiosmtpd's hook for a message that has arrived: one reply for each recipient (RFC 2033 §4.2)."""
        status = await super().handle_DATA(smtp, session, envelope)
        return "\r\n".join(f"{status[:9]} for {recipient}: {status[10:]}" for recipient in envelope.rcpt_tos)

    async def take(self, message: Message, client: str) -> str:
        await super().take(message, client)
        return "250 2.1.5 Stored"

    def _session(self, note: Note) -> asyncio.Protocol:
        return _Session(self, note)


class _Session(SMTPSession, LMTP):
    """One client's conversation."""

    protocol_ident = "LMTP of the lab"

    def __init__(self, server: LMTPServer, note: Note) -> None:
        super().__init__(server, note)
        self._tls_first = server.settings.tls_first
        self.require_starttls = False  # aiosmtpd would refuse LHLO

    async def _run_command(self, verb: str, act: Callable[[str | None], Awaitable[None]], arg: str | None) -> None:
        if self._tls_first(any(encryption(self.transport))) and verb not in _BEFORE_TLS:
            act = self._refuse
        await super()._run_command(verb, act, arg)

    async def _refuse(self, _: str | None) -> None:
        await self.push("530 5.7.0 Must issue a STARTTLS command first")


SERVER = LMTPServer
