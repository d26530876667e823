"""HTTP: RFC 9110 and 9112, as far as a policy of MTA-STS (RFC 8461) and a TLS report (RFC 8460) travel over it.

It is read in captures. Nothing upgrades it here: the TLS of HTTPS comes before its first byte (RFC 9110 §4.2.2).
"""

import re
from base64 import b64decode
from collections import deque
from collections.abc import Iterator

from labkit.dialects.base import CLIENT, SERVER, Dialect, Disclosed, Phrase
from labkit.dialects.reader import LARGEST, MOST_UNANSWERED, BufferedReader
from labkit.dialects.writing import Writer, lines, untagged_command

_REQUEST = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|CONNECT|PATCH|TRACE) +\S+ +HTTP/1\.[01]\r?\n")
_RESPONSE = re.compile(rb"HTTP/1\.[01] +(\d{3})\b")
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,12})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding:[^\r\n]*\bchunked[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_CHUNK = re.compile(rb"([0-9a-f]{1,12})(?:[ \t;][^\n]*)?\r?\n", re.IGNORECASE)
_NO_CONTENT = re.compile(r"1\d\d|204|304")
"""Statuses without content, whatever the header says (RFC 9112 §6.3)."""
_TO_THE_END = -1
"""Bytes due of content that ends with the connection."""
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LONGEST_HEAD_END = 4
"""Bytes."""
_BLANK_LINE = re.compile(rb"\n\s*\n")
"""With the end of the line before it."""
_POLICY = "/.well-known/mta-sts.txt"
_CONTENT, _CHUNK_TITLE = "content", "chunk"
_KINDS = {CLIENT: "command", SERVER: "reply"}

REQUESTS = {
    "GET": "The client asks for what is at this path (RFC 9110 §9.3.1).",
    "POST": "The client sends what follows to this path (RFC 9110 §9.3.3).",
    "HEAD": "The client asks for the header alone (RFC 9110 §9.3.2).",
}
STATUSES = {
    "2": "The server did what it was asked (RFC 9110 §15.3).",
    "3": "The server leads elsewhere (RFC 9110 §15.4); a client that fetches a policy must not follow (RFC 8461 §3.3).",
    "4": "The server refuses, and says that it is the client's mistake (RFC 9110 §15.5).",
    "5": "The server could not do it (RFC 9110 §15.6).",
}
FIELDS = {
    "host": "Which of the server's names is meant (RFC 9110 §7.2).",
    "accept": "Which media types the client takes (RFC 9110 §12.5.1).",
    "user-agent": "Which program asks (RFC 9110 §10.1.5).",
    "content-type": "The media type of the content (RFC 9110 §8.3).",
    "content-length": "How many bytes of content follow (RFC 9110 §8.6).",
    "connection": "Whether the connection is kept (RFC 9112 §9.6).",
    "location": "Where to look instead (RFC 9110 §10.2.2).",
}
POLICY = {
    "version": "The version of MTA-STS (RFC 8461 §3.2).",
    "mode": "What a sender does about a server that does not pass: enforce, testing or none (RFC 8461 §5).",
    "mx": "A name that a mail server of the domain may have (RFC 8461 §3.2).",
    "max_age": "How many seconds a sender may keep the policy (RFC 8461 §3.2).",
}


class _Reader(BufferedReader):
    """Follows one connection. See `labkit.dialects.base.Reader`."""

    _longest = 64 << 10
    """RFC 9112 §3 asks for 8,000 bytes of a request line."""

    def __init__(self) -> None:
        super().__init__()
        self._due = {CLIENT: 0, SERVER: 0}
        """Bytes of content that each side has announced and not sent."""
        self._chunked: set[str] = set()
        """The sides that send content in chunks now."""
        self._asked: deque[str] = deque(maxlen=MOST_UNANSWERED)
        """The methods of the requests that have no response yet."""
        self._searched = {CLIENT: 0, SERVER: 0}
        """Side -> up to which of all its bytes no head, and no trailer, ends."""

    def begun(self, sender: str) -> tuple[str, str]:
        if sender in self._chunked:
            return "message", _CHUNK_TITLE
        return ("message", _CONTENT) if self._due[sender] else (_KINDS[sender], "head")

    def _client(self) -> Phrase | None:
        return self._part(CLIENT)

    def _server(self) -> Phrase | None:
        return self._part(SERVER)

    def _part(self, side: str) -> Phrase | None:
        buffer = self._buffers[side]
        if self._due[side]:
            return self._content(side)
        if side in self._chunked:
            return self._chunk(side)
        end = _HEAD_END.search(buffer, max(0, self._searched[side] - buffer.taken))
        if end is None:
            self._searched[side] = buffer.taken + max(0, len(buffer) - _LONGEST_HEAD_END + 1)
            return Phrase(side, "unknown", "unknown", buffer.take(self._longest)) if self._is_long(side) else None
        head = buffer.take(end.end())
        title = _title(head)
        if not title:
            return Phrase(side, "unknown", "unknown", head)
        self._announce(side, title, head)
        return Phrase(side, _KINDS[side], title, head)

    def _announce(self, side: str, title: str, head: bytes) -> None:
        """What content follows this head (RFC 9112 §6.3)."""
        if side == CLIENT:
            self._asked.append(title)
        elif _NO_CONTENT.fullmatch(title) or (self._asked.popleft() if self._asked else "") in ("HEAD", "CONNECT"):
            return
        length = _LENGTH.search(head)
        if _CHUNKED.search(head):
            self._chunked.add(side)
        elif length or side == CLIENT:
            self._due[side] = int(length[1]) if length else 0
        else:
            self._due[side] = _TO_THE_END

    def _content(self, side: str) -> Phrase | None:
        buffer, due = self._buffers[side], self._due[side]
        wanted = min(len(buffer) if due == _TO_THE_END else due, LARGEST)
        if len(buffer) < wanted:
            return None
        data = buffer.take(wanted)
        if due == _TO_THE_END:  # nothing tells that bytes which are no text are content
            return Phrase(side, _KINDS[side] if _is_text(data) else "unknown", _CONTENT, data)
        self._due[side] -= wanted
        return self._said(side, _CONTENT, data)

    def _chunk(self, side: str) -> Phrase | None:
        """A chunk after its size; the last one has no bytes, and fields may follow it (RFC 9112 §7.1)."""
        buffer = self._buffers[side]
        size = _CHUNK.match(buffer)
        if size is None:
            if b"\n" not in buffer and not self._is_long(side):
                return None
            self._chunked.discard(side)
            return Phrase(side, "unknown", "unknown", buffer.take(buffer.line() or self._longest))
        length = int(size[1], 16)
        end = buffer.line(size.end() + length) if length else self._trailer_end(side, size.end())
        if not end and not buffer.full:
            return None
        if not length:
            self._chunked.discard(side)
        return self._said(side, _CHUNK_TITLE, buffer.take(end or LARGEST))

    def _trailer_end(self, side: str, start: int) -> int:
        """Where the blank line ends that stands after the fields that follow the last chunk; 0 without one."""
        buffer = self._buffers[side]
        start = max(start, self._searched[side] - buffer.taken)
        while end := buffer.line(start):
            if _BLANK_LINE.fullmatch(buffer, start - 1, end):
                return end
            start = end
        self._searched[side] = buffer.taken + start
        return 0

    def _said(self, side: str, title: str, data: bytes) -> Phrase:
        return Phrase(side, _KINDS[side] if _is_text(data) else "message", title, data)

    def _is_long(self, side: str) -> bool:
        return len(self._buffers[side]) >= self._longest


def _title(head: bytes) -> str:
    """The method or the status that a head begins with; empty for other bytes."""
    response = _RESPONSE.match(head)
    if response:
        return response[1].decode()
    return head.split(None, 1)[0].decode() if _REQUEST.match(head) else ""


_NO_TEXT = re.compile(rb"[^ -~\t\r\n]")


def _is_text(data: bytes) -> bool:
    return not _NO_TEXT.search(data)  # which ends at the first byte of a picture


def _recognises(server: bytes, client: bytes) -> bool:
    """By what the server answers, or what the client asks where the server has said nothing yet."""
    return bool(_RESPONSE.match(server) or (not server and _REQUEST.match(client)))


def _explain(kind: str, title: str, line: str) -> str:
    name, colon, _ = line.partition(":")
    if title == _CHUNK_TITLE and _CHUNK.fullmatch(line.encode("utf-8", "replace") + b"\n"):
        return "How many bytes follow, in hexadecimal; 0 in the last chunk (RFC 9112 §7.1)."
    if title in (_CONTENT, _CHUNK_TITLE):
        return POLICY.get(name, "A line of the content.")
    if line.startswith("HTTP/") and kind == "reply":
        return STATUSES.get(title[:1], "The server's answer (RFC 9110 §15).")
    if line.startswith(f"{title} "):
        asked = " This is where the policy of MTA-STS is (RFC 8461 §3.3)." if f" {_POLICY} " in line else ""
        return REQUESTS.get(title, "What the client asks (RFC 9110 §9).") + asked
    if not line:
        return "The end of the header (RFC 9112 §2.1)."
    return FIELDS.get(name.lower(), "A field of the header (RFC 9110 §6.3).") if colon else "Not a line of HTTP."


_LOGIN = re.compile(
    rb"\n(?:Proxy-)?Authorization:[ \t]*(?:Basic[ \t]+(?P<basic>[A-Za-z0-9+/]+=*)|Bearer[ \t]+(?P<token>[^\s]+))",
    re.IGNORECASE,
)


_COOKIE = re.compile(rb"\n(?:Set-)?Cookie:[ \t]*([^\r\n]+)", re.IGNORECASE)


def _is_head(data: bytes) -> bool:
    return bool(_REQUEST.match(data) or _RESPONSE.match(data))


def reveals(_: str, data: bytes) -> Iterator[Disclosed]:
    """The login in the head of a request (RFC 7617 §2, RFC 6750 §2.1), and cookies, which may stand for it."""
    for cookie in _COOKIE.finditer(data) if _is_head(data) else ():
        yield Disclosed("cookie", cookie[1], *cookie.span(1))
    found = _LOGIN.search(data)
    if found and found["token"]:
        yield Disclosed("bearer token", found["token"], *found.span("token"))
    elif found:
        coded = found["basic"].rstrip(b"=")
        user, _, password = b64decode(coded[: len(coded) - (len(coded) % 4 == 1)] + b"==").partition(b":")
        yield Disclosed("user name", user, *found.span("basic"))
        yield Disclosed("password", password, *found.span("basic"))


HTTP = Dialect(
    name="HTTP",
    source="RFC 9110, RFC 9112",
    explicit_ports=(80,),
    implicit_ports=(443,),
    ask="",
    token="",
    upgrade="",
    go_ahead="",
    messages=lambda data: [],
    sasl=r"(?!)",
    reader=_Reader,
    writes=Writer(
        command=untagged_command,
        replies=lines(done="HTTP/1.1 200 {text}\r\n", refused="HTTP/1.1 403 {text}\r\n"),
        willing=lambda _: b"HTTP/1.1 204 No Content\r\n\r\n",
        login=lambda user, password, tag: b"",
    ),
    recognises=_recognises,
    explain=_explain,
    client_first=True,
    reveals=reveals,
    commands=REQUESTS,
    replies=STATUSES,
)
