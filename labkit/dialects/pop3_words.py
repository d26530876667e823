"""What the words of POP3 mean: commands, replies, response codes, capabilities; one sentence each, for a reader.

RFC 1939 unless another is named. `pop3` recognises the words in a stream.
"""

import re

COMMANDS = {
    "CAPA": "The client asks what the server can do (RFC 2449 §5).",
    "STLS": "The client asks to start TLS here, and sends nothing more before the go-ahead (RFC 2595 §4).",
    "USER": "The client says its user name (RFC 1939 §7).",
    "PASS": "The client says its password, as it is (RFC 1939 §7).",
    "APOP": "The client says its user name and proves its password without sending it (RFC 1939 §7).",
    "AUTH": "The client logs in; what follows is base64, which anyone can decode (RFC 5034).",
    "STAT": "The client asks how many messages there are, and how many bytes (RFC 1939 §5).",
    "LIST": "The client asks for the sizes of the messages (RFC 1939 §5).",
    "UIDL": "The client asks for the unique names of the messages (RFC 1939 §7).",
    "RETR": "The client asks for a message (RFC 1939 §5).",
    "TOP": "The client asks for the header and the first lines of a message (RFC 1939 §7).",
    "DELE": "The client marks a message as deleted (RFC 1939 §5).",
    "RSET": "The client takes all these marks away (RFC 1939 §5).",
    "NOOP": "The client asks for nothing but a reply (RFC 1939 §5).",
    "QUIT": "The client ends the conversation; what is marked as deleted is removed (RFC 1939 §6).",
    "UTF8": "The client asks for letters beyond ASCII (RFC 6856).",
    "LANG": "The client asks for texts in a language (RFC 6856).",
}

REPLIES = {
    "+OK": "Done: the server accepts what was asked.",
    "-ERR": "The server refuses, or does not understand.",
    "+": "The server asks for the next part of the login (RFC 5034 §4).",
}

GREETINGS = {
    "+OK": "The server greets (RFC 1939 §4).",
    "-ERR": "The server will not serve this client.",
}

CODES = {
    "LOGIN-DELAY": "The last login was too short a time ago (RFC 2449 §8.1.1).",
    "IN-USE": "Another client has the mailbox open (RFC 2449 §8.1.2).",
    "SYS/TEMP": "Something in the server failed; the client may try later (RFC 3206).",
    "SYS/PERM": "Something in the server failed, and waiting will not help (RFC 3206).",
    "AUTH": "The login was wrong (RFC 3206).",
    "UTF8": "The mailbox holds letters beyond ASCII, and the client has not asked for them (RFC 6856).",
}
"""Response code, in brackets -> what it adds (RFC 2449 §8)."""

CAPABILITIES = {
    "CAPA": "The server knows the command CAPA.",
    "STLS": "The server offers to start TLS (RFC 2595 §4). Nothing protects this line from being removed.",
    "SASL": "The login mechanisms that the server offers (RFC 5034).",
    "USER": "The login may come as USER and PASS (RFC 2449 §6.2).",
    "TOP": "The server gives the header and the first lines of a message (RFC 2449 §6.1).",
    "UIDL": "Messages have unique names (RFC 2449 §6.8).",
    "PIPELINING": "The client may send several commands without waiting (RFC 2449 §6.6).",
    "RESP-CODES": "Replies carry codes in brackets (RFC 2449 §6.4).",
    "AUTH-RESP-CODE": "A wrong login is told from a failure of the server (RFC 3206).",
    "LOGIN-DELAY": "How many seconds must lie between two logins (RFC 2449 §6.5).",
    "EXPIRE": "How many days the server keeps messages (RFC 2449 §6.7).",
    "IMPLEMENTATION": "Which program the server is (RFC 2449 §6.9).",
    "UTF8": "Letters beyond ASCII are possible (RFC 6856).",
    "LANG": "Texts come in several languages (RFC 6856).",
}

_CODE = re.compile(r"(?:\+OK|-ERR) \[([A-Z0-9/-]+)", re.IGNORECASE)
_STAMP = re.compile(r"<\S+@\S+>")
_FOR_APOP = " The text in angle brackets is for APOP (RFC 1939 §7)."
_NUMBERED = re.compile(r"\d+ \S+")


def explain(kind: str, title: str, line: str) -> str:
    """What one line of a command or reply means, by the verb or status that it stands under."""
    if kind == "greeting":
        return GREETINGS.get(title, REPLIES[title]) + (_FOR_APOP if _STAMP.search(line) else "") + _code(line)
    if title == "+OK" and not line.startswith("+OK"):
        return _listed(line)
    if title in REPLIES:
        return REPLIES[title] + _code(line)
    return COMMANDS.get(title) or _OTHERS.get(title, "Not a line of POP3.")


_OTHERS = {
    "message": "The message itself, header and body, up to the line with a single dot (RFC 1939 §3).",
    "lines": "Lines that answer a command whose reply began elsewhere, or that was not captured.",
    "unknown command": "The lab does not know this command.",
}


def _listed(line: str) -> str:
    """A line of a list, after the first line of the reply."""
    if line == ".":
        return "The end of the list (RFC 1939 §3)."
    if _NUMBERED.fullmatch(line):
        return "A message: its number, then its size in bytes (LIST) or its unique name (UIDL)."
    words = line.upper().split()
    return CAPABILITIES.get(words[0] if words else "", "A line of the list.")


def _code(line: str) -> str:
    match = _CODE.match(line)
    return f" {match[1].upper()}: {CODES[match[1].upper()]}" if match and match[1].upper() in CODES else ""
