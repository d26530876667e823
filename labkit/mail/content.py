"""A message as it is read: the fields and the text in its bytes (RFC 5322, MIME). How it travelled is not said here."""

from functools import cached_property
from typing import Any


class Content:
    """What a record with the bytes of a message can tell about them, however strange they are."""

    data: bytes
    """The message itself, header and body."""

    @property
    def subject(self) -> str:
        """The Subject field, decoded."""
        return str(self._parsed["Subject"] or "")

    @property
    def author(self) -> str:
        """The From field, decoded: who says that he wrote it, which nobody has checked."""
        return str(self._parsed["From"] or "")

    @property
    def text(self) -> str:
        """The text of the body, decoded, without the last line ending."""
        body = self._parsed.get_body(("plain", "html"))
        if body is None:
            return ""
        try:
            text = body.get_content()
        except LookupError:  # a charset that does not exist
            text = body.get_payload(decode=True).decode("ascii", "backslashreplace")
        return text.replace("\r\n", "\n").rstrip("\n")

    @cached_property
    def _parsed(self) -> Any:
        from email import message_from_bytes, policy

        return message_from_bytes(self.data, policy=policy.default)
