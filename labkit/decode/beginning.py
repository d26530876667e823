"""How a conversation begins: what proxies say first, the dialect that the first bytes tell, and who the client is."""

from collections.abc import Iterable, Sequence

from labkit.capture.conversation import CLIENT, SERVER, ChunkFields, Conversation
from labkit.decode.preface import LONGEST, Part, may_have_preface, preface
from labkit.decode.tls_start import AHEAD, begins
from labkit.dialects import inside_tls_at, recognise
from labkit.dialects.base import OTHER, Dialect
from labkit.dialects.reader import begins_hello

_GREETING = 512
"""Bytes that a side says first and that tell the dialect (RFC 5321 §4.5.3.1.5)."""


def spoken(conversation: Conversation) -> Dialect | None:
    """The dialect that a conversation's first bytes, or its port, tell."""
    port = conversation.server.port
    return recognised(conversation.said, port)[1] or inside_tls_at(port)


def recognised(said: Sequence[ChunkFields], port: int) -> tuple[list[Part], Dialect | None]:
    """What proxies say first, and the dialect of what follows; the port tells it where the first bytes do not.

    With 0 for `port` only the bytes count.
    """
    server, client = _first_words(said, _GREETING)
    before: list[Part] = []
    if may_have_preface(client):
        server, client = _first_words(said, LONGEST)
        before = preface(server, client)
        sizes = _sizes(before)
        server, client = server[sizes[SERVER] :][:_GREETING], client[sizes[CLIENT] :][:_GREETING]
    return before, recognise(server, client, port)


def _first_words(said: Sequence[ChunkFields], size: int) -> tuple[bytes, bytes]:
    """The first bytes of the server and of the client."""
    server = client = b""
    for _, _, sender, kind, data, _ in said:
        if kind != "data":
            continue
        if sender == CLIENT:
            client = client if len(client) >= size else client + data
        elif len(server) < size:
            server += data
        if len(client) >= size and len(server) >= size:
            break
    return server, client


def _sizes(parts: Iterable[Part]) -> dict[str, int]:
    sizes = {CLIENT: 0, SERVER: 0}
    for part in parts:
        sizes[part.sender] += part.size
    return sizes


def is_begun(conversation: Conversation) -> bool:
    """Whether the connection's beginning was captured."""
    return bool(conversation.said) and conversation.said[0][3] in ("syn", "syn-ack")


def is_in_text(said: Sequence[ChunkFields], start: int) -> bool:
    """Whether what is captured from this chunk on begins in a message of the client that ends with a dot.

    The server says something before one can be begun (RFC 5321 §4.1.1.4), so a line with a single dot that comes
    before that ends another. Where the server may have said something unseen, a DATA before the dot begins one.
    """
    client, hidden, answered = bytearray(), False, False
    for number in range(start, len(said)):
        _, _, sender, kind, data, _ = said[number]
        if (kind, sender) == ("data", CLIENT):
            client += data
        elif (kind, sender) == ("gap", SERVER):
            hidden = True
        elif kind in ("data", "gap"):
            answered = kind == "data"
            break
    before, dot, _ = bytes(client).partition(b"\r\n.\r\n")
    begins_here = b"\nDATA\r\n" in before.upper() and (hidden or not answered)
    return bool(dot) and not begins_here


def is_begun_in_record(said: Sequence[ChunkFields]) -> bool:
    """Whether a capture from the middle begins in TLS: the first record that it has is not that of a ClientHello."""
    pieces = (chunk[4][:AHEAD] for chunk in said if chunk[3] == "data")
    first = next((piece for piece in pieces if begins(piece)), b"")
    return bool(first) and begins_hello(first) is not True


def with_roles(conversation: Conversation) -> Conversation:
    """The conversation with client and server as what they say tells, where their SYN was not captured."""
    if is_begun(conversation) or not _is_turned(conversation.said):
        return conversation
    said = [(time, frame, OTHER[sender], *others) for time, frame, sender, *others in conversation.said]
    return Conversation(conversation.server, conversation.client, said, conversation.over)


def _is_turned(said: list[ChunkFields]) -> bool:
    spoken = (chunk for chunk in said if chunk[3] == "data" and chunk[4][:1] == b"\x16")
    hello = next((chunk[2] for chunk in spoken if begins_hello(chunk[4])), None)
    if hello:
        return hello == SERVER
    server, client = _first_words(said, _GREETING)
    return recognise(server, client) is None and recognise(client, server) is not None


def heard_alone(said: list[ChunkFields]) -> set[str]:
    """The side whose data alone was captured; empty where both were heard, or neither."""
    heard = set()
    for chunk in said:
        if chunk[3] == "data":
            heard.add(chunk[2])
            if len(heard) == 2:
                return set()
    return heard
