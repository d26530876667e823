"""Lines with a status code: the client says commands of one line, the server answers each in order (RFC 5321 §4.2).

SMTP, LMTP, FTP, NNTP, POP3 and ManageSieve are framed so. A reply belongs to the first command without an answer, so
the reader remembers what was asked.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, ClassVar

from labkit.dialects.base import CLIENT, SERVER, Phrase, phrase
from labkit.dialects.reader import COMMAND, LARGEST, MOST_UNANSWERED, WAIT, Buffer, BufferedReader

CREDENTIAL, TEXT, CHUNK = "credential", "text", "chunk"
"""States of the client: a line of a login, lines up to a single dot, and as many bytes as its command has announced."""


@dataclass(frozen=True)
class CodedLines:
    """The words of a dialect and the order of its states.

    The order: after its command the client is in the state of `after_command`, in COMMAND where there is none; after a
    line of a login in WAIT; after a message in COMMAND. A reply with a status of `after_reply` puts the client into
    that state; another reply to a command of `after_command`, or to a line of a login, puts it into COMMAND.
    """

    verbs: Mapping[bytes, str]
    """First word of a command, upper case -> its title. Two words are looked up where the first alone is not known."""
    greetings: AbstractSet[str]
    """Statuses with which a server greets."""
    go_aheads: Mapping[str, str]
    """Command that asks to start TLS -> the status that allows it; another status is a refusal."""
    after_command: Mapping[str, str]
    """Command -> the client's next state."""
    after_reply: Mapping[str, str] = field(default_factory=dict)
    """Status -> the client's next state."""
    after_lost_reply: Mapping[str, str] = field(default_factory=dict)
    """Command of `after_command` whose reply is not in the capture -> the client's next state; COMMAND by default."""
    only_greetings: AbstractSet[str] = frozenset()
    """Greetings that answer no command but the upgrade: a client that has spoken first is greeted by them, too."""
    texts: AbstractSet[tuple[str, str]] = frozenset()
    """(command, status): replies behind whose first line lines up to a single dot follow (RFC 1939 §3)."""
    mail: AbstractSet[str] = frozenset()
    """Commands whose reply with such lines is mail."""
    replies_per: str = ""
    """The command whose every success brings one more reply to the message: ``RCPT`` in LMTP (RFC 2033 §4.2)."""


class CodedLineReader(BufferedReader):
    """A dialect's reader gives its `_lines`, and how a reply is cut and named."""

    _lines: ClassVar[CodedLines]

    def __init__(self) -> None:
        super().__init__()
        self._unanswered: deque[str] = deque(maxlen=MOST_UNANSWERED)
        self._greeted = False
        self._chunk = 0
        """Bytes that the client has announced and not sent."""
        self._accepted = 0
        """Commands of `replies_per` that the server has accepted for the message that comes next."""
        self._line_start = 0
        """Where the last line begins of a reply that is not whole."""
        self._text_start = 0
        """Where the text behind a reply's first line begins; 0 while no text is read."""
        self._begun: Phrase | None = None
        """The last piece of a reply that is too large to come in one."""

    def rest(self, sender: str) -> bytes:
        if sender == SERVER:
            self._line_start, self._text_start, self._begun = 0, 0, None
            if self._next == WAIT:
                self._next = self._lines.after_lost_reply.get(self._unanswered[-1], COMMAND)
        elif self._next == CHUNK:
            self._next = COMMAND
        if self._next != WAIT:  # a command or a reply may be missing: better not to know what was asked
            self._unanswered.clear()
        return super().rest(sender)

    # ---- what a dialect tells

    @abstractmethod
    def _status(self, reply: bytes) -> str | None:
        """The status of a reply, which is its title; None where it has none."""

    def _next_line(self, buffer: Buffer, start: int, end: int) -> int:
        """Where the next line of the reply begins; 0 where the line from `start` to `end` is the last of it."""
        return 0

    def _question(self, title: str, line: bytes) -> str:
        """What the command is called in the tables, where its title alone does not tell what answers it."""
        return title

    def _announced(self, line: bytes) -> int:
        """How many bytes this command announces; asked where CHUNK follows it."""
        return 0

    def _chunk_end(self, buffer: Buffer) -> int:
        """Where the announced bytes end, with what belongs to them; 0 while they are not whole."""
        return self._chunk if len(buffer) >= self._chunk else 0

    # ---- what the client says next

    def _command(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        words = line.split(None, 2)
        verb = words[0].upper() if words else b""
        title = self._lines.verbs.get(verb) or self._longer(words)
        question = self._question(title, line)
        following = self._lines.after_command.get(question)
        if following == CHUNK:
            self._chunk = self._announced(line)
            following = CHUNK if self._chunk else None
        if following:
            self._next = following
        if following != CHUNK:  # the reply comes after the chunk
            self._unanswered.append(question)
        return phrase((CLIENT, "command", title, line))

    def _longer(self, words: list[bytes]) -> str:
        return self._lines.verbs.get(b" ".join(words[:2]).upper(), "unknown command")

    def _credential(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        self._unanswered.append(CREDENTIAL)
        self._next = WAIT
        return Phrase(CLIENT, "credential", "credential", line)

    def _text(self) -> Phrase | None:
        buffer = self._buffers[CLIENT]
        if end := buffer.text():
            return self._message(end)
        return self._piece(buffer.last_line()) if buffer.full else None

    def _bytes(self) -> Phrase | None:
        buffer = self._buffers[CLIENT]
        if end := self._chunk_end(buffer):
            return self._message(end)
        if not buffer.full:
            return None
        self._chunk -= LARGEST
        return self._piece(LARGEST)

    def _message(self, end: int) -> Phrase:
        self._next = COMMAND
        replies, self._accepted = self._accepted or 1, 0
        self._unanswered.extend(["message"] * replies)
        return self._piece(end)

    def _piece(self, end: int) -> Phrase:
        return Phrase(CLIENT, "message", "message", self._buffers[CLIENT].take(end))

    _READS: ClassVar[Mapping[str, Callable[[Any], Phrase | None]]] = {
        COMMAND: _command,
        CREDENTIAL: _credential,
        TEXT: _text,
        CHUNK: _bytes,
    }
    """State -> the method that reads what the client says in it."""

    def _client(self) -> Phrase | None:
        return self._READS[self._next](self)

    # ---- what the server answers

    def _server(self) -> Phrase | None:
        buffer = self._buffers[SERVER]
        if self._begun or self._text_start:
            return self._text_reply(buffer)
        end = self._reply_end(buffer)
        if not end:
            return None
        if (
            self._lines.texts
            and self._unanswered
            and (self._unanswered[0], self._status(buffer[:end])) in self._lines.texts
        ):
            self._text_start = end
            return self._text_reply(buffer)
        return self._answer(buffer.take(end))

    def _reply_end(self, buffer: Buffer) -> int:
        """Where the reply ends: behind the first line that is not followed by another of it."""
        start = self._line_start
        end = buffer.line(start)
        while end and end < self._longest and (following := self._next_line(buffer, start, end)):
            start, end = following, buffer.line(following)
        self._line_start = 0 if end else start
        return end

    def _text_reply(self, buffer: Buffer) -> Phrase | None:
        """A reply of many lines, or as much of it as one phrase may hold."""
        end = buffer.text(self._text_start)
        if not end and not buffer.full:
            return None
        data, self._text_start = buffer.take(end or buffer.last_line()), 0
        said = self._begun._replace(data=data) if self._begun else self._answer(data)
        self._begun = None if end else said
        return said

    def _answer(self, data: bytes) -> Phrase:
        title = self._status(data)
        if title is None:
            return phrase((SERVER, "unknown", "unknown", data))
        if not self._greeted:
            self._greeted = True
            if self._greets(title):
                return phrase((SERVER, "greeting", title, data))
        asked = self._unanswered.popleft() if self._unanswered else ""
        if asked == self._lines.replies_per and title[0] == "2":
            self._accepted += 1
        following = self._lines.after_reply.get(title)
        if following or asked in self._lines.after_command or asked == CREDENTIAL:
            self._next = following or COMMAND
        kind = self._kind(asked, title, following)
        return phrase((SERVER, kind, kind if kind == "message" else title, data))

    def _greets(self, title: str) -> bool:
        if not self._unanswered:
            return title in self._lines.greetings
        return title in self._lines.only_greetings and self._unanswered[0] not in self._lines.go_aheads

    def _kind(self, asked: str, title: str, following: str | None) -> str:
        if go_ahead := self._lines.go_aheads.get(asked):
            return "go-ahead" if title == go_ahead else "refusal"
        if following == CREDENTIAL:
            return "challenge"
        return "message" if asked in self._lines.mail and (asked, title) in self._lines.texts else "reply"
