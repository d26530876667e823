"""An accepted connection as asyncio's pair of streams, inside TLS where a context is given; for the loop's thread."""

import asyncio
import socket
import ssl

HANDSHAKE_LIMIT = 10.0
"""Seconds for a client to finish a TLS handshake."""


async def accepted(
    sock: socket.socket, limit: int, context: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Streams over a connection that was accepted; at most about `limit` bytes wait to be read.

    Raises `OSError` when the client has gone or TLS does not begin.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit)
    protocol = asyncio.StreamReaderProtocol(reader)
    how = {"ssl": context, "ssl_handshake_timeout": HANDSHAKE_LIMIT} if context else {}
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, **how)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
