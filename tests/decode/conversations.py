"""Conversations made of turns, as reassembly would give them."""

from collections.abc import Iterable

from labkit.capture.conversation import CLIENT, SERVER, Chunk, Conversation, Endpoint

GAP = None
"""A turn whose bytes are missing from the capture."""


def conversation(turns: Iterable[tuple[str, bytes | None]], port: int, whole: bool = True) -> Conversation:
    """A conversation with a server on `port`; `whole` if its SYN was captured."""
    chunks = [Chunk(0, 0, CLIENT, "syn", b"", 0)] if whole else []
    for number, (side, data) in enumerate(turns, 1):
        kind, said = ("gap", b"") if data is GAP else ("data", data)
        chunks.append(Chunk(number, number, side, kind, said, len(said) if data is not GAP else 9))
    return _between(chunks, port)


def closed(talk: Conversation) -> Conversation:
    """The same, which both sides then close."""
    behind = talk.said[-1][1] + 1
    ends = [Chunk(behind, behind, side, "fin", b"", 0) for side in (CLIENT, SERVER)]
    return _between([*talk.chunks, *ends], talk.server.port)


def _between(chunks: Iterable[Chunk], port: int) -> Conversation:
    return Conversation(Endpoint("192.0.2.1", 50000), Endpoint("192.0.2.2", port), [tuple(chunk) for chunk in chunks])
