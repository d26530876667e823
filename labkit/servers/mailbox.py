"""Where a server of the lab keeps what arrives. How it arrived is noted; how it is sent is not known here."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload


@dataclass(frozen=True)
class Message:
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
    """Who had logged in; empty for nobody."""

    @property
    def subject(self) -> str:
        """The Subject field, decoded."""
        return str(self._parsed["Subject"] or "")

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

    def __repr__(self) -> str:
        return f"<from {self.sender} to {', '.join(self.recipients)} over {self.over}: {self.subject!r}>"


class Mailbox(Sequence[Message]):
    """The messages of one server, oldest first."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def keep(self, message: Message) -> None:
        """Store one more message."""
        self._messages.append(message)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | Sequence[Message]:
        return self._messages[index]

    def __len__(self) -> int:
        return len(self._messages)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or "<an empty mailbox>"
