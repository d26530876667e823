"""ManageSieve: RFC 5804, with which a client manages its mail filters, with STARTTLS (§2.2).

The server lists its capabilities in its greeting and, unasked, once more inside TLS (§2.2).
"""

import re
from collections.abc import Iterator

from labkit.dialects.base import SERVER, Dialect, Disclosed, Phrase
from labkit.dialects.framing.coded_lines import CHUNK, CREDENTIAL, CodedLineReader, CodedLines
from labkit.dialects.reader import LARGEST, WAIT, Buffer
from labkit.dialects.writing import (
    Capabilities,
    Injected,
    Writer,
    lines,
    listed,
    offering,
    one_a_line,
    plain,
    untagged_command,
    willing,
)

COMMANDS = {
    "AUTHENTICATE": "The client logs in; what follows is base64, which anyone can decode (RFC 5804 §2.1).",
    "STARTTLS": "The client asks to start TLS here, and sends nothing more before the go-ahead (RFC 5804 §2.2).",
    "LOGOUT": "The client ends the conversation (RFC 5804 §2.3).",
    "CAPABILITY": "The client asks what the server can do (RFC 5804 §2.4).",
    "HAVESPACE": "The client asks whether a script of this size would fit (RFC 5804 §2.5).",
    "PUTSCRIPT": "The client stores a script under a name (RFC 5804 §2.6).",
    "LISTSCRIPTS": "The client asks which scripts there are (RFC 5804 §2.7).",
    "SETACTIVE": "The client chooses the script that filters its mail (RFC 5804 §2.8).",
    "GETSCRIPT": "The client asks for a script (RFC 5804 §2.9).",
    "DELETESCRIPT": "The client removes a script (RFC 5804 §2.10).",
    "RENAMESCRIPT": "The client gives a script another name (RFC 5804 §2.11).",
    "CHECKSCRIPT": "The client asks whether a script is right (RFC 5804 §2.12).",
    "NOOP": "The client asks for nothing but a reply (RFC 5804 §2.13).",
    "UNAUTHENTICATE": "The client logs out and stays connected (RFC 5804 §2.14.1).",
}

REPLIES = {
    "OK": "Done: the server did what was asked (RFC 5804 §1.2).",
    "NO": "The server did not do it; the text says why (RFC 5804 §1.2).",
    "BYE": "The server closes the connection (RFC 5804 §1.2).",
    "string": "The server asks for the next part of the login (RFC 5804 §2.1).",
}

CAPABILITIES = {
    "IMPLEMENTATION": "Which program the server is (RFC 5804 §1.7).",
    "SASL": "The login mechanisms that the server offers; an empty list means not before TLS (RFC 5804 §1.7).",
    "SIEVE": "The extensions of the filter language that the server knows (RFC 5804 §1.7).",
    "STARTTLS": "The server offers to start TLS (RFC 5804 §2.2). Nothing protects this line from being removed.",
    "VERSION": "The version of the protocol (RFC 5804 §1.7).",
    "NOTIFY": "How a filter may notify its owner (RFC 5804 §1.7).",
    "LANGUAGE": "The language of the texts for people (RFC 5804 §1.7).",
    "MAXREDIRECTS": "How often a filter may send a message on (RFC 5804 §1.7).",
    "OWNER": "Whose scripts these are (RFC 5804 §1.7).",
    "RENAME": "The server knows RENAMESCRIPT, CHECKSCRIPT and NOOP (RFC 5804 §1.7).",
}

_LINES = CodedLines(
    verbs={verb.encode(): verb for verb in COMMANDS},
    greetings={"OK", "BYE"},
    go_aheads={"STARTTLS": "OK"},
    after_command={"AUTHENTICATE": WAIT, "with literal": CHUNK},
    after_reply={"string": CREDENTIAL},
    after_lost_reply={"AUTHENTICATE": CREDENTIAL, CREDENTIAL: CREDENTIAL},
    mail={"GETSCRIPT"},
)
_STATUS = re.compile(rb"(?:[^\n]*\n)*?(OK|NO|BYE)\b", re.IGNORECASE)
_LAST_LINE = re.compile(rb"(?:OK|NO|BYE)\b", re.IGNORECASE)
_LITERAL = re.compile(rb"\{(\d{1,9})\+?\}\r?\n$")
_LONGEST_LITERAL = 16
"""Bytes of the end of a line that announces a literal."""
_MOST_STRINGS = 2
"""Strings of one command (RFC 5804 §2), apart from the script itself."""
_BRINGS_SCRIPT = re.compile(
    rb"\s*(?:CHECKSCRIPT|PUTSCRIPT\s+(?:\"[^\n]*\"|\{\d+\+?\}\r?\n[^\n]*))\s+\{\d+\+?\}\r?\n", re.IGNORECASE
)
"""A command up to the literal that is its script."""
_LOGIN = ("AUTHENTICATE", CREDENTIAL)


class _Reader(CodedLineReader):
    """Follows one ManageSieve conversation. See `labkit.dialects.base.Reader`."""

    _lines = _LINES
    _longest = 64 << 10

    def __init__(self) -> None:
        super().__init__()
        self._in_last_line = False
        """Whether a literal of the line that ends the reply is being read."""

    def begun(self, sender: str) -> tuple[str, str]:
        asked = self._unanswered[0] if self._unanswered else ""
        gives = asked == "GETSCRIPT" and self._buffers[SERVER].startswith((b"{", b'"'))
        return ("message", "message") if sender == SERVER and gives else super().begun(sender)

    def rest(self, sender: str) -> bytes:
        self._in_last_line = False
        return super().rest(sender)

    def _status(self, reply: bytes) -> str | None:
        if self._unanswered and self._unanswered[0] in _LOGIN and reply[:1] in (b'"', b"{"):
            return "string"
        if last := _LAST_LINE.match(reply):
            return last[0].upper().decode()
        status = _STATUS.match(reply)
        return status[1].upper().decode() if status else None

    def _next_line(self, buffer: Buffer | bytes, start: int, end: int) -> int:
        """A reply ends with the line that begins with its status; a literal (RFC 5804 §1.2) is skipped."""
        last = self._in_last_line or bool(_LAST_LINE.match(buffer, start))
        literal = _LITERAL.search(buffer, max(start, end - _LONGEST_LITERAL), end)
        if literal and int(literal[1]) <= LARGEST:
            self._in_last_line = last
            return end + int(literal[1])
        login = bool(self._unanswered) and self._unanswered[0] in _LOGIN
        self._in_last_line = False
        return 0 if last or login else end

    def _kind(self, asked: str, title: str, following: str | None) -> str:
        """The answer to GETSCRIPT is a script."""
        return "message" if (asked, title) == ("GETSCRIPT", "OK") else super()._kind(asked, title, following)

    def _question(self, title: str, line: bytes) -> str:
        return "with literal" if title in ("PUTSCRIPT", "CHECKSCRIPT") and _LITERAL.search(line) else title

    def _at_once(self, sender: str, data: bytes) -> Phrase | None:
        """None: a line may go on with a literal."""
        return None

    def _command_end(self, buffer: Buffer) -> int:
        """Strings may be literals (RFC 5804 §1.2); that of a script is a message of its own."""
        end = buffer.line()
        for _ in range(_MOST_STRINGS):
            literal = _LITERAL.search(buffer, max(0, end - _LONGEST_LITERAL), end)
            if not literal or int(literal[1]) > LARGEST or _BRINGS_SCRIPT.fullmatch(buffer, 0, end):
                break
            behind = end + int(literal[1])
            end = buffer.line(behind) if len(buffer) > behind else 0
        return end

    def _announced(self, line: bytes) -> int:
        return int(_LITERAL.search(line)[1])

    def _chunk_end(self, buffer: Buffer) -> int:
        return buffer.line(self._chunk) if len(buffer) >= self._chunk else 0


def _recognises(server: bytes, client: bytes) -> bool:
    """By the capability that every greeting has (RFC 5804 §1.7)."""
    return server[:16].upper() == b'"IMPLEMENTATION"'


def _explain(kind: str, title: str, line: str) -> str:
    words = line.split(None, 1)
    capability = words[0].strip('"').upper() if words and words[0].startswith('"') else ""
    if kind in ("greeting", "reply") and capability in CAPABILITIES:
        return CAPABILITIES[capability]
    if kind == "greeting" and title == "OK":
        return "The server greets, after the list of what it can do (RFC 5804 §1.7)."
    return COMMANDS.get(title) or REPLIES.get(title) or _OTHERS.get(title, "Not a line of ManageSieve.")


_OTHERS = {
    "message": "The script itself, with as many bytes as the command has announced (RFC 5804 §2.6).",
    "unknown command": "The lab does not know this command.",
}


def _read_list(text: str) -> Capabilities:
    return tuple(line.replace('"', "") for line in one_a_line(text))


def _write_list(capabilities: Capabilities) -> str:
    named = (capability.partition(" ") for capability in capabilities)
    return "".join(f'"{name}"' + (f' "{values}"' if space else "") + "\r\n" for name, space, values in named)


_GIVEN = re.compile(rb'\s*(?:\{(\d+)\+?\}\r?\n|"((?:[^"\\]|\\.)*))')
"""How a literal is announced, and a quoted string."""
_REPLY_BEHIND = re.compile(rb"(?:(?:\A|(?<=\n))(?:OK|NO|BYE)\b[^\n]*\n?)?\Z")
"""The last line where it is a reply of the server, else the end (RFC 5804 §4)."""


def _script_text(data: bytes) -> Iterator[Disclosed]:
    """The script that a client brings, or that a server gives as a string (RFC 5804 §2.9), as far as it came."""
    given = _GIVEN.match(data)
    if given and given[2] is not None:
        start, end = given.span(2)
    elif given:
        start, end = given.end(), min(given.end() + int(given[1]), len(data))
    else:  # without its beginning, where a script is given the reply stands after it
        start, end = 0, _REPLY_BEHIND.search(data).start()
    said = data[start:end]
    if script := said.strip():
        start += len(said) - len(said.lstrip())
        yield Disclosed("script text", script, start, start + len(script))


def _login(user: str, password: str, tag: str) -> bytes:
    return untagged_command(f'AUTHENTICATE "PLAIN" "{plain(user, password)}"', tag)


_STRING = r"(?:\"|\{\d+\+?\}\r?\n)"
"""How a quoted string or a literal begins (RFC 5804 §1.2)."""
_SCRIPT = (
    _STRING.replace("{", "{{").replace("}", "}}")
    + r"(?P<{}>(?<=\")(?:[^\"\\]|\\.)*|(?<=\n)[^\r\n]*?(?=\s+[\"{{]|\r|\n|$))"
)
"""The name of a script, as a group; the empty braces stand for the group's name."""
_QUOTED_TEXT = r'"(?P<script_text>(?:[^"\\]|\\.)*+)"?'
"""A script in the command itself; a longer one is a literal, and a message of its own."""


WRITER = Writer(
    command=untagged_command,
    replies=lines(done='OK "{text}"', refused='NO "{text}"', later='NO (TRYLATER) "{text}"', go_ahead='OK "{text}"'),
    willing=willing({}, b"OK\r\n"),
    login=_login,
    capabilities=listed(
        rb'(?P<head>)(?P<list>(?="IMPLEMENTATION")(?:"[^\n]*\n)+)(?P<tail>OK[^\n]*\n)',
        _read_list,
        _write_list,
        '"IMPLEMENTATION" "mallory"\r\n{list}OK\r\n',
        unasked=True,
    ),
    login_names=frozenset({"SASL"}),
    clear_login=("SASL PLAIN",),
    weaker_login=("SASL LOGIN",),
    injected=Injected('NOOP "mallory"', r'OK \(TAG "mallory"\)'),
    ask=lambda name, tag: untagged_command("CAPABILITY", tag),
    leave=lambda tag: untagged_command("LOGOUT", tag),
    passwords=offering(r"SASL (?:.* )?(?:PLAIN|LOGIN)\b"),
    welcome=r"OK",
    logged_in=Injected("LISTSCRIPTS", r'"|OK'),
)

MANAGESIEVE = Dialect(
    name="ManageSieve",
    source="RFC 5804",
    explicit_ports=(4190,),
    implicit_ports=(),
    ask="CAPABILITY",
    token="STARTTLS",
    upgrade="STARTTLS",
    go_ahead="OK",
    sections={"upgrade": "RFC 5804 §2.2", "forget": "RFC 5804 §2.2", "login": "RFC 5804 §2.1"},
    programs=("Dovecot",),
    also_answers=("OK", "BYE"),
    messages=lambda _: (),
    sasl=rf"\s*AUTHENTICATE\s+{_STRING}(?P<mechanism>[^\"\s]+)\"?(?:\s+{_STRING}(?P<initial>[^\"\s]*))?",
    reader=_Reader,
    writes=WRITER,
    recognises=_recognises,
    explain=_explain,
    again="OK",
    logins=("AUTHENTICATE",),
    delivers=("PUTSCRIPT",),
    works=(
        *("HAVESPACE", "LISTSCRIPTS", "GETSCRIPT", "SETACTIVE"),
        *("DELETESCRIPT", "RENAMESCRIPT", "CHECKSCRIPT"),
    ),
    changes=r"(?:SETACTIVE|DELETESCRIPT|RENAMESCRIPT)\b",
    steps={
        "offer": "The server offers STARTTLS in its greeting, unasked.",
        "first words in TLS": "Inside TLS the server lists its capabilities again, unasked: only this list counts.",
    },
    commands=COMMANDS,
    replies=REPLIES,
    capabilities=CAPABILITIES,
    discloses={
        **{
            command: rf"\s*{command}\s+" + _SCRIPT.format("script")
            for command in ("GETSCRIPT", "SETACTIVE", "DELETESCRIPT", "HAVESPACE")
        },
        "RENAMESCRIPT": r"\s*RENAMESCRIPT\s+" + _SCRIPT.format("script") + r'"?\s+' + _SCRIPT.format("new_script"),
        "PUTSCRIPT": r"\s*PUTSCRIPT\s+" + _SCRIPT.format("script") + rf'(?:"?\s+{_QUOTED_TEXT})?',
        "CHECKSCRIPT": rf"\s*CHECKSCRIPT\s+{_QUOTED_TEXT}",
        "message": _script_text,
        "OK": r'(?:(?<=\n)|\A)"(?P<script>(?:[^"\\\r\n]|\\.)+)"(?=\r\n|(?: ACTIVE)\r\n)(?: ACTIVE)?\r?\n',
    },
)
