"""An XMPP server (RFC 6120) with the stanzas of the upgrade, a login and messages; messages are kept and not
delivered."""

import asyncio
import re
from typing import ClassVar, NoReturn
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from labkit.dialects.framing.stanzas import END, HEADER, OTHER, StanzaCutter, XMLPiece
from labkit.dialects.reader import Buffer
from labkit.dialects.sasl import read_plain
from labkit.dialects.xmpp import SASL_NAMESPACE, TLS_NAMESPACE, header
from labkit.servers.quirks import KEEPS_BUFFER
from labkit.servers.server import Note, Server
from labkit.servers.session import Session
from labkit.trust.certificates import SERVER_NAME

_LARGEST = 64 << 10
"""Bytes of a stanza; RFC 6120 §13.12 asks for 10,000 at least."""
_LONGEST_HEADER = 4096
"""Bytes of the header of a stream, which is parsed again with each stanza."""
_RETRIES = 5
"""Logins that may follow a refused one (RFC 6120 §6.4.5)."""
_STREAMS = "urn:ietf:params:xml:ns:xmpp-streams"
_BIND = "urn:ietf:params:xml:ns:xmpp-bind"
_DECLARATION = b"<?xml"


class _Restricted(Exception):
    """A document type has begun, which RFC 6120 §11.1 forbids."""


class _WellFormed:
    """Whether a client's stream is well-formed XML, while it arrives (RFC 6120 §11.3).

    Each piece has a parser of its own, which reads the first piece of the document before it: a parser keeps every name
    that it has read, and a stream may go on without end.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin a new document with the next bytes."""
        self._first = b""
        """The first piece of the document: the header of the stream."""
        self._begin_piece()

    def feed(self, piece: bytes, whole: bool) -> None:
        """Parse the rest of a piece of the stream, as far as it has come; `whole` says that it is complete. Raises
        `expat.ExpatError` and `_Restricted`."""
        if not self._read:
            start = piece.lstrip()
            if _DECLARATION.startswith(start) and not whole:
                return  # which document it belongs to is not known yet
            if start.startswith(_DECLARATION):
                self.restart()
                self._start = self._read = len(piece) - len(start)
        self._parser.Parse(piece[self._read :])
        self._read = len(piece)
        if whole:
            self._first = self._first or piece[self._start :]
            self._begin_piece()

    def _begin_piece(self) -> None:
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartDoctypeDeclHandler = self._restricted
        self._parser.Parse(self._first)
        self._start = 0
        """Offset in the piece at which the document begins, or goes on."""
        self._read = 0
        """Bytes of the piece that the parser has read."""

    def _restricted(self, *_: object) -> NoReturn:
        raise _Restricted


class XMPPServer(Server):
    """A running server. `messages` are those that it received, oldest first: (user, stanza)."""

    protocol = "XMPP"
    ports: ClassVar = {False: 5222, True: 5223}
    quirks = (KEEPS_BUFFER,)

    def __init__(self, *arguments: object) -> None:
        self.messages: list[tuple[str, str]] = []
        super().__init__(*arguments)

    def _session(self, note: Note) -> asyncio.Protocol:
        return _Session(self, note)


class _Session(Session):
    idle_limit = 300.0
    server: XMPPServer

    def __init__(self, server: Server, note: Note) -> None:
        super().__init__(server, note)
        self.buffer = Buffer(_LARGEST)
        self._cutter = StanzaCutter("stream")
        self._well_formed = _WellFormed()
        self._user = ""
        self._refusals = 0
        """Logins that were refused."""
        self._streams = 0
        """Stream headers that the server has sent."""
        self._open_stream = False
        """Whether it has sent one since the stream began anew."""

    async def talk(self) -> None:
        while True:
            piece = await self._piece()
            text = piece.data.decode("utf-8", "replace")
            self.note(f"C: {text.strip()[:300] if piece.name != 'auth' else '<auth>********</auth>'}")
            if piece.shape == END:
                await self._say(b"</stream:stream>")
                return
            if piece.shape == HEADER and len(piece.data) > _LONGEST_HEADER:
                await self.dismiss(f"A header has {_LONGEST_HEADER} bytes at most")
            if piece.shape == OTHER:
                await self._break("restricted-xml" if piece.name == "DOCTYPE" else "bad-format")
            act = self._open if piece.shape == HEADER else _STANZA_NAMES.get(piece.name, _Session._not_known)
            await (act(text) if piece.shape == HEADER else act(self, text))

    def parting(self, why: str) -> bytes:
        self.note(f"S: closes the stream, {why}")
        return self._error("policy-violation" if self._streams else "bad-format")

    async def _piece(self) -> XMLPiece:
        """The next piece of the client's stream. What cannot become one ends the stream as soon as that is known."""
        while True:
            piece = self._cutter.cut(self.buffer)
            await self._check(piece.data if piece else bytes(self.buffer), whole=piece is not None)
            if piece is not None:
                return piece
            if self._cutter.text:
                await self._break("bad-format" if self._open_stream else "not-well-formed")
            if len(self.buffer) > _LARGEST:
                await self.dismiss(f"A stanza has {_LARGEST} bytes at most")
            await self.more()

    async def _check(self, data: bytes, whole: bool) -> None:
        try:
            self._well_formed.feed(data, whole)
        except expat.ExpatError:
            await self._break("not-well-formed")
        except _Restricted:
            await self._break("restricted-xml")

    def _begin_anew(self) -> None:
        """The client opens a new stream next (RFC 6120 §4.3.3)."""
        self._cutter.restart()
        self._well_formed.restart()
        self._open_stream = False

    async def _say(self, data: bytes) -> None:
        self.note(f"S: {data.decode('utf-8', 'replace')[:300]}")
        await self.send(data)

    async def _break(self, condition: str) -> NoReturn:
        """End the stream with an error (RFC 6120 §4.9.3). Raises EOFError."""
        await self._say(self._error(condition))
        await self.drain()

    def _error(self, condition: str) -> bytes:
        """A stream error, after the header that it needs where there was none (RFC 6120 §4.9.1.2)."""
        error = f"<stream:error><{condition} xmlns='{_STREAMS}'/></stream:error></stream:stream>".encode()
        return error if self._open_stream else header(f"from='{SERVER_NAME}'") + error

    # ---- what the client says

    async def _open(self, text: str) -> None:
        if self._open_stream:
            await self._not_known(text)  # within a stream its header is one more element
        sender = re.search(r"\bfrom=(?:'([^']*)'|\"([^\"]*)\")", text)
        to = f" to={quoteattr(sender[1] or sender[2] or '')}".replace('"', "'") if sender else ""
        self._streams += 1
        self._open_stream = True
        await self._say(header(f"id='{self._streams}' from='{SERVER_NAME}'{to}") + self._features())

    def _features(self) -> bytes:
        settings, encrypted = self.settings, self.encrypted
        offered = []
        if settings.upgrade_now(encrypted) and not self._user:
            needed = "<required/>" if settings.starttls == "required" else ""
            offered.append(f"<starttls xmlns='{TLS_NAMESPACE}'>{needed}</starttls>")
        if settings.login_now(encrypted) and not settings.tls_first(encrypted) and not self._user:
            offered.append(f"<mechanisms xmlns='{SASL_NAMESPACE}'><mechanism>PLAIN</mechanism></mechanisms>")
        if self._user:
            offered.append(f"<bind xmlns='{_BIND}'/>")
        return f"<stream:features>{''.join(offered)}</stream:features>".encode()

    async def _starttls(self, _: str) -> None:
        if self._user or not self.settings.upgrade_now(self.encrypted):
            await self._say(f"<failure xmlns='{TLS_NAMESPACE}'/></stream:stream>".encode())
            raise EOFError
        await self._say(f"<proceed xmlns='{TLS_NAMESPACE}'/>".encode())
        self._begin_anew()
        await self.start_tls()

    async def _auth(self, text: str) -> None:
        if self.settings.tls_first(self.encrypted) or not self.settings.login_now(self.encrypted):
            await self._refuse_login("encryption-required")
            return
        said = re.search(r"mechanism=['\"]PLAIN['\"][^>]*>([^<]*)<", text)
        login = read_plain(said[1].strip().encode("latin-1", "replace")) if said else None
        if login is None or not self.server.post.authenticate(*login):
            await self._refuse_login("not-authorized" if said else "invalid-mechanism")
            return
        self._user = login[0]
        self.note(f"logged in as {self._user}")
        await self._say(f"<success xmlns='{SASL_NAMESPACE}'/>".encode())
        self._begin_anew()

    async def _refuse_login(self, condition: str) -> None:
        await self._say(f"<failure xmlns='{SASL_NAMESPACE}'><{condition}/></failure>".encode())
        self._refusals += 1
        if self._refusals > _RETRIES:
            await self._break("policy-violation")

    async def _iq(self, text: str) -> None:
        if not self._user:
            await self._break("not-authorized")
        number = re.search(r"\bid=['\"]([^'\"<>&]*)['\"]", text)
        name = number[1] if number else ""
        if "type='result'" in text or 'type="result"' in text:
            return
        answer = f"<jid>{self._user}@{SERVER_NAME}/lab</jid>"
        body = f"<bind xmlns='{_BIND}'>{answer}</bind>" if _BIND in text else ""
        await self._say(f"<iq type='result' id='{name}'>{body}</iq>".encode())

    async def _message(self, text: str) -> None:
        if not self._user:
            await self._break("not-authorized")
        self.server.messages.append((self._user, text.strip()))

    async def _presence(self, _: str) -> None:
        if not self._user:
            await self._break("not-authorized")

    async def _not_known(self, _: str) -> None:
        await self._break("unsupported-stanza-type")


_STANZA_NAMES = {
    "starttls": _Session._starttls,
    "auth": _Session._auth,
    "iq": _Session._iq,
    "message": _Session._message,
    "presence": _Session._presence,
}
"""Name of a stanza -> what is done."""

SERVER = XMPPServer
