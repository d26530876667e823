"""SMTP and submission: RFC 5321, with STARTTLS (RFC 3207), AUTH (RFC 4954), pipelining (RFC 2920) and BDAT (RFC 3030).

What the words mean is `smtp_words`.
"""

import re
from collections import deque

from labkit.dialects.base import CLIENT, SERVER, Dialect, Phrase
from labkit.dialects.smtp_words import CAPABILITIES, COMMANDS, REPLIES, explain

_LONGEST = 64 << 10
"""Bytes after which a line or reply without an end is cut; RFC 5321 §4.5.3.1 asks for 512 to 1,000."""
_WAITS_FOR_ANSWER = {b"STARTTLS", b"DATA", b"AUTH"}
"""Commands after which only the reply says what the client's next bytes are."""
_TLS_HANDSHAKE = b"\x16\x03"
_CODE = re.compile(rb"[2-5][0-9][0-9](?=[ \r\n-]|$)")
_BDAT = re.compile(rb"BDAT +(\d{1,12})", re.IGNORECASE)


class _Reader:
    """Follows one SMTP conversation. See `labkit.dialects.base.Reader`."""

    def __init__(self) -> None:
        self.upgraded = False
        self._buffers = {CLIENT: bytearray(), SERVER: bytearray()}
        self._searched = 0  # bytes of the message in which no end was found
        self._unanswered: deque[bytes] = deque()
        self._client = self._command
        self._chunk = 0
        self._greeted = False

    def feed(self, sender: str, data: bytes) -> list[Phrase]:
        self._buffers[sender] += data
        phrases: list[Phrase] = []
        if sender == SERVER:
            self._read_server(phrases)
        self._read_client(phrases)
        return phrases

    def rest(self, sender: str) -> bytes:
        self._searched = 0
        return self._take(sender, len(self._buffers[sender]))

    def _read_client(self, phrases: list[Phrase]) -> None:
        while not self.upgraded:
            phrase = self._client()
            if phrase is None:
                return
            phrases.append(phrase)

    def _read_server(self, phrases: list[Phrase]) -> None:
        while not self.upgraded:
            data = self._take(SERVER, _reply_end(self._buffers[SERVER]))
            if not data:
                return
            phrases.append(self._reply(data))
            if self.upgraded:
                phrases += filter(None, (self._injected(CLIENT), self._injected(SERVER)))
            self._read_client(phrases)

    # ---- what the client says next

    def _command(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        verb = line.split(None, 1)[0].upper() if line.strip() else b""
        self._unanswered.append(verb)
        if verb in _WAITS_FOR_ANSWER:
            self._client = self._wait
        if size := _BDAT.match(line):
            self._chunk, self._client = int(size[1]), self._bdat
            self._unanswered.pop()  # the reply comes after the chunk
        return Phrase(CLIENT, "command", _title(verb), line)

    def _wait(self) -> Phrase | None:
        return None

    def _credential(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        self._unanswered.append(b"AUTH")
        self._client = self._wait
        return Phrase(CLIENT, "credential", "credential", line)

    def _message(self) -> Phrase | None:
        data = self._buffers[CLIENT]
        end = 3 if data.startswith(b".\r\n") else data.find(b"\r\n.\r\n", max(0, self._searched - 4)) + 5
        if end < 5 and end != 3:
            self._searched = len(data)
            return None
        return self._mail(end)

    def _bdat(self) -> Phrase | None:
        return self._mail(self._chunk) if len(self._buffers[CLIENT]) >= self._chunk else None

    def _mail(self, end: int) -> Phrase:
        self._client, self._searched = self._command, 0
        self._unanswered.append(b"message")
        return Phrase(CLIENT, "message", "message", self._take(CLIENT, end))

    # ---- what the server answers

    def _reply(self, data: bytes) -> Phrase:
        if not _CODE.match(data):
            return Phrase(SERVER, "unknown", "unknown", data)
        code = data[:3]
        if self._is_greeting(code):
            self._greeted = True
            return Phrase(SERVER, "greeting", code.decode(), data)
        self._greeted = True
        asked = self._unanswered.popleft() if self._unanswered else b""
        kind = "reply"
        if asked == b"STARTTLS":
            self.upgraded = code == b"220"
            kind = "go-ahead" if self.upgraded else "refusal"
        if asked == b"AUTH" and code == b"334":
            kind = "challenge"
        if asked in _WAITS_FOR_ANSWER:
            self._client = {b"354": self._message, b"334": self._credential}.get(code, self._command)
        return Phrase(SERVER, kind, code.decode(), data)

    def _is_greeting(self, code: bytes) -> bool:
        if self._greeted:
            return False
        return not self._unanswered or (code == b"220" and self._unanswered[0] != b"STARTTLS")

    def _injected(self, sender: str) -> Phrase | None:
        """What stood behind STARTTLS or its go-ahead in clear text: RFC 3207 §4.2 says to discard it."""
        data = self._buffers[sender]
        if _TLS_HANDSHAKE.startswith(data[:2]):  # nothing, or a record that may still be incomplete
            return None
        end = data.find(_TLS_HANDSHAKE)
        return Phrase(sender, "injected", "injected", self._take(sender, end if end >= 0 else len(data)))

    # ---- cutting

    def _take_line(self) -> bytes:
        return self._take(CLIENT, _line_end(self._buffers[CLIENT], 0))

    def _take(self, sender: str, end: int) -> bytes:
        buffer = self._buffers[sender]
        taken = bytes(buffer[:end])
        del buffer[:end]
        return taken


def _line_end(data: bytearray, start: int) -> int:
    """Where the line ends, behind its line feed; 0 while it has no end."""
    end = data.find(b"\n", start, start + _LONGEST) + 1
    return end or (start + _LONGEST if len(data) - start >= _LONGEST else 0)


def _reply_end(data: bytearray) -> int:
    """Where the reply ends: behind the first line that is not marked as continued (RFC 5321 §4.2.1)."""
    end = _line_end(data, 0)
    start = 0
    while end and _CODE.match(data) and data[start + 3 : start + 4] == b"-" and end < _LONGEST:
        start, end = end, _line_end(data, end)
    return end


def _title(verb: bytes) -> str:
    text = verb.decode("ascii", "replace")
    return text if text in COMMANDS else "unknown command"


def _recognises(greeting: bytes) -> bool:
    first = greeting.split(b"\n", 1)[0].upper()
    return first.startswith((b"220", b"554")) and b"SMTP" in first


SMTP = Dialect(
    name="SMTP",
    source="RFC 5321, RFC 3207",
    explicit_ports=(25, 587, 2525),
    implicit_ports=(465,),
    ask="EHLO",
    token="STARTTLS",
    upgrade="STARTTLS",
    go_ahead="220",
    reader=_Reader,
    recognises=_recognises,
    explain=explain,
    commands=COMMANDS,
    replies=REPLIES,
    capabilities=CAPABILITIES,
    discloses={
        "EHLO": r"EHLO +(?P<client_name>\S+)",
        "HELO": r"HELO +(?P<client_name>\S+)",
        "MAIL": r"MAIL FROM: *<(?P<sender>[^>]*)>",
        "RCPT": r"RCPT TO: *<(?P<recipient>[^>]*)>",
    },
)
