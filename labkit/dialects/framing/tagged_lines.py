"""Tagged lines: each command begins with a tag, which the reply to it repeats; strings may be literals (RFC 9051 §2.2).

A command is cut where it announces a literal, because the server may have a say there: what follows is a continuation,
or the message that the command brings. A response is one phrase with all its literals.
"""

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from labkit.dialects.base import CLIENT, SERVER, Phrase
from labkit.dialects.framing.line_reader import LineReader
from labkit.dialects.reader import COMMAND, LARGEST, WAIT, Buffer

CREDENTIAL, CONTINUATION = "credential", "continuation"
"""States of the client: a line of a login, and the literal that its command has announced with the rest of its line."""
REFUSED = "refused literal"
"""The state after a literal was refused: the client's next command comes, or the literal in spite of it."""

LITERAL = re.compile(rb"\{(\d{1,19})(\+?)\}\r?\n$")
"""The end of a line that announces a literal (RFC 9051 §4.3, RFC 7888)."""
_LONGEST_LITERAL = 25
"""Bytes of such an end."""
_TAG = re.compile(rb"([^\s*+]+) ")


@dataclass(frozen=True)
class TaggedLines:
    """The order of a dialect's states.

    A line that announces a literal is followed by CONTINUATION, at once where the literal is marked with a plus; a
    command of `after_invitation` by the state that stands there, and a line of a login by another one. Otherwise the
    client is in WAIT first, until the server's ``+`` invites it to go on. After anything else, and after the tagged
    reply to its command, the client is in COMMAND; after the reply that refuses a literal, in REFUSED.
    """

    after_invitation: Mapping[str, str]
    """Command after which the client waits -> its next state when it is invited to go on."""
    go_aheads: Mapping[str, str]
    """Command that asks to start TLS -> the status that allows it; another status is a refusal."""
    compresses: Mapping[str, str] = field(default_factory=dict)
    """Command that asks to compress -> the status after which both sides do (RFC 4978)."""


class TaggedLineReader(LineReader):
    """A dialect's reader gives its `_lines`, and what its commands and responses are."""

    _lines: ClassVar[TaggedLines]

    def __init__(self) -> None:
        super().__init__()
        self._tag = b""
        self._verb = ""
        """Tag and title of the client's last command."""
        self._invited = COMMAND
        """The client's state once the server lets it go on."""
        self._literal = 0
        """Bytes of the literal that the client sends next."""
        self._brings_mail = False
        self._known = 0
        """Up to which offset the server's response has been searched for its end."""
        self._begun: Phrase | None = None
        """The last piece of a response that is too large for one phrase."""
        self._tags: dict[bytes, int] = {}
        """Tag of a line that the client sent while it should wait -> the offset after it in all that was sent."""
        self._tagged = 0
        """Up to which of those offsets tags were searched."""
        self._spoken = False
        """Whether either side has said anything, so that a response cannot be a greeting."""

    def begun(self, sender: str) -> tuple[str, str]:
        buffer = self._buffers[sender]
        if sender == SERVER:
            said = self._begun or self._beginning(buffer, self._known > 0)
            return said.kind, said.title
        state = self._invited if self._next == WAIT else self._next
        if state in (CONTINUATION, REFUSED) and self._is_bare_command(buffer):
            return "command", self._named(buffer)[1]
        if state in (CONTINUATION, REFUSED):
            return ("message", "message") if self._brings_mail else ("continuation", self._verb)
        return (state, self._named(buffer)[1] if state == COMMAND else state)

    def rest(self, sender: str) -> bytes:
        if sender == SERVER:
            self._known, self._begun = 0, None
            if self._next == WAIT:  # the answer is missing, and the client most likely went on
                self._next, self._guessed = self._invited, True
        elif self._next in (CONTINUATION, REFUSED):
            self._next = COMMAND
        elif self._next == CREDENTIAL:
            self._guessed = True  # the rest of the login may be missing
        return super().rest(sender)

    # ---- what a dialect's reader defines

    @abstractmethod
    def _named(self, line: bytes) -> tuple[bytes, str]:
        """The tag of a command, empty where it has none, and its title."""

    @abstractmethod
    def _has_mail(self, line: bytes, first: bool) -> bool:
        """Whether the literal that this line of the command announces is mail; `first` of the command's first line."""

    @abstractmethod
    def _is_one_line(self, response: bytes) -> bool:
        """Whether a response ends in human-readable text, where braces do not announce a literal."""

    @abstractmethod
    def _beginning(self, data: bytes, has_literals: bool) -> Phrase:
        """The phrase of a response of which only these first bytes are known."""

    @abstractmethod
    def _response(self, data: bytes, has_literals: bool) -> Phrase:
        """The phrase of a response; `_invite` and `_conclude` tell what it changes."""

    # ---- what the client says next

    def _command(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        self._spoken = True
        self._tag, self._verb = self._named(line)
        self._brings_mail = self._has_mail(line, True)
        self._go_on_after(line)
        return Phrase(CLIENT, "command", self._verb, line)

    def _go_on_after(self, line: bytes) -> None:
        if literal := LITERAL.search(line):
            self._literal, self._invited = int(literal[1]), CONTINUATION
            self._next = CONTINUATION if literal[2] else WAIT
        elif self._verb in self._lines.after_invitation:
            self._next, self._invited = WAIT, self._lines.after_invitation[self._verb]
        else:
            self._next = COMMAND

    def _continuation(self) -> Phrase | None:
        """A literal, and the rest of the line after it."""
        buffer = self._buffers[CLIENT]
        kind, title = ("message", "message") if self._brings_mail else ("continuation", self._verb)
        end = buffer.line(self._literal)
        if end and end <= LARGEST + self._longest:
            if self._brings_mail and self._literal and buffer[self._literal : end].strip():
                return self._mail_alone(buffer)
            data = buffer.take(end)
            line = data[self._literal :]
            self._go_on_after(line)
            self._brings_mail = self._has_mail(line, False)
            return Phrase(CLIENT, kind, title, data)
        if not buffer.full:
            return None
        self._literal = max(0, self._literal - LARGEST)
        return Phrase(CLIENT, kind, title, buffer.take(LARGEST))

    def _refused_literal(self) -> Phrase | None:
        """What the client says after the refusal of its literal: a command is known by its tag."""
        buffer = self._buffers[CLIENT]
        end = buffer.line()
        if not end:
            return None
        self._next = COMMAND if self._named(bytes(buffer[:end]))[0] else CONTINUATION
        return self._READS[self._next](self)

    def _is_bare_command(self, buffer: Buffer) -> bool:
        """Whether the client has sent a command without arguments, such as LOGOUT, instead of its literal."""
        tag, title = self._named(buffer)
        return bool(tag) and buffer.endswith(b"\n") and buffer.upper().split() == [tag.upper(), title.encode()]

    def _mail_alone(self, buffer: Buffer) -> Phrase:
        """The literal alone. If more of the command than the end of its line follows, that is a continuation."""
        data = buffer.take(self._literal)
        self._literal, self._brings_mail = 0, False
        return Phrase(CLIENT, "message", "message", data)

    def _credential(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        self._next = WAIT
        return Phrase(CLIENT, "credential", "credential", line)

    _READS: ClassVar[Mapping[str, Callable[[Any], Phrase | None]]] = {
        COMMAND: _command,
        CONTINUATION: _continuation,
        CREDENTIAL: _credential,
        REFUSED: _refused_literal,
    }
    """State -> the method that reads what the client says in it."""

    def _settle(self, line: bytes) -> None:
        tag, title = self._named(line)
        if tag and title != "unknown command":
            self._next = COMMAND

    # ---- what the server answers

    def _server(self) -> Phrase | None:
        buffer = self._buffers[SERVER]
        end = self._response_end()
        if not end:
            return self._piece() if buffer.full else None
        if self._next in (WAIT, CONTINUATION) and self._overtaken(buffer[:end]):
            self._next = COMMAND
            return self._command()
        begun, self._begun, known, self._known = self._begun, None, self._known, 0
        data = buffer.take(end)
        said = begun._replace(data=data) if begun else self._response(data, known > 0)
        self._spoken = True
        return said

    def _overtaken(self, response: bytes) -> bool:
        """Whether this answers a later command, which the client sent without waiting."""
        match = _TAG.match(response)
        if match is None or match[1] == self._tag:
            return False
        self._find_tags()
        return self._tags.get(bytes(match[1]), 0) > self._buffers[CLIENT].taken

    def _find_tags(self) -> None:
        """Note the tags of all lines that the client has sent while it should wait; each line is looked at once."""
        buffer = self._buffers[CLIENT]
        if self._tagged <= buffer.taken:
            self._tags.clear()
        start = max(self._tagged, buffer.taken) - buffer.taken
        while end := buffer.find(b"\n", start) + 1:
            if match := _TAG.match(buffer, start, end):
                self._tags[bytes(match[1])] = buffer.taken + end
            start = end
        self._tagged = buffer.taken + start

    def _piece(self) -> Phrase:
        """As much of a response as one phrase may hold."""
        data = self._buffers[SERVER].take(LARGEST)
        self._known = max(0, self._known - LARGEST)
        self._begun = self._begun._replace(data=data) if self._begun else self._response(data, True)
        return self._begun

    def _response_end(self) -> int:
        """Where the response ends: after the first line that announces no literal."""
        buffer = self._buffers[SERVER]
        end = buffer.line(self._known)
        if not self._known and end and self._is_one_line(buffer):
            return end
        while end and (literal := LITERAL.search(buffer, max(self._known, end - _LONGEST_LITERAL), end)):
            self._known = end + int(literal[1])
            end = buffer.line(self._known)
        return end if end <= LARGEST + self._longest else 0

    def _invite(self) -> bool:
        """The server's ``+`` invites the client to go on. Returns whether it goes on with a login."""
        if self._next != WAIT:
            return False
        self._next = self._invited
        return self._next == CREDENTIAL

    def _conclude(self, tag: bytes, status: str) -> str:
        """The server has answered the command with this tag. Returns the kind of the reply."""
        if tag == self._tag and self._next == CREDENTIAL and not self._buffers[CLIENT]:
            self._next = COMMAND  # what the client said is missing
        if self._next != WAIT or tag != self._tag:
            return "reply"
        self._next, self._guessed = REFUSED if self._invited == CONTINUATION else COMMAND, False
        self.compressed = self._lines.compresses.get(self._verb) == status
        go_ahead = self._lines.go_aheads.get(self._verb)
        if go_ahead is None:
            return "reply"
        return "go-ahead" if status == go_ahead else "refusal"
