"""A capture as a learner holds it: the frames, and every way to look at them.

It decodes on first use and keeps the result. What an eavesdropper sees is the usual view; `Capture.decrypted` is the
same capture with the secrets of its sessions. How each view looks is for the other files of this room.
"""

import reprlib
from collections.abc import Iterator, Mapping
from copy import copy
from itertools import islice
from pathlib import Path
from typing import Self

from labkit.capture.conversation import Conversation
from labkit.capture.trace import Trace
from labkit.decode.event import TCP, Dialogue, Event
from labkit.decode.privacy import Exposure, visible
from labkit.decode.second_look import read_all
from labkit.defences.lookups import lookups
from labkit.errors import LabError
from labkit.show.byteview import byteview
from labkit.show.ladder import ladder
from labkit.show.lookup_table import lookup_table
from labkit.show.page import Page, joined, sentence
from labkit.show.picture import Picture
from labkit.show.printed import printable
from labkit.show.readings import Reading
from labkit.show.step_list import Steps
from labkit.show.transcript import DIALOGUES_SHOWN, transcript
from labkit.trust.keylog import with_secrets

_TITLES_NAMED = 30
"""Titles that an error lists."""


class Capture(Trace):
    """A trace that can be looked at. In a notebook it shows its transcript."""

    _opened = False
    """Whether the secrets are used."""
    _state: tuple[int, int] = (0, 0)
    """Which frames were decoded: a capture that still grows is decoded anew."""

    @property
    def dialogues(self) -> list[Dialogue]:
        """Every conversation, decoded, in the order of their beginning."""
        return self._first(len(self._current()))

    @property
    def dialogue(self) -> Dialogue:
        """The first conversation in a protocol that can be upgraded, or in one that the lab knows, or the only one.

        Raises `LabError` without.
        """
        total = len(self._current())
        if total == 1:
            return self._first(1)[0]
        known: Dialogue | None = None
        for number in range(total):
            found = self._first(number + 1)[number]
            if found.dialect is None or all(event.layer == TCP for event in found.events):
                continue
            if found.dialect.upgrade:
                return found
            known = known or found
        if known is not None:
            return known
        if not total:
            raise LabError(self._without_conversations("There is no TCP conversation"))
        raise LabError(
            f"None of the {total:,} conversations in this capture is in a protocol that the lab knows: "
            "take one of .dialogues, which holds them all."
        )

    def _without_conversations(self, none: str) -> str:
        """A sentence for a capture in which no conversation was found; `none` says that there is none."""
        if self.passed_over:
            return f"No TCP conversation could be read in this capture. {self.passed_over}"
        said = f"{none} in this capture: {self._what_is_there()}."
        return said if self.frames else f"{said} {self.how}".rstrip()

    def _what_is_there(self) -> str:
        if self.frames:
            others = f": it holds {self._counted.all}" if self._counted.all else ""
            return f"none of its {len(self.frames):,} frames begins or continues one{others}"
        if self.path:
            return f"there is no frame in {self.path}, so capture or copy it again"
        return "it is empty, so let something cross the lab's network inside the with block, which must have ended"

    def transcript(self) -> Page:
        """What was said, line by line, with its meaning and with what an eavesdropper can read.

        Questions to the name server over UDP stand below, as a table.
        """
        total = len(self._current())
        questions = [self.lookups()] if lookups(self.datagrams) else []
        if not total:
            return questions[0] if questions else sentence(self._without_conversations("No TCP conversation"))
        readings = [Reading(dialogue, visible(dialogue)) for dialogue in self._first(DIALOGUES_SHOWN)]
        said = transcript(readings, " ".join(filter(None, (self.how, self.passed_over))), total)
        return joined([said, *questions])

    def ladder(self, notes: Mapping[int, str] | None = None) -> Picture:
        """The ladder diagram of `dialogue`; `notes` are remarks by the index of an event. Raises `LabError`."""
        return ladder(self.dialogue, notes)

    def steps(self) -> Steps:
        """The steps of the upgrade in `dialogue`; ``.notes`` are remarks for `ladder`. Raises `LabError`."""
        return Steps(self.dialogue)

    def bytes(self, title: str, index: int = 0) -> Page:
        """Every byte of a message of `dialogue` with that `title` (``ClientHello``): the first, or the one at `index`.

        Raises `LabError` when there is no such message; the error names those that exist.
        """
        if not isinstance(title, str):
            raise LabError(f"A message is named by its title, like 'ClientHello', not by {title!r}.")
        events = [event for event in self.dialogue.events if event.data]
        found = [event for event in events if event.title.casefold() == title.casefold()]
        if not found:
            raise LabError(
                f"There is no message {title!r} in this conversation: it has {_titles(events)}{self._closed()}."
            )
        if not -len(found) <= index < len(found):
            raise LabError(f"There is no {title} with index {index}: there are {len(found)}, counted from 0.")
        return byteview(found[index])

    def _closed(self) -> str:
        return (
            "; what crossed the wire encrypted is in .decrypted()" if self.dialogue.session and not self._opened else ""
        )

    def decrypted(self, keylog: str | None = None) -> Self:
        """The same capture, decoded with the secrets of its sessions, or with those in the text of another key log.

        Raises `CaptureError` for a text without secrets; a key log file is given to `read_capture`.
        """
        self._current()
        opened = copy(self)
        opened._opened = True
        if keylog is not None:
            opened.keylog = with_secrets(keylog, f"The text {reprlib.repr(keylog)}")
            opened.__dict__.pop("secrets", None)
        opened._start()
        return opened

    def lookups(self) -> Page:
        """The questions to the name server and its answers, as a table; what they are about is said with each."""
        return lookup_table(lookups(self.datagrams), self.frames[0].time if self.frames else 0, self.names)

    def visible(self) -> list[Exposure]:
        """What an eavesdropper can read, conversation by conversation; the indices are those of its events."""
        return [exposure for dialogue in self.dialogues for exposure in visible(dialogue)]

    def _current(self) -> list[Conversation]:
        """The conversations of the frames as they are now."""
        state = (id(self.frames), len(self.frames))
        if state != self._state:
            self.__dict__.pop("conversations", None)
            self.__dict__.pop("secrets", None)
            self._state = state
            self._start()
        return self.conversations

    def _start(self) -> None:
        self._decoded: list[Dialogue] = []
        self._source: Iterator[Dialogue] = read_all(
            self.conversations, self.secrets if self._opened else None, self.names
        )

    def _first(self, count: int) -> list[Dialogue]:
        self._decoded += islice(self._source, max(count - len(self._decoded), 0))
        return self._decoded[:count]

    def _repr_html_(self) -> str:
        return self.transcript().html

    def __repr__(self) -> str:
        return self.transcript().text


def _titles(events: list[Event]) -> str:
    titles = list(dict.fromkeys(printable(event.title) for event in events))
    more = f" and {len(titles) - _TITLES_NAMED} more" if len(titles) > _TITLES_NAMED else ""
    return ", ".join(titles[:_TITLES_NAMED]) + more if titles else "none with bytes"


def read_capture(path: str | Path, keylog: str | Path | None = None) -> Capture:
    """The capture in a pcap or pcapng file; `keylog` is a key log file for one without secrets inside.

    Raises `CaptureError` for what is not a capture or cannot be read.
    """
    return Capture.read(path, keylog)
