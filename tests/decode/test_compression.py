"""COMPRESS=DEFLATE (RFC 4978): what follows is inflated, in clear and inside TLS, or said to be unreadable."""

import zlib
from itertools import pairwise

import pytest
from conversations import GAP, conversation
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.capture.conversation import CLIENT, SERVER
from labkit.decode import text_layer
from labkit.decode.dialogue import read
from labkit.decode.event import TEXT, Dialogue
from labkit.dialects import IMAP

START = [
    (SERVER, b"* OK hello\r\n"),
    (CLIENT, b"a COMPRESS DEFLATE\r\n"),
    (SERVER, b"a OK DEFLATE active\r\n"),
]
SAID = [
    (CLIENT, b"b LOGIN alice hunter2\r\n"),
    (SERVER, b"b OK in\r\n"),
    (CLIENT, b"c FETCH 1 BODY[]\r\n"),
    (SERVER, b"* 1 FETCH (BODY[] {12}\r\nSubject: x\r\n)\r\nc OK done\r\n"),
]
WANTED = [
    *(("command", "LOGIN"), ("reply", "OK"), ("command", "FETCH"), ("message", "FETCH"), ("reply", "OK")),
]


class Deflater:
    """Both sides' compression, flushed behind each turn as RFC 4978 §3 wants it."""

    def __init__(self) -> None:
        self._streams = {side: zlib.compressobj(wbits=-15) for side in (CLIENT, SERVER)}

    def turn(self, side: str, data: bytes) -> tuple[str, bytes]:
        stream = self._streams[side]
        return side, stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


def deflated() -> list[tuple[str, bytes]]:
    deflater = Deflater()
    return [deflater.turn(side, data) for side, data in SAID]


def told(dialogue: Dialogue) -> list[tuple[str, str]]:
    return [(event.kind, event.title) for event in dialogue.events if event.layer == TEXT][3:]


def test_what_is_compressed_is_inflated_and_read():
    compressed = deflated()
    dialogue = read(conversation([*START, *compressed], 143))
    assert told(dialogue) == WANTED
    inside = [event for event in dialogue.events if event.layer == TEXT][3:]
    assert b"".join(event.data for event in inside) == b"".join(data for _, data in SAID)
    assert sum(event.wire for event in inside) == sum(len(data) for _, data in compressed)
    assert not any(event.encrypted for event in inside)


def test_a_refused_compression_leaves_text():
    said = [*START[:2], (SERVER, b"a NO not now\r\n"), *SAID]
    assert told(read(conversation(said, 143))) == WANTED


def test_compression_may_begin_inside_tls():
    events = []
    layer = text_layer.TextLayer(IMAP, events, encrypted=True)
    for side, data in [*START, *deflated()]:
        layer.feed(side, data, len(data) + 20, 0.0, 1)
    assert [(event.kind, event.title) for event in events][3:] == WANTED
    assert all(event.encrypted for event in events)


def test_what_follows_the_agreement_in_one_segment_is_compressed():
    (side, first), *others = deflated()
    greeted = Deflater().turn(SERVER, b"")[1]
    agreed = (SERVER, START[2][1] + greeted)
    dialogue = read(conversation([*START[:2], agreed, (side, first)], 143))
    assert told(dialogue)[0] == ("command", "LOGIN") and others


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=8))
def test_how_the_bytes_are_split_changes_nothing(cuts):
    pieces = []
    for side, data in [*START, *deflated()]:
        edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        pieces += [(side, data[start:end]) for start, end in pairwise(edges)]
    assert told(read(conversation(pieces, 143))) == WANTED


@given(st.binary(min_size=1, max_size=60), st.binary(max_size=20))
def test_what_is_no_deflate_is_said_to_be_unreadable_and_no_byte_is_lost(data, more):
    dialogue = read(conversation([*START, (CLIENT, b"\x07" + data), (CLIENT, more), (SERVER, b"* BYE\r\n")], 143))
    unreadable = [event for event in dialogue.events if event.title == "compressed, not readable"]
    client = b"".join(event.data for event in unreadable if event.sender == CLIENT)
    assert client == b"\x07" + data + more
    assert all("cannot read" in event.meaning for event in unreadable)


def test_a_megabyte_that_stands_for_a_gigabyte_is_not_inflated_to_the_end(monkeypatch):
    monkeypatch.setattr(text_layer, "MOST_INFLATED", 1 << 20)
    bomb = Deflater().turn(SERVER, bytes(64 << 20))
    dialogue = read(conversation([*START, bomb, (SERVER, b"more")], 143))
    said = [event for event in dialogue.events if event.sender == SERVER and event.layer == TEXT][2:]
    large = [event for event in said if event.title == "compressed, too large to inflate here"]
    assert large[0].data + large[1].data == bomb[1][-len(large[0].data) :] + b"more"
    assert sum(len(event.data) for event in said) < 2 << 20


def test_behind_a_hole_what_is_compressed_is_unreadable():
    first, second, third, fourth = deflated()
    dialogue = read(conversation([*START, first, second, third, (SERVER, GAP), fourth], 143))
    assert told(dialogue) == [*WANTED[:3], ("unknown", "compressed, not readable")]
    assert dialogue.events[-1].data == fourth[1]


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_a_large_literal_is_inflated_whole(size):
    mail = b"x" * size
    deflater = Deflater()
    turns = [deflater.turn(SERVER, b"* 1 FETCH (BODY[] {%d}\r\n%s)\r\n" % (size, mail))]
    dialogue = read(conversation([*START, *turns], 143))
    (message,) = (event for event in dialogue.events if event.kind == "message")
    assert mail in message.data and message.wire == len(turns[0][1])
