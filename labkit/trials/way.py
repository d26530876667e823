"""A way to connect to a mail server and submit something, in words, and the round trips that it needs.

``STARTTLS, TLS 1.2, login`` is one. What is counted is counted until the answer that the client waits for: the reply to
the EHLO that counts (RFC 3207 §4.2), or to the last thing that the way names. `cost` runs it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from labkit.errors import LabError

CLEAR, STARTTLS, IMPLICIT = "clear", "STARTTLS", "implicit"
_STARTS = {"clear": CLEAR, "starttls": STARTTLS, "implicit": IMPLICIT, "implicit tls": IMPLICIT}
_VERSIONS = {"tls 1.2": "TLS 1.2", "tls 1.3": "TLS 1.3"}
_EXTRAS = ("resumed", "login", "pipelined")
_MESSAGES = re.compile(r"(?:(\d{1,3}) messages|(?:1 |a )?message)")
_MOST = 100
_WORDS = (
    "clear, STARTTLS or implicit; TLS 1.2 or TLS 1.3; resumed; login; message, or a number of messages up to "
    f"{_MOST}; pipelined"
)


class Phase(NamedTuple):
    """A part of a session."""

    name: str
    trips: int
    """Round trips that the client waits."""
    why: str = ""


@dataclass(frozen=True)
class Way:
    """One way, see `way`."""

    starts: str
    """`CLEAR`, `STARTTLS` or `IMPLICIT`."""
    version: str = ""
    """The version of TLS; empty for none."""
    resumed: bool = False
    """Whether the TLS session of an earlier connection is resumed (RFC 5246 §7.3, RFC 8446 §2.2)."""
    login: bool = False
    messages: int = 0
    pipelined: bool = False
    """Whether MAIL, RCPT and DATA go out together (RFC 2920)."""

    @property
    def name(self) -> str:
        """The way in words, always the same ones."""
        sent = ("", "message")[self.messages] if self.messages < 2 else f"{self.messages} messages"
        extras = [word for word in _EXTRAS[:2] if getattr(self, word)]
        words = [self.starts, self.version, *extras, sent, "pipelined" * self.pipelined]
        return ", ".join(filter(None, words))

    @property
    def steps(self) -> list[Phase]:
        """The parts of the session, in order."""
        return list(self._steps())

    @property
    def trips(self) -> int:
        """The round trips of all its steps."""
        return sum(step.trips for step in self._steps())

    def _steps(self) -> Iterator[Phase]:
        yield Phase("TCP", 1, "SYN, SYN-ACK")
        if self.starts == IMPLICIT:
            yield self._handshake()
        yield self._greeting()
        yield Phase("EHLO", 1)
        if self.starts == STARTTLS:
            yield Phase("STARTTLS", 1, "the client must wait for the go-ahead")
            yield self._handshake()
            yield Phase("EHLO again", 1, "what was said before TLS is forgotten (RFC 3207 §4.2)")
        if self.login:
            yield Phase("AUTH", 1, "PLAIN with its initial response (RFC 4954 §4)")
        for number in range(1, self.messages + 1):
            yield from self._message(f" {number}" if self.messages > 1 else "")

    def _handshake(self) -> Phase:
        if self.version == "TLS 1.3":
            return Phase("TLS", 1, "the client sends its Finished and goes on (RFC 8446 §2)")
        if self.resumed:
            return Phase("TLS", 1, "resumed: the client sends the last Finished and goes on (RFC 5246 §7.3)")
        return Phase("TLS", 2, "the server sends the last Finished (RFC 5246 §7.3)")

    def _greeting(self) -> Phase:
        if self.starts == IMPLICIT and self.version == "TLS 1.2" and not self.resumed:
            return Phase("greeting", 0, "it rides on the server's Finished")
        if self.starts == IMPLICIT:
            return Phase("greeting", 1, "the server waits for the client's Finished before it speaks")
        return Phase("greeting", 1, "the server waits for the third segment of TCP's handshake before it speaks")

    def _message(self, number: str) -> Iterator[Phase]:
        if self.pipelined:
            yield Phase(f"MAIL, RCPT, DATA{number}", 1, "together (RFC 2920)")
        else:
            for verb in ("MAIL", "RCPT", "DATA"):
                yield Phase(f"{verb}{number}", 1)
        yield Phase(f"message{number}", 1, "up to the reply to its end")


def way(words: str) -> Way:
    """The way that these words describe, separated by commas. Raises `LabError` for words that describe none."""
    if not isinstance(words, str):
        raise LabError(f"A way is described in words, for example 'STARTTLS, TLS 1.3, login', not by {words!r}.")
    said = [" ".join(word.split()).casefold() for word in words.split(",")]
    starts = [_STARTS[word] for word in said if word in _STARTS]
    versions = [_VERSIONS[word] for word in said if word in _VERSIONS]
    counts = [int(found[1] or 1) for word in said if (found := _MESSAGES.fullmatch(word))]
    unknown = [word for word in said if not (word in _STARTS or word in _VERSIONS or word in _EXTRAS)]
    unknown = [word for word in unknown if not _MESSAGES.fullmatch(word)]
    if unknown or len(set(said)) < len(said) or len(starts) != 1 or len(versions) > 1 or len(counts) > 1:
        raise LabError(f"{words!r} describes no way: its words, with commas between them, are of {_WORDS}.")
    if any(not 0 < count <= _MOST for count in counts):
        raise LabError(f"A way has 1 to {_MOST} messages, not {counts[0]}.")
    found = Way(
        starts[0],
        versions[0] if versions else ("" if starts[0] == CLEAR else "TLS 1.3"),
        "resumed" in said,
        "login" in said,
        counts[0] if counts else 0,
        "pipelined" in said,
    )
    if found.starts == CLEAR and (found.version or found.resumed):
        raise LabError(f"{words!r} describes no way: in clear text there is no version of TLS, and nothing to resume.")
    if found.pipelined and not found.messages:
        raise LabError(f"{words!r} describes no way: only the commands around a message can be pipelined.")
    return found
