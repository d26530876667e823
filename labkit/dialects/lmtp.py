"""LMTP: RFC 2033, the SMTP that brings messages to the server which stores them, with STARTTLS (RFC 3207).

It is SMTP with another greeting command, LHLO, and one reply for each recipient after a message. RFC 2033 §5 keeps it
off port 25, and gives it no port of its own; 24 is the customary one.
"""

import re
from dataclasses import replace

from labkit.dialects.smtp import FIRST_CODE, LINES, SMTP, SMTPReader
from labkit.dialects.smtp_words import explain as explain_smtp
from labkit.dialects.writing import Credentials, plain, untagged_command

LHLO = "The client says its name and asks what the server can do: the EHLO of LMTP (RFC 2033 §4.1)."
COMMANDS = {verb: what for verb, what in SMTP.commands.items() if verb not in ("EHLO", "HELO")} | {"LHLO": LHLO}


class _Reader(SMTPReader):
    _lines = replace(LINES, verbs={verb.encode(): verb for verb in COMMANDS}, replies_per="RCPT")


_GREETING = re.compile(rb"220[ -][^\n]*LMTP", re.IGNORECASE)
_HELLO = re.compile(rb"LHLO[ \r]", re.IGNORECASE)


def _recognises(server: bytes, client: bytes) -> bool:
    """By the word LMTP in the greeting, or else by the command that only an LMTP client begins with."""
    return bool(_GREETING.match(server) or (_HELLO.match(client) and FIRST_CODE.match(server)))


def _explain(kind: str, title: str, line: str) -> str:
    return LHLO if title == "LHLO" else explain_smtp(kind, title, line)


def _steal(tag: str, account: Credentials, _: int) -> bytes:
    commands = ("LHLO mallory.lab.test", f"AUTH PLAIN {plain(account.user, account.password)}")
    envelope = (f"MAIL FROM:<{account.address}>", f"RCPT TO:<{account.address}>", "DATA")
    return b"".join(untagged_command(text, tag) for text in (*commands, *envelope))


LMTP = replace(
    SMTP,
    name="LMTP",
    source="RFC 2033, RFC 3207",
    explicit_ports=(24,),
    implicit_ports=(),
    ask="LHLO",
    reader=_Reader,
    writes=replace(
        SMTP.writes,
        older=None,
        steal=_steal,
        ask=lambda name, tag: untagged_command("LHLO alice.lab.test", tag),
    ),
    smuggled=None,
    relay_ports=(),
    replies_to_message="RCPT",
    recognises=_recognises,
    explain=_explain,
    commands=COMMANDS,
    discloses={**SMTP.discloses, "LHLO": r"\s*LHLO\s+(?P<client_name>\S+)"},
)
