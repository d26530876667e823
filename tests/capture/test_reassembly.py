"""TCP streams are put together again whatever the network and the capture did to their segments."""

import itertools
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tcp_frames import OTHER, WRAP, Connection, frames, gaps, said, signals

from labkit.capture.conversation import CLIENT, SERVER
from labkit.capture.frames import ACK, FIN, PSH, RST, SYN, Segment, ends
from labkit.capture.reassembly import conversations
from labkit.decode.dialogue import read
from labkit.show.readings import summary

HANDSHAKE = [(CLIENT, "syn"), (SERVER, "syn-ack"), (CLIENT, "ack")]
FINS = [(CLIENT, "fin"), (SERVER, "fin")]


def talk(**options) -> Connection:
    connection = Connection(**options).open()
    connection.say(SERVER, b"220 hello\r\n").say(CLIENT, b"EHLO alice\r\n").say(SERVER, b"250-mail\r\n", b"250 OK\r\n")
    return connection.say(CLIENT, b"QUIT\r\n").say(SERVER, b"221 bye\r\n").close()


def only(segments):
    (conversation,) = conversations(frames(segments))
    return conversation


WHOLE = talk().segments
CLIENT_SAID, SERVER_SAID = b"EHLO alice\r\nQUIT\r\n", b"220 hello\r\n250-mail\r\n250 OK\r\n221 bye\r\n"


def is_whole(conversation):
    assert (conversation.stream(CLIENT), conversation.stream(SERVER)) == (CLIENT_SAID, SERVER_SAID)
    assert signals(conversation) == HANDSHAKE + FINS
    return True


# ---- one connection


def test_a_connection_from_syn_to_fin_is_one_conversation_in_order():
    conversation = only(WHOLE)
    assert is_whole(conversation)
    assert (str(conversation.client), str(conversation.server)) == ("192.0.2.1:50000", "192.0.2.2:587")
    data = [(sender, data) for sender, kind, data in said(conversation) if kind == "data"]
    assert [sender for sender, _ in data] == [SERVER, CLIENT, SERVER, SERVER, CLIENT, SERVER]
    assert [chunk.frame for chunk in conversation.chunks[:4]] == [1, 2, 3, 4]
    assert [chunk.time for chunk in conversation.chunks[:2]] == [1_000_000, 2_000_000]


def test_what_is_sent_again_is_said_once():
    assert is_whole(only(seg for seg in WHOLE for _ in range(3)))
    assert is_whole(only(WHOLE[: len(WHOLE) // 2] + WHOLE))


def test_a_retransmission_that_overlaps_adds_only_what_is_new():
    connection = Connection().open()
    first = connection.send(CLIENT, PSH | ACK, b"EHLO al")
    connection.send(CLIENT, PSH | ACK, b"ice\r\nQU")
    whole = first._replace(payload=b"EHLO alice\r\nQUIT\r\n")
    conversation = only([*connection.segments, whole, first])
    assert conversation.stream(CLIENT) == b"EHLO alice\r\nQUIT\r\n" and not gaps(conversation.chunks)
    assert only([*connection.segments[:-1], whole, connection.segments[-1]]).stream(CLIENT) == whole.payload


def test_of_two_versions_of_the_same_bytes_the_first_counts():
    connection = Connection().open()
    first = connection.send(CLIENT, PSH | ACK, b"RCPT TO:<bob@lab.test>\r\n")
    forged = first._replace(payload=b"RCPT TO:<eve@lab.test>\r\n")
    assert only([*connection.segments, forged]).stream(CLIENT) == first.payload


def test_segments_that_overtook_each_other_are_put_in_order():
    backwards = Connection().open()
    pieces = [bytes([65 + n]) * 10 for n in range(20)]
    backwards.say(CLIENT, *pieces, acknowledged=False)
    conversation = only(backwards.segments[:3] + backwards.segments[:2:-1])
    assert conversation.stream(CLIENT) == b"".join(pieces) and not gaps(conversation.chunks)


def test_no_answer_stands_before_its_question():
    """On a capture from two interfaces, or of several receive queues, the reply may come first."""
    question, _, answer = WHOLE[5:8]
    assert (question.payload, answer.payload) == (b"EHLO alice\r\n", b"250-mail\r\n")
    conversation = only([*WHOLE[:5], answer, question, WHOLE[6], *WHOLE[8:]])
    assert is_whole(conversation)
    assert [data for _, kind, data in said(conversation) if kind == "data"][:3] == [
        *(b"220 hello\r\n", b"EHLO alice\r\n", b"250-mail\r\n")
    ]
    assert [chunk.time for chunk in conversation.chunks] == sorted(chunk.time for chunk in conversation.chunks)


@given(st.integers(0, WRAP), st.integers(0, WRAP))
def test_sequence_numbers_begin_anywhere_and_wrap(client, server):
    assert is_whole(only(talk(isn={CLIENT: client, SERVER: server}).segments))


@pytest.mark.parametrize("before", range(0, 40, 3))
def test_a_stream_that_wraps_in_its_middle_survives_reordering(before):
    segments = talk(isn={CLIENT: WRAP - before, SERVER: WRAP - before}).segments
    random.Random(before).shuffle(segments)
    assert is_whole(only(segments))


def test_keepalives_and_window_probes_say_nothing():
    connection = talk()
    probes = [seg._replace(seq=(seg.seq - 1) & WRAP, payload=b"\0") for seg in connection.segments if seg.payload]
    silent = [seg._replace(seq=(seg.seq - 1) & WRAP, payload=b"") for seg in connection.segments if seg.payload]
    mixed = [*connection.segments[:-3], *probes, *silent, *connection.segments[-3:]]
    assert is_whole(only(mixed))


def test_data_in_a_syn_is_the_beginning_of_the_stream():
    """TCP Fast Open, RFC 7413."""
    connection = Connection()
    connection.send(CLIENT, SYN, b"EHLO a")
    connection.send(SERVER, SYN | ACK)
    connection.send(CLIENT, PSH | ACK, b"lice\r\n")
    conversation = only(connection.segments)
    assert conversation.stream(CLIENT) == b"EHLO alice\r\n" and not gaps(conversation.chunks)


def test_a_refused_connection_is_a_syn_and_a_reset():
    connection = Connection()
    connection.send(CLIENT, SYN)
    connection.segments.append(connection.send(SERVER, RST | ACK)._replace(seq=0))
    assert said(only(connection.segments)) == [(CLIENT, "syn", b""), (SERVER, "rst", b"")]


def test_a_reset_ends_the_conversation_after_what_was_said():
    connection = Connection().open().say(SERVER, b"220 hello\r\n").say(CLIENT, b"EHLO alice\r\n").reset(SERVER)
    assert said(only(connection.segments))[-1] == (SERVER, "rst", b"")
    connection.segments[-1], connection.segments[-3] = connection.segments[-3], connection.segments[-1]
    conversation = only(connection.segments)
    assert conversation.stream(CLIENT) == b"EHLO alice\r\n" and signals(conversation)[-1] == (SERVER, "rst")


@pytest.mark.parametrize("flags", (RST, RST | ACK))
@pytest.mark.parametrize("sender", (CLIENT, SERVER))
@pytest.mark.parametrize("first", (0, 5))
def test_a_reset_does_not_swallow_what_waits_for_missing_bytes(flags, sender, first):
    connection = Connection().open().say(SERVER, b"220 ", b"hel", b"lo\r\n", acknowledged=False)
    connection.send(sender, flags)
    conversation = only([seg for seg in connection.segments[first:] if seg.payload != b"220 "])
    assert conversation.stream(SERVER).endswith(b"lo\r\n") and conversation.chunks[-1].kind == "rst"


# ---- resets, and what belongs to another connection


def talking(**options) -> Connection:
    """A connection in the middle of its session."""
    connection = Connection(**options).open().say(SERVER, b"220 hello\r\n").say(CLIENT, b"EHLO alice\r\n")
    return connection


def rest_of(connection: Connection) -> Connection:
    connection.say(SERVER, b"250-mail\r\n", b"250 OK\r\n").say(CLIENT, b"QUIT\r\n")
    return connection.say(SERVER, b"221 bye\r\n").close()


@pytest.mark.parametrize("sender", (CLIENT, SERVER))
@pytest.mark.parametrize("flags", (RST, RST | ACK))
@pytest.mark.parametrize("off", (-1, -5, -20_000, -(1 << 30), (1 << 30), (1 << 25)))
def test_a_reset_outside_the_window_changes_nothing(sender, flags, off):
    connection = talking()
    reset = connection.send(sender, flags)
    connection.segments[-1] = reset._replace(seq=(reset.seq + off) & WRAP)
    assert is_whole(only(rest_of(connection).segments))


@pytest.mark.parametrize("sender", (CLIENT, SERVER))
def test_a_reset_ahead_of_what_its_sender_says_next_was_not_accepted(sender):
    connection = talking()
    reset = connection.send(sender, RST)
    connection.segments[-1] = reset._replace(seq=reset.seq + 50)
    whole = rest_of(connection).segments
    alone = [seg for seg in whole if seg.ends == reset.ends]
    for heard in (whole, whole[:-3], alone, alone[:-2]):
        assert "rst" not in [kind for _, kind in signals(only(heard))]
        assert sender not in [side for side, _ in gaps(only(heard).chunks)]


@pytest.mark.parametrize("sender", (CLIENT, SERVER))
def test_data_that_continues_behind_a_reset_is_of_the_same_conversation(sender):
    conversation = only(rest_of(talking().reset(sender)).segments)
    assert (conversation.stream(CLIENT), conversation.stream(SERVER)) == (CLIENT_SAID, SERVER_SAID)
    assert signals(conversation) == [*HANDSHAKE, (sender, "rst"), *FINS]


def test_what_the_server_still_sends_after_a_reset_of_the_client_is_there():
    connection = talking().reset(CLIENT).say(SERVER, b"250-mail\r\n", b"250 OK\r\n", acknowledged=False)
    for _ in range(2):
        connection.reset(CLIENT)  # one for each segment that the server sent
    conversation = only(connection.segments)
    assert conversation.stream(SERVER) == b"220 hello\r\n250-mail\r\n250 OK\r\n"
    assert signals(conversation) == [*HANDSHAKE, (CLIENT, "rst")]


def test_a_syn_after_a_reset_begins_another_conversation():
    """Also with the same sequence number, as clients do that try again after a refusal."""
    connection = Connection()
    connection.send(CLIENT, SYN)
    refused = [*connection.segments, connection.send(SERVER, RST | ACK)._replace(seq=0, ack=1001)]
    first, second = conversations(frames([*refused, *WHOLE]))
    assert [kind for _, kind in signals(first)] == ["syn", "rst"] and is_whole(second)
    reset = [*WHOLE[:8], WHOLE[8]._replace(flags=RST | ACK, payload=b"")]
    first, second = conversations(frames([*reset, *WHOLE]))
    assert signals(first)[-1][1] == "rst" and is_whole(second)


@pytest.mark.parametrize("end", (0, -3))
def test_a_forged_syn_in_an_open_connection_hides_nothing_of_it(end):
    """RFC 5961 §4: the server answers it with an acknowledgment of what it has."""
    whole = rest_of(talking()).segments
    forged = whole[0]._replace(seq=123456)
    challenge = whole[6]._replace(flags=ACK, payload=b"")
    session, asked = conversations(frames([*whole[:7], forged, forged, challenge, *whole[7 : end or None]]))
    assert (session.stream(CLIENT), session.stream(SERVER)) == (CLIENT_SAID, SERVER_SAID)
    assert not gaps(session.chunks) and [kind for _, kind in signals(asked)] == ["syn"]


def test_a_connection_that_was_reset_is_given_while_others_go_on():
    others = (
        seg for n in itertools.count() for seg in talk(port=1025 + n % 60_000, isn={CLIENT: n, SERVER: 1}).segments
    )
    source = conversations(frames_of(itertools.chain(talking(port=1024).reset(SERVER).segments, others)))
    given = next(one for one in source if one.client.port == 1024)
    assert signals(given)[-1] == (SERVER, "rst")


@pytest.mark.parametrize("far", (17 << 20, 464_000_000, (1 << 31) - 1, 1 << 31, WRAP - 100_000))
def test_an_acknowledgement_of_what_was_never_sent_makes_no_gap(far):
    """A server that still has a connection from before answers a SYN with it (half-open, RFC 9293 §3.5.1)."""
    whole = talk().segments
    stale = whole[1]._replace(flags=ACK, seq=(whole[1].seq + 999) & WRAP, ack=(whole[0].seq + far) & WRAP)
    abort = whole[0]._replace(flags=RST, seq=stale.ack, ack=0)
    for number in (1, 3, 6):
        conversation = only([*whole[:number], stale, abort, whole[0], *whole[number:]])
        assert is_whole(conversation) and not gaps(conversation.chunks)
    reply = whole[3]._replace(ack=stale.ack)
    alone = only([*whole[:3], reply])
    assert not gaps(alone.chunks) and alone.stream(SERVER) == b"220 hello\r\n"
    assert is_whole(only([*whole[:3], reply, *whole[4:]]))


def test_a_large_piece_of_both_sides_that_is_missing_is_a_gap_of_its_size():
    """What the other side did send shows that an acknowledgement far ahead is right."""
    connection = talking()
    connection.next[CLIENT] += 100 << 20
    connection.next[SERVER] += 50 << 20
    connection.say(SERVER, b"250 OK\r\n").say(CLIENT, b"QUIT\r\n").say(SERVER, b"221 bye\r\n").close()
    conversation = only(connection.segments)
    assert sorted(gaps(conversation.chunks)) == [(CLIENT, 100 << 20), (SERVER, 50 << 20)]
    assert conversation.stream(SERVER).endswith(b"221 bye\r\n") and conversation.stream(CLIENT).endswith(b"QUIT\r\n")


# ---- what is missing


@pytest.mark.parametrize("sender", (CLIENT, SERVER))
def test_missing_bytes_are_a_gap_of_their_size(sender):
    connection = Connection().open().say(sender, b"one ", b"two ", b"three ", b"four")
    lost = [seg for seg in connection.segments if seg.payload not in (b"two ", b"three ")]
    chunks = only(lost).chunks
    assert [(chunk.kind, chunk.data) for chunk in chunks][3:] == [("data", b"one "), ("gap", b""), ("data", b"four")]
    assert gaps(chunks) == [(sender, len(b"two three "))]


def test_a_capture_that_cut_its_frames_has_gaps_where_the_bytes_are_missing():
    cut = [frame._replace(data=frame.data[: 54 + 4]) for frame in frames(WHOLE)]
    (conversation,) = conversations(cut)
    assert conversation.stream(CLIENT) == b"EHLOQUIT"
    assert gaps(conversation.chunks)[0] == (SERVER, len("220 hello\r\n") - 4)


@pytest.mark.parametrize("ended", (True, False))
def test_a_capture_of_headers_alone_has_gaps_of_what_was_said(ended):
    segments = WHOLE if ended else WHOLE[:-3]
    (conversation,) = conversations([frame._replace(data=frame.data[:54]) for frame in frames(segments)])
    lost = dict.fromkeys((CLIENT, SERVER), 0)
    for sender, size in gaps(conversation.chunks):
        lost[sender] += size
    whole = only(WHOLE)
    assert lost == {side: len(whole.stream(side)) for side in lost}
    assert "missing from the capture" in summary(read(conversation))


def test_the_middle_of_a_connection_is_read_from_its_first_bytes():
    conversation = only(WHOLE[5:])
    assert conversation.stream(CLIENT) == CLIENT_SAID
    assert conversation.stream(SERVER) == SERVER_SAID.removeprefix(b"220 hello\r\n")
    assert signals(conversation) == FINS


@pytest.mark.parametrize("sender", (CLIENT, SERVER))
def test_one_direction_alone_is_read_and_the_other_is_a_gap(sender):
    connection = talk()
    own = connection.ends[sender]
    conversation = only(seg for seg in connection.segments if seg.source == own)
    assert conversation.stream(sender) == (CLIENT_SAID if sender == CLIENT else SERVER_SAID)
    assert {who for who, _ in gaps(conversation.chunks)} == {OTHER[sender]}
    assert (conversation.client.port, conversation.server.port) == (50000, 587)


def test_a_long_stream_in_one_direction_does_not_wait_for_the_other_for_ever():
    connection = Connection()
    for _ in range(5000):
        connection.send(CLIENT, PSH | ACK, b"x" * 10)
        connection.next[SERVER] += 3
    conversation = only(connection.segments)
    assert conversation.stream(CLIENT) == b"x" * 50_000
    assert sum(size for _, size in gaps(conversation.chunks)) == 4999 * 3


def test_waiting_for_missing_bytes_has_an_end():
    """Nothing is held for ever: bytes are taken while the capture is still read, behind a gap."""
    connection = Connection().open()
    connection.send(CLIENT, PSH | ACK, b"lost")
    lost = connection.segments.pop()
    seen = []

    def endless():
        yield from connection.segments
        for _ in range(3000):
            yield connection.send(CLIENT, PSH | ACK, b"x" * 1000)
        yield connection.send(CLIENT, RST | ACK)
        for number in itertools.count():
            seen.append(number)
            yield talk(port=1024 + number % 60_000, isn={CLIENT: number * 100, SERVER: 1}).segments[0]

    source = conversations(frames_of(endless()))
    conversation = next(source)
    assert len(seen) < 20_000 and gaps(conversation.chunks) == [(CLIENT, len(lost.payload))]
    assert len(conversation.stream(CLIENT)) == 3_000_000


def frames_of(segments):
    return (frame for seg in segments for frame in frames([seg]))


def test_bytes_that_wait_are_let_go_when_the_connection_is_reset():
    connection = Connection().open()
    connection.send(CLIENT, PSH | ACK, b"lost")
    connection.segments.pop()
    connection.say(CLIENT, *[b"x" * 60_000] * 69, acknowledged=False)
    connection.send(CLIENT, RST | ACK, b"x" * 60_000)
    connection.send(CLIENT, RST | ACK, b"x" * 60_000)
    assert len(only(connection.segments).stream(CLIENT)) >= 70 * 60_000


# ---- many connections


def test_many_connections_at_once_are_told_apart():
    talks = [talk(port=50000 + n, isn={CLIENT: n * 77777, SERVER: n}).segments for n in range(200)]
    mixed = [seg for turn in zip(*talks, strict=True) for seg in turn]
    found = list(conversations(frames(mixed)))
    assert [conversation.client.port for conversation in found] == [50000 + n for n in range(200)]
    assert all(is_whole(conversation) for conversation in found)


def test_a_port_that_is_used_again_begins_another_conversation():
    again = talk(isn={CLIENT: 500, SERVER: 90}).segments
    assert [is_whole(one) for one in conversations(frames(WHOLE + again))] == [True, True]


def test_a_port_that_is_used_again_after_a_connection_without_an_end_begins_another_conversation():
    again = talk(isn={CLIENT: 900_000_000, SERVER: 5}).segments
    first, second = conversations(frames(WHOLE[:-3] + again))
    assert is_whole(second) and first.stream(CLIENT) == CLIENT_SAID
    first, second = conversations(frames(WHOLE[5:-3] + again))
    assert is_whole(second) and first.stream(CLIENT) == CLIENT_SAID


def test_what_comes_late_after_the_end_is_no_conversation():
    assert is_whole(only(WHOLE + WHOLE))


def test_a_conversation_is_given_as_soon_as_it_has_ended():
    taken = []

    def source():
        for number, frame in enumerate(frames(WHOLE + talk(port=50001).segments), 1):
            taken.append(number)
            yield frame

    next(conversations(source()))
    assert len(taken) == len(WHOLE) - 1  # its last frame only acknowledges


def test_who_is_the_client_is_seen_from_the_syn_or_guessed_from_the_ports():
    upside_down = talk(port=600, to=50000).segments
    assert only(upside_down).client.port == 600
    assert only(upside_down[3:4] + upside_down[:3] + upside_down[4:]).client.port == 600
    assert only(WHOLE[3:]).client.port == 50000
    assert only(talk(port=443, to=587).segments[3:]).client.port == 443
    assert only(talk(port=50000, to=40000).segments[3:]).client.port == 50000


def test_a_socket_that_is_connected_to_itself_is_a_conversation():
    """Which happens on loopback, when a client tries a port that the kernel has just given to it."""
    connection = talk()
    server = connection.ends[SERVER]
    alone = [seg._replace(ends=ends(server, server)) for seg in connection.segments]
    assert list(conversations(frames(alone)))
    assert list(conversations(frames([*alone[:5], alone[5]._replace(flags=RST)])))


# ---- any

PIECES = st.lists(st.tuples(st.sampled_from((CLIENT, SERVER)), st.binary(min_size=1, max_size=12)), max_size=12)


def pieces_said(pieces) -> tuple[list[Segment], dict[str, bytes]]:
    connection = Connection(isn={CLIENT: WRAP - 20, SERVER: 3}).open()
    for sender, data in pieces:
        connection.say(sender, data)
    connection.close()
    streams = {side: b"".join(data for sender, data in pieces if sender == side) for side in (CLIENT, SERVER)}
    return connection.segments, streams


@given(PIECES, st.data())
def test_any_order_and_any_repetition_gives_the_same_streams(pieces, data):
    segments, streams = pieces_said(pieces)
    again = data.draw(st.lists(st.sampled_from(segments), max_size=5))
    conversation = only(data.draw(st.permutations(segments + again)))
    assert {side: conversation.stream(side) for side in streams} == streams
    assert not gaps(conversation.chunks)
    for side in streams:
        own = [kind for sender, kind in signals(conversation) if sender == side]
        assert own == (["syn", "ack", "fin"] if side == CLIENT else ["syn-ack", "fin"])


@given(PIECES, st.data())
def test_whatever_is_lost_the_rest_stands_where_it_stood_and_nothing_of_it_is_left_out(pieces, data):
    segments, streams = pieces_said(pieces)
    kept = data.draw(st.lists(st.sampled_from(segments[2:]), unique_by=id))
    conversation = only(segments[:2] + data.draw(st.permutations(kept)))
    begins = {CLIENT: segments[0], SERVER: segments[1]}
    for side, stream in streams.items():
        place, found = 0, set()
        for chunk in conversation.chunks:
            if chunk.sender == side and chunk.kind in ("data", "gap"):
                if chunk.kind == "data":
                    assert stream[place : place + chunk.size] == chunk.data
                    found |= set(range(place, place + chunk.size))
                place += chunk.size
        captured = set()
        for seg in kept:
            if seg.source == begins[side].source:
                start = (seg.seq - begins[side].seq - 1) & WRAP
                captured |= set(range(start, start + len(seg.payload)))
        assert found == captured


ENDS = st.sampled_from(((b"\1\1\1\1", 1000), (b"\2\2\2\2", 25)))
ANYTHING = st.builds(
    lambda source, target, *more: Segment(ends(source, target), *more),
    *(ENDS, ENDS),
    *[st.integers(0, 60) | st.integers(0, WRAP) | st.integers(WRAP // 2 - 9, WRAP // 2 + 9)] * 2,
    st.sampled_from((0, ACK, SYN, SYN | ACK, FIN, FIN | ACK, RST, RST | ACK, PSH | ACK)) | st.integers(0, 255),
    st.binary(max_size=30),
)


@given(st.lists(ANYTHING, max_size=40))
@example([Segment(ends((b"\1\1\1\1", 25), (b"\2\2\2\2", 99)), seq, 1, PSH | ACK, b"x") for seq in (1, 1 + (1 << 31))])
@example(
    [
        Segment(ends((b"\1\1\1\1", 25), (b"\2\2\2\2", 99)), seq, 0, flags, b"x")
        for seq, flags in ((5, PSH | ACK), (1 << 31, SYN | ACK), (1, PSH | ACK))
    ]
)
def test_no_segments_are_too_strange(segments):
    for conversation in conversations(frames(segments)):
        assert conversation.chunks
        assert all(chunk.size == len(chunk.data) for chunk in conversation.chunks if chunk.kind != "gap")
