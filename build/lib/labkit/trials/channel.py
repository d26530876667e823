"""The result of a handshake, a `Channel` or `HandshakeRefused` with the reason; and the names of all versions."""

from typing import Any, NamedTuple

from labkit.trust.contexts import VERSIONS

SSL2, SSL3 = "SSL 2.0", "SSL 3.0"
ALL = (SSL2, SSL3, *VERSIONS)
"""Every version that was ever published, oldest first."""


class HandshakeRefused(Exception):
    """The handshake failed; the message says why, without a full stop."""


class Channel(NamedTuple):
    """The result of a handshake."""

    version: str
    cipher: str
    stream: Any
    """Has ``sendall`` and ``recv``; None where the session ends with its handshake."""
