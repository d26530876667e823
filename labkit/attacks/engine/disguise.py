"""The TLS that an attacker speaks: as a server with a certificate of her own, as a client that verifies nothing.

Without sockets: bytes of the wire go in and come out. When TLS is taken over is for a vector to say.
"""

import ssl
from contextlib import suppress
from functools import cached_property

from labkit.trust.certificates import SERVER_NAME, Authority
from labkit.trust.contexts import client_context, server_context

_PIECE = 1 << 16


class Disguises:
    """The TLS settings of an attacker; her secrets go into the lab's key log, so that captures can be opened."""

    def __init__(self, authority: Authority, keylog: str | None = None, name: str = SERVER_NAME) -> None:
        self._authority = authority
        self._name = name
        """The name that the attacker claims to be."""
        self._keylog = keylog
        self._servers: dict[str, ssl.SSLContext] = {}

    def as_server(self, kind: str) -> ssl.SSLContext:
        """The context of a server with a certificate of this kind. Raises `LabError` for one that does not exist."""
        if kind not in self._servers:
            self._servers[kind] = server_context(self._authority.certificate(kind, self._name), keylog=self._keylog)
        return self._servers[kind]

    @cached_property
    def as_client(self) -> ssl.SSLContext:
        """The context of a client of the real server."""
        return client_context(self._authority, verify=False, keylog=self._keylog)


class OwnTLS:
    """One TLS session with one end. Text for it is held until the handshake is done; see `labkit.trust.contexts`."""

    def __init__(self, context: ssl.SSLContext, server_side: bool) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server_side else SERVER_NAME
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_side, name)
        self._held = bytearray()
        self._done = False
        self.finished = False
        """The other end has said that no more follows (close_notify, RFC 8446 §6.1)."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the wire and give the text in them. Raises `ssl.SSLError` when the session fails."""
        self._incoming.write(data)
        try:
            self._handshake()
            return self._read() if self._done else b""
        except ssl.SSLWantReadError:
            return b""

    def say(self, text: bytes) -> None:
        """Put text into the session."""
        self._held += text
        if self._done and self._held:
            self._session.write(self._held)
            self._held.clear()

    def wire(self) -> bytes:
        """Hand over the bytes that are to be sent."""
        return self._outgoing.read()

    def finish(self) -> None:
        """Say that no more text follows. Raises `ssl.SSLError`."""
        with suppress(ssl.SSLWantReadError):
            self._session.unwrap()

    def _handshake(self) -> None:
        if not self._done:
            self._session.do_handshake()
            self._done = True
            self.say(b"")

    def _read(self) -> bytes:
        text = bytearray()
        with suppress(ssl.SSLWantReadError):
            while piece := self._piece():
                text += piece
            self.finished = True
            self.finish()
        return bytes(text)

    def _piece(self) -> bytes:
        """Decrypted text; empty after close_notify."""
        try:
            return self._session.read(_PIECE)
        except ssl.SSLZeroReturnError:
            return b""
