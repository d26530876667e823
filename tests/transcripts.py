"""Conversations as RFCs write them, ``C:`` and ``S:`` before each line, and what a dialect's reader makes of them."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from textwrap import dedent

from labkit.dialects import CLIENT, SERVER, Dialect, Phrase
from labkit.dialects import reader as reading

Turn = tuple[str, bytes]

_SIDES = {"C": CLIENT, "S": SERVER}


def turns(transcript: str) -> list[Turn]:
    """One turn for each run of lines of one side."""
    found: list[Turn] = []
    for line in dedent(transcript).strip("\n").split("\n"):
        side, text = _SIDES[line[0]], line[3:].encode() + b"\r\n"
        if found and found[-1][0] == side:
            text = found.pop()[1] + text
        found.append((side, text))
    return found


def phrases(dialect: Dialect, said: Iterable[Turn]) -> list[Phrase]:
    """All phrases of a conversation; what is left over at the end comes as kind ``rest``."""
    reader = dialect.reader()
    found = [phrase for side, data in said for phrase in reader.feed(side, data)]
    rest = ((side, reader.rest(side)) for side in (CLIENT, SERVER))
    return found + [Phrase(side, "rest", "rest", data) for side, data in rest if data]


def seen(dialect: Dialect, transcript: str) -> list[tuple[str, str]]:
    """Kind and title of each phrase of a transcript."""
    return [(phrase.kind, phrase.title) for phrase in phrases(dialect, turns(transcript))]


def before_tls(found: Iterable[Phrase]) -> list[Phrase]:
    """The phrases up to the upgrade: how TCP cuts the bytes behind it decides whether they came with it."""
    return [phrase for phrase in found if phrase.kind not in ("injected", "rest")]


def split(said: Sequence[Turn], cuts: Iterable[int]) -> list[Turn]:
    """The same conversation with every turn cut at these offsets (taken modulo its size)."""
    found: list[Turn] = []
    cuts = list(cuts)
    for side, data in said:
        edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        found += [(side, data[start:end]) for start, end in pairwise(edges)]
    return found


def stream(said: Iterable[Turn | Phrase], side: str) -> bytes:
    """All bytes of one side, from turns or from phrases."""
    return b"".join(one[-1] for one in said if one[0] == side)


def held(reader: reading.BufferedReader) -> int:
    """Bytes that a reader keeps."""
    return sum(map(len, reader._buffers.values()))
