"""Round trips are counted by what waited for what, in whatever frames there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tcp_frames import Connection, frames

from labkit.capture.conversation import CLIENT, SERVER
from labkit.capture.frames import ACK, FIN, PSH
from labkit.decode.round_trips import round_trips


def _greeted(**ends):
    return Connection(**ends).open().say(SERVER, b"220 mail\r\n")


def _count(connection):
    (found,) = round_trips(frames(connection.segments))
    return found.count


def test_the_opening_and_the_greeting_are_two_and_each_answer_is_one_more():
    session = _greeted()
    assert _count(session) == 2
    session.say(CLIENT, b"EHLO alice\r\n").say(SERVER, b"250 mail\r\n")
    assert _count(session) == 3


def test_what_is_sent_together_is_answered_in_one():
    session = (
        _greeted().say(CLIENT, b"MAIL\r\n", b"RCPT\r\n", b"DATA\r\n").say(SERVER, b"250\r\n", b"250\r\n", b"354\r\n")
    )
    assert _count(session) == 3


def test_a_client_that_speaks_first_waits_for_two_round_trips():
    assert _count(Connection().open().say(CLIENT, b"hello").say(SERVER, b"hello")) == 2


def test_what_crosses_on_the_way_is_no_answer():
    session = _greeted()
    heard = session.next[SERVER]
    session.say(CLIENT, b"one", acknowledged=False)
    session.say(SERVER, b"ticket", acknowledged=False)
    late, session.next[SERVER] = session.next[SERVER], heard  # the client has not got the ticket yet
    session.send(CLIENT, PSH | ACK, b"two")
    session.next[SERVER] = late
    session.say(SERVER, b"answer to both")
    assert _count(session) == 3


@pytest.mark.parametrize("isn", [0, 1, 0xFFFFFFF0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_sequence_numbers_that_wrap_around_change_nothing(isn):
    session = _greeted(isn={CLIENT: isn, SERVER: isn})
    for _ in range(20):
        session.say(CLIENT, b"NOOP\r\n").say(SERVER, b"250 fine\r\n")
    assert _count(session) == 22


def test_what_is_sent_again_counts_once_and_the_servers_last_words_do_not_count():
    session = _greeted().say(CLIENT, b"QUIT\r\n").say(SERVER, b"221 bye\r\n")
    session.segments.append(session.segments[3])
    assert _count(session) == 3
    session.send(CLIENT, FIN | ACK)
    session.say(SERVER, b"close_notify")
    assert _count(session) == 3


def test_connections_are_told_apart_and_one_without_its_syn_is_left_out():
    one, other = _greeted(), _greeted(port=50001).say(CLIENT, b"EHLO\r\n").say(SERVER, b"250\r\n")
    mixed = [seg for pair in zip(one.segments, other.segments, strict=False) for seg in pair] + other.segments[5:]
    assert [(each.client, each.count) for each in round_trips(frames(mixed))] == [
        (("192.0.2.1", 50000), 2),
        (("192.0.2.1", 50001), 3),
    ]
    again = [*one.segments, *_greeted().say(CLIENT, b"EHLO\r\n").say(SERVER, b"250\r\n").segments]
    assert [each.count for each in round_trips(frames(again))] == [2, 3]
    assert round_trips(frames(one.segments[1:])) == []


@given(st.lists(st.integers(0, 40), max_size=60))
def test_frames_in_any_order_and_number_are_counted_without_an_error(order):
    session = (
        _greeted().say(CLIENT, b"EHLO\r\n").say(SERVER, b"250\r\n").say(CLIENT, b"QUIT\r\n").say(SERVER, b"221\r\n")
    )
    made = frames(session.close().segments)
    for found in round_trips([made[which % len(made)] for which in order]):
        assert 0 <= found.count <= 4
