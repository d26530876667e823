"""The messages that clients of the lab send and fetch: small ones as in RFC 5322. How they travel is not said here."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from labkit.errors import LabError
from labkit.mail.content import Content
from labkit.trust.certificates import DOMAIN

_WIRE_FORMAT = SMTP.clone(cte_type="7bit")
"""Text beyond ASCII is encoded, because a client may not count on 8BITMIME (RFC 6152)."""


@dataclass(frozen=True)
class Outgoing:
    """A message in its envelope, ready to go (RFC 5321 §2.3.1)."""

    sender: str
    """The reverse-path: where failures are reported to."""
    recipient: str
    """The forward-path."""
    data: bytes
    """The message itself, header and body."""
    options: tuple[str, ...] = ()
    """Parameters of MAIL FROM (RFC 5321 §4.1.1.2): ``REQUIRETLS``."""


@dataclass(frozen=True)
class Mail(Content):
    """A message as it was fetched."""

    data: bytes
    """The message itself, header and body."""

    def __repr__(self) -> str:
        return f"<mail from {self.author}: {self.subject!r}>"


def compose(text: str, subject: str, sender: str, recipient: str) -> Outgoing:
    """A message with the fields that every message should have. Raises `LabError` for what is no text."""
    message = EmailMessage(policy=_WIRE_FORMAT)
    fields = {
        "From": sender,
        "To": recipient,
        "Subject": subject,
        "Date": format_datetime(datetime.now(UTC)),
        "Message-ID": make_msgid(domain=DOMAIN),
    }
    for name, value in fields.items():
        if not isinstance(value, str) or "".join(value.splitlines()) != value:
            raise LabError(f"The field {name} is one line of text, not {value!r}.")
        message[name] = value
    if not recipient.strip():
        raise LabError(f"A recipient is an address like 'bob@lab.test', not {recipient!r}.")
    if not isinstance(text, str):
        raise LabError(f'A message is text, "like this", not {text!r}.')
    try:
        message.set_content(text)
    except UnicodeEncodeError as error:
        raise LabError(f"The text holds a character that no message can carry: {error.reason}.") from error
    return Outgoing(sender, recipient, message.as_bytes())
