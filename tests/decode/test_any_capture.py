"""Real sessions, with their packets or their file mishandled: the same dialogue, or one that says what is wrong."""

import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tcp_frames import WRAP, frames
from thoroughly import examples

from labkit import read_capture, recorded
from labkit.capture.encapsulation import segment
from labkit.capture.frames import FIN, RST, SYN, Segment
from labkit.capture.reassembly import conversations
from labkit.capture.trace import Trace
from labkit.decode.dialogue import read
from labkit.decode.event import CLIENT, SERVER, TEXT, Dialogue
from labkit.decode.privacy import visible
from labkit.errors import CaptureError
from labkit.show.recordings import FOLDER, names

FILES = {name: (FOLDER / f"{name}.pcapng").read_bytes() for name in names()}
MOST_MEMORY = 200 << 20
"""Bytes; a length field in a damaged file may ask for 64 MiB before it is seen to be wrong."""


def stories(segments: list[Segment], trace: Trace) -> list[tuple]:
    """What is told of each conversation, by its ports. Of a file that FTP sends, which is in no dialect, its bytes."""
    found = sorted(conversations(frames(segments)), key=lambda conversation: (conversation.client, conversation.server))
    dialogues = [read(conversation, trace.secrets) for conversation in found]
    return [
        story(dialogue) if dialogue.dialect else (conversation.stream(CLIENT), conversation.stream(SERVER))
        for conversation, dialogue in zip(found, dialogues, strict=True)
    ]


def story(dialogue: Dialogue) -> tuple:
    """All of a dialogue but its times: what either side said, and in which order the two spoke to each other."""
    told = [event[2:9] for event in dialogue.events]
    sides = [[event for event in told if event[0] == side] for side in (CLIENT, SERVER)]
    return sides, [event for event in told if event[1] == TEXT], dialogue.session, dialogue.client, dialogue.server


RECORDED = {}
for name in names():
    trace = recorded(name)
    read_as_tcp = (segment(frame.link, frame.data) for frame in trace.frames)
    segments = [found for found in read_as_tcp if found is not None]  # a LAN also speaks ARP
    if segments:  # the name service is asked over UDP
        RECORDED[name] = (segments, trace, stories(segments, trace))
NAMES = tuple(RECORDED)


def cut(segment: Segment, places: list[int]) -> list[Segment]:
    """The same bytes in several segments."""
    edges = [0, *sorted({place % len(segment.payload) for place in places} - {0}), len(segment.payload)]
    pieces = []
    for start, end in pairwise(edges):
        flags = segment.flags if end == len(segment.payload) else segment.flags & ~FIN
        piece = segment.payload[start:end]
        pieces.append(segment._replace(seq=(segment.seq + start) & WRAP, flags=flags, payload=piece))
    return pieces


@given(st.sampled_from(NAMES), st.data())
def test_however_its_segments_are_cut_repeated_and_shuffled_a_session_is_the_same(name, data):
    segments, trace, told = RECORDED[name]
    pieces = list(segments)
    for number in sorted(data.draw(st.sets(st.integers(0, len(segments) - 1), max_size=8)), reverse=True):
        if segments[number].payload:
            pieces[number : number + 1] = cut(segments[number], data.draw(st.lists(st.integers(1, 9999), max_size=5)))
    pieces += data.draw(st.lists(st.sampled_from(pieces), max_size=5))
    shuffled = data.draw(st.permutations(pieces))
    if any(segment.flags & RST for segment in segments):  # a SYN behind a reset begins another session
        shuffled.sort(key=lambda piece: not piece.flags & SYN)
    assert stories(shuffled, trace) == told


@pytest.mark.parametrize("name", NAMES)
def test_a_session_byte_by_byte_is_the_same(name):
    segments, trace, told = RECORDED[name]
    single = [
        piece for seg in segments for piece in (cut(seg, list(range(len(seg.payload)))) if seg.payload else [seg])
    ]
    assert stories(single, trace) == told


@given(st.sampled_from(NAMES), st.data())
def test_whatever_is_lost_the_rest_is_told(name, data):
    segments, trace, _ = RECORDED[name]
    kept = data.draw(st.lists(st.sampled_from(segments), unique_by=id, min_size=1))
    for conversation in conversations(frames(kept)):
        dialogue = read(conversation, trace.secrets)
        look_at(dialogue)
        for side in (CLIENT, SERVER):
            said = [event for event in dialogue.events if event.sender == side]
            missing = sum(chunk.size for chunk in conversation.chunks if chunk.sender == side and chunk.kind == "gap")
            assert sum(event.wire for event in said if event.kind == "gap") == missing
            if dialogue.session is None:
                assert b"".join(event.data for event in said) == conversation.stream(side)


def look_at(dialogue: Dialogue) -> None:
    """Everything that a view may ask of a dialogue."""
    for event in dialogue.events:
        assert event.meaning and all(len(pair) == 2 for pair in event.lines) and event.text is not None
        covers(event.fields, 0, len(event.data))
    for exposure in visible(dialogue):
        data = dialogue.events[exposure.event_index].data
        assert 0 <= exposure.start <= exposure.end <= len(data) and exposure.value


def covers(fields, start, end):
    for field in fields:
        assert field.start == start
        start = field.end
        if field.children:
            covers(field.children, field.start, field.end)
    assert not fields or start == end


@st.composite
def mangled(draw) -> bytes:
    """A recorded file with some bytes changed, taken out, put in, repeated, or cut off."""
    data = bytearray(FILES[draw(st.sampled_from(tuple(FILES)))])
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data) - 1))
        end = min(len(data), start + draw(st.integers(0, 80)))
        data[start:end] = draw(
            st.sampled_from((b"", b"\0", b"\xff" * 4, bytes(data[start:end]) * 2)) | st.binary(max_size=9)
        )
        if draw(st.integers(0, 9)) == 0:
            del data[end:]
        data = data or bytearray(b"\n")
    return bytes(data)


@settings(max_examples=examples(200))
@given(mangled())
def test_any_mangled_file_gives_a_dialogue_or_an_error_and_keeps_to_its_memory(tmp_path_factory, data):
    path = Path(tmp_path_factory.getbasetemp()) / "mangled.pcapng"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        capture = read_capture(path)
        for view in (capture, capture.decrypted()):
            for dialogue in view.dialogues:
                look_at(dialogue)
            assert view.transcript().text and view.transcript().html
        capture.save(path)
        assert read_capture(path).frames == capture.frames
    except CaptureError as error:
        assert str(path) in str(error)
    finally:
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
        tracemalloc.stop()


@given(st.sampled_from(NAMES), st.lists(st.tuples(st.integers(0), st.integers(0), st.integers(0, 255)), max_size=9))
def test_any_bytes_changed_on_the_wire_give_a_dialogue(name, changes):
    segments, trace, _ = RECORDED[name]
    changed = list(segments)
    for number, place, value in changes:
        number %= len(changed)
        payload = bytearray(changed[number].payload)
        if payload:
            payload[place % len(payload)] = value
            changed[number] = changed[number]._replace(payload=bytes(payload))
    for conversation in conversations(frames(changed)):
        look_at(read(conversation, trace.secrets))
