"""How an attacker speaks each dialect: the replies that she makes up, and the lists of capabilities that she rewrites.

A vector says what it wants in these words, and works for every dialect that has a row in the tables. What the dialects
themselves are is `labkit.dialects`.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import NamedTuple

from labkit.attacks.actions import Replace
from labkit.attacks.vector import Line
from labkit.dialects.base import CLIENT, SERVER, Dialect, Phrase

_REPLIES = {
    "SMTP": {
        "done": "250 2.0.0 {}",
        "refused": "502 5.5.1 {}",
        "later": "454 4.7.0 {}",
        "odd": "200 {}",
        "go": "220 {}",
    },
    "IMAP": {
        "done": "{tag} OK {}",
        "refused": "{tag} BAD {}",
        "later": "{tag} NO {}",
        "odd": "+ {}",
        "go": "{tag} OK {}",
    },
    "POP3": {"done": "+OK {}", "refused": "-ERR {}", "later": "-ERR [SYS/TEMP] {}", "go": "+OK {}"},
}
"""Dialect -> kind of reply -> how it is written: done, refused for good, refused for now, a success that does not
belong there, and the go-ahead."""

_COMMANDS = {"SMTP": "{}", "IMAP": "{tag} {}", "POP3": "{}"}
"""Dialect -> how a command is written."""


def reply(command: Line, kind: str, text: str) -> bytes:
    """A reply to `command`, as the server would write it; see `_REPLIES`."""
    form = _REPLIES[command.dialect.name][kind]
    return f"{form.format(text, tag=tag(command))}\r\n".encode("latin-1")


def command(dialect: str, text: str, tag: str = "mallory") -> bytes:
    """A command, as a client would write it; `tag` is for dialects that have one."""
    return f"{_COMMANDS[dialect].format(text, tag=tag)}\r\n".encode("latin-1")


def login(dialect: str, user: str, password: str, tag: str = "mallory") -> bytes:
    """The command that logs in, in one line."""
    plain = b64encode(f"\0{user}\0{password}".encode()).decode()
    return command(dialect, _LOGINS[dialect].format(plain=plain, user=user, password=password), tag)


_LOGINS = {"SMTP": "AUTH PLAIN {plain}", "IMAP": "LOGIN {user} {password}", "POP3": "AUTH PLAIN {plain}"}


def tag(line: Line) -> str:
    """The tag of a command or reply; empty where the dialect has none."""
    words = line.data.split(None, 1) if line.dialect.tagged else []
    return words[0].decode("latin-1") if words else ""


def next_tag(tag: str) -> str:
    """The tag that will follow: most clients count (RFC 9051 §2.2.1 asks only that tags differ)."""
    number = re.search(r"\d*$", tag)[0]
    return tag[: len(tag) - len(number)] + str(int(number or 0) + 1).zfill(len(number))


def asks(line: Line) -> bool:
    """Whether the client asks here what is offered."""
    return line.sender == CLIENT and line.title == line.dialect.ask


def upgrades(line: Line) -> bool:
    """Whether the client asks here to start TLS."""
    return line.sender == CLIENT and line.kind == "command" and line.title == line.dialect.upgrade


def asked(line: Line) -> Line | None:
    """The last command before this line."""
    commands = (earlier for earlier in reversed(line.earlier) if earlier.kind == "command")
    return next(commands, None)


def willing(dialect: Dialect, phrase: Phrase) -> bytes:
    """The reply of a server that does what this phrase of a client asks."""
    replies = _WILLING[dialect.name]
    tag = phrase.data.split(None, 1)[:1] if dialect.tagged else []
    return (replies.get(phrase.title) or replies[""]).replace(b"{tag}", b"".join(tag))


ENDS = {"SMTP": b"\r\n.\r\n"}
"""Dialect -> what ends a message, and is not kept with it."""
_WILLING = {
    "SMTP": {"": b"250 OK\r\n", "AUTH": b"235 OK\r\n", "DATA": b"354 OK\r\n"},
    "IMAP": {"": b"{tag} OK\r\n", "APPEND": b"+ OK\r\n"},
    "POP3": {"": b"+OK\r\n"},
}
"""Dialect -> title of what the client says -> the reply; empty for the others."""


# ---- what is offered

Capabilities = tuple[str, ...]
"""``("STARTTLS", "AUTH PLAIN LOGIN")``: each with its parameters."""


class _List(NamedTuple):
    """How a dialect writes a list of capabilities."""

    found: re.Pattern[bytes]
    """A phrase with such a list; groups head, list and tail."""
    read: Callable[[str], Iterable[str]]
    write: Callable[[Capabilities], str]


def _smtp_lines(text: str) -> list[str]:
    return [line[4:] for line in text.splitlines()]


def _write_smtp(capabilities: Capabilities) -> str:
    *others, last = capabilities or ("HELP",)
    return "".join(f"250-{one}\r\n" for one in others) + f"250 {last}\r\n"


def _write_pop3(capabilities: Capabilities) -> str:
    return "".join(f"{one}\r\n" for one in capabilities)


_LISTS = {
    "SMTP": _List(
        re.compile(rb"(?P<head>250-[^\n]*\n)(?P<list>(?:250[ -][^\n]*\n)+)(?P<tail>)"), _smtp_lines, _write_smtp
    ),
    "IMAP": _List(
        re.compile(
            rb"(?P<head>\* CAPABILITY |[^\r\n]*?\[CAPABILITY )(?P<list>[^\]\r\n]*)(?P<tail>[^\n]*\n)", re.IGNORECASE
        ),
        str.split,
        " ".join,
    ),
    "POP3": _List(
        re.compile(rb"(?P<head>\+OK[^\n]*\n)(?P<list>(?:[^.\r\n][^\n]*\n)*)(?P<tail>\.\r?\n)"),
        str.splitlines,
        _write_pop3,
    ),
}


def capabilities(line: Line) -> Capabilities | None:
    """What the server offers in this line; None where it is no such list."""
    return tuple(_LISTS[line.dialect.name].read(found["list"].decode("latin-1"))) if (found := _listed(line)) else None


def offering(line: Line, wanted: Capabilities) -> bytes:
    """The line with another list of capabilities in it."""
    found = _listed(line)
    return found["head"] + _LISTS[line.dialect.name].write(wanted).encode("latin-1") + found["tail"]


def told(dialect: str, wanted: Capabilities, tag: str) -> bytes:
    """A whole answer to the command that asks what is offered; `tag` is that of the command."""
    before, behind = _TOLD[dialect]
    return f"{before}{_LISTS[dialect].write(wanted)}{behind.format(tag=tag)}".encode("latin-1")


_TOLD = {
    "SMTP": ("250-mail.lab.test\r\n", ""),
    "IMAP": ("* CAPABILITY IMAP4rev1 ", "\r\n{tag} OK CAPABILITY completed\r\n"),
    "POP3": ("+OK This is offered\r\n", ".\r\n"),
}
"""Dialect -> what stands around a list of capabilities in the answer to a question."""


def keyword(capability: str) -> str:
    """The name of a capability, without its parameters: ``AUTH``."""
    return re.split(r"[ =]", capability, maxsplit=1)[0].upper()


def without(line: Line, *names: str) -> bytes | None:
    """The line without the capabilities of these names; None where it offers none of them."""
    offered = capabilities(line)
    left = tuple(one for one in offered or () if keyword(one) not in names and one.upper() not in names)
    return offering(line, left) if offered is not None and left != offered else None


def stripped(line: Line) -> Replace | None:
    """What to do with a line that may offer TLS, so that it does not."""
    left = without(line, line.dialect.token)
    return Replace(left) if left is not None else None


def _listed(line: Line) -> re.Match[bytes] | None:
    if line.sender != SERVER or line.kind not in ("greeting", "untagged", "reply"):
        return None
    if not line.dialect.tagged and not ((command := asked(line)) and command.title == line.dialect.ask):
        return None
    return _LISTS[line.dialect.name].found.fullmatch(line.data)
