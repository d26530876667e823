"""What a mail server keeps: messages with their envelope, and mailboxes that number and flag them (RFC 3501 §2.3).

How a message arrived is noted; the protocols that send and fetch it are elsewhere.
"""

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import overload

from labkit.mail.content import Content

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"
FLAGS = (ANSWERED, FLAGGED, DELETED, SEEN, DRAFT)
"""The system flags of RFC 3501 §2.3.2 that a client may set."""

_validity = itertools.count(int(time.time()))
"""Numbers that no earlier lab has used (RFC 3501 §2.3.1.1)."""


@dataclass(frozen=True)
class Message(Content):
    """A message as the server stored it."""

    sender: str
    """The reverse-path of MAIL FROM (RFC 5321 §4.1.1.2): the envelope, not the From field."""
    recipients: tuple[str, ...]
    """The forward-paths of RCPT TO."""
    data: bytes
    """The message itself, header and body (RFC 5322), without the dots that SMTP adds."""
    over: str
    """How it came in: ``clear text`` or the TLS version."""
    user: str
    """The user who had logged in; empty without a login."""
    arrived: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When it came in: what IMAP calls the internal date."""
    options: tuple[str, ...] = ()
    """Parameters of MAIL FROM (RFC 5321 §4.1.1.2), in capitals."""

    def __repr__(self) -> str:
        if not self.recipients:  # it came by IMAP's APPEND, which has no envelope
            return f"<uploaded by {self.user} over {self.over}, subject {self.subject!r}>"
        return f"<from {self.sender} to {', '.join(self.recipients)}, sent over {self.over}, subject {self.subject!r}>"


@dataclass(eq=False)
class Entry:
    """A message in a mailbox."""

    uid: int
    """Its number, which no other message of this mailbox ever gets (RFC 3501 §2.3.1.1)."""
    message: Message
    flags: set[str]
    recent: bool = True
    """Whether no IMAP client has seen it yet."""


class Mailbox(Sequence[Message]):
    """Messages, oldest first."""

    def __init__(self) -> None:
        self.validity = next(_validity)
        """UIDVALIDITY: tells this mailbox from an earlier one of the same name."""
        self.next_uid = 1
        self._entries: list[Entry] = []

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The messages with their numbers and flags, as of now."""
        return tuple(self._entries)

    def keep(self, message: Message, flags: Iterable[str] = ()) -> Entry:
        """Store one more message."""
        entry = Entry(self.next_uid, message, set(flags))
        self.next_uid += 1
        self._entries.append(entry)
        return entry

    def remove(self, entries: Iterable[Entry]) -> None:
        """Remove messages; one that was removed already is ignored."""
        gone = {entry.uid for entry in entries}
        self._entries = [entry for entry in self._entries if entry.uid not in gone]

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | Sequence[Message]:
        found = self._entries[index]
        return [entry.message for entry in found] if isinstance(found, list) else found.message

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or "<an empty mailbox>"
