"""SMTP and submission: RFC 5321, with STARTTLS (RFC 3207), AUTH (RFC 4954), pipelining (RFC 2920) and BDAT (RFC 3030).

What the words mean is `smtp_words`.
"""

import re
from collections import deque

from labkit.dialects.base import CLIENT, SERVER, Dialect, Phrase, phrase
from labkit.dialects.reader import LARGEST, MOST_UNANSWERED, TextReader, text_end
from labkit.dialects.smtp_words import CAPABILITIES, COMMANDS, REPLIES, explain
from labkit.dialects.writing import (
    Account,
    Capabilities,
    Injected,
    Writer,
    lines,
    listed,
    plain,
    untagged_command,
    willing,
)

_WAITS_FOR_ANSWER = {b"STARTTLS", b"DATA", b"AUTH"}
"""Commands after which only the reply says what the client's next bytes are."""
_CODE = re.compile(rb"[2-5][0-9][0-9]")
_VERBS = {verb.encode(): verb for verb in COMMANDS}
_CODES = {str(code).encode(): str(code) for code in range(200, 600)}
"""Verbs and reply codes (RFC 5321 §4.2), as they stand in the text -> as they are called."""
_BEHIND_CODE = b" \r\n-"
_GREETINGS = {b"220", b"421", b"554"}
"""RFC 5321 §3.1, §3.8."""
_BDAT = re.compile(rb"BDAT +(\d{1,12})", re.IGNORECASE)


class _Reader(TextReader):
    """Follows one SMTP conversation. See `labkit.dialects.base.Reader`."""

    _longest = 64 << 10
    """RFC 5321 §4.5.3.1 asks for 512 to 1,000."""

    def __init__(self) -> None:
        super().__init__()
        self._unanswered: deque[bytes] = deque(maxlen=MOST_UNANSWERED)
        self._chunk = 0
        self._greeted = False

    def rest(self, sender: str) -> bytes:
        if sender == SERVER:  # what it said next is missing, and with it the answers that were waited for
            if self._client == _Reader._wait:
                self._client = _Reader._message if self._unanswered[-1] == b"DATA" else _Reader._command
            self._unanswered.clear()
        return super().rest(sender)

    # ---- what the client says next

    def _command(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        words = line.split(None, 1)
        verb = words[0].upper() if words else b""
        self._unanswered.append(verb)
        if verb in _WAITS_FOR_ANSWER:
            self._client = _Reader._wait
        if verb == b"BDAT" and (size := _BDAT.match(line)) and (chunk := int(size[1])):
            self._chunk, self._client = chunk, _Reader._bdat
            self._unanswered.pop()  # the reply comes after the chunk
        return phrase((CLIENT, "command", _VERBS.get(verb, "unknown command"), line))

    def _credential(self) -> Phrase | None:
        line = self._take_line()
        if not line:
            return None
        self._unanswered.append(b"AUTH")
        self._client = _Reader._wait
        return Phrase(CLIENT, "credential", "credential", line)

    def _message(self) -> Phrase | None:
        buffer = self._buffers[CLIENT]
        if end := buffer.text():
            return self._mail(end)
        return self._piece(buffer.last_line()) if buffer.full else None

    def _bdat(self) -> Phrase | None:
        buffer = self._buffers[CLIENT]
        if len(buffer) >= self._chunk:
            return self._mail(self._chunk)
        if not buffer.full:
            return None
        self._chunk -= LARGEST
        return self._piece(LARGEST)

    def _mail(self, end: int) -> Phrase:
        self._client = _Reader._command
        self._unanswered.append(b"message")
        return self._piece(end)

    def _piece(self, end: int) -> Phrase:
        return Phrase(CLIENT, "message", "message", self._buffers[CLIENT].take(end))

    # ---- what the server answers

    def _reply(self) -> Phrase | None:
        data = self._buffers[SERVER].take(self._reply_end())
        if not data:
            return None
        code = data[:3]
        title = _CODES.get(code)
        if title is None or data[3:4] not in _BEHIND_CODE:
            return phrase((SERVER, "unknown", "unknown", data))
        if not self._greeted:
            self._greeted = True
            if self._is_greeting(code):
                return phrase((SERVER, "greeting", title, data))
        asked = self._unanswered.popleft() if self._unanswered else b""
        kind = "reply"
        if asked == b"STARTTLS":
            self.upgraded = code == b"220"
            kind = "go-ahead" if self.upgraded else "refusal"
        if code == b"334":
            kind = "challenge"
        invited = _INVITES.get(code)
        if invited or asked in _WAITS_FOR_ANSWER:
            self._client = invited or _Reader._command
        return phrase((SERVER, kind, title, data))

    def _is_greeting(self, code: bytes) -> bool:
        if code not in _GREETINGS:
            return False
        return not self._unanswered or (code == b"220" and self._unanswered[0] != b"STARTTLS")

    def _reply_end(self) -> int:
        """Where the reply ends: behind the first line that is not marked as continued (RFC 5321 §4.2.1)."""
        buffer = self._buffers[SERVER]
        start, end = 0, buffer.line()
        while end and end < self._longest and buffer.startswith(b"-", start + 3) and _CODE.match(buffer, start):
            start, end = end, buffer.line(end)
        return end


_INVITES = {b"354": _Reader._message, b"334": _Reader._credential}
"""Reply code -> what the client says next."""


def _recognises(greeting: bytes) -> bool:
    first = greeting.split(b"\n", 1)[0].upper()
    return first.startswith((b"220", b"554")) and b"SMTP" in first


def _steal(tag: str, account: Account, _: int) -> bytes:
    """Each command earns just the reply that the victim waits for; behind DATA its own words are the message."""
    commands = ("EHLO mallory.lab.test", f"AUTH PLAIN {plain(account.user, account.password)}")
    envelope = (f"MAIL FROM:<{account.address}>", f"RCPT TO:<{account.address}>", "DATA")
    return b"".join(untagged_command(text, tag) for text in (*commands, *envelope))


def _write_list(capabilities: Capabilities) -> str:
    *others, last = capabilities or ("HELP",)
    return "".join(f"250-{one}\r\n" for one in others) + f"250 {last}\r\n"


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
        lambda text: tuple(line[4:] for line in text.splitlines()),
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
    go_ahead="220",
    messages=lambda data: [(0, text_end(data))],
    sasl=r"AUTH +(?P<mechanism>\S+)(?: +(?P<initial>\S+))?",
    reader=_Reader,
    writes=WRITER,
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
