"""The TLS of one connection to a server: asyncio's, which here also tells client and log why a handshake fails.

RFC 8446 §6.2 asks the side that finds the fault for an alert. asyncio hangs up and keeps OpenSSL's alert to itself.
"""

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol, SSLProtocolState
from collections.abc import Callable, Iterable
from contextlib import suppress

from labkit.network.streams import HANDSHAKE_LIMIT
from labkit.trust.contexts import spoken

_ENDING = (SSLProtocolState.FLUSHING, SSLProtocolState.SHUTDOWN, SSLProtocolState.UNWRAPPED)
"""States in which nothing is written any more."""


class ServerTLS(SSLProtocol):
    """Between a connection and the `inside` protocol, which gets the connection once the handshake is done."""

    def __init__(self, inside: asyncio.Protocol, context: ssl.SSLContext, note: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop, inside, context, None, server_side=True, ssl_handshake_timeout=HANDSHAKE_LIMIT)
        self._note = note

    async def take_over(self, transport: asyncio.Transport) -> None:
        """Shake hands on a connection that was in clear text so far. Why it failed is in the log."""
        self._waiter = done = asyncio.get_running_loop().create_future()
        transport.resume_reading()  # reading may have been paused because many bytes followed the command
        transport.set_protocol(self)
        self.connection_made(transport)
        with suppress(OSError):
            await done

    def _write_appdata(self, list_of_data: Iterable[bytes]) -> None:
        # asyncio writes a warning for each reply to a client that has gone.
        if self._state not in _ENDING and not self._transport.is_closing():
            super()._write_appdata(list_of_data)

    def _on_handshake_complete(self, error: Exception | type[Exception] | None) -> None:
        if error is None:
            self._note("{} with {}".format(*_named(self._sslobj)))
        else:
            self._note(f"TLS handshake failed: {_reason(error)}")
            self._process_outgoing()
        super()._on_handshake_complete(error)


def _reason(error: Exception | type[Exception]) -> str:
    reason = getattr(error, "reason", None)  # OpenSSL's: UNSUPPORTED_PROTOCOL
    return reason.replace("_", " ").lower() if reason else "the client closed the connection"


def encryption(transport: asyncio.BaseTransport | None) -> tuple[str, str]:
    """(version, cipher suite) of a connection; empty in clear text."""
    tls = transport and transport.get_extra_info("ssl_object")
    return _named(tls) if tls and tls.version() else ("", "")


def over(transport: asyncio.BaseTransport | None) -> str:
    """How a connection is protected: ``clear text``, or the TLS version."""
    return encryption(transport)[0] or "clear text"


def _named(tls: ssl.SSLObject) -> tuple[str, str]:
    return spoken(tls.version()), tls.cipher()[0]
