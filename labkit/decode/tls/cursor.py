"""Walk through the bytes of a message and name each: the small language in which its layout is written down.

A layout is a function that takes a `FieldCursor`, calls its methods in the order of the bytes, and returns the whole
as a reader would write it. What does not fit is named as such; no byte is left out and nothing raises. Layouts are not
here.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from labkit.decode.event import Field
from labkit.decode.tls.registry import is_grease

Layout = Callable[["FieldCursor"], str]

_SHOWN = 40
"""Bytes of an opaque value that are written out."""


class Short(Exception):
    """The layout wants more bytes than there are; `FieldCursor.fill` catches it."""


class Setting(NamedTuple):
    """The context that decides the layout of a message, besides its own bytes."""

    title: str
    """The message: ``ServerHello``."""
    version: str
    """``TLS 1.2``; empty where it is not known."""
    cipher: str
    """The IANA name of the cipher suite; empty where it is not known."""


def shown_bytes(data: bytes) -> str:
    """In hexadecimal; the size is added where not all is shown."""
    return data.hex() if len(data) <= _SHOWN else f"{data[:_SHOWN].hex()}… ({len(data):,} bytes)"


def shown_text(data: bytes) -> str:
    """Text that should be ASCII; what cannot be printed is shown as ``\\n``, ``\\xNN`` and the like."""
    text = data.decode("ascii", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def count(size: int) -> str:
    """``1 byte``, ``20 bytes``."""
    return "1 byte" if size == 1 else f"{size:,} bytes"


def named(names: Mapping[int, str], size: int) -> Callable[[int], str]:
    """How to show a number of that many bytes that has a name: ``x25519 (0x001D)``, ``Finished (20)``."""

    def show(number: int) -> str:
        digits = f"0x{number:0{2 * size}X}" if size > 1 else str(number)
        unknown = "GREASE" if size == 2 and is_grease(number) else "unknown"
        return f"{names.get(number, unknown)} ({digits})"

    return show


class FieldCursor:
    """A run of a message's bytes, with the fields that were named in it so far."""

    def __init__(
        self,
        data: bytes,
        setting: Setting,
        start: int = 0,
        end: int | None = None,
        groups: Collection[str] | None = None,
    ) -> None:
        self.setting = setting
        self.groups = groups
        """The names of the groups whose bytes are named one by one, the others stay whole; None for all groups."""
        self.fields: list[Field] = []
        self._data = data
        self._position = start
        self._end = len(data) if end is None else end

    @property
    def left(self) -> int:
        """Bytes that are not named yet."""
        return self._end - self._position

    def peek(self, size: int) -> bytes:
        """The next bytes, which stay unnamed. Raises `Short`."""
        end = self._position + size
        if end > self._end:
            raise Short
        return self._data[self._position : end]

    def number(self, name: str, size: int, meaning: str, show: Callable[[int], str] = str) -> int:
        """Name a number of `size` bytes in network byte order and return it. Raises `Short`."""
        value = int.from_bytes(self.peek(size))
        self._add(name, size, show(value), meaning)
        return value

    def opaque(self, name: str, size: int, meaning: str, show: Callable[[bytes], str] = shown_bytes) -> str:
        """Name some bytes and return how they are shown; a `size` of 0 makes no field. Raises `Short`."""
        value = show(self.peek(size)) if size else ""
        if size:
            self._add(name, size, value, meaning)
        return value

    def rest(self, name: str, meaning: str, show: Callable[[bytes], str] = shown_bytes) -> str:
        """Name all bytes that are left."""
        return self.opaque(name, self.left, meaning, show)

    def group(self, name: str, size: int, layout: Layout, meaning: str) -> str:
        """Name some bytes that have a layout of their own; return what it returns. Raises `Short`."""
        self.peek(size)
        if self.groups is not None and name not in self.groups:
            self._add(name, size, "", meaning)
            return ""
        inner = FieldCursor(self._data, self.setting, self._position, self._position + size, self.groups)
        value = inner.fill(layout)
        self._add(name, size, value, meaning, tuple(inner.fields))
        return value

    def vector(self, name: str, size: int, layout: Layout, meaning: str) -> str:
        """Name a length of `size` bytes together with as many bytes as it says, which have a layout. Raises `Short`."""

        def behind_length(inner: FieldCursor) -> str:
            inner.number("length", size, "How many bytes follow.", count)
            return layout(inner)

        return self.group(name, size + int.from_bytes(self.peek(size)), behind_length, meaning)

    def fill(self, layout: Layout) -> str:
        """Apply a layout to all that is left; name what it does not account for. Never raises."""
        try:
            value = layout(self)
        except Short:
            value = "malformed"
        self.rest("malformed", "These bytes do not fit the layout of this message: they were cut or changed.")
        return value

    def _add(self, name: str, size: int, value: str, meaning: str, children: tuple[Field, ...] = ()) -> None:
        end = self._position + size
        self.fields.append(Field(name, self._position, end, value, meaning, children))
        self._position = end


# ---- layouts that recur


def opaque(name: str, meaning: str, show: Callable[[bytes], str] = shown_bytes) -> Layout:
    """All bytes as one value."""
    return lambda cursor: cursor.rest(name, meaning, show) or "empty"


def every(item: Layout, most: int = 3) -> Layout:
    """The same layout repeated to the end; shown as a list of at most `most` values."""

    def layout(cursor: FieldCursor) -> str:
        values: list[str] = []
        while cursor.left:
            values.append(item(cursor))
        more = f" and {len(values) - most} more" if len(values) > most else ""
        return ", ".join(values[:most]) + more if values else "empty"

    return layout


def numbers(name: str, size: int, meaning: str, names: Mapping[int, str]) -> Layout:
    """Numbers that have names, one after the other."""
    show = named(names, size)

    def item(cursor: FieldCursor) -> str:
        number = cursor.number(name, size, meaning, show)
        return names.get(number) or show(number)

    return every(item)


def vector(name: str, size: int, layout: Layout, meaning: str) -> Layout:
    """A length and what it counts, as a layout."""
    return lambda cursor: cursor.vector(name, size, layout, meaning)


def number(name: str, size: int, meaning: str, show: Callable[[int], str] = str) -> Layout:
    """One number, as a layout."""
    return lambda cursor: show(cursor.number(name, size, meaning, show))


def nothing(_: FieldCursor) -> str:
    """No bytes: the presence of the field is its meaning."""
    return "empty"
