"""A message as it is read: the fields and the text in its bytes (RFC 5322, MIME). How it travelled is not said here."""

from functools import cached_property

from labkit.mail.charset import field_text
from labkit.mail.mime import Entity, as_read

_RANKS = {"plain": 0, "html": 1}
"""Subtype of a text -> how much it is preferred, the least first."""


class Content:
    """What a record with the bytes of a message can tell about them. Nothing here raises, however strange they are."""

    data: bytes
    """The message itself, header and body."""

    @property
    def subject(self) -> str:
        """The Subject field, decoded; empty where there is none."""
        return field_text(self._message.field("subject") or b"")

    @property
    def author(self) -> str:
        """The From field, decoded: who is said to have written it, which was never checked."""
        return field_text(self._message.field("from") or b"")

    @property
    def text(self) -> str:
        """The body's first part in plain text, or else in HTML, decoded, without the last line ending; may be empty."""
        parts = [part for part in (leaf.shown for leaf in self._message.leaves()) if part.is_text]
        if not parts:
            return ""
        chosen = min(parts, key=lambda part: _RANKS.get(part.type[1], len(_RANKS)))
        return chosen.text.replace("\r\n", "\n").rstrip("\n")

    @cached_property
    def _message(self) -> Entity:
        return as_read(self.data)
