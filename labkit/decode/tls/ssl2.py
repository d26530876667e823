"""SSL 2.0: its records, its messages as fields, and which message comes when.

The SSL Protocol (K. Hickman, Netscape, 1995), and RFC 5246 §E.2 for its CLIENT-HELLO in front of a newer handshake.
RFC 6176 forbids it. It has no message types under encryption: there the place of a message says which one it is.
"""

from struct import Struct

from labkit.decode.event import CLIENT, SERVER, Field
from labkit.decode.tls.certificate import certificate
from labkit.decode.tls.cursor import FieldCursor, Layout, Setting, count, named, numbers, opaque
from labkit.decode.tls.hello import ClientHello
from labkit.decode.tls.registry import VERSIONS
from labkit.decode.tls.suites import SUITES

VERSION = "SSL 2.0"

_ERROR, _CLIENT_HELLO, _CLIENT_MASTER_KEY, _SERVER_HELLO = 0, 1, 2, 4
_TITLES = {
    _ERROR: "ERROR",
    _CLIENT_HELLO: "CLIENT-HELLO",
    _CLIENT_MASTER_KEY: "CLIENT-MASTER-KEY",
    3: "CLIENT-FINISHED",
    _SERVER_HELLO: "SERVER-HELLO",
    5: "SERVER-VERIFY",
    6: "SERVER-FINISHED",
    7: "REQUEST-CERTIFICATE",
    8: "CLIENT-CERTIFICATE",
}
_ENCRYPTED = {
    CLIENT: ("encrypted CLIENT-FINISHED",),
    SERVER: ("encrypted SERVER-VERIFY", "encrypted SERVER-FINISHED"),
}
"""The first messages of each side under encryption; data follow."""
_ERRORS = {1: "NO-CIPHER", 2: "NO-CERTIFICATE", 4: "BAD-CERTIFICATE", 6: "UNSUPPORTED-CERTIFICATE-TYPE"}
_CERTIFICATE_TYPES = {1: "X.509"}
_KINDS = {
    0x010080: "SSL_CK_RC4_128_WITH_MD5",
    0x020080: "SSL_CK_RC4_128_EXPORT40_WITH_MD5",
    0x030080: "SSL_CK_RC2_128_CBC_WITH_MD5",
    0x040080: "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5",
    0x050080: "SSL_CK_IDEA_128_CBC_WITH_MD5",
    0x060040: "SSL_CK_DES_64_CBC_WITH_MD5",
    0x0700C0: "SSL_CK_DES_192_EDE3_CBC_WITH_MD5",
} | SUITES
"""Three bytes each; the suites of TLS have a zero in front."""

# ---- records

HEADER = 2
"""Bytes after which the size of a record is known."""
_SHORT = 0x80
"""The bit that says that the header has two bytes and there is no padding; else it has three."""
_HIGHEST = 0x8F
"""The first byte of a hello: two bytes of header, and less than 4 KiB after them."""
_LENGTHS_AT = {_CLIENT_HELLO: 5, _SERVER_HELLO: 7}
"""Type of a hello -> where its three lengths begin, with its record's header of two bytes."""
_FIXED = {_ERROR: 5, _CLIENT_HELLO: 11, _SERVER_HELLO: 13}
"""Type of a first message -> bytes up to its variable parts, with the record's header of two bytes."""
_NONCES = range(16, 33)
"""Bytes of a challenge, and of a connection's identifier."""


def starts(data: bytes) -> bool:
    """Whether these bytes look like the first record of a side, as far as they go; one byte is enough."""
    if not data or not _SHORT <= data[0] <= _HIGHEST:
        return False
    if len(data) < 3:
        return len(data) < 2 or _record_length(data) >= 3
    fits = _FITS.get(data[2])
    return fits is not None and fits(data)


def _record_length(data: bytes) -> int:
    return (data[0] & 0x7F) << 8 | data[1]


def _is_error(data: bytes) -> bool:
    return _record_length(data) == 3 and (len(data) < _FIXED[_ERROR] or int.from_bytes(data[3:5]) in _ERRORS)


def _is_client_hello(data: bytes) -> bool:
    """Its version may be a newer one; its session is none or has 16 bytes, its ciphers three each (RFC 5246 §E.2)."""
    if not _version_fits(data[3:5], _NEWER):
        return False
    lengths = _lengths_of(data, _CLIENT_HELLO)
    if lengths is None:
        return True
    specs, session, challenge = lengths
    sizes = specs > 0 and specs % 3 == 0 and session in (0, 16) and challenge in _NONCES
    return sizes and 9 + sum(lengths) == _record_length(data)


def _is_server_hello(data: bytes) -> bool:
    """Its lengths are those of certificate, ciphers and identifier; the first two are zero in a resumed session."""
    if any(byte > 1 for byte in data[3:5]) or not _version_fits(data[5:7], (2,)):
        return False
    lengths = _lengths_of(data, _SERVER_HELLO)
    if lengths is None:
        return True
    sizes = lengths[1] % 3 == 0 and lengths[2] in _NONCES
    return sizes and 11 + sum(lengths) == _record_length(data)


def _version_fits(version: bytes, numbers: tuple[int, ...]) -> bool:
    return len(version) < 2 or int.from_bytes(version) in numbers


def _lengths_of(data: bytes, kind: int) -> tuple[int, int, int] | None:
    """The three lengths of a hello; None where they are not whole."""
    return _LENGTHS.unpack_from(data, _LENGTHS_AT[kind]) if len(data) >= _FIXED[kind] else None


_NEWER = (0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304)
_LENGTHS = Struct(">HHH")
_FITS = {_ERROR: _is_error, _CLIENT_HELLO: _is_client_hello, _SERVER_HELLO: _is_server_hello}


def cut(data: bytes, start: int) -> tuple[int, int]:
    """Where the content of the record at `start` begins, and where it ends; `HEADER` bytes must be there."""
    first, second = data[start : start + HEADER]
    body, length = (2, first & 0x7F) if first & _SHORT else (3, first & 0x3F)
    return start + body, start + body + (length << 8 | second)


# ---- which message comes when


class Handshake:
    """Follows the messages of both sides."""

    def __init__(self) -> None:
        self.version = ""
        """`VERSION` once the server has answered in it."""
        self.cipher = ""
        self.hello: ClientHello | None = None
        """The CLIENT-HELLO as a ClientHello, for a handshake that continues in TLS (RFC 5246 §E.2)."""
        self._protected = False
        self._seen = {CLIENT: 0, SERVER: 0}
        """Encrypted messages so far."""

    def read(self, sender: str, data: bytes) -> tuple[str, str, bool]:
        """Take the content of a record: its kind, its title, and whether it is ciphertext."""
        if self._protected:
            names, number = _ENCRYPTED[sender], self._seen[sender]
            self._seen[sender] += 1
            return ("handshake", names[number], True) if number < len(names) else (*_DATA, True)
        kind = data[0] if data else -1
        if kind == _CLIENT_HELLO:
            self.hello = _settled(data)
        if kind == _SERVER_HELLO:
            self.version = VERSION
            self._protected = data[1:2] == b"\x01"
        if kind == _CLIENT_MASTER_KEY:
            number = int.from_bytes(data[1:4])
            self.cipher = _KINDS.get(number, f"cipher kind 0x{number:06X}")
            self._protected = True
        return ("handshake", _TITLES[kind], False) if kind in _TITLES else ("unknown", "unknown content", False)


_DATA = ("application-data", "application data")


def _settled(data: bytes) -> ClientHello:
    """RFC 5246 §E.2: the challenge is the random, with zeros in front of it; there are no extensions."""
    lengths = data[3:9] + bytes(6 - len(data[3:9]))
    specs, session, challenge = _LENGTHS.unpack(lengths)
    start = 9 + specs + session
    return ClientHello(data[start : start + challenge].rjust(32, b"\0"), server_name="", early_data=False, suites=b"")


# ---- messages as fields


def fields(title: str, data: bytes) -> tuple[Field, ...]:
    """The fields of a message with that title. Never raises."""
    cursor = FieldCursor(data, Setting(title, VERSION, ""))
    cursor.fill(_LAYOUTS.get(title, _ciphertext))
    return tuple(cursor.fields)


def _type(cursor: FieldCursor) -> None:
    cursor.number("msg_type", 1, "Which message this is.", named(_TITLES, 1))


def _lengths(cursor: FieldCursor, *names: str) -> list[int]:
    return [cursor.number(f"{name}_length", 2, f"How long {name} is.", count) for name in names]


def _version(cursor: FieldCursor, meaning: str) -> None:
    cursor.number("version", 2, meaning, named(VERSIONS, 2))


def _kinds(cursor: FieldCursor, size: int, meaning: str) -> None:
    if size:
        cursor.group("cipher_specs", size, numbers("cipher_kind", 3, "A cipher with its hash.", _KINDS), meaning)


def _client_hello(cursor: FieldCursor) -> str:
    _type(cursor)
    _version(cursor, "The highest version that the client speaks: it may be a newer one (RFC 5246 §E.2).")
    specs, session, challenge = _lengths(cursor, "cipher_specs", "session_id", "challenge")
    _kinds(cursor, specs, "What the client can encrypt with; nothing protects this list from being changed.")
    cursor.opaque("session_id", session, "The name of a session to resume.")
    return cursor.opaque("challenge", challenge, "16 to 32 random bytes of the client.")


def _server_hello(cursor: FieldCursor) -> str:
    _type(cursor)
    cursor.number("session_id_hit", 1, "1 if the client's session is resumed, 0 if not.")
    cursor.number("certificate_type", 1, "What kind of certificate follows.", named(_CERTIFICATE_TYPES, 1))
    _version(cursor, "The version that the server chose.")
    size, specs, connection = _lengths(cursor, "certificate", "cipher_specs", "connection_id")
    if size:
        cursor.group("certificate", size, certificate, "One certificate in DER, without its issuers.")
    _kinds(cursor, specs, "What both sides can encrypt with: here the client chooses.")
    return cursor.opaque("connection_id", connection, "16 to 32 random bytes of the server.")


def _client_master_key(cursor: FieldCursor) -> str:
    _type(cursor)
    cursor.number("cipher_kind", 3, "What the client chose.", named(_KINDS, 3))
    clear, encrypted, argument = _lengths(cursor, "clear_key", "encrypted_key", "key_arg")
    cursor.opaque("clear_key", clear, "The part of the master key that is sent readable: all but 40 bits (EXPORT40).")
    cursor.opaque("encrypted_key", encrypted, "The rest of it, encrypted to the server's key: no forward secrecy.")
    return cursor.opaque("key_arg", argument, "The initialization vector of a block cipher.")


def _error(cursor: FieldCursor) -> str:
    _type(cursor)
    shown = named(_ERRORS, 2)
    return shown(cursor.number("error_code", 2, "What is wrong.", shown))


_ciphertext = opaque("ciphertext", "Encrypted, with a keyed MD5 hash in it.")

_LAYOUTS: dict[str, Layout] = {
    "CLIENT-HELLO": _client_hello,
    "SERVER-HELLO": _server_hello,
    "CLIENT-MASTER-KEY": _client_master_key,
    "ERROR": _error,
}

TITLES = frozenset((*_TITLES.values(), *_ENCRYPTED[CLIENT], *_ENCRYPTED[SERVER]))
"""The titles of its messages."""
