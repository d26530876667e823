"""What a capture does not have whole is told: frames that it cut, and bytes of which it has two versions."""

from html import unescape

import pytest
from tcp_frames import Connection, frames, gaps, said, signals

from labkit.capture.conversation import CLIENT, SERVER
from labkit.capture.frames import ACK, FIN, PSH, RST
from labkit.capture.reassembly import conversations
from labkit.decode.dialogue import read
from labkit.decode.privacy import visible
from labkit.show.json_lines import json_line
from labkit.show.readings import Reading, summary
from labkit.show.rungs import rungs
from labkit.show.transcript import transcript

HEADERS = 54
GREETING, ASK = b"220 hello\r\n", b"EHLO alice\r\n"


def talk() -> Connection:
    return Connection().open().say(SERVER, GREETING).say(CLIENT, ASK).close()


def only(segments):
    (conversation,) = conversations(frames(segments))
    return conversation


# ---- frames that were cut


@pytest.mark.parametrize(("flags", "end"), ((PSH | ACK, []), (FIN | ACK, ["fin"]), (RST | ACK, ["rst"])))
@pytest.mark.parametrize("held", (0, 4))
def test_a_last_frame_that_was_cut_is_followed_by_a_gap(flags, end, held):
    last = Connection().open().say(SERVER, GREETING)
    last.send(CLIENT, flags, ASK)
    *others, cut = frames(last.segments)
    (conversation,) = conversations([*others, cut._replace(data=cut.data[: HEADERS + held])])
    assert conversation.stream(CLIENT) == b"EHLO"[:held] and gaps(conversation.chunks) == [(CLIENT, 12 - held)]
    assert signals(conversation)[4:] == [(CLIENT, kind) for kind in end]


def test_a_header_that_says_more_than_was_on_the_wire_makes_no_gap():
    whole = frames(talk().segments)
    padded = [frame._replace(data=frame.data[:16] + b"\x05\0" + frame.data[18:]) for frame in whole]
    (conversation,) = conversations([*padded[:4], *whole[4:]])
    assert conversation.stream(CLIENT) == ASK and not gaps(conversation.chunks)


def test_headers_alone_from_the_middle_of_a_connection_are_a_conversation_whose_words_are_missing():
    (conversation,) = conversations(
        [frame._replace(data=frame.data[:HEADERS]) for frame in frames(talk().segments[3:-3])]
    )
    assert {kind for _, kind, _ in said(conversation)} == {"gap"}
    assert "What was said is missing from the capture" in summary(read(conversation))


# ---- bytes of which there are two versions


@pytest.mark.parametrize("sender", (CLIENT, SERVER))
def test_bytes_that_come_again_and_are_others_are_told(sender):
    connection = Connection().open()
    first = connection.send(sender, PSH | ACK, b"RCPT TO:<bob@lab.test>\r\n")
    second = connection.send(sender, PSH | ACK, b"DATA\r\n")
    forged, longer = first._replace(payload=b"RCPT TO:<eve@lab"), second._replace(payload=b"QUIT\r\nNOOP\r\n")
    conversation = only([*connection.segments, forged, longer])
    assert [(c.kind, c.data) for c in conversation.chunks[-3:]] == [
        ("again", b"RCPT TO:<eve@lab"),
        ("again", b"QUIT\r\n"),
        ("data", b"NOOP\r\n"),
    ]
    assert conversation.stream(sender) == first.payload + second.payload + b"NOOP\r\n"
    told = [exposure.value for exposure in visible(read(conversation)) if exposure.what == "text"]
    assert set(told) >= {"RCPT TO:<eve@lab", "QUIT"}
    assert all("RCPT TO:<eve@lab" in view for view in plain_views(conversation))


def plain_views(conversation):
    dialogue = read(conversation)
    page = transcript([Reading(dialogue, visible(dialogue))], "", 1)
    assert ("other bytes", "(16 bytes)") in [(rung.title, rung.detail) for rung in rungs(dialogue)]
    return page.text, unescape(page.html), json_line(dialogue)


def test_bytes_that_are_the_same_again_are_not_told():
    connection = Connection().open().say(CLIENT, b"EHLO alice\r\n", b"NOOP\r\n").close()
    *_, fin, _, _ = connection.segments
    again = [fin._replace(seq=fin.seq - 6, payload=b"NOOP\r\n"), *connection.segments]
    assert signals(only([*connection.segments[:-2], *again])) == signals(only(connection.segments))
