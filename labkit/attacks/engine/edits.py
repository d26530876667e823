"""What an attacker changed: one record for each line, record or connection that did not pass unchanged."""

from difflib import SequenceMatcher
from typing import NamedTuple

from labkit.attacks.actions import Answer, Begin, Close, Decision, Delay, Inject, Pass, Replace, TakeOverTLS
from labkit.attacks.vector import Line, Opening, Record
from labkit.dialects.base import CLIENT

TLS_RECORD = "TLS record"


class Edit(NamedTuple):
    """One change to a conversation."""

    session: int
    """Which of the attacker's sessions, from 1."""
    time: int
    """Nanoseconds since 1970 (UTC)."""
    sender: str
    """Which end had sent it: `CLIENT` or `SERVER`."""
    title: str
    """What it was: ``EHLO``, ``250``, ``TLS record``, ``connection``."""
    before: bytes
    """Its bytes as they came."""
    after: bytes
    """The bytes that were forwarded in its place, with those that were added for that end."""
    back: bytes
    """The bytes that were sent back to the sender."""
    also: tuple[str, ...]
    """What else was done, as phrases of a sentence."""

    @property
    def removed(self) -> tuple[bytes, ...]:
        """The lines that came and were not forwarded."""
        return _difference(self.before, self.after)

    @property
    def added(self) -> tuple[bytes, ...]:
        """The lines that were forwarded and had not come."""
        return _difference(self.after, self.before)

    def __repr__(self) -> str:
        ends = ("the victim", "the server") if self.sender == CLIENT else ("the server", "the victim")
        parts = _bytes_changed(self.before, self.after) if self.title == TLS_RECORD else self._lines_changed()
        if self.back:
            parts.append(f"answered {_shown(self.back)}")
        return f"#{self.session} {ends[0]} → {ends[1]}, {self.title}: {', '.join((*parts, *self.also))}"

    @property
    def changes(self) -> tuple[tuple[str, tuple[bytes, ...]], ...]:
        """What was removed and what was added: lines, or words where one line has only some that are other."""
        removed, added = self.removed, self.added
        if len(removed) == len(added) == 1:
            removed, added = _words(removed[0], added[0])
        return ("removed", removed), ("added", added)

    def _lines_changed(self) -> list[str]:
        return [f"{word} {_shown(line)}" for word, lines in self.changes for line in lines]


class Edits(list[Edit]):
    """The changes of one attack, oldest first; shown one below the other."""

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or "<nothing was changed>"


def edit(session: int, time: int, event: Line | Record | Opening, decision: Decision) -> Edit:
    """The record of a decision about something that crossed the attacker; `time` is nanoseconds since 1970."""
    sender, title, before = _subject(event)
    onward, back, also = b"", b"", []
    for action in decision.actions:
        match action:
            case Pass():
                onward += before
            case Replace(data):
                onward += data
            case Answer(data):
                back += data
            case Inject(to, data) if to == sender:
                back += data
            case Inject(_, data) | Begin(data):
                onward += data
            case Delay() | TakeOverTLS() | Close():
                also.append(_WORDS[type(action)](action))
    return Edit(session, time, sender, title, before, onward, back, tuple(also))


def _subject(event: Line | Record | Opening) -> tuple[str, str, bytes]:
    if isinstance(event, Opening):
        return CLIENT, "connection", b""
    return event.sender, event.title if isinstance(event, Line) else TLS_RECORD, event.data


def _taken_over(action: TakeOverTLS) -> str:
    victim = f"with the victim, showing a certificate that is {action.certificate}" if action.certificate else ""
    return "TLS taken over " + " and ".join(filter(None, (victim, "with the server" if action.server else "")))


_WORDS = {
    Delay: lambda action: f"held for {action.seconds:g} s",
    TakeOverTLS: _taken_over,
    Close: lambda action: "connection broken off" if action.reset else "connection closed",
}


def _difference(one: bytes, other: bytes) -> tuple[bytes, ...]:
    """The lines of `one` that are not in `other`."""
    return _different(one.splitlines(keepends=True), other.splitlines(keepends=True))


def _different(ours: list[bytes], theirs: list[bytes]) -> tuple[bytes, ...]:
    changes = SequenceMatcher(a=ours, b=theirs, autojunk=False).get_opcodes()
    return tuple(part for kind, start, end, *_ in changes if kind in ("delete", "replace") for part in ours[start:end])


def _words(one: bytes, other: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The words that differ between two lines; the whole lines if most of their words differ."""
    gone, come = _different(one.split(), other.split()), _different(other.split(), one.split())
    return (gone, come) if 2 * max(len(gone), len(come)) < len(one.split()) else ((one,), (other,))


def _bytes_changed(before: bytes, after: bytes) -> list[str]:
    """What was done with a record, as phrases of a sentence."""
    if len(before) != len(after):
        return [f"{len(before):,} bytes became {len(after):,}"]
    at = [number for number, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    return [
        f"byte {number} of {len(before):,} was {before[number]:02x} and is {after[number]:02x}" for number in at[:4]
    ]


def _shown(data: bytes) -> str:
    beginning, more = data[:200].rstrip(b"\r\n"), "…" if len(data) > 200 else ""
    try:
        return repr(beginning.decode("utf-8") + more)
    except UnicodeDecodeError:
        return repr(beginning).removeprefix("b") + more
