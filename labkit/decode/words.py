"""What the phrases of a dialect and the signals of TCP mean: the origin of every event that is not TLS."""

from labkit.decode.escaped import escaped
from labkit.decode.event import Event, Field
from labkit.decode.security_layer import INSIDE_LAYER
from labkit.decode.tls_start import is_text
from labkit.dialects.base import Dialect

SIGNALS = {
    "syn": ("SYN", "The client asks for a connection (RFC 9293 §3.5)."),
    "syn-ack": ("SYN, ACK", "The server agrees. Neither side has shown who it is."),
    "ack": ("ACK", "The client confirms: the connection is open, and nothing about it is secret."),
    "fin": ("FIN", "This side has said everything and closes its direction (RFC 9293 §3.6)."),
    "rst": ("RST", "This side breaks the connection off (RFC 9293 §3.5.2)."),
    "again": (
        "other bytes",
        "What this side has said here before comes again with other bytes; which of them were taken is not known.",
    ),
    "gap": ("gap", "Bytes are missing from the capture here; what they said is not known."),
}
"""Kind of a TCP signal -> its title and its meaning."""

_PHRASES = {
    "go-ahead": "The go-ahead: from the next byte on, both sides are to speak TLS on this same connection.",
    "refusal": "The server refuses to start TLS: this reply leaves the connection as it is.",
    "challenge": "The server asks for the next part of the login, in base64.",
    "credential": "A part of the login in base64: an encoding, not encryption.",
    "injected": "Clear text after the upgrade command or the go-ahead: to be discarded, anyone may have written it.",
    "unknown": "Bytes that the lab cannot read as a phrase of this protocol.",
}
"""Kind of a phrase -> what it means, if the dialect has no sentence for its words."""


_BEGUN = {
    "message": "The beginning of a message; its end was never seen.",
    "credential": "A part of the login in base64, without the end of its line.",
    "command": "The beginning of a command; the end of its line was never seen.",
    "continuation": "The beginning of what was to complete a command; its end was never seen.",
}
"""Kind of a phrase that was begun -> what its bytes are."""


_DOUBTFUL = "The greeting, or the answer to something that the capture does not have."


class Signals:
    """The origin of TCP events."""

    def meaning(self, event: Event) -> str:
        return SIGNALS[event.kind][1]

    def lines(self, event: Event) -> list[tuple[str, str]]:
        return [(event.title, self.meaning(event))]

    def fields(self, event: Event) -> tuple[Field, ...]:
        return ()


class Words:
    """The origin of the phrases of one dialect, or of text in none."""

    def __init__(self, dialect: Dialect | None, begun: tuple[str, str] | None = None) -> None:
        self._dialect = dialect
        self.begun = begun
        """Kind and title of the phrase of which an unfinished event is the beginning; None for any other event."""

    def meaning(self, event: Event) -> str:
        return self._always(event) or self._explain(event, escaped(event.data.partition(b"\n")[0].rstrip(b"\r")))

    def lines(self, event: Event) -> list[tuple[str, str]]:
        if self._dialect is not None and self._dialect.tell is not None:
            return [(self._dialect.tell(event.title, event.data), self.meaning(event))]
        if self._is_one_piece(event):
            return [(event.text, self.meaning(event))]
        always = self._always(event)
        lines = event.text.replace("\r\n", "\n").split("\n")
        return [(line, always or self._explain(event, line)) for line in lines]

    def fields(self, event: Event) -> tuple[Field, ...]:
        told = self.lines(event)
        if len(told) == 1:
            return (Field(event.title, 0, len(event.data), *told[0]),)
        found, start = [], 0
        for (line, meaning), data in zip(told, event.data.split(b"\n"), strict=False):
            end = min(start + len(data) + 1, len(event.data))
            found.append(Field(event.title, start, end, line, meaning))
            start = end
        return tuple(found)

    def _is_one_piece(self, event: Event) -> bool:
        """Whether the phrase has one meaning, rather than one for each line."""
        return event.kind in ("message", "injected") or self.begun == ("message", "message")

    def _always(self, event: Event) -> str:
        """The meaning of every phrase of this kind; empty for kinds whose words decide."""
        if self.begun and self.begun[0] in _BEGUN and self._may_be(event):
            return _BEGUN[self.begun[0]]
        if event.title == INSIDE_LAYER:
            return "What is said here is protected by the login's mechanism, not by TLS, and cannot be read here."
        if event.title == "unknown command" and not is_text(event.data):
            return _PHRASES["unknown"]
        return _PHRASES.get(event.kind, "" if self._dialect else _PHRASES["unknown"])

    def _may_be(self, event: Event) -> bool:
        """Whether it can be the beginning of a phrase: in a dialect of lines, these are text but for a message."""
        binary = self._dialect is not None and self._dialect.tell is not None
        return binary or self.begun[0] == "message" or is_text(event.data)

    def _explain(self, event: Event, line: str) -> str:
        return self._dialect.explain(event.kind, event.title, line)


class DoubtfulWords(Words):
    """The origin of a server's first phrase that may be a greeting or an answer."""

    def _always(self, event: Event) -> str:
        return _DOUBTFUL
