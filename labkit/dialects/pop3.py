"""POP3: RFC 1939, with CAPA (RFC 2449), STLS (RFC 2595) and AUTH (RFC 5034).

Whether a reply has one line or many depends on the command, so the reader remembers it. What the words mean
is `pop3_words`.
"""

import re

from labkit.dialects.base import CLIENT, Dialect, Phrase
from labkit.dialects.framing.coded_lines import CREDENTIAL, CodedLineReader, CodedLines
from labkit.dialects.pop3_words import CAPABILITIES, COMMANDS, REPLIES, explain
from labkit.dialects.reader import WAIT, text_end
from labkit.dialects.writing import (
    Injected,
    Kept,
    Writer,
    as_lines,
    lines,
    listed,
    offering,
    one_a_line,
    plain,
    untagged_command,
    willing,
)

_STATUS = re.compile(rb"\+OK|-ERR|\+(?=[ \r\n])", re.IGNORECASE)
_WITH_ARGUMENT = {"LIST": "LIST one", "UIDL": "UIDL one", "AUTH": "AUTH mechanism", "LANG": "LANG tag"}
"""Commands that ask for a list, unless they have an argument -> what they ask for then."""


_LINES = CodedLines(
    verbs={verb.encode(): verb for verb in COMMANDS},
    greetings={"+OK", "-ERR"},
    errors=("-ERR",),
    go_aheads={"STLS": "+OK"},
    after_command={"AUTH mechanism": WAIT},
    after_reply={"+": CREDENTIAL},
    after_lost_reply={"AUTH mechanism": CREDENTIAL, CREDENTIAL: CREDENTIAL},
    texts={(command, "+OK") for command in ("CAPA", "LIST", "UIDL", "AUTH", "LANG", "RETR", "TOP")},
    mail={"RETR", "TOP"},
)


class _Reader(CodedLineReader):
    """Follows one POP3 conversation. See `labkit.dialects.base.Reader`."""

    _lines = _LINES
    _longest = 64 << 10
    """RFC 1939 §3 asks for 512, RFC 2449 §4 for 255; a line of a message may have 1,000."""

    def _status(self, reply: bytes) -> str | None:
        status = _STATUS.match(reply)
        return status[0].decode().upper() if status else None

    def _question(self, title: str, line: bytes) -> str:
        return _WITH_ARGUMENT.get(title, title) if len(line.split(None, 1)) == 2 else title


def _messages(data: bytes) -> list[tuple[int, int]]:
    """What stands between the first line, which has the status, and the one with the dot."""
    start = data.find(b"\n") + 1 if _STATUS.match(data) else 0
    return [(start, max(start, text_end(data)))]


_GREETING = re.compile(rb"\+OK\b[^\n]*(?:POP|ready|<[^<>\s]+@[^<>\s]+>)", re.IGNORECASE)
_MECHANISM = (
    rb"(?:PLAIN|LOGIN|EXTERNAL|ANONYMOUS|NTLM|(?:CRAM|DIGEST)-MD5|SCRAM-[A-Z0-9-]+|X?OAUTH[A-Z0-9]*|GSS[A-Z-]+"
    rb"|KERBEROS_V4|OTP|SRP[A-Z0-9-]*)"
)
"""Behind AUTH, with which a client of Redis says its password."""
_FIRST = re.compile(
    rb"(?:CAPA|STLS|AUTH(?: +" + _MECHANISM + rb"(?: [^\r\n]*)?)?|(?:USER|APOP) +[^\r\n]+)\r?\n", re.IGNORECASE
)


def _recognises(server: bytes, client: bytes) -> bool:
    """By its greeting; where other protocols say the same (Redis does), by what the client says first."""
    return bool(_GREETING.match(server) or (server[:3].upper() == b"+OK" and _FIRST.match(client)))


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
    ask=lambda name, tag: untagged_command("CAPA", tag),
    leave=lambda tag: untagged_command("QUIT", tag),
    passwords=offering(r"USER$|SASL (?:.* )?(?:PLAIN|LOGIN)\b"),
    welcome=r"\+OK",
    logged_in=Injected("STAT", r"\+OK"),
    kept=Kept("USER {user}", "PASS {password}", r"\+OK"),
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
    sections={"upgrade": "RFC 2595 §4", "forget": "RFC 2595 §4", "login": "RFC 2595 §2.3"},
    programs=("Dovecot",),
    messages=_messages,
    sasl=r"\s*AUTH\s+(?P<mechanism>\S+)(?:[ \t]+(?P<initial>\S+))?",
    reader=_Reader,
    writes=WRITER,
    recognises=_recognises,
    explain=explain,
    logins=("PASS", "APOP", "AUTH"),
    works=("STAT", "LIST", "UIDL", "RETR", "TOP", "DELE"),
    settled_by={"DELE": ("QUIT", "RSET")},  # RFC 1939 §6: removed in the UPDATE state, into which QUIT alone leads
    commands=COMMANDS,
    replies=REPLIES,
    capabilities=CAPABILITIES,
    discloses={
        "USER": r"\s*USER[ \t]+(?P<user_name>[^\r\n]+)",
        "PASS": r"\s*PASS[ \t](?P<password>[^\r\n]+)",
        "APOP": r"\s*APOP\s+(?P<user_name>\S+)(?:[ \t]+(?P<password_hash>\S+))?",
    },
    also_answers=("+OK", "-ERR"),
    timestamp=r"\+OK[^<\r\n]*(<[^>\s]+>)",
)
