"""The questions to a name server in a capture, as a table."""

from collections.abc import Iterable, Mapping
from itertools import chain, islice

from labkit.capture.pcap import Frame
from labkit.defences.lookups import lookups
from labkit.show.page import Page
from labkit.show.table import Column, table_of

_CAPTION = "Questions to the name server"
_COLUMNS = (
    Column("ms", heads=True),
    Column("who asks"),
    Column("for"),
    Column("answer", "lk-long"),
    Column("signed"),
    Column("about"),
)
_LONGEST = 60
"""Characters of an answer that are shown."""


def lookup_table(frames: Iterable[Frame], names: Mapping[str, str]) -> Page:
    """The table of what was asked in these frames; `names` is ``ip:port`` or ``ip`` -> the name of that host."""
    coming = iter(frames)
    first = list(islice(coming, 1))
    found = lookups(chain(first, coming))
    began = first[0].time if first else 0
    rows = [
        (
            f"{(each.time - began) / 1e6:.1f}",
            names.get(each.client) or names.get(each.client.partition(":")[0], each.client),
            f"{each.name} {each.type}",
            _short(each.answer) or "no answer was seen",
            "yes" if each.signed else "no",
            each.about,
        )
        for each in found
    ]
    return table_of(_CAPTION, _COLUMNS, rows)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
