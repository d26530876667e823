"""One visit to a server, in any dialect, as a client makes it: connect, greet, ask, upgrade, ask again, leave.

Everything that it waits for has a time limit and a limit in bytes. What a phrase means for security does not belong
here.
"""

import ssl
import time
import warnings
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from labkit.clients.failures import put, shown
from labkit.dialects import recognise
from labkit.dialects.base import CLIENT, SERVER, Phrase, Reader
from labkit.dialects.writing import Capabilities
from labkit.errors import LabError
from labkit.probe.target import ProbeTarget

GREETING, QUESTION, UPGRADE, HANDSHAKE, INSIDE = (
    "before the greeting",
    "after the question what is offered",
    "after the request to start TLS",
    "during the TLS handshake",
    "inside TLS",
)
"""Steps of a visit, in the words of a sentence."""
CONNECTING = "while connecting"
MOST, LONGEST = 256 << 10, 32 << 10
"""Bytes of all that is said up to the end of an answer, and of one phrase."""
ANY_SUITE = "ALL:@SECLEVEL=0"
"""All suites of OpenSSL, at its lowest security level."""
_PARTING = 0.2
"""Seconds for a server to answer the farewell."""
_ANSWERS = ("reply", "go-ahead", "refusal", "challenge")


class Broken(Exception):
    """The visit cannot go on; the message says why, without a full stop. `step` is where."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(why)
        self.step = step


class Silent(Broken):
    """The server said nothing, or too little, in time."""


class OtherProtocol(Broken):
    """What the server said is another protocol, or none."""


def lenient_context() -> ssl.SSLContext:
    """A context that takes any version, suite and certificate: what is wrong is seen, and not refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0, where a server has nothing newer
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers(ANY_SUITE)
    return context


class Deadline:
    """A time limit for many steps together; each of them has a shorter one of its own."""

    def __init__(self, longest: float) -> None:
        self._end = time.monotonic() + longest

    @property
    def left(self) -> float:
        """Seconds that are left, at least a thousandth."""
        return max(0.001, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether no time is left."""
        return time.monotonic() >= self._end


class ProbeVisit:
    """A conversation with a server, from construction to the end of the ``with`` block. Raises `Broken`."""

    def __init__(self, target: ProbeTarget, deadline: Deadline) -> None:
        self.target = target
        self.dialect = target.dialect
        self.greeting: Phrase | None = None
        self.listed: Capabilities | None = None
        """The last list of capabilities, of this side of the upgrade."""
        self.waits = 0
        """How many times the client has waited for the server, the TCP handshake included."""
        self.injected = b""
        """What the server said in clear text after its go-ahead."""
        self.beginning = False
        """Whether TLS was begun and not finished, so that no goodbye can be said."""
        self._deadline = deadline
        self._step = GREETING
        self._tags = 0
        self._reader: Reader = self.dialect.reader()
        self._unread: deque[Phrase] = deque()
        self._first = b""
        try:
            patience = min(target.patience, deadline.left)
            self.sock: Any = target.reach.connect(target.host, target.port, patience, source=target.source)
        except (LabError, OSError) as error:
            raise Broken(CONNECTING, str(error).rstrip(".")) from error
        self.waits += 1

    def __enter__(self) -> "ProbeVisit":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None and not self.beginning:
            with suppress(OSError, ValueError):
                self.sock.settimeout(_PARTING)
                self.sock.sendall(self.dialect.writes.leave(self._tag()))
                self.sock.recv(1 << 10)
        self.sock.close()

    # ---- the steps

    def greet(self) -> None:
        """Wait for the greeting, in a dialect whose server speaks first."""
        self._step = GREETING
        if self.dialect.client_first:
            return
        said = self.read(lambda phrase: phrase.kind in ("greeting", "unknown", *_ANSWERS))
        self.greeting = said[-1]
        self._check_protocol(self.greeting.kind == "unknown")

    def ask(self) -> Capabilities | None:
        """Ask what is offered; what the server lists, or None where it lists nothing."""
        self._step = INSIDE if self.encrypted else QUESTION
        ask = self.dialect.writes.ask
        begin = self.dialect.writes.begin if self.encrypted else None
        question = begin or ask
        if question is not None:
            self.say(question(self.target.name, self._tag()))
            said = self.answer()
            if said[-1].kind == "unknown":
                self._check_protocol(unknown=True)
        return self.listed

    def request(self, behind: bytes = b"") -> Phrase:
        """Ask to start TLS, with more bytes `behind` in the same segment; the go-ahead, or the refusal."""
        if not self.encrypted:
            self._step = UPGRADE
        self.say(self.dialect.writes.command(self.dialect.upgrade, self._tag()) + behind)
        said = self.read(lambda phrase: phrase.kind in ("go-ahead", "refusal", "unknown"))[-1]
        self._check_protocol(unknown=said.kind == "unknown")
        return said

    def upgrade(self) -> None:
        """Ask to start TLS. Raises `Broken` where the server refuses."""
        said = self.request()
        if said.kind != "go-ahead":
            raise Broken(UPGRADE, f"the server answered {self.dialect.upgrade} with {in_one_line(self.dialect, said)}")

    def handshake(self, context: ssl.SSLContext, session: Any = None) -> None:
        """Shake hands, and forget all that was said before (RFC 3207 §4.2). Raises `Broken`."""
        self._step = HANDSHAKE
        self.beginning = True
        self.injected = b"".join(phrase.data for phrase in self._unread if phrase.sender == SERVER)
        self.sock.settimeout(min(self.target.patience, self._deadline.left))
        try:
            self.sock = context.wrap_socket(self.sock, server_hostname=self.target.sni, session=session)
        except TimeoutError as error:
            raise Silent(HANDSHAKE, "the server did not finish the TLS handshake in time") from error
        except (OSError, ValueError) as error:
            raise Broken(HANDSHAKE, put(error, HANDSHAKE, {})) from error
        self.beginning = False
        self.waits += 1 if self.sock.version() == "TLSv1.3" else 2
        self._forget()

    def unasked(self) -> None:
        """Read what the server sends unasked inside TLS, in a dialect in which it does (RFC 5804 §2.2)."""
        self._step = INSIDE
        if self.dialect.again in self.dialect.replies and self.dialect.again not in self.dialect.commands:
            self.read(lambda phrase: phrase.kind in ("greeting", "unknown", *_ANSWERS))

    @property
    def encrypted(self) -> bool:
        """Whether TLS protects the conversation now."""
        return isinstance(self.sock, ssl.SSLSocket)

    # ---- what the steps are made of

    def say(self, data: bytes) -> int:
        """Send bytes. Returns how many commands they contain. Raises `Broken` if the server does not take them."""
        try:
            self.sock.settimeout(min(self.target.patience, self._deadline.left))
            self.sock.sendall(data)
        except (OSError, ValueError) as error:
            raise self._broken(error) from error
        phrases = self._reader.feed(CLIENT, data)
        self._unread += phrases
        return sum(phrase.kind == "command" for phrase in phrases)

    def command(self, text: str) -> list[Phrase]:
        """Send a command and read the answer."""
        self.say(self.dialect.writes.command(text, self._tag()))
        return self.answer()

    def answer(self) -> list[Phrase]:
        """The server's phrases up to the end of its next answer."""
        more = self.dialect.more_follows
        ends = (*_ANSWERS, "unknown")
        return self.read(lambda phrase: phrase.kind in ends and phrase.title not in more)

    def read(self, ends: Callable[[Phrase], bool]) -> list[Phrase]:
        """The server's phrases up to one that `ends`. Raises `Broken`."""
        patience = Deadline(min(self.target.patience, self._deadline.left))
        self.waits += 1
        said: list[Phrase] = []
        size = 0
        while not (said and ends(said[-1])):
            if phrase := self._next_phrase():
                said.append(phrase)
                continue
            data = self._received(patience)
            size += len(data)
            if size > MOST:
                raise self._endless(size)
            self._unread += self._reader.feed(SERVER, data)
        return said

    def _next_phrase(self) -> Phrase | None:
        """Take the server's next phrase that was received and not read; None if there is none. Raises `Broken`."""
        while self._unread:
            phrase = self._unread.popleft()
            if phrase.sender == SERVER:
                if len(phrase.data) > LONGEST:
                    raise self._endless(len(phrase.data))
                self._note(phrase)
                return phrase
        return None

    def _endless(self, size: int) -> Broken:
        return Broken(self._step, f"the server talks on and on {self._step}: {size >> 10} KiB without an end")

    def _received(self, patience: Deadline) -> bytes:
        if patience.over:
            raise self._silence()
        try:
            self.sock.settimeout(patience.left)
            data: bytes = self.sock.recv(1 << 14)
        except (OSError, ValueError) as error:
            raise self._broken(error) from error
        if not data:
            rest = self._reader.rest(SERVER)
            last = f"; the last that it said was {shown(rest)!r}" if rest else ""
            raise Broken(self._step, f"the server closed the connection {self._step}{last}")
        if len(self._first) < 512 and not self.encrypted:
            self._first += data[:512]
        return data

    def _broken(self, error: Exception) -> Broken:
        if isinstance(error, TimeoutError):
            return self._silence()
        return Broken(self._step, put(error, self._step, {}))

    def _silence(self) -> Broken:
        rest = self._reader.rest(SERVER)
        if rest:
            self._check_protocol(unknown=False)
        so_far = f"; it only said {shown(rest)!r}" if rest else ""
        limit = min(self.target.patience, self.target.longest)
        return Silent(self._step, f"the server did not finish an answer within {limit:g} s {self._step}{so_far}")

    def _check_protocol(self, unknown: bool) -> None:
        """Raises `OtherProtocol` where another dialect is spoken here, or none: what was said is `unknown`."""
        if self.encrypted or self.dialect.recognises(self._first, b""):
            return
        other = recognise(self._first)
        if other is not None and other is not self.dialect:
            why = f"what answers is {other.name} and not {self.dialect.name}: {shown(self._first)!r}"
            raise OtherProtocol(self._step, why)
        if unknown:
            why = f"what answers is not {self.dialect.name}: it begins with {shown(self._first[:60])!r}"
            raise OtherProtocol(self._step, why)

    def _note(self, phrase: Phrase) -> None:
        lists = self.dialect.writes.capabilities
        found = lists.find(phrase.data) if lists else None
        if found is not None:
            self.listed = found

    def _forget(self) -> None:
        self._reader = self.dialect.reader()
        self._unread.clear()
        self.listed = None

    def _tag(self) -> str:
        self._tags += 1
        return str(self._tags)


def in_one_line(dialect: Any, phrase: Phrase) -> str:
    """A phrase as text in one line."""
    return dialect.tell(phrase.title, phrase.data) if dialect.tell else shown(phrase.data)
