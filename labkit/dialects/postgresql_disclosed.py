"""What a message of PostgreSQL discloses: logins, queries, values (Frontend/Backend Protocol 3.0, "Message Formats").

A message whose end was never seen is read as far as it goes.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from labkit.dialects.base import CHALLENGE, MECHANISM, RESPONSE, Disclosed

_MD5 = re.compile(rb"md5[0-9a-f]{32}(?=\x00|\Z)")
"""How a hash is written in the place of a password."""


def reveals(title: str, data: bytes) -> Iterator[Disclosed]:
    """What a message discloses; one whose end was not captured is read as far as it goes."""
    if title == "PasswordMessage" and _MD5.match(data, 5):
        yield Disclosed(MECHANISM, b"POSTGRESQL-MD5", 5, 5)
    for what, start, end in _TELLS[title](data) if title in _TELLS else ():
        if start < end:
            value = data[start:end]
            yield Disclosed(what, value.hex().encode() if what == _CANCEL_KEY else value, start, end)


_Place = tuple[str, int, int]
"""What is disclosed, and the offsets of its first byte and of the byte after it in the message."""
_CANCEL_KEY = "cancel key"
"""Its holder can stop the queries of the connection to which it belongs."""


def _string_end(data: bytes, start: int) -> int:
    end = data.find(b"\x00", start)
    return end if end >= 0 else len(data)


def _password(data: bytes) -> Iterator[_Place]:
    """The password, or a hash of it and of the salt."""
    yield RESPONSE if _MD5.match(data, 5) else "password", 5, _string_end(data, 5)


def _first_response(data: bytes) -> Iterator[_Place]:
    end = _string_end(data, 5)
    yield MECHANISM, 5, end
    yield RESPONSE, end + 5, len(data)  # after its length


def _startup(data: bytes) -> Iterator[_Place]:
    """Names and values of parameters, each with a zero byte after it."""
    start = 8
    while start < len(data) and data[start]:
        name_end = _string_end(data, start)
        end = _string_end(data, name_end + 1)
        name = data[start:name_end].decode("utf-8", "backslashreplace")
        yield _PARAMETERS.get(name, name.replace("_", " ")), name_end + 1, end
        start = end + 1


_PARAMETERS = {"user": "user name"}


def _whole(what: str, start: int = 5) -> Callable[[bytes], Iterator[_Place]]:
    return lambda data: iter(((what, start, len(data)),))


def _query(data: bytes) -> Iterator[_Place]:
    yield "query", 5, _string_end(data, 5)


def _parse(data: bytes) -> Iterator[_Place]:
    start = _string_end(data, 5) + 1
    yield "query", start, _string_end(data, start)


def _counted(what: str, data: bytes, start: int) -> Iterator[_Place]:
    """A count, then for each value its length and its bytes; a length of -1 is NULL."""
    count, start = int.from_bytes(data[start : start + 2], "big"), start + 2
    for _ in range(count):
        size, start = int.from_bytes(data[start : start + 4], "big", signed=True), start + 4
        if start >= len(data):
            return
        yield what, start, min(start + max(0, size), len(data))
        start += max(0, size)


def _bind(data: bytes) -> Iterator[_Place]:
    """Bind: the names of portal and statement, the formats of the values, the values."""
    start = _string_end(data, _string_end(data, 5) + 1) + 1
    formats = int.from_bytes(data[start : start + 2], "big")
    return _counted("parameter", data, start + 2 + 2 * formats)


def _call(data: bytes) -> Iterator[_Place]:
    return _counted("parameter", data, 11 + 2 * int.from_bytes(data[9:11], "big"))


def _notification(data: bytes) -> Iterator[_Place]:
    start = _string_end(data, 9) + 1
    yield "notification", start, _string_end(data, start)


_TELLS: Mapping[str, Callable[[bytes], Iterator[_Place]]] = {
    "StartupMessage": _startup,
    "CancelRequest": _whole(_CANCEL_KEY, 8),
    "BackendKeyData": _whole(_CANCEL_KEY),
    "PasswordMessage": _password,
    "SASLInitialResponse": _first_response,
    "SASLResponse": _whole(RESPONSE),
    "AuthenticationMD5Password": _whole(CHALLENGE, 9),
    "AuthenticationSASLContinue": _whole(CHALLENGE, 9),
    "Query": _query,
    "Parse": _parse,
    "Bind": _bind,
    "FunctionCall": _call,
    "DataRow": lambda data: _counted("value", data, 5),
    "CopyData": _whole("data"),
    "NotificationResponse": _notification,
}
"""Message -> what it discloses, and where."""
