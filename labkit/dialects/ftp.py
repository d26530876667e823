"""FTP: RFC 959, with TLS (RFC 4217). Files cross second connections, each of which is protected by itself, or not.

AUTH TLS protects the control connection alone. PBSZ 0 and PROT P say that the data connections have TLS of their own.
"""

import re

from labkit.dialects.base import SERVER, Dialect, Phrase
from labkit.dialects.framing.coded_lines import CodedLineReader, CodedLines
from labkit.dialects.reader import Buffer
from labkit.dialects.writing import (
    Capabilities,
    Injected,
    Kept,
    Writer,
    lines,
    listed,
    one_a_line,
    untagged_command,
    willing,
)

COMMANDS = {
    "AUTH TLS": "The client asks to start TLS here, on the control connection (RFC 4217 §4).",
    "AUTH SSL": "The client asks to start TLS here, as it was before RFC 4217.",
    "PBSZ": "The client says that TLS needs no buffer size (RFC 4217 §8).",
    "PROT": "How the data connections are protected: P is TLS, C is clear text (RFC 4217 §9).",
    "CCC": "The client asks to end TLS on the control connection (RFC 4217 §5).",
    "FEAT": "The client asks what the server can do (RFC 2389 §3).",
    "OPTS": "The client sets an option (RFC 2389 §4).",
    "USER": "The client says its user name, as it is (RFC 959 §4.1.1).",
    "PASS": "The client says its password, as it is (RFC 959 §4.1.1).",
    "ACCT": "The client says which account it means (RFC 959 §4.1.1).",
    "REIN": "The client logs out and stays connected (RFC 959 §4.1.1).",
    "SMNT": "The client mounts another file system (RFC 959 §4.1.1).",
    "CWD": "The client goes to a folder (RFC 959 §4.1.1).",
    "CDUP": "The client goes to the folder above (RFC 959 §4.1.1).",
    "PWD": "The client asks in which folder it is (RFC 959 §4.1.3).",
    "TYPE": "The client says how files are to be sent (RFC 959 §4.1.2).",
    "MODE": "The client says how data is to be sent (RFC 959 §4.1.2).",
    "STRU": "The client says what structure files have (RFC 959 §4.1.2).",
    "PORT": "The server shall connect to this address for the data (RFC 959 §4.1.2).",
    "EPRT": "The server shall connect to this address for the data (RFC 2428 §2).",
    "PASV": "The client asks where to connect for the data (RFC 959 §4.1.2).",
    "EPSV": "The client asks where to connect for the data (RFC 2428 §3).",
    "RETR": "The client asks for a file (RFC 959 §4.1.3).",
    "STOR": "The client sends a file (RFC 959 §4.1.3).",
    "STOU": "The client sends a file, for which the server finds a name (RFC 959 §4.1.3).",
    "APPE": "The client sends what is to be added to a file (RFC 959 §4.1.3).",
    "ALLO": "The client asks for room for a file (RFC 959 §4.1.3).",
    "REST": "The client says where in a file to begin (RFC 3659 §5).",
    "LIST": "The client asks for a list of files (RFC 959 §4.1.3).",
    "NLST": "The client asks for the names of files (RFC 959 §4.1.3).",
    "MLSD": "The client asks for facts about files (RFC 3659 §7).",
    "MLST": "The client asks for facts about a file (RFC 3659 §7).",
    "SIZE": "The client asks for the size of a file (RFC 3659 §4).",
    "MDTM": "The client asks when a file was changed (RFC 3659 §3).",
    "DELE": "The client removes a file (RFC 959 §4.1.3).",
    "RNFR": "The client names the file that gets another name (RFC 959 §4.1.3).",
    "RNTO": "The client gives a file its new name (RFC 959 §4.1.3).",
    "MKD": "The client makes a folder (RFC 959 §4.1.3).",
    "RMD": "The client removes a folder (RFC 959 §4.1.3).",
    "ABOR": "The client breaks a transfer off (RFC 959 §4.1.3).",
    "SYST": "The client asks which system the server is (RFC 959 §4.1.3).",
    "STAT": "The client asks for the state (RFC 959 §4.1.3).",
    "HELP": "The client asks for help (RFC 959 §4.1.3).",
    "NOOP": "The client asks for nothing but a reply (RFC 959 §4.1.3).",
    "SITE": "The client asks for something that only this server knows (RFC 959 §4.1.3).",
    "QUIT": "The client ends the conversation (RFC 959 §4.1.1).",
}

REPLIES = {
    "125": "The data connection is open; the transfer begins.",
    "150": "The file is ready; the data connection opens.",
    "200": "Done: the server accepts what was asked.",
    "211": "What the server can do, or its state.",
    "212": "The state of a folder.",
    "213": "A fact about a file.",
    "214": "The server helps.",
    "215": "Which system the server is.",
    "220": "The server is ready.",
    "221": "The server says goodbye and closes the connection.",
    "225": "The data connection is open, and nothing is being sent.",
    "226": "The transfer is complete; the data connection closes.",
    "227": "Where to connect for the data: four bytes of an address, two of a port.",
    "229": "To which port to connect for the data (RFC 2428 §3).",
    "230": "The login was right.",
    "232": "The client counts as logged in, by its certificate (RFC 4217 §4).",
    "234": "The server agrees to start TLS (RFC 4217 §4).",
    "250": "Done: the server did what was asked with the file.",
    "257": "The name of a folder.",
    "331": "The user name is taken; the password is missing.",
    "332": "An account is missing.",
    "334": "The server agrees, and has more to say about the login (RFC 2228).",
    "350": "The server waits for the second half of the request.",
    "421": "The server gives up and closes the connection.",
    "425": "The data connection cannot be opened.",
    "426": "The transfer was broken off.",
    "431": "TLS is not available now (RFC 4217 §4).",
    "450": "The file is not available now.",
    "451": "Something went wrong in the server.",
    "500": "The server does not know the command.",
    "501": "The server does not understand the command's argument.",
    "502": "The server does not offer the command.",
    "503": "The command comes at the wrong time.",
    "504": "The server does not offer that parameter.",
    "521": "The data connection must be protected (RFC 4217 §9).",
    "522": "TLS on the data connection failed, or is required (RFC 4217 §9).",
    "530": "Not before a login.",
    "533": "The command must be protected (RFC 2228).",
    "534": "Not for reasons of policy: TLS first (RFC 4217 §4).",
    "536": "That kind of protection is not offered (RFC 4217 §9).",
    "550": "The file does not exist, or is not for this user.",
    "553": "The name is not allowed.",
}

CAPABILITIES = {
    "AUTH": "The server offers to start TLS (RFC 4217 §6). Nothing protects this line from being removed.",
    "PBSZ": "The server knows PBSZ (RFC 4217 §8).",
    "PROT": "The data connections can have TLS, too (RFC 4217 §9).",
    "UTF8": "Names may hold letters beyond ASCII (RFC 2640).",
    "EPSV": "Data connections to a port alone (RFC 2428).",
    "SIZE": "The server tells sizes (RFC 3659 §4).",
    "MDTM": "The server tells when files were changed (RFC 3659 §3).",
    "REST": "Transfers can begin in the middle (RFC 3659 §5).",
    "MLST": "The server tells facts about files (RFC 3659 §7).",
}

_CODE = re.compile(rb"([1-6]\d\d)(?=[ \r\n-])")


class _Reader(CodedLineReader):
    """Follows the control connection of FTP. See `labkit.dialects.base.Reader`."""

    _lines = CodedLines(
        verbs={verb.encode(): verb for verb in COMMANDS},
        greetings={"120", "220", "230", "421"},  # RFC 959 §5.4
        go_aheads={"AUTH TLS": "234", "AUTH SSL": "234"},
    )
    _longest = 64 << 10

    def _status(self, reply: bytes) -> str | None:
        code = _CODE.match(reply)
        return code[1].decode() if code else None

    def _next_line(self, buffer: Buffer | bytes, start: int, end: int) -> int:
        """RFC 959 §4.2: after a hyphen, up to the line with the same code and a space."""
        more = buffer[3:4] == b"-" and not (start and buffer.startswith(bytes(buffer[:3]) + b" ", start))
        return end if more and _CODE.match(buffer) else 0

    def _answer(self, data: bytes) -> Phrase:
        """A preliminary reply (RFC 959 §4.2.1) is not yet the answer to its command."""
        if self._greeted and data[:1] == b"1" and (status := self._status(data)):
            return Phrase(SERVER, "reply", status, data)
        return super()._answer(data)


_GREETING = re.compile(rb"(?:220|230)[ -][^\n]*FTP", re.IGNORECASE)
_FIRST = re.compile(rb"(?:AUTH (?:TLS|SSL)|FEAT|USER [^\r\n]+|SYST|PBSZ 0)\r?\n", re.IGNORECASE)


def _recognises(server: bytes, client: bytes) -> bool:
    """By its greeting, or by what only an FTP client says first."""
    return bool(_GREETING.match(server) or (server[:3] in (b"220", b"230") and _FIRST.match(client)))


def _explain(kind: str, title: str, line: str) -> str:
    words = line.upper().split()
    if title == "211" and line.startswith(" ") and words and words[0] in CAPABILITIES:
        return CAPABILITIES[words[0]]
    if kind == "greeting":
        return "The server greets; it is ready." if title == "220" else REPLIES.get(title, "The server greets.")
    return COMMANDS.get(title) or REPLIES.get(title) or _OTHERS.get(title, "Not a line of FTP that the lab knows.")


_OTHERS = {"unknown command": "The lab does not know this command."}


_PORT = {
    "PORT": re.compile(rb"\s*PORT[ \t]+\d+,\d+,\d+,\d+,(?P<high>\d{1,3}),(?P<low>\d{1,3})", re.IGNORECASE),
    "EPRT": re.compile(rb"\s*EPRT[ \t]+([!-~])\d\1[^\s]+?\1(?P<low>\d{1,5})\1", re.IGNORECASE),
    "227": re.compile(rb"227[^\r\n]*?\d+,\d+,\d+,\d+,(?P<high>\d{1,3}),(?P<low>\d{1,3})"),
    "229": re.compile(rb"229[^\r\n]*?\(([!-~])\1\1(?P<low>\d{1,5})\1\)"),
}
"""Command or reply -> where it names the port for a data connection (RFC 959 §4.1.2, RFC 2428 §2, §3)."""


def _further(title: str, data: bytes) -> int:
    found = _PORT[title].match(data) if title in _PORT else None
    return (int(found.groupdict().get("high") or 0) << 8) + int(found["low"]) if found else 0


def _write_list(capabilities: Capabilities) -> str:
    return "".join(f" {one}\r\n" for one in capabilities or ("UTF8",))


def _login(user: str, password: str, tag: str) -> bytes:
    return untagged_command(f"USER {user}", tag) + untagged_command(f"PASS {password}", tag)


FTP = Dialect(
    name="FTP",
    source="RFC 959, RFC 4217",
    explicit_ports=(21,),
    implicit_ports=(990,),
    ask="FEAT",
    token="AUTH TLS",
    upgrade="AUTH TLS",
    go_ahead="234",
    sections={"upgrade": "RFC 4217 §4", "forget": "RFC 4217 §4"},
    also_answers=("120", "230", "421"),
    messages=lambda _: (),
    sasl=r"(?!)(?P<mechanism>)(?P<initial>)",
    reader=_Reader,
    writes=Writer(
        command=untagged_command,
        replies=lines(
            done="200 {text}", refused="502 {text}", later="431 {text}", odd="200 {text}", go_ahead="234 {text}"
        ),
        willing=willing({"USER": b"331 And the password?\r\n", "PASS": b"230 OK\r\n"}, b"200 OK\r\n"),
        login=_login,
        capabilities=listed(
            rb"(?P<head>211-[^\n]*\n)(?P<list>(?: [^\n]*\n)+)(?P<tail>211 [^\n]*\n)",
            lambda text: tuple(line.strip(" ") for line in one_a_line(text)),
            _write_list,
            "211-This is offered\r\n{list}211 End\r\n",
        ),
        user_command="USER",
        older=(),
        preauth=lambda greeting: b"230" + greeting[3:],
        injected=Injected("STAT", r"211 "),
        ask=lambda name, tag: untagged_command("FEAT", tag),
        leave=lambda tag: untagged_command("QUIT", tag),
        welcome=r"230",
        logged_in=Injected("PWD", r"257"),
        kept=Kept("USER {user}", "PASS {password}", r"230"),
    ),
    recognises=_recognises,
    explain=_explain,
    other_upgrades=("AUTH SSL",),
    further=_further,
    more_follows=("110", "120", "125", "150"),  # RFC 959 §4.2.1: preliminary
    logins=("USER", "PASS", "ACCT"),
    delivers=("STOR", "APPE", "STOU"),
    works=("RETR", "LIST", "NLST", "MLSD", "MLST", "CWD", "CDUP", "DELE", "RNFR", "RNTO", "MKD", "RMD"),
    changes=r"(?:DELE|RNTO|MKD|RMD)\b",
    makes=("MKD",),
    settled_by={"RNFR": ("RNTO",)},
    again="USER",
    steps={"first words in TLS": "Inside TLS the client starts afresh. Data connections are not protected yet."},
    commands=COMMANDS,
    replies=REPLIES,
    capabilities=CAPABILITIES,
    discloses={
        "USER": r"\s*USER[ \t]+(?P<user_name>[^\r\n]+)",
        "PASS": r"\s*PASS[ \t](?P<password>[^\r\n]+)",
        **{
            verb: rf"\s*{verb}[ \t]+(?P<file_name>[^\r\n]+)"
            for verb in ("STOR", "APPE", "RETR", "DELE", "RNFR", "RNTO", "SIZE", "MDTM", "MLST")
        },
        **{verb: rf"\s*{verb}[ \t]+(?P<folder>[^\r\n]+)" for verb in ("CWD", "MKD", "RMD", "MLSD")},
        **{verb: rf"\s*{verb}[ \t]+(?:-\S++[ \t]*+)*+(?P<path>[^\r\n]+)" for verb in ("LIST", "NLST", "STAT")},
        "257": r'257[ -]"(?P<folder>(?:[^"\r\n]|"")*)"',
        "ACCT": r"\s*ACCT[ \t]+(?P<account>[^\r\n]+)",
        "SITE": r"\s*SITE[ \t]+(?P<request>[^\r\n]+)",
        "PORT": r"\s*PORT[ \t]+(?P<address>[\d,]+)",
        "EPRT": r"\s*EPRT[ \t]+(?P<address>\S+)",
        "227": r"227[^\r\n]*?(?P<address>\d+(?:,\d+){5})",
    },
)
