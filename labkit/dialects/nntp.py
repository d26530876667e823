"""NNTP: RFC 3977, network news, with STARTTLS (RFC 4642) and AUTHINFO (RFC 4643)."""

import re

from labkit.dialects.base import Dialect
from labkit.dialects.framing.coded_lines import CREDENTIAL, TEXT, CodedLineReader, CodedLines
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
    untagged_command,
    willing,
)

COMMANDS = {
    "CAPABILITIES": "The client asks what the server can do (RFC 3977 §5.2).",
    "MODE READER": "The client says that it is a person's news reader (RFC 3977 §5.3).",
    "MODE STREAM": "The client, a server itself, wants to send articles without waiting (RFC 4644 §2.3).",
    "STARTTLS": "The client asks to start TLS here, and sends nothing more before the go-ahead (RFC 4642 §2.2).",
    "AUTHINFO USER": "The client says its user name, as it is (RFC 4643 §2.3).",
    "AUTHINFO PASS": "The client says its password, as it is (RFC 4643 §2.3).",
    "AUTHINFO SIMPLE": "The client says that its user name and password come on the next line (RFC 2980 §3.1.2).",
    "AUTHINFO SASL": "The client logs in; what follows is base64, which anyone can decode (RFC 4643 §2.4).",
    "GROUP": "The client chooses a newsgroup (RFC 3977 §6.1.1).",
    "LISTGROUP": "The client asks for the numbers of the articles in a newsgroup (RFC 3977 §6.1.2).",
    "LAST": "The client goes one article back (RFC 3977 §6.1.3).",
    "NEXT": "The client goes one article on (RFC 3977 §6.1.4).",
    "ARTICLE": "The client asks for an article (RFC 3977 §6.2.1).",
    "HEAD": "The client asks for the header of an article (RFC 3977 §6.2.2).",
    "BODY": "The client asks for the body of an article (RFC 3977 §6.2.3).",
    "STAT": "The client asks whether an article is there (RFC 3977 §6.2.4).",
    "POST": "The client asks to post an article (RFC 3977 §6.3.1).",
    "IHAVE": "The client, a server itself, offers an article (RFC 3977 §6.3.2).",
    "CHECK": "The client, a server itself, asks whether an article is wanted (RFC 4644 §2.4).",
    "TAKETHIS": "The client, a server itself, sends an article with this line (RFC 4644 §2.5).",
    "DATE": "The client asks for the server's time (RFC 3977 §7.1).",
    "HELP": "The client asks for help (RFC 3977 §7.2).",
    "NEWGROUPS": "The client asks for new newsgroups (RFC 3977 §7.3).",
    "NEWNEWS": "The client asks for new articles (RFC 3977 §7.4).",
    "LIST": "The client asks for a list, of newsgroups for example (RFC 3977 §7.6).",
    "OVER": "The client asks for an overview of articles (RFC 3977 §8.3).",
    "XOVER": "The client asks for an overview of articles, as before RFC 3977 (RFC 2980 §2.8).",
    "HDR": "The client asks for one header field of articles (RFC 3977 §8.5).",
    "XHDR": "The client asks for one header field of articles, as before RFC 3977 (RFC 2980 §2.6).",
    "XPAT": "The client asks for the articles in which a header field fits a pattern (RFC 2980 §2.9).",
    "QUIT": "The client ends the conversation (RFC 3977 §5.4).",
}

REPLIES = {
    "100": "The server helps.",
    "101": "What the server can do (RFC 3977 §5.2).",
    "111": "The server's time (RFC 3977 §7.1).",
    "200": "The server is ready, and the client may post (RFC 3977 §5.1).",
    "201": "The server is ready, and the client may not post (RFC 3977 §5.1).",
    "203": "Articles may come without waiting (RFC 4644 §2.3).",
    "205": "The server says goodbye and closes the connection (RFC 3977 §5.4).",
    "211": "The newsgroup is chosen: how many articles, the first and the last number (RFC 3977 §6.1.1).",
    "215": "The list follows (RFC 3977 §7.6).",
    "220": "The article follows (RFC 3977 §6.2.1).",
    "221": "The header follows (RFC 3977 §6.2.2).",
    "222": "The body follows (RFC 3977 §6.2.3).",
    "223": "The article is there (RFC 3977 §6.2.4).",
    "224": "The overview follows (RFC 3977 §8.3).",
    "225": "The header fields follow (RFC 3977 §8.5).",
    "230": "The new articles follow (RFC 3977 §7.4).",
    "235": "The article has arrived (RFC 3977 §6.3.2).",
    "238": "The article is wanted (RFC 4644 §2.4).",
    "239": "The article has arrived (RFC 4644 §2.5).",
    "240": "The article has arrived (RFC 3977 §6.3.1).",
    "250": "The login was right (RFC 2980 §3.1.2).",
    "281": "The login was right (RFC 4643 §2.3).",
    "335": "The server waits for the article; a line with a single dot ends it (RFC 3977 §6.3.2).",
    "340": "The server waits for the article; a line with a single dot ends it (RFC 3977 §6.3.1).",
    "350": "The server waits for the user name and the password (RFC 2980 §3.1.2).",
    "381": "The user name is taken; the password is missing (RFC 4643 §2.3).",
    "382": "The server agrees to start TLS (RFC 4642 §2.2).",
    "383": "The server asks for the next part of the login (RFC 4643 §2.4).",
    "400": "The server ends the conversation (RFC 3977 §3.2.1).",
    "411": "There is no such newsgroup (RFC 3977 §6.1.1).",
    "423": "There is no article with that number.",
    "430": "There is no such article.",
    "431": "The article may be offered again later (RFC 4644 §2.4).",
    "437": "The article is refused; do not try again (RFC 3977 §6.3.2).",
    "438": "The article is not wanted (RFC 4644 §2.4).",
    "439": "The article is refused; do not try again (RFC 4644 §2.5).",
    "440": "Posting is not allowed (RFC 3977 §6.3.1).",
    "441": "Posting failed (RFC 3977 §6.3.1).",
    "450": "Not before a login (RFC 2980 §3.1.2).",
    "452": "The login was wrong (RFC 2980 §3.1.2).",
    "480": "Not before a login (RFC 4643 §2.2).",
    "481": "The login was wrong (RFC 4643 §2.3).",
    "482": "The parts of a login come in the wrong order (RFC 4643 §2.3).",
    "483": "Not without encryption: STARTTLS is required first (RFC 4642 §2.2).",
    "500": "The server does not know the command.",
    "501": "The server does not understand the command's argument.",
    "502": "The command is not possible here; to STARTTLS: TLS is active, or not for this client (RFC 4642 §2.2).",
    "503": "The server does not offer this.",
    "580": "TLS cannot start now (RFC 4642 §2.2).",
}

CAPABILITIES = {
    "VERSION": "The version of the protocol (RFC 3977 §3.3.2).",
    "READER": "The server serves people's news readers (RFC 3977 §3.3.2).",
    "MODE-READER": "The server serves news readers after MODE READER (RFC 3977 §5.3).",
    "IHAVE": "The server takes articles from other servers (RFC 3977 §6.3.2).",
    "POST": "The server takes articles from news readers (RFC 3977 §6.3.1).",
    "NEWNEWS": "The server tells of new articles (RFC 3977 §7.4).",
    "HDR": "The server gives single header fields (RFC 3977 §8.5).",
    "OVER": "The server gives overviews (RFC 3977 §8.3).",
    "LIST": "The lists that the server gives (RFC 3977 §7.6).",
    "IMPLEMENTATION": "Which program the server is (RFC 3977 §3.3.2).",
    "STARTTLS": "The server offers to start TLS (RFC 4642 §2.1). Nothing protects this line from being removed.",
    "AUTHINFO": "The ways to log in that the server offers now (RFC 4643 §2.1).",
    "SASL": "The login mechanisms of AUTHINFO SASL (RFC 4643 §2.1).",
}

_TEXT_REPLIES = {
    "CAPABILITIES": "101",
    "HELP": "100",
    "LISTGROUP": "211",
    "LIST": "215",
    "ARTICLE": "220",
    "HEAD": "221",
    "BODY": "222",
    "OVER": "224",
    "XOVER": "224",
    "HDR": "225",
    "XHDR": "221",
    "XPAT": "221",
    "NEWNEWS": "230",
    "NEWGROUPS": "231",
}
"""Command -> the code after which lines up to a single dot follow (RFC 3977 §3.2)."""
_CODE = re.compile(rb"([1-5]\d\d)(?=[ \r\n])")


class _Reader(CodedLineReader):
    """Follows one NNTP conversation. See `labkit.dialects.base.Reader`."""

    _lines = CodedLines(
        verbs={verb.encode(): verb for verb in COMMANDS},
        greetings={"200", "201", "400", "502"},  # RFC 3977 §5.1
        go_aheads={"STARTTLS": "382"},
        after_command={
            **dict.fromkeys(("POST", "IHAVE", "AUTHINFO SASL", "AUTHINFO SIMPLE"), WAIT),
            "TAKETHIS": TEXT,
        },
        after_reply={"340": TEXT, "335": TEXT, "350": CREDENTIAL, "383": CREDENTIAL},
        after_lost_reply={
            **dict.fromkeys(("POST", "IHAVE"), TEXT),
            **dict.fromkeys(("AUTHINFO SIMPLE", "AUTHINFO SASL", CREDENTIAL), CREDENTIAL),
        },
        texts=set(_TEXT_REPLIES.items()),
        mail={"ARTICLE", "HEAD", "BODY"},
    )
    _longest = 64 << 10
    """RFC 3977 §3.1 asks for 512; a line of an article may have 998."""

    def _status(self, reply: bytes) -> str | None:
        code = _CODE.match(reply)
        return code[1].decode() if code else None


_GREETING = re.compile(rb"20[01][ -][^\n]*(?:NNTP|NNRP|news|\bINN\b)", re.IGNORECASE)
_FIRST = re.compile(rb"(?:CAPABILITIES|MODE READER|AUTHINFO USER [^\r\n]+)\r?\n", re.IGNORECASE)


def _recognises(server: bytes, client: bytes) -> bool:
    """By its greeting, or by what only a news reader says first."""
    return bool(_GREETING.match(server) or (server[:3] in (b"200", b"201") and _FIRST.match(client)))


def _explain(kind: str, title: str, line: str) -> str:
    if title == "101" and not line.startswith("101"):
        words = line.upper().split()
        return CAPABILITIES.get(words[0] if words else "", _list_line(line))
    if title.isdigit() and not line.startswith(title):
        return _list_line(line)
    return COMMANDS.get(title) or REPLIES.get(title) or _OTHERS.get(title, "Not a line of NNTP that the lab knows.")


def _list_line(line: str) -> str:
    return "The end of the list (RFC 3977 §3.1.1)." if line == "." else "A line of the list."


_OTHERS = {
    "message": "The article itself, header and body, up to the line with a single dot (RFC 3977 §3.1.1).",
    "unknown command": "The lab does not know this command.",
}


def _messages(data: bytes) -> list[tuple[int, int]]:
    """What stands between the first line and the one with the dot; all but the dot in an article that is posted."""
    return [(data.find(b"\n") + 1 if _CODE.match(data) else 0, text_end(data))]


def _login(user: str, password: str, tag: str) -> bytes:
    return untagged_command(f"AUTHINFO USER {user}", tag) + untagged_command(f"AUTHINFO PASS {password}", tag)


_BY_MESSAGE_ID = ("ARTICLE", "HEAD", "BODY", "STAT", "IHAVE", "CHECK", "TAKETHIS")

WRITER = Writer(
    command=untagged_command,
    replies=lines(done="281 {text}", refused="502 {text}", later="580 {text}", odd="200 {text}", go_ahead="382 {text}"),
    willing=willing(
        {
            "AUTHINFO USER": b"381 And the password?\r\n",
            "AUTHINFO PASS": b"281 OK\r\n",
            "POST": b"340 OK\r\n",
            "message": b"240 OK\r\n",
        },
        b"200 OK\r\n",
    ),
    login=_login,
    capabilities=listed(
        rb"(?P<head>101[^\n]*\n)(?P<list>(?:[^.\r\n][^\n]*\n)*)(?P<tail>\.\r?\n)",
        one_a_line,
        as_lines,
        "101 This is offered\r\nVERSION 2\r\n{list}.\r\n",
    ),
    message_end=b"\r\n.\r\n",
    login_names=frozenset({"AUTHINFO", "SASL"}),
    clear_login=("AUTHINFO USER",),
    weaker_login=("AUTHINFO USER",),
    user_command="AUTHINFO USER",
    older=(),
    injected=Injected("DATE", r"111 "),
    ask=lambda name, tag: untagged_command("CAPABILITIES", tag),
    leave=lambda tag: untagged_command("QUIT", tag),
    passwords=offering(r"AUTHINFO (?:.* )?USER\b|SASL (?:.* )?(?:PLAIN|LOGIN)\b"),
    welcome=r"281",
    logged_in=Injected("AUTHINFO USER alice", r"502"),  # RFC 4643 §2.2: no second login
    kept=Kept("AUTHINFO USER {user}", "AUTHINFO PASS {password}", r"281"),
)

NNTP = Dialect(
    name="NNTP",
    source="RFC 3977, RFC 4642",
    explicit_ports=(119,),
    implicit_ports=(563,),
    ask="CAPABILITIES",
    token="STARTTLS",
    upgrade="STARTTLS",
    go_ahead="382",
    sections={"upgrade": "RFC 4642 §2.2", "forget": "RFC 4642 §2.2.2", "login": "RFC 4643 §2.3"},
    also_answers=("200", "201", "400", "502"),
    messages=_messages,
    logins=("AUTHINFO USER", "AUTHINFO PASS", "AUTHINFO SASL", "AUTHINFO SIMPLE"),
    delivers=("POST", "IHAVE", "TAKETHIS"),
    works=("GROUP", "LISTGROUP", "ARTICLE", "HEAD", "BODY", "STAT", "OVER", "XOVER", "HDR", "XHDR", "NEWNEWS"),
    sasl=r"\s*AUTHINFO\s+SASL\s+(?P<mechanism>\S+)(?:[ \t]+(?P<initial>\S+))?",
    reader=_Reader,
    writes=WRITER,
    recognises=_recognises,
    explain=_explain,
    commands=COMMANDS,
    replies=REPLIES,
    capabilities=CAPABILITIES,
    discloses={
        "AUTHINFO USER": r"\s*AUTHINFO\s+USER[ \t]+(?P<user_name>[^\r\n]+)",
        "AUTHINFO PASS": r"\s*AUTHINFO\s+PASS[ \t](?P<password>[^\r\n]+)",
        "credential": r"(?P<user_name>\S+)[ \t]+(?P<password>\S+)",  # of AUTHINFO SIMPLE; base64 has no blanks
        **{verb: rf"\s*{verb}[ \t]+(?P<newsgroup>\S+)" for verb in ("GROUP", "LISTGROUP", "NEWNEWS")},
        **{verb: rf"\s*{verb}[ \t]+(?P<message__id><\S+>)" for verb in _BY_MESSAGE_ID},
        **{verb: rf"\s*{verb}[ \t]+\S+[ \t]+(?P<message__id><\S+>)" for verb in ("HDR", "XHDR")},
        "XPAT": r"\s*XPAT[ \t]+(?P<search>[^\r\n]+)",
        "LIST": r"\s*LIST[ \t]+\S+[ \t]+(?P<newsgroup>\S+)",
        **dict.fromkeys(
            ("211", "223", "message"),
            r"2\d\d[ \t]+\d+[ \t]+(?:\d+[ \t]+\d+[ \t]+(?P<newsgroup>[^\s.]\S*)|(?P<message__id><\S+>))",
        ),
        "224": (
            r"(?:224[^\n]*\n)?\d+\t(?P<subject>[^\t\r\n]*)\t(?P<from>[^\t\r\n]*)\t[^\t\r\n]*\t"
            r"(?P<message__id>[^\t\r\n]*)[^\n]*\n"
        ),
        **{code: rf"(?:{code}[^\n]*\n)?\d+[ \t]++(?P<header_field>[^\r\n]++)\r?\n" for code in ("221", "225")},
        "230": r"(?:230[^\n]*\n)?(?P<message__id><[^\r\n]+>)\r?\n",
    },
)
