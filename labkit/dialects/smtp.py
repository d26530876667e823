"""SMTP and submission: RFC 5321, with STARTTLS (RFC 3207), AUTH (RFC 4954), pipelining (RFC 2920) and BDAT (RFC 3030).

What the words mean is `smtp_words`.
"""

import re

from labkit.dialects.base import Dialect
from labkit.dialects.framing.coded_lines import CHUNK, CREDENTIAL, TEXT, CodedLineReader, CodedLines
from labkit.dialects.reader import WAIT, Buffer, text_end
from labkit.dialects.smtp_words import CAPABILITIES, COMMANDS, REPLIES, explain
from labkit.dialects.writing import (
    Capabilities,
    Credentials,
    Injected,
    Kept,
    Writer,
    lines,
    listed,
    offering,
    one_a_line,
    plain,
    untagged_command,
    willing,
)

_CODE = re.compile(rb"[2-5][0-9][0-9]")
_STATUSES = {b"%d%c" % (code, behind): str(code) for code in range(200, 600) for behind in b" -\r\n"}
"""Reply code with what may stand after it (RFC 5321 §4.2) -> the code."""
_BDAT = re.compile(rb"BDAT +(\d{1,12})", re.IGNORECASE)


_SMUGGLED = re.compile(rb"[\r\n]\0?\.(?:\r?\n|\r)(?=(?:%s)\b)" % "|".join(COMMANDS).encode(), re.IGNORECASE)
"""A line with a single dot that does not end in CRLF, then a command: SMTP smuggling. RFC 5321 §2.3.8 forbids a
bare CR or LF; servers that took it for the end of a line read the commands, and those before them did not."""


def _smuggled(message: bytes) -> int:
    found = _SMUGGLED.search(message)
    return found.end() if found else 0


_UPGRADES = ("STARTTLS", "X-ANONYMOUSTLS")
_LOGINS = ("AUTH", "X-EXPS")
LINES = CodedLines(
    verbs={verb.encode(): verb for verb in COMMANDS},
    greetings={"220", "421", "554"},  # RFC 5321 §3.1, §3.8
    only_greetings={"220"},
    answers={
        "220": {*_UPGRADES},
        "221": {"QUIT"},
        "235": {*_LOGINS, CREDENTIAL},
        "334": {*_LOGINS, CREDENTIAL},
        "354": {"DATA"},
        "454": {*_UPGRADES, *_LOGINS, CREDENTIAL},
    },
    go_aheads=dict.fromkeys(_UPGRADES, "220"),
    after_command={"AUTH": WAIT, "X-EXPS": WAIT, "DATA": WAIT, "BDAT": CHUNK},
    after_reply={"354": TEXT, "334": CREDENTIAL},
    after_lost_reply={"DATA": TEXT, "AUTH": CREDENTIAL, CREDENTIAL: CREDENTIAL},
)


class SMTPReader(CodedLineReader):
    """Follows one conversation in SMTP, or in a dialect of it such as LMTP."""

    _lines = LINES
    _longest = 64 << 10
    """RFC 5321 §4.5.3.1 asks for 512 to 1,000."""

    def _status(self, reply: bytes) -> str | None:
        return _STATUSES.get(reply[:4])

    def _next_line(self, buffer: Buffer | bytes, start: int, end: int) -> int:
        """RFC 5321 §4.2.1: each line but the last has a hyphen after its code."""
        return end if buffer[start + 3 : start + 4] == b"-" and _CODE.match(buffer, start) else 0

    def _announced(self, line: bytes) -> int:
        size = _BDAT.match(line)
        return int(size[1]) if size else 0


_GREETING = re.compile(rb"(?:(?:220|421|554)-[^\n]*\n)*(?:220|421|554)[ -][^\n]*SMTP", re.IGNORECASE)
FIRST_CODE = re.compile(rb"(?:220|250|421|554)[ -]|$")
"""The code of a greeting, or of the answer to the hello if the greeting was not captured."""
_HELLO = re.compile(rb"(?:EHLO|HELO)[ \r]", re.IGNORECASE)


def _recognises(server: bytes, client: bytes) -> bool:
    """By the word SMTP in the greeting, or else by the command that only an SMTP client begins with."""
    return bool(_GREETING.match(server) or (_HELLO.match(client) and FIRST_CODE.match(server)))


def _steal(tag: str, account: Credentials, _: int) -> bytes:
    """Each command gets exactly the reply that the victim awaits; after DATA, the victim's commands are the message."""
    commands = ("EHLO mallory.lab.test", f"AUTH PLAIN {plain(account.user, account.password)}")
    envelope = (f"MAIL FROM:<{account.address}>", f"RCPT TO:<{account.address}>", "DATA")
    return b"".join(untagged_command(text, tag) for text in (*commands, *envelope))


def _write_list(capabilities: Capabilities) -> str:
    *others, last = capabilities or ("HELP",)
    return "".join(f"250-{one}\r\n" for one in others) + f"250 {last}\r\n"


_PATH = r"[ \t]*:[ \t]*<?(?P<{}>(?<=<)[^>\r\n]*|[^<>\s]+)"
"""The address of MAIL or RCPT, which some clients give without brackets; a brace pair stands for its name."""


def _parameters(**names: str) -> str:
    """Parameters of MAIL and RCPT, each as a group: AUTH (RFC 4954 §5), ENVID and ORCPT (RFC 3461 §4)."""
    return "".join(rf"(?=(?:[^\r\n]*?\s{keyword}=(?P<{name}>(?!<>)\S+))?)" for name, keyword in names.items())


def _plain_xtext(coded: bytes) -> bytes:
    """The text that is written as xtext (RFC 3461 §4)."""
    return _XTEXT.sub(lambda found: bytes.fromhex(found[1].decode()), coded)


_XTEXT = re.compile(rb"\+([0-9A-F]{2})", re.IGNORECASE)

WRITER = Writer(
    command=untagged_command,
    replies=lines(
        done="250 2.0.0 {text}",
        refused="502 5.5.1 {text}",
        later="454 4.7.0 {text}",
        odd="200 {text}",
        go_ahead="220 {text}",
    ),
    willing=willing({"AUTH": b"235 OK\r\n", "DATA": b"354 OK\r\n"}, b"250 OK\r\n"),
    login=lambda user, password, tag: untagged_command(f"AUTH PLAIN {plain(user, password)}", tag),
    capabilities=listed(
        rb"(?P<head>250-[^\n]*\n)(?P<list>(?:250[ -][^\n]*\n)+)(?P<tail>)",
        lambda text: tuple(line[4:] for line in one_a_line(text)),
        _write_list,
        "250-mail.lab.test\r\n{list}",
    ),
    message_end=b"\r\n.\r\n",
    login_names=frozenset({"AUTH"}),
    clear_login=("AUTH PLAIN",),
    weaker_login=("AUTH LOGIN",),
    older=(),
    corner=lambda _: None,  # it is enough that the client does not log in
    injected=Injected("VRFY mallory", r"252|502|55[0-3]"),
    ask=lambda name, tag: untagged_command("EHLO alice.lab.test", tag),
    leave=lambda tag: untagged_command("QUIT", tag),
    passwords=offering(r"AUTH[ =](?:.* )?(?:PLAIN|LOGIN)\b"),
    welcome=r"235",
    logged_in=Injected("AUTH PLAIN", r"503[^\n]*already"),  # RFC 4954 §4: no second login
    kept=Kept("MAIL FROM:<{address}>", "RCPT TO:<{address}>", r"2"),
    steal=_steal,
)

SMTP = Dialect(
    name="SMTP",
    source="RFC 5321, RFC 3207",
    explicit_ports=(25, 587, 2525),
    implicit_ports=(465,),
    ask="EHLO",
    token="STARTTLS",
    upgrade="STARTTLS",
    other_upgrades=("X-ANONYMOUSTLS",),
    smuggled=_smuggled,
    relay_ports=(25,),
    logins=_LOGINS,
    envelope=("MAIL", "RCPT"),
    delivers=("DATA", "BDAT", "BURL"),
    counted=("BDAT",),
    continues=r"BDAT\s+\d+|BURL\s+\S+",
    sections={"upgrade": "RFC 3207 §4", "forget": "RFC 3207 §4.2", "login": "RFC 4954 §4"},
    programs=("Postfix", "Dovecot"),
    go_ahead="220",
    also_answers=("421", "554"),
    messages=lambda data: [(0, text_end(data))],
    sasl=r"\s*(?:AUTH|X-EXPS)\s+(?P<mechanism>\S+)(?:[ \t]+(?P<initial>\S+))?",
    reader=SMTPReader,
    writes=WRITER,
    recognises=_recognises,
    explain=explain,
    commands=COMMANDS,
    replies=REPLIES,
    capabilities=CAPABILITIES,
    discloses={
        "EHLO": r"\s*EHLO\s+(?P<client_name>\S+)",
        "HELO": r"\s*HELO\s+(?P<client_name>\S+)",
        "MAIL": r"\s*MAIL\s+FROM" + _PATH.format("sender") + _parameters(submitter="AUTH", envelope_id="ENVID"),
        "RCPT": r"\s*RCPT\s+TO" + _PATH.format("recipient") + _parameters(original_recipient="ORCPT"),
        **{verb: rf"\s*{verb}\s+FROM{_PATH.format('sender')}" for verb in ("SEND", "SOML", "SAML")},
        "VRFY": r"\s*VRFY[ \t]+(?P<address>[^\r\n]+)",
        "EXPN": r"\s*EXPN[ \t]+(?P<mailing_list>[^\r\n]+)",
        "ETRN": r"\s*ETRN[ \t]+(?P<host>[^\r\n]+)",
        "ATRN": r"\s*ATRN[ \t]+(?P<host>[^\r\n]+)",
        "BURL": r"\s*BURL[ \t]+(?P<url>\S+)",
        "XCLIENT": r"\s*XCLIENT[ \t]+(?P<client>[^\r\n]+)",
        "XFORWARD": r"\s*XFORWARD[ \t]+(?P<client>[^\r\n]+)",
        **dict.fromkeys(("250", "251", "252", "551"), r"(?s)[^<]*<(?P<address>[^<>\s@]+@[^<>\s]+)>"),
    },
    codings=dict.fromkeys(("submitter", "envelope_id", "original_recipient"), _plain_xtext),
)
