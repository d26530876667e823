"""Lines with a status code: the client says commands of one line, the server answers each in order (RFC 5321 §4.2).

SMTP, LMTP, FTP, NNTP, POP3 and ManageSieve are framed so. A reply belongs to the first command without an answer, so
the reader remembers what was asked.
"""

import re
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from labkit.dialects.base import CLIENT, SERVER, Phrase
from labkit.dialects.framing.line_reader import LineReader
from labkit.dialects.reader import COMMAND, HANDSHAKE, LARGEST, MOST_UNANSWERED, WAIT, Buffer

CREDENTIAL, TEXT, CHUNK = "credential", "text", "chunk"
"""States of the client: a line of a login, lines up to a single dot, and as many bytes as its command has announced."""

_ENDED_BY_REPLIES = (CREDENTIAL, TEXT, CHUNK)

_FEW = 2
"""A line of so many words with a verb is a command where the rest of a message may be missing."""
_BLANK = "blank line"
_HEADER = re.compile(rb"[!-9;-~]+:")
"""The beginning of a header field of mail (RFC 5322 §2.2)."""
_KINDS = {COMMAND: "command", CREDENTIAL: "credential", TEXT: "message", CHUNK: "message"}
"""State -> kind of what the client says in it."""


@dataclass(frozen=True)
class CodedLines:
    """The words of a dialect and the order of its states.

    The order: after its command the client is in the state of `after_command`, in WAIT after one that asks to start
    TLS, and otherwise in COMMAND; after a line of a login in WAIT; after a message in COMMAND. A reply with a status of
    `after_reply` puts the client into that state; another reply to a command of `after_command`, to the upgrade
    command or to a line of a login puts it into COMMAND.
    """

    verbs: Mapping[bytes, str]
    """First word of a command, upper case -> its title. Two words are looked up where the first alone is not known."""
    greetings: AbstractSet[str]
    """Statuses with which a server greets."""
    go_aheads: Mapping[str, str]
    """Command that asks to start TLS -> the status that allows it; another status is a refusal."""
    after_command: Mapping[str, str] = field(default_factory=dict)
    """Command -> the client's next state; those of `go_aheads` need no place here."""
    after_reply: Mapping[str, str] = field(default_factory=dict)
    """Status -> the client's next state."""
    after_lost_reply: Mapping[str, str] = field(default_factory=dict)
    """Command of `after_command` whose reply is not in the capture -> the client's next state; COMMAND by default."""
    answers: Mapping[str, AbstractSet[str]] = field(default_factory=dict)
    """Status -> the commands that alone it can answer: what was asked before them has had its answer, or never gets
    one."""
    errors: tuple[str, ...] = ("5",)
    """How statuses that report an error begin (``5``, ``-ERR``): the only replies to a blank line, which often gets
    none."""
    only_greetings: AbstractSet[str] = frozenset()
    """Statuses that are always greetings, except as the answer to the upgrade, even after the client has spoken."""
    compresses: Mapping[str, str] = field(default_factory=dict)
    """Command that asks to compress -> the status after which both sides do (RFC 8054)."""
    texts: AbstractSet[tuple[str, str]] = frozenset()
    """(command, status) of replies whose first line is followed by lines up to a single dot (RFC 1939 §3)."""
    mail: AbstractSet[str] = frozenset()
    """Commands whose reply with such lines is mail."""
    replies_per: str = ""
    """The command whose every success brings one more reply to the message: ``RCPT`` in LMTP (RFC 2033 §4.2)."""

    def __post_init__(self) -> None:
        after = {**dict.fromkeys(self.go_aheads, WAIT), **self.after_command}
        object.__setattr__(self, "after_command", after)  # in one table, because every command is looked up in it

    @cached_property
    def watched(self) -> AbstractSet[str]:
        """The commands whose reply changes what is read next, beyond success or failure."""
        watched = {CREDENTIAL, *self.compresses, *self.after_command, *self.mail, self.replies_per}
        return watched - {""}


class CodedLineReader(LineReader):
    """A dialect's reader gives its `_lines`, and how a reply is cut and named."""

    _lines: ClassVar[CodedLines]

    def __init__(self) -> None:
        super().__init__()
        self._unanswered: deque[str] = deque(maxlen=MOST_UNANSWERED)
        self._greeted = False
        self._chunk = 0
        """How many bytes the client has announced and not sent yet."""
        self._answered = False
        """Whether the chunk that the client sends has its answer already."""
        self._replied = False
        """Whether the server has said anything since the client began to wait."""
        self._accepted = 0
        """Commands of `replies_per` that the server has accepted for the message that comes next."""
        self._line_start = 0
        """Offset of the last line of an incomplete reply."""
        self._text_start: int | None = None
        """Where the text after a reply's first line begins; None while no text is read."""
        self._orphaned = False
        """Whether the command of the last reply was not captured, so that lines of text may follow the reply."""
        self._begun: Phrase | None = None
        """The last piece of a reply that is too large for one phrase."""

    def begun(self, sender: str) -> tuple[str, str]:
        if sender == CLIENT:
            kind = _KINDS[self._after_a_lost_reply(self._unanswered[-1]) if self._next == WAIT else self._next]
            return kind, kind if kind != "command" else self._title(self._buffers[CLIENT].split(None, 2))
        if self._begun:
            return self._begun.kind, self._begun.title
        asked = self._unanswered[0] if self._unanswered else ""
        brings_mail = self._text_start is not None and asked in self._lines.mail
        return ("message", "message") if brings_mail else ("reply", "unfinished")

    def begin_in_text(self) -> None:
        if TEXT in (*self._lines.after_reply.values(), *self._lines.after_command.values()):
            self._next, self._guessed = TEXT, True

    def _after_a_lost_reply(self, asked: str) -> str:
        """The client's next state if the status of the reply to this command is not known."""
        return self._lines.after_lost_reply.get(asked, COMMAND)

    def rest(self, sender: str) -> bytes:
        if sender == SERVER:
            self._line_start, self._text_start, self._begun = 0, None, None
            if self._next == WAIT:
                self._next, self._guessed = self._after_a_lost_reply(self._unanswered[-1]), True
        elif self._next == CHUNK:
            self._next = COMMAND
        elif self._next in (CREDENTIAL, TEXT):
            self._guessed = True  # the rest of the login, or of the message, may be missing
        if self._next != WAIT:  # a command or a reply may be missing: better not to know what was asked
            self._unanswered.clear()
        return super().rest(sender)

    # ---- what a dialect's reader defines

    @abstractmethod
    def _status(self, reply: bytes) -> str | None:
        """The status of a reply, which is its title; None where it has none."""

    def _next_line(self, buffer: Buffer | bytes, start: int, end: int) -> int:
        """Where the next line of the reply begins; 0 where the line from `start` to `end` is the last of it."""
        return 0

    def _question(self, title: str, line: bytes) -> str:
        """The key of the command in the tables, where its title alone does not decide which reply answers it."""
        return title

    def _announced(self, line: bytes) -> int:
        """How many bytes this command announces; called for commands after which the state is CHUNK."""
        return 0

    def _chunk_end(self, buffer: Buffer) -> int:
        """The offset after the announced bytes and what belongs to them; 0 while they are incomplete."""
        return self._chunk if len(buffer) >= self._chunk else 0

    def _command_end(self, buffer: Buffer) -> int:
        """The offset after a command or a line of a login; 0 while it is incomplete."""
        return buffer.line()

    def _speaks_again(self) -> None:
        if self._replied:  # a client that waits says no more before its answer: that was the last reply
            self._unanswered.clear()
            self._next, self._replied = COMMAND, False

    def _at_once(self, sender: str, data: bytes) -> Phrase | None:
        """A command of one line, or a reply."""
        start, end, size = 0, data.find(b"\n") + 1, len(data)
        if not end or size >= self._longest or data[0] == HANDSHAKE:
            return None
        if sender == CLIENT:
            return self._command_in(data) if end == size and self._next == COMMAND and not self._guessed else None
        if self._begun or self._lines.texts:
            return None
        while end and (following := self._next_line(data, start, end)):
            start, end = following, data.find(b"\n", following) + 1
        return self._answer(data) if end == size else None

    # ---- what the client says next

    def _settle(self, line: bytes) -> None:
        words = line.split(None, 2)
        alone = self._next != TEXT or len(words) <= _FEW or b":" in words[1]  # a sentence may begin with HELP, too
        if alone and self._title(words) != "unknown command":
            self._next, self._answered = COMMAND, False

    def _command(self) -> Phrase | None:
        buffer = self._buffers[CLIENT]
        line = buffer.take(self._command_end(buffer))
        return self._command_in(line) if line else None

    def _command_in(self, line: bytes) -> Phrase:
        lines, words = self._lines, line.split(None, 1)
        title = lines.verbs.get(words[0].upper()) if words else None
        if title is None:
            title = self._title(line.split(None, 2))
        question = self._question(title, line) if words else _BLANK
        self._replied = False
        following = lines.after_command.get(question)
        if following is None:
            self._unanswered.append(question)
        else:
            self._await(question, following, line)
        return Phrase(CLIENT, "command", title, line)

    def _await(self, question: str, following: str, line: bytes) -> None:
        """What the client says next follows from this command."""
        self._chunk = self._announced(line) if following == CHUNK else 0
        if following == CHUNK and not self._chunk:
            following = COMMAND
        self._next = following
        if following not in (CHUNK, TEXT):  # the reply comes after the chunk, or the text
            self._unanswered.append(question)

    def _title(self, words: Sequence[bytes]) -> str:
        verbs = self._lines.verbs
        title = verbs.get(bytes(words[0]).upper()) if words else None
        return title or verbs.get(b" ".join(words[:2]).upper(), "unknown command")

    def _credential(self) -> Phrase | None:
        buffer = self._buffers[CLIENT]
        line = buffer.take(self._command_end(buffer))
        if not line:
            return None
        self._unanswered.append(CREDENTIAL)
        self._next, self._replied = WAIT, False
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
        replies = 0 if self._answered else self._accepted or 1
        self._next, self._accepted, self._answered = COMMAND, 0, False
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

    # ---- what the server answers

    def _server(self) -> Phrase | None:
        buffer = self._buffers[SERVER]
        if self._begun or self._text_start is not None:
            return self._text_reply(buffer)
        end = self._reply_end(buffer)
        if not end:
            return None
        if self._lines.texts and (start := self._text_begin(buffer, end)) is not None:
            self._text_start = start
            return self._text_reply(buffer)
        if self._next == TEXT and not self._unanswered and (dot := self._bare_end(buffer)):
            return self._message(dot)
        return self._answer(buffer.take(end))

    def _text_begin(self, buffer: Buffer, end: int) -> int | None:
        """The offset of the lines up to a single dot: after this line, or at it if it is one of them; None if none."""
        status = self._status(buffer[:end])
        if not self._unanswered:
            return 0 if self._orphaned and status is None else None
        asked = self._unanswered[0]
        if (asked, status) in self._lines.texts:
            return end
        headless = status is None and any(command == asked for command, _ in self._lines.texts)
        return 0 if headless else None  # its first line was taken for another command's

    def _bare_end(self, buffer: Buffer) -> int:
        """The offset after the message that the server accepted, although it does not end as specified."""
        return self._buffers[CLIENT].bare_text() if buffer.startswith(b"2") else 0

    def _reply_end(self, buffer: Buffer) -> int:
        """The offset after the reply's last line; 0 while that is not there."""
        start = self._line_start
        end = buffer.line(start)
        while end and end < self._longest and (following := self._next_line(buffer, start, end)):
            start, end = following, buffer.line(following)
        self._line_start = 0 if end else start
        return end

    def _text_reply(self, buffer: Buffer) -> Phrase | None:
        """A reply of many lines, or as much of it as one phrase may hold."""
        start = self._text_start or 0
        bare = start > 1 and not buffer.startswith(b"\r\n", start - 2)  # so are the lines after it
        end = buffer.bare_text() if bare else buffer.text(start)
        if not end and not buffer.full:
            return None
        data, self._text_start = buffer.take(end or buffer.last_line()), None
        answer = self._answer if start else self._headless
        said = self._begun._replace(data=data) if self._begun else answer(data)
        self._begun = None if end else said
        return said

    def _headless(self, data: bytes) -> Phrase:
        """The rest of a reply whose status was in an earlier phrase; its command may not have been captured."""
        asked, self._orphaned = self._unanswered.popleft() if self._unanswered else "", False
        if self._next == WAIT and not self._unanswered:
            self._next, self._guessed = self._after_a_lost_reply(asked), True
        if asked in self._lines.mail or (not asked and _HEADER.match(data)):
            return Phrase(SERVER, "message", "message", data)
        return Phrase(SERVER, "reply" if asked else "untagged", "lines", data)

    def _answer(self, data: bytes) -> Phrase:
        title = self._status(data)
        if title is None:
            return Phrase(SERVER, "unknown", "unknown", data)
        if not self._greeted:
            self._greeted = True
            if self._greets(title):
                return Phrase(SERVER, "greeting", title, data)
        lines, unanswered, self._replied = self._lines, self._unanswered, True
        if not unanswered:
            asked = ""
            if self._next in _ENDED_BY_REPLIES:
                self._end_unseen()
        elif title in lines.answers or unanswered[0] == _BLANK:
            asked = self._asked(title)
        else:
            asked = unanswered.popleft()
        if lines.texts:
            self._orphaned = not asked and not title.startswith(lines.errors)
        following = lines.after_reply.get(title)
        if following is None and asked not in lines.watched:
            return Phrase(SERVER, "reply", title, data)
        return self._turn(asked, title, following, data)

    def _end_unseen(self) -> None:
        """End the client's incomplete phrase: the server has replied to it, so its end was not captured."""
        heard = bool(self._buffers[CLIENT])
        if self._next == CHUNK:
            self._answered, self._guessed = True, not heard
        elif self._next == TEXT:
            self._guessed = not heard
        elif not heard:
            self._next = COMMAND

    def _turn(self, asked: str, title: str, following: str | None, data: bytes) -> Phrase:
        """A reply that changes what is read next, beyond success or failure."""
        lines = self._lines
        if asked and asked == lines.replies_per and title[0] == "2":
            self._accepted += 1
        if following or asked in lines.after_command or asked == CREDENTIAL:
            self._next, self._guessed = following or COMMAND, False
        kind = self._kind(asked, title, following)
        return Phrase(SERVER, kind, kind if kind == "message" else title, data)

    def _asked(self, title: str) -> str:
        """The command, as a key of the tables, that a reply with this status answers."""
        unanswered = self._unanswered
        only = self._lines.answers.get(title)
        if only and unanswered[0] not in only and unanswered[-1] in only:
            last = unanswered[-1]
            unanswered.clear()
            return last
        while unanswered[0] == _BLANK and len(unanswered) > 1 and not title.startswith(self._lines.errors):
            unanswered.popleft()
        return unanswered.popleft()

    def _greets(self, title: str) -> bool:
        if not self._unanswered:
            return title in self._lines.greetings
        return title in self._lines.only_greetings and self._unanswered[0] not in self._lines.go_aheads

    def _kind(self, asked: str, title: str, following: str | None) -> str:
        if self._lines.compresses.get(asked) == title:
            self.compressed = True
        if go_ahead := self._lines.go_aheads.get(asked):
            return "go-ahead" if title == go_ahead else "refusal"
        if following == CREDENTIAL:
            return "challenge"
        return "message" if asked in self._lines.mail and (asked, title) in self._lines.texts else "reply"
