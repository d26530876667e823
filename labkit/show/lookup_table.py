"""The questions to a name server in a capture, as a table."""

from collections.abc import Iterable, Mapping

from labkit.defences.lookups import Lookup
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


def lookup_table(found: Iterable[Lookup], began: int, names: Mapping[str, str]) -> Page:
    """The table of these questions; `began` is when the capture did, in nanoseconds since 1970 (UTC).

    `names` is ``ip:port`` or ``ip`` -> the name of that host.
    """
    rows = [
        (
            f"{(each.time - began) / 1e6:.1f}",
            names.get(client := str(each.client)) or names.get(each.client.host, client),
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
