"""Readers of protocols that show each shape of framing, as small as a dialect's own would be."""

import re
from dataclasses import replace

from labkit.dialects.base import SERVER
from labkit.dialects.framing.binary_records import REPLY, BinaryRecordReader, BinaryRecords, ber, counted, fixed
from labkit.dialects.framing.coded_lines import CHUNK, CREDENTIAL, TEXT, CodedLineReader, CodedLines
from labkit.dialects.framing.stanzas import StanzaReader, Stanzas
from labkit.dialects.reader import COMMAND, WAIT, Buffer
from labkit.dialects.smtp import LINES, SMTPReader


class LMTPReader(SMTPReader):
    """RFC 2033."""

    _lines = replace(LINES, verbs={**LINES.verbs, b"LHLO": "LHLO"}, replies_per="RCPT")


class FTPReader(CodedLineReader):
    """RFC 959 §4.2, RFC 4217."""

    _lines = CodedLines(
        verbs={verb.encode(): verb for verb in ("FEAT", "AUTH TLS", "AUTH SSL", "USER", "PASS", "PBSZ", "PROT")},
        greetings={"220", "120", "421"},
        only_greetings={"220"},
        go_aheads={"AUTH TLS": "234", "AUTH SSL": "234"},
    )
    _longest = 64 << 10

    def _status(self, reply: bytes) -> str | None:
        return reply[:3].decode() if re.match(rb"[1-6]\d\d[ \r\n-]", reply) else None

    def _next_line(self, buffer: Buffer, start: int, end: int) -> int:
        """The reply ends with the line that has the first one's code and a space behind it."""
        code = bytes(buffer[:3])
        many = buffer.startswith(b"-", 3) and code.isdigit()
        return end if many and not buffer.startswith(code + b" ", start) else 0


class NNTPReader(CodedLineReader):
    """RFC 3977, RFC 4642."""

    _lines = CodedLines(
        verbs={
            verb.encode(): verb for verb in ("CAPABILITIES", "STARTTLS", "ARTICLE", "POST", "GROUP", "AUTHINFO SASL")
        },
        greetings={"200", "201", "400", "502"},
        go_aheads={"STARTTLS": "382"},
        after_command={"POST": WAIT, "AUTHINFO SASL": WAIT},
        after_reply={"340": TEXT, "383": CREDENTIAL},
        texts={("CAPABILITIES", "101"), ("ARTICLE", "220")},
        mail={"ARTICLE"},
    )
    _longest = 64 << 10

    def _status(self, reply: bytes) -> str | None:
        return reply[:3].decode() if re.match(rb"[1-5]\d\d[ \r\n]", reply) else None


class SieveReader(CodedLineReader):
    """RFC 5804."""

    _lines = CodedLines(
        verbs={verb.encode(): verb for verb in ("STARTTLS", "AUTHENTICATE", "PUTSCRIPT", "GETSCRIPT", "LOGOUT")},
        greetings={"OK", "NO", "BYE"},
        go_aheads={"STARTTLS": "OK"},
        after_command={"AUTHENTICATE": WAIT, "PUTSCRIPT": CHUNK},
        after_reply={"string": CREDENTIAL},
    )
    _longest = 64 << 10

    def _status(self, reply: bytes) -> str | None:
        found = re.search(rb"^(OK|NO|BYE)\b[^\n]*\n?\Z", reply, re.IGNORECASE | re.MULTILINE)
        return found[1].decode().upper() if found else "string" if reply[:1] in b'"{' else None

    def _next_line(self, buffer: Buffer, start: int, end: int) -> int:
        if re.compile(rb"(?:OK|NO|BYE)\b", re.IGNORECASE).match(buffer, start):
            return 0
        if literal := re.compile(rb"\{(\d+)\}\r?\n$").search(buffer, max(start, end - 25), end):
            return end + int(literal[1])
        return 0 if self._next == WAIT and self._unanswered[0] != "STARTTLS" else end

    def _announced(self, line: bytes) -> int:
        literal = re.search(rb"\{(\d+)\+?\}\r?\n$", line)
        return int(literal[1]) if literal else 0

    def _chunk_end(self, buffer: Buffer) -> int:
        return buffer.line(self._chunk)


class XMPPReader(StanzaReader):
    """RFC 6120."""

    _stanzas = Stanzas(
        root="stream",
        kinds={
            (SERVER, "stream"): "greeting",
            (SERVER, "challenge"): "challenge",
            ("client", "response"): "credential",
        },
        go_aheads={"starttls": ("proceed", "failure")},
    )


class PostgreSQLReader(BinaryRecordReader):
    """PostgreSQL's protocol 3."""

    _records = BinaryRecords(
        sizes={
            ("client", COMMAND): counted(0, 4),
            ("client", "message"): counted(1, 4),
            (SERVER, REPLY): counted(1, 4),
            (SERVER, "answer"): fixed(1),
        },
        after={
            "SSLRequest": (WAIT, "answer"),
            "StartupMessage": ("message", REPLY),
            "N": (COMMAND, REPLY),
            "S": (COMMAND, REPLY),
        },
        most=1 << 30,
    )

    def _named(self, sender: str, data: bytes) -> tuple[str, str]:
        if sender == SERVER and self._server_next == "answer":
            return {b"S": ("go-ahead", "S"), b"N": ("refusal", "N")}.get(data, ("unknown", "unknown"))
        if sender == SERVER:
            return "reply", chr(data[0])
        if self._next != COMMAND:
            return "command", chr(data[0])
        return "command", "SSLRequest" if data[4:8] == b"\x04\xd2\x16\x2f" else "StartupMessage"


class LDAPReader(BinaryRecordReader):
    """RFC 4511."""

    _records = BinaryRecords(
        sizes={("client", COMMAND): ber(0x30), (SERVER, REPLY): ber(0x30)},
        after={"StartTLS": (WAIT, ""), "ExtendedResponse": (COMMAND, "")},
        most=1 << 24,
    )

    def _named(self, sender: str, data: bytes) -> tuple[str, str]:
        if b"1.3.6.1.4.1.1466.20037" in data and data[5:6] == b"\x77":
            return "command", "StartTLS"
        if sender == SERVER and data[5:6] == b"\x78":
            return ("go-ahead" if data[7:10] == b"\x0a\x01\x00" else "refusal"), "ExtendedResponse"
        return ("reply" if sender == SERVER else "command"), "operation"
