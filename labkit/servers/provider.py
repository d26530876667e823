"""A mail provider: takes mail from its customers and relays it to the recipient's server, under a policy about TLS.

Providers are opportunistic unless a customer asks for more. What several of them call *enforced TLS* is here a policy
that stops without TLS: a message that cannot go that way is dropped, and a block event says so.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from labkit.clients.outcome import Sent
from labkit.mail.mailbox import Message
from labkit.mail.message import Outgoing
from labkit.servers.smtp import SMTPServer
from labkit.trust.certificates import DOMAIN

PATIENCE = 3.0
"""Seconds for one relay; the customer waits for the reply meanwhile."""

NextHop = Callable[[Outgoing], Sent]
"""Relays a message to the next hop and returns the outcome."""


@dataclass(frozen=True)
class BlockEvent:
    """A message that was not relayed."""

    recipient: str
    reason: str
    time: datetime
    """When that was, UTC."""


def _onward(message: Message) -> tuple[str, ...]:
    """The parameters of MAIL FROM that go with a message from hop to hop."""
    return tuple(option for option in message.options if option == "REQUIRETLS")


class Provider(SMTPServer):
    """A running provider. `mailbox` is all that it took: a relay can read what it relays."""

    def __init__(
        self, *arguments: Any, relay: NextHop, under: str, blocks: list[BlockEvent], sender: object = None
    ) -> None:
        self.under = under
        """What it does about TLS on the way to the next hop, in words."""
        self.sender = sender
        """The sending server behind it, with its story, its queue and its policies; none where it has one next hop."""
        self.blocks = blocks
        """What it dropped, oldest first."""
        self.relayed: list[Sent] = []
        """The outcome of every relayed message, oldest first."""
        self._relay = relay
        super().__init__(*arguments)

    @property
    def facts(self) -> str:
        """Its settings, in one line."""
        return f"{super().facts}, relays under {self.under}"

    async def take(self, message: Message, client: str) -> str:
        """Relay to each recipient. The customer gets a success, as from a provider that queues messages."""
        self.mailbox.keep(message)
        data = self._trace(message, client) + message.data
        for recipient in message.recipients:
            await asyncio.to_thread(self._pass_on, Outgoing(message.sender, (recipient,), data, _onward(message)))
        return "250 2.0.0 Taken for delivery"

    async def handle_MAIL(self, _: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """aiosmtpd's hook for the beginning of a message: only customers may send, or it would be an open relay."""
        if not session.authenticated:
            return "530 5.7.0 Customers log in first"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Go on"

    def _pass_on(self, mail: Outgoing) -> None:
        outcome = self._relay(mail)
        self.relayed.append(outcome)
        if not outcome:
            state = getattr(outcome, "state", "")
            reason = f"{state}: {outcome.why}" if state else outcome.why
            self.blocks.append(BlockEvent(", ".join(mail.recipients), reason, datetime.now(UTC)))

    def _trace(self, message: Message, client: str) -> bytes:
        """The field that every relay puts before a message (RFC 5321 §4.4, with the words of RFC 3848)."""
        protocol = "ESMTPA" if message.over == "clear text" else "ESMTPSA"
        when = format_datetime(message.arrived)
        return f"Received: from {client} by {self.host}.{DOMAIN} with {protocol}; {when}\r\n".encode()


class Gateway(Provider):
    """The mail server that a domain shows to the world: it takes mail from every client, and passes it on."""

    def _is_own(self, address: str) -> bool:
        return True

    async def handle_MAIL(self, _: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """aiosmtpd's hook for the beginning of a message."""
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Go on"
