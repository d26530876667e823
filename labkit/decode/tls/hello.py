"""What the two hellos decide about a session: version, cipher suite, randoms, server name (RFC 8446 §4.1).

A hello that is cut short is read as far as it goes. Its bytes as fields with a sentence each are in `messages`.
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

_SERVER_NAME, _TRUNCATED_MAC, _ENCRYPT_THEN_MAC, _EXTENDED_MASTER_SECRET, _TICKET = 0, 4, 22, 23, 35
_PRE_SHARED_KEY, _EARLY_DATA, _SUPPORTED_VERSIONS = 41, 42, 43
_ENCRYPTED_CLIENT_HELLO = 65037
_DRAFT = 0x7F
"""The first byte of the version of a draft of TLS 1.3; the second is its number."""

RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The server random that makes a ServerHello a HelloRetryRequest: SHA-256 of that word (RFC 8446 §4.1.3)."""

_TELLING = {
    *(_SERVER_NAME, _TRUNCATED_MAC, _ENCRYPT_THEN_MAC, _EXTENDED_MASTER_SECRET, _TICKET),
    *(_PRE_SHARED_KEY, _EARLY_DATA, _SUPPORTED_VERSIONS, _ENCRYPTED_CLIENT_HELLO),
}
_EXTENSION = Struct(">HH").unpack_from
_RANDOM = slice(6, 38)
_SESSION_ID = 38


class ClientHello(NamedTuple):
    """The fields of a ClientHello that decide something."""

    random: bytes
    server_name: str
    """The host name in server_name (RFC 6066 §3); empty without."""
    early_data: bool
    """Whether ciphertext may follow before the ServerHello (RFC 8446 §4.2.10)."""
    suites: bytes
    """The offered cipher suites, two bytes each."""
    session: bytes = b""
    """The identifier of the session to resume (RFC 5246 §7.4.1.2); empty without."""
    ticket: bytes = b""
    """The ticket to resume with (RFC 5077 §3.2); empty without."""
    key_ages: tuple[int, ...] = ()
    """The obfuscated age of each pre-shared key; 0 for a key that is not a ticket (RFC 8446 §4.2.11)."""
    outer: bool = False
    """Whether another ClientHello may be encrypted in this one (RFC 9849); the extension may also be a decoy."""

    @property
    def resumes(self) -> tuple[bytes, ...]:
        """The identifiers and tickets that may name an earlier session up to TLS 1.2."""
        return tuple(filter(None, (self.ticket, self.session)))


class ServerHello(NamedTuple):
    """The fields of a ServerHello that decide something."""

    random: bytes
    version: int
    suite: int
    key: int | None
    """Which of the client's pre-shared keys was taken, from 0 (RFC 8446 §4.2.11); None without."""
    session: bytes = b""
    """The identifier under which the session can be resumed up to TLS 1.2; empty without."""
    compression: int = 0
    """The compression method; 0 for none."""
    encrypt_then_mac: bool = False
    """RFC 7366."""
    extended_master_secret: bool = False
    """RFC 7627."""
    truncated_mac: bool = False
    """RFC 6066 §7."""

    @property
    def retry(self) -> bool:
        """Whether it is a HelloRetryRequest."""
        return self.random == RETRY_RANDOM


def client_hello(data: bytes) -> ClientHello:
    """Read a ClientHello with its handshake header."""
    position = _SESSION_ID + 1 + _number(data, _SESSION_ID, 1)
    session = data[_SESSION_ID + 1 : position]
    suites = data[position + 2 : position + 2 + _number(data, position, 2)]
    position += 2 + len(suites)
    position += 1 + _number(data, position, 1)
    found = _extensions(data, position)
    name = _host_name(found[_SERVER_NAME]) if _SERVER_NAME in found else ""
    ages = tuple(_key_ages(found[_PRE_SHARED_KEY])) if _PRE_SHARED_KEY in found else ()
    ticket = found.get(_TICKET, b"")
    outer = _ENCRYPTED_CLIENT_HELLO in found
    return ClientHello(data[_RANDOM], name, _EARLY_DATA in found, suites, session, ticket, ages, outer)


def _key_ages(extension: bytes) -> Iterator[int]:
    """The extension has the size of the list (2 bytes), and for each key its name after a size, and its age."""
    position, end = 2, min(2 + _number(extension, 0, 2), len(extension))
    while position < end:
        position += 2 + _number(extension, position, 2)
        yield _number(extension, position, 4)
        position += 4


def server_hello(data: bytes) -> ServerHello:
    """Read a ServerHello with its handshake header."""
    if data[4:5] == bytes([_DRAFT]):
        return _draft_hello(data)
    position = _SESSION_ID + 1 + _number(data, _SESSION_ID, 1)
    suite, compression = _number(data, position, 2), _number(data, position + 2, 1)
    found = _extensions(data, position + 3)
    version = int.from_bytes(found.get(_SUPPORTED_VERSIONS, data[4:6])[:2])
    return ServerHello(
        data[_RANDOM],
        version,
        suite,
        _key(found),
        data[_SESSION_ID + 1 : position],
        compression,
        _ENCRYPT_THEN_MAC in found,
        _EXTENDED_MASTER_SECRET in found,
        _TRUNCATED_MAC in found,
    )


def _draft_hello(data: bytes) -> ServerHello:
    """Drafts 18 to 21 of TLS 1.3 left out session and compression."""
    found = _extensions(data, _SESSION_ID + 2)
    return ServerHello(data[_RANDOM], _number(data, 4, 2), _number(data, _SESSION_ID, 2), _key(found))


def _key(extensions: dict[int, bytes]) -> int | None:
    return _number(extensions[_PRE_SHARED_KEY], 0, 2) if _PRE_SHARED_KEY in extensions else None


def _number(data: bytes, position: int, size: int) -> int:
    return int.from_bytes(data[position : position + size])


def _extensions(data: bytes, position: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    position += 2
    last = len(data) - 4
    while position <= last:
        kind, length = _EXTENSION(data, position)
        end = position + 4 + length
        if kind in _TELLING:
            found.setdefault(kind, data[position + 4 : end])
        position = end
    return found


def _host_name(extension: bytes) -> str:
    """The name in an extension of one list (2 bytes of length) with one entry: type (1), length (2), name."""
    return extension[5 : 5 + _number(extension, 3, 2)].decode("ascii", "backslashreplace")
