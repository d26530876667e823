"""How the arguments of an IMAP command are read (RFC 3501 §9): atoms, strings, literals, lists, sets of numbers.

A command is held as it came, with its literals in place. The meaning of the arguments does not belong here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TypeVar

T = TypeVar("T")

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_ATOM = re.compile(rb'[^\x00-\x20(){%*"\\\]\x7f-\xff]+')
_ASTRING = re.compile(rb'[^\x00-\x20(){%*"\\\x7f-\xff]+')
_LIST_PATTERN = re.compile(rb'[^\x00-\x20(){"\\\x7f-\xff]+')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(\d{1,19})\+?\}\r\n")
_FLAG = re.compile(rb'\\?[^\x00-\x20(){%*"\\\]\x7f-\xff]+')
_SET = re.compile(rb"(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?(?:,(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?)*")
_DATE = re.compile(rb'"?(\d{1,2})-([A-Za-z]{3})-(\d{4})"?')
_DATE_TIME = re.compile(rb'"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')


class Malformed(Exception):
    """A command that cannot be read, or comes at the wrong time: the answer is BAD."""


@dataclass(frozen=True)
class Numbers:
    """A set of message numbers; ``*`` is the largest there is (RFC 3501 §9, sequence-set)."""

    ranges: tuple[tuple[str, str], ...]

    def has(self, number: int, last: bool) -> bool:
        """Whether this number of a message is in the set; `last` says that no message has a larger one."""
        return any(_within(number, last, *pair) for pair in self.ranges)

    def beyond(self, count: int) -> str:
        """A number in the set beyond `count` messages, as text; ``*`` if `count` is 0; empty if all are within."""
        ends = (end for pair in self.ranges for end in pair)
        return next((end for end in ends if (not count if end == "*" else int(end) > count)), "")


def _within(number: int, last: bool, first: str, second: str) -> bool:
    if "*" not in (first, second):
        low, high = sorted((int(first), int(second)))
        return low <= number <= high
    other = second if first == "*" else first
    return last or (other != "*" and number >= int(other))


class Scanner:
    """A position in a command. Each method reads one thing there and raises `Malformed` if another comes."""

    def __init__(self, command: bytes) -> None:
        self._command = command
        self._at = 0

    def space(self) -> None:
        """One space."""
        self.word(b" ")

    def word(self, word: bytes) -> None:
        """Exactly these bytes."""
        if not self.skips(word):
            raise Malformed(f"{word.decode()!r} is missing before {self._next()}")

    def skips(self, word: bytes) -> bool:
        """Whether exactly these bytes come next; they are passed over."""
        there = self._command.startswith(word, self._at)
        self._at += len(word) * there
        return there

    def sees(self, word: bytes) -> bool:
        """Whether exactly these bytes come next."""
        return self._command.startswith(word, self._at)

    def sees_number(self) -> bool:
        """Whether a set of message numbers comes next."""
        return _SET.match(self._command, self._at) is not None

    def end(self) -> None:
        """The end of the command."""
        if self._at < len(self._command):
            raise Malformed(f"The command should end before {self._next()}")

    def atom(self) -> str:
        """A word."""
        return self.match(_ATOM, "a word")[0].decode()

    def flag(self) -> str:
        r"""A flag: ``\Seen``, or a word."""
        return self.match(_FLAG, "a flag")[0].decode()

    def string(self) -> bytes:
        """A quoted string or a literal."""
        if self.sees(b"{"):
            return self.literal()
        quoted = self.match(_QUOTED, "a string")[1]
        return re.sub(rb"\\(.)", rb"\1", quoted)

    def literal(self) -> bytes:
        """A literal: its size, and as many bytes."""
        size = int(self.match(_LITERAL, "a literal")[1])
        data = self._command[self._at : self._at + size]
        if len(data) < size:
            raise Malformed("A literal is shorter than its size says")
        self._at += size
        return data

    def astring(self) -> bytes:
        """A word, a quoted string or a literal."""
        if self.sees(b'"') or self.sees(b"{"):
            return self.string()
        return self.match(_ASTRING, "a word or a string")[0]

    def text(self) -> str:
        """An `astring` of printable ASCII."""
        return _ascii(self.astring())

    def pattern(self) -> str:
        """A mailbox name with wildcards, for LIST."""
        if self.sees(b'"') or self.sees(b"{"):
            return _ascii(self.string())
        return self.match(_LIST_PATTERN, "a mailbox name or pattern")[0].decode()

    def numbers(self) -> Numbers:
        """A set of message numbers."""
        parts = self.match(_SET, "a set of message numbers")[0].decode().split(",")
        pairs = (part.partition(":") for part in parts)
        found = Numbers(tuple((first, second or first) for first, _, second in pairs))
        if any(end.strip("0") == "" for pair in found.ranges for end in pair):
            raise Malformed("Messages are counted from 1")
        return found

    def listed(self, one: Callable[["Scanner"], T]) -> list[T]:
        """A list in parentheses, of things that `one` reads; it may be empty."""
        self.word(b"(")
        found: list[T] = []
        while not self.skips(b")"):
            if found:
                self.space()
            found.append(one(self))
        return found

    def date(self) -> date:
        """A day: ``1-Feb-1994``."""
        day, month, year = self.match(_DATE, "a date such as 1-Feb-1994").groups()
        return _made(date, int(year), _month(month), int(day))

    def date_time(self) -> datetime:
        """A moment: ``"17-Jul-1996 02:44:25 -0700"``, the double quotes included."""
        found = self.match(_DATE_TIME, 'a date such as "17-Jul-1996 02:44:25 -0700"').groups()
        day, month, year, hour, minute, second, sign, off_hours, off_minutes = found
        offset = timedelta(hours=int(off_hours), minutes=int(off_minutes))
        zone = _made(timezone, -offset if sign == b"-" else offset)
        moment = _made(datetime, int(year), _month(month), int(day), int(hour), int(minute), int(second), 0, zone)
        return _made(moment.astimezone, UTC)

    def match(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        """What the pattern says; `what` is its name for people."""
        found = pattern.match(self._command, self._at)
        if found is None:
            raise Malformed(f"Here should be {what}, not {self._next()}")
        self._at = found.end()
        return found

    def _next(self) -> str:
        rest = self._command[self._at : self._at + 20]
        return repr(rest.decode("ascii", "backslashreplace")) if rest else "the end"


def _ascii(data: bytes) -> str:
    text = data.decode("ascii", "replace")
    if not (text.isascii() and text.isprintable()):
        raise Malformed("Here only printable ASCII may stand")
    return text


def _month(name: bytes) -> int:
    word = name.decode().capitalize()
    if word not in MONTHS:
        raise Malformed(f"There is no month {word!r}")
    return MONTHS.index(word) + 1


def _made(make: Callable[..., T], *arguments: object) -> T:
    try:
        return make(*arguments)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"There is no such date: {error}") from error
