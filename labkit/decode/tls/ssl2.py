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
"""What each side sends first under encryption; after that come data."""
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
"""The first byte of a hello: two bytes of header, and less than 4 KiB behind them."""
_FIRST = {_ERROR: b"\0", _CLIENT_HELLO: b"\0\x03", _SERVER_HELLO: b"\0\x01"}
"""Type of a first message -> what its second byte may be: of an error, of a version, whether a session is resumed."""


def starts(data: bytes) -> bool:
    """Whether these first bytes look like the first record of a side; a beginning of one byte is enough."""
    if not data or not _SHORT <= data[0] <= _HIGHEST:
        return False
    return len(data) < 3 or (data[2] in _FIRST and (len(data) < 4 or data[3] in _FIRST[data[2]]))


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
        """What the CLIENT-HELLO settles for a newer handshake that goes on from it."""
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
_LENGTHS = Struct(">HHH")


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
