"""The selected mailbox as one IMAP session sees it: its messages by number, and the updates to send.

Numbers change only with a response that says so (RFC 3501 §7.4.1), whatever other sessions do to the mailbox meanwhile.
"""

from collections.abc import Iterable
from typing import NamedTuple

from labkit.mail.mailbox import DELETED, Entry, Mailbox
from labkit.servers.imap.responses import listed
from labkit.servers.imap.syntax import Numbers

RECENT = "\\Recent"
"""The flag of messages that no earlier session has seen; only the server sets it (RFC 3501 §2.3.2)."""


class Listed(NamedTuple):
    """A message under the number that it has in this session."""

    number: int
    entry: Entry
    recent: bool
    last: bool
    """Whether it has the largest number, and so the largest UID too: what ``*`` stands for."""

    @property
    def flags(self) -> bytes:
        """The flags as a FETCH response has them."""
        return listed([*sorted(self.entry.flags), *[RECENT] * self.recent])


class Selection:
    """A mailbox from SELECT or EXAMINE to CLOSE."""

    def __init__(self, mailbox: Mailbox, read_only: bool) -> None:
        self.mailbox = mailbox
        self.read_only = read_only
        self._entries: list[Entry] = []
        self._recent: set[int] = set()
        self._known: dict[int, frozenset[str]] = {}
        """UID -> the flags that the client was last told of."""
        self._admit(mailbox.entries)

    @property
    def count(self) -> int:
        """How many messages the client was told of; also the largest message number."""
        return len(self._entries)

    def all(self) -> list[Listed]:
        """Every message, by number."""
        last = len(self._entries)
        return [Listed(n, entry, entry.uid in self._recent, n == last) for n, entry in enumerate(self._entries, 1)]

    def chosen(self, numbers: Numbers, by_uid: bool) -> list[Listed]:
        """The messages with these numbers; a number without a message is ignored."""
        return [one for one in self.all() if numbers.has(one.entry.uid if by_uid else one.number, one.last)]

    def deleted(self) -> list[Entry]:
        r"""The messages with the flag \Deleted."""
        return [entry for entry in self._entries if DELETED in entry.flags]

    def counts(self) -> list[bytes]:
        """How many messages there are, and how many of them are recent."""
        return [b"%d EXISTS" % len(self._entries), b"%d RECENT" % len(self._recent)]

    def note_flags(self, one: Listed) -> None:
        """Record that the client has the present flags of this message."""
        self._known[one.entry.uid] = frozenset(one.entry.flags)

    def news(self, expunges: bool) -> list[bytes]:
        """Changes to the mailbox since the last call, as untagged responses; EXPUNGE only if `expunges`."""
        there = self.mailbox.entries
        responses = self._forget({entry.uid for entry in there}) if expunges else []
        for one in self.all():
            if self._known[one.entry.uid] != one.entry.flags:
                self.note_flags(one)
                responses.append(b"%d FETCH (FLAGS %s)" % (one.number, one.flags))
        if arrived := [entry for entry in there if entry.uid not in self._known]:
            self._admit(arrived)
            responses += self.counts()
        return responses

    def _admit(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._entries.append(entry)
            self._known[entry.uid] = frozenset(entry.flags)
            if entry.recent:
                self._recent.add(entry.uid)
                entry.recent = self.read_only

    def _forget(self, there: set[int]) -> list[bytes]:
        gone = [one for one in reversed(self.all()) if one.entry.uid not in there]
        for one in gone:
            del self._entries[one.number - 1]
            del self._known[one.entry.uid]
            self._recent.discard(one.entry.uid)
        return [b"%d EXPUNGE" % one.number for one in gone]
