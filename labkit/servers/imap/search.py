"""The keys of SEARCH (RFC 3501 §6.4.4): read from the command, and tested on one message at a time.

Keywords, sizes and the dates in messages are refused; programs that read mail search for flags, text and arrival.
"""

from collections.abc import Callable, Iterable
from datetime import date

from labkit.mail.charset import field_text
from labkit.mail.mailbox import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, Entry
from labkit.mail.mime import divide
from labkit.servers.imap.opened import Listed
from labkit.servers.imap.responses import Refused
from labkit.servers.imap.syntax import Malformed, Scanner

CHARSETS = ("US-ASCII", "UTF-8")
_DEEPEST = 50
"""Keys within keys: NOT, OR and parentheses."""


Test = Callable[[Listed], bool]
"""Whether a message is found."""


def read_search(arguments: Scanner) -> Test:
    """The key of a SEARCH command. Raises `Malformed`, and `Refused` for an unknown character set."""
    if arguments.skips(b"CHARSET "):
        if arguments.text().upper() not in CHARSETS:
            raise Refused(f"[BADCHARSET ({' '.join(CHARSETS)})] This server searches in those alone")
        arguments.space()
    tests = [_key(arguments, 0)]
    while arguments.skips(b" "):
        tests.append(_key(arguments, 0))
    arguments.end()
    return _all(tests)


def _all(tests: Iterable[Test]) -> Test:
    asked = tuple(tests)
    return lambda message: all(test(message) for test in asked)


def _key(arguments: Scanner, depth: int) -> Test:
    if depth > _DEEPEST:
        raise Malformed(f"A search has {_DEEPEST} keys within keys at most")
    if arguments.sees(b"("):
        return _all(arguments.listed(lambda inside: _key(inside, depth + 1)))
    if arguments.sees_number():
        numbers = arguments.numbers()
        return lambda message: numbers.has(message.number, message.last)
    word = arguments.atom().upper()
    if word in _STATES:
        return _STATES[word]
    if word not in _KEYS:
        raise Malformed(f"SEARCH knows no {word}")
    arguments.space()
    return _KEYS[word](arguments, depth + 1)


# ---- keys with arguments


def _not(arguments: Scanner, depth: int) -> Test:
    test = _key(arguments, depth)
    return lambda message: not test(message)


def _or(arguments: Scanner, depth: int) -> Test:
    first = _key(arguments, depth)
    arguments.space()
    second = _key(arguments, depth)
    return lambda message: first(message) or second(message)


def _uid(arguments: Scanner, _: int) -> Test:
    numbers = arguments.numbers()
    return lambda message: numbers.has(message.entry.uid, message.last)


def _header(arguments: Scanner, _: int) -> Test:
    name = arguments.text()
    arguments.space()
    return _in_field(name, _wanted(arguments))


def _field(name: str) -> Callable[[Scanner, int], Test]:
    return lambda arguments, _: _in_field(name, _wanted(arguments))


def _text(of: Callable[[Entry], str]) -> Callable[[Scanner, int], Test]:
    def read(arguments: Scanner, _: int) -> Test:
        wanted = _wanted(arguments)
        return lambda message: wanted in of(message.entry).lower()

    return read


def _arrived(fits: Callable[[date, date], bool]) -> Callable[[Scanner, int], Test]:
    def read(arguments: Scanner, _: int) -> Test:
        day = arguments.date()
        return lambda message: fits(message.entry.message.arrived.date(), day)

    return read


def _wanted(arguments: Scanner) -> str:
    return arguments.astring().decode("utf-8", "replace").lower()


def _in_field(name: str, wanted: str) -> Test:
    def test(message: Listed) -> bool:
        field = divide(message.entry.message.data).field(name)
        return field is not None and wanted in field_text(field).lower()

    return test


# ---- what is known of a message


def _body(entry: Entry) -> str:
    return f"{divide(entry.message.data).body.decode('utf-8', 'replace')}\n{entry.message.text}"


def _everything(entry: Entry) -> str:
    header = divide(entry.message.data).header
    return "\n".join([*map(field_text, header.splitlines()), _body(entry)])


def _has(flag: str) -> Test:
    return lambda message: flag in message.entry.flags


def _lacks(flag: str) -> Test:
    return lambda message: flag not in message.entry.flags


_STATES: dict[str, Test] = {
    "ALL": lambda message: True,
    "ANSWERED": _has(ANSWERED),
    "DELETED": _has(DELETED),
    "DRAFT": _has(DRAFT),
    "FLAGGED": _has(FLAGGED),
    "SEEN": _has(SEEN),
    "UNANSWERED": _lacks(ANSWERED),
    "UNDELETED": _lacks(DELETED),
    "UNDRAFT": _lacks(DRAFT),
    "UNFLAGGED": _lacks(FLAGGED),
    "UNSEEN": _lacks(SEEN),
    "RECENT": lambda message: message.recent,
    "OLD": lambda message: not message.recent,
    "NEW": lambda message: message.recent and SEEN not in message.entry.flags,
}
"""Keys without arguments."""

_KEYS: dict[str, Callable[[Scanner, int], Test]] = {
    "NOT": _not,
    "OR": _or,
    "UID": _uid,
    "HEADER": _header,
    "FROM": _field("from"),
    "TO": _field("to"),
    "CC": _field("cc"),
    "BCC": _field("bcc"),
    "SUBJECT": _field("subject"),
    "BODY": _text(_body),
    "TEXT": _text(_everything),
    "BEFORE": _arrived(date.__lt__),
    "ON": _arrived(date.__eq__),
    "SINCE": _arrived(date.__ge__),
}
"""Keys with arguments -> what reads them."""
