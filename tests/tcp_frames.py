"""TCP connections made segment by segment, with sequence numbers that fit, for what no real network does on demand."""

import socket
from collections.abc import Iterable

from labkit.capture.conversation import CLIENT, SERVER, Chunk, Conversation
from labkit.capture.frames import ACK, ETHERNET, FIN, PSH, RST, SYN, Segment, ends
from labkit.capture.headers import build
from labkit.capture.pcap import Frame

WRAP = 0xFFFFFFFF
OTHER = {CLIENT: SERVER, SERVER: CLIENT}


class Connection:
    """A client and a server that take turns; each verb adds what it puts on the wire to `segments`."""

    def __init__(
        self, port: int = 50000, to: int = 587, isn: dict[str, int] | None = None, client: str = "192.0.2.1"
    ) -> None:
        self.segments: list[Segment] = []
        self.ends = {CLIENT: (socket.inet_aton(client), port), SERVER: (socket.inet_aton("192.0.2.2"), to)}
        self.next = dict(isn or {CLIENT: 1000, SERVER: 7000})

    def send(self, sender: str, flags: int, payload: bytes = b"") -> Segment:
        """One segment that acknowledges everything so far."""
        ack = self.next[OTHER[sender]] if flags & ACK else 0
        seg = Segment(ends(self.ends[sender], self.ends[OTHER[sender]]), self.next[sender], ack, flags, payload)
        self.next[sender] = (self.next[sender] + len(payload) + bool(flags & (SYN | FIN))) & WRAP
        self.segments.append(seg)
        return seg

    def open(self) -> "Connection":
        self.send(CLIENT, SYN)
        self.send(SERVER, SYN | ACK)
        self.send(CLIENT, ACK)
        return self

    def say(self, sender: str, *pieces: bytes, acknowledged: bool = True) -> "Connection":
        """Some segments with data, and the other's acknowledgement."""
        for piece in pieces:
            self.send(sender, PSH | ACK, piece)
        if acknowledged:
            self.send(OTHER[sender], ACK)
        return self

    def close(self) -> "Connection":
        self.send(CLIENT, FIN | ACK)
        self.send(SERVER, FIN | ACK)
        self.send(CLIENT, ACK)
        return self

    def reset(self, sender: str) -> "Connection":
        self.send(sender, RST | ACK)
        return self


def frames(segments: Iterable[Segment]) -> list[Frame]:
    """The segments as captured Ethernet frames, one a millisecond."""
    built = (build(seg, number) for number, seg in enumerate(segments))
    return [Frame(number * 1_000_000, ETHERNET, data, len(data)) for number, data in enumerate(built, 1)]


def said(conversation: Conversation) -> list[tuple[str, str, bytes]]:
    """Who sent what, without the times."""
    return [(chunk.sender, chunk.kind, chunk.data) for chunk in conversation.chunks]


def signals(conversation: Conversation) -> list[tuple[str, str]]:
    """What is not data."""
    return [(chunk.sender, chunk.kind) for chunk in conversation.chunks if chunk.kind != "data"]


def gaps(chunks: Iterable[Chunk]) -> list[tuple[str, int]]:
    """Who sent what is missing, and how many bytes."""
    return [(chunk.sender, chunk.size) for chunk in chunks if chunk.kind == "gap"]
