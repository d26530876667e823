"""The result of reassembly: one TCP conversation as chunks in causal order.

Endpoints, chunks and conversations are plain records; how they are made is `reassembly`, what they mean is `decode`.
"""

from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from labkit.dialects.base import CLIENT, SERVER

__all__ = ["CLIENT", "SERVER", "Chunk", "Conversation", "Endpoint"]


class Endpoint(NamedTuple):
    """One end of a TCP connection."""

    host: str
    """The IP address in its usual text form."""
    port: int
    """The TCP port, host order."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Chunk(NamedTuple):
    """Something that one side sent: bytes in order, a TCP signal, or bytes that are missing from the capture."""

    time: int
    """Nanoseconds since 1970 (UTC), of the frame that completed it."""
    frame: int
    """The number of that frame in its capture, from 1."""
    sender: str
    """`CLIENT` or `SERVER`."""
    kind: str
    """data, gap, syn, syn-ack, ack (the third of the handshake), fin, rst, or again: data that was said before, with
    other bytes."""
    data: bytes
    """The payload; empty but for ``data`` and ``again``."""
    size: int
    """Bytes: of the payload, or missing in a gap."""


_RECENT = 100
"""How many chunks back `last` searches."""

ChunkFields = tuple[int, int, str, str, bytes, int]
"""The fields of a `Chunk` as a plain tuple, because most are read once: to name them takes 0.15 µs each, 1 % of
decoding."""


@dataclass(slots=True)
class Conversation:
    """Both directions of one TCP connection, in causal order: no chunk stands before the bytes that it acknowledges."""

    client: Endpoint
    server: Endpoint
    said: list[ChunkFields] = field(default_factory=list)
    """Its chunks, as plain tuples."""
    over: int = 0
    """The number of the frame that ended it; the last frame's number plus one if none did."""

    @property
    def began(self) -> int:
        """The number of its first frame. Raises `IndexError` for a conversation without chunks."""
        return self.said[0][1]

    @property
    def chunks(self) -> list[Chunk]:
        """What was said, in order."""
        return list(map(Chunk._make, self.said))

    def last(self, sender: str, size: int) -> bytes:
        """The last `size` payload bytes of one side; fewer where a gap or many chunks stand between."""
        found, held = [], 0
        for _, _, by, kind, data, _ in islice(reversed(self.said), _RECENT):
            if by == sender and kind == "gap":
                break
            if by == sender and kind == "data":
                found.append(data)
                held += len(data)
        return b"".join(reversed(found))[max(held - size, 0) :]

    def stream(self, sender: str) -> bytes:
        """All payload bytes of one side, in order; gaps are left out."""
        return b"".join(chunk.data for chunk in self.chunks if chunk.sender == sender and chunk.kind == "data")
