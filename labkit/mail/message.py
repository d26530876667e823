"""The messages that clients of the lab send and fetch: small ones as in RFC 5322. How they travel is not said here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses, make_msgid

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
    recipients: tuple[str, ...]
    """The forward-paths, one or more."""
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
        return f"<mail from {repr(self.author)[1:-1]}: {self.subject!r}>"


def compose(
    text: str, subject: str, sender: str, recipient: str | Sequence[str], options: tuple[str, ...] = ()
) -> Outgoing:
    """A message with the fields that every message should have.

    `recipient` is one address, several with commas between them, or a list; `options` are parameters of MAIL FROM.
    Raises `LabError` for anything but text, and for an address that cannot be read.
    """
    message = EmailMessage(policy=_WIRE_FORMAT)
    recipient = recipient if isinstance(recipient, str) else _joined(recipient)
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
    recipients = _addresses(recipient)
    if not isinstance(text, str):
        raise LabError(f'A message is text, "like this", not {text!r}.')
    try:
        message.set_content(text)
    except UnicodeEncodeError as error:
        raise LabError(f"The text holds a character that no message can carry: {error.reason}.") from error
    return Outgoing(sender, recipients, message.as_bytes(), options)


def _joined(recipients: Sequence[str]) -> str:
    """Several recipients as a field names them (RFC 5322 §3.4)."""
    if not isinstance(recipients, list | tuple) or not all(isinstance(one, str) for one in recipients):
        raise LabError(f"Recipients are addresses like 'bob@lab.test', one or a list of them, not {recipients!r}.")
    return ", ".join(recipients)


def _addresses(field: str) -> tuple[str, ...]:
    """The addresses in a field, without display names. What the parser cannot read it guesses: a guess is refused."""
    found = tuple(address for _, address in getaddresses([field]))
    for address in found or ("",):
        if not address.strip("@") or address.startswith("@") or " " in address or address not in field:
            raise LabError(
                f"A recipient is an address like 'bob@lab.test', several have commas between them, not {field!r}."
            )
    return found
