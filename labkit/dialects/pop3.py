"""POP3: RFC 1939, with CAPA (RFC 2449), STLS (RFC 2595) and AUTH (RFC 5034).

Only the command tells whether a reply has one line or many, so the reader remembers what was asked. What the words mean
is `pop3_words`.
"""

import re
from collections import deque

from labkit.dialects.base import CLIENT, SERVER, Dialect, Phrase
from labkit.dialects.pop3_words import CAPABILITIES, COMMANDS, REPLIES, explain
from labkit.dialects.reader import MOST_UNANSWERED, Buffer, TextReader, text_end
from labkit.dialects.writing import (
    Injected,
    Writer,
    as_lines,
    lines,
    listed,
    one_a_line,
    plain,
    untagged_command,
    willing,
)

_STATUS = re.compile(rb"\+OK|-ERR|\+(?=[ \r\n])", re.IGNORECASE)
_MANY_LINES = re.compile(rb"(?:CAPA|LIST|UIDL|AUTH|LANG)\s*$|(?:RETR|TOP)\b", re.IGNORECASE)
"""Commands whose success is answered with many lines, the last of them a single dot (RFC 1939 §3)."""
_BRINGS_MAIL = {"RETR", "TOP"}
_WAITS_FOR_ANSWER = {"STLS", "AUTH"}
"""Commands after which only the reply says what the client's next bytes are."""


class _Reader(TextReader):
    """Follows one POP3 conversation. See `labkit.dialects.base.Reader`."""

    _longest = 64 << 10
    """RFC 1939 §3 asks for 512, RFC 2449 §4 for 255; a line of a message may have 1,000."""

    def __init__(self) -> None:
        super().__init__()
        self._unanswered: deque[tuple[str, bool]] = deque(maxlen=MOST_UNANSWERED)
        """Verbs, and whether many lines answer them."""
        self._begun: Phrase | None = None
        """The last piece of a reply that is too large to come in one."""
        self._greeted = False

    def rest(self, sender: str) -> bytes:
        self._unanswered.clear()  # a command or a reply may be missing here: better not to know what was asked
        self._begun = None
        return super().rest(sender)

    # ---- what the client says next

    def _command(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        verb = _verb(line)
        self._unanswered.append((verb, _MANY_LINES.match(line) is not None))
        if verb in _WAITS_FOR_ANSWER:
            self._client = _Reader._wait
        return Phrase(CLIENT, "command", verb, line)

    def _credential(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        self._unanswered.append(("AUTH", False))
        self._client = _Reader._wait
        return Phrase(CLIENT, "credential", "credential", line)

    # ---- what the server answers

    def _reply(self) -> Phrase | None:
        buffer = self._buffers[SERVER]
        first = buffer.line()
        if self._begun or (first and self._has_many_lines(buffer)):
            return self._lines(0 if self._begun else first)
        return self._answer(buffer.take(first)) if first else None

    def _has_many_lines(self, buffer: Buffer) -> bool:
        return bool(self._unanswered) and self._unanswered[0][1] and buffer[:3].upper() == b"+OK"

    def _lines(self, start: int) -> Phrase | None:
        """A reply of many lines, or as much of it as one phrase may hold."""
        buffer = self._buffers[SERVER]
        end = buffer.text(start)
        if not end and not buffer.full:
            return None
        data = buffer.take(end or buffer.last_line())
        phrase = self._begun._replace(data=data) if self._begun else self._answer(data)
        self._begun = None if end else phrase
        return phrase

    def _answer(self, data: bytes) -> Phrase:
        status = _STATUS.match(data)
        if not status:
            return Phrase(SERVER, "unknown", "unknown", data)
        title = status[0].decode().upper()
        if not self._greeted and not self._unanswered:
            self._greeted = True
            return Phrase(SERVER, "greeting", title, data)
        self._greeted = True
        verb, many = self._unanswered.popleft() if self._unanswered else ("", False)
        if verb in _WAITS_FOR_ANSWER:
            return Phrase(SERVER, self._let_go_on(verb, title), title, data)
        if many and verb in _BRINGS_MAIL and title == "+OK":
            return Phrase(SERVER, "message", "message", data)
        return Phrase(SERVER, "reply", title, data)

    def _let_go_on(self, verb: str, title: str) -> str:
        """The kind of the reply for which the client has waited."""
        if (verb, title) == ("AUTH", "+"):
            self._client = _Reader._credential
            return "challenge"
        self._client = _Reader._command
        if verb != "STLS":
            return "reply"
        self.upgraded = title == "+OK"
        return "go-ahead" if self.upgraded else "refusal"


def _verb(line: bytes) -> str:
    words = line.split(None, 1)
    verb = words[0].decode("ascii", "replace").upper() if words else ""
    return verb if verb in COMMANDS else "unknown command"


def _messages(data: bytes) -> list[tuple[int, int]]:
    """What stands between the first line and the one with the dot."""
    return [(data.find(b"\n") + 1, text_end(data))]


def _recognises(greeting: bytes) -> bool:
    return greeting[:3].upper() == b"+OK"


def _corner(phrase: Phrase) -> bytes | None:
    """No list of capabilities."""
    return b"-ERR Try USER\r\n" if (phrase.sender, phrase.title) == (CLIENT, "CAPA") else None


WRITER = Writer(
    command=untagged_command,
    replies=lines(done="+OK {text}", refused="-ERR {text}", go_ahead="+OK {text}"),
    willing=willing({}, b"+OK\r\n"),
    login=lambda user, password, tag: untagged_command(f"AUTH PLAIN {plain(user, password)}", tag),
    capabilities=listed(
        rb"(?P<head>\+OK[^\n]*\n)(?P<list>(?:[^.\r\n][^\n]*\n)*)(?P<tail>\.\r?\n)",
        one_a_line,
        as_lines,
        "+OK This is offered\r\n{list}.\r\n",
    ),
    login_names=frozenset({"USER", "SASL"}),
    clear_login=("USER", "SASL PLAIN"),
    weaker_login=("USER",),
    user_command="USER",
    older=(),
    corner=_corner,
    injected=Injected("AUTH X-MALLORY", r"-ERR"),
)

POP3 = Dialect(
    name="POP3",
    source="RFC 1939, RFC 2595",
    explicit_ports=(110,),
    implicit_ports=(995,),
    ask="CAPA",
    token="STLS",
    upgrade="STLS",
    go_ahead="+OK",
    messages=_messages,
    sasl=r"AUTH +(?P<mechanism>\S+)(?: +(?P<initial>\S+))?",
    reader=_Reader,
    writes=WRITER,
    recognises=_recognises,
    explain=explain,
    commands=COMMANDS,
    replies=REPLIES,
    capabilities=CAPABILITIES,
    discloses={
        "USER": r"USER +(?P<user_name>[^\r\n]+)",
        "PASS": r"PASS +(?P<password>[^\r\n]+)",
        "APOP": r"APOP +(?P<user_name>\S+)",
    },
)
