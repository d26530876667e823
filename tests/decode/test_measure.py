"""What can be measured of a conversation from outside."""

import os

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from labkit import recorded
from labkit.capture.conversation import Conversation
from labkit.decode.measure import READABLE, SEALED, SHAKING, entropies, entropy, measure


def test_every_payload_byte_is_counted_once():
    for name in ("clear_smtp_auth_plain", "starttls_tls13", "starttls_tls12", "implicit_tls13"):
        capture = recorded(name)
        payload = measure(capture.dialogue).payload
        assert sum(payload.values()) == _size(capture.conversations[0]), name


def _size(conversation: Conversation) -> int:
    return sum(len(chunk.data) for chunk in conversation.chunks)


def test_in_clear_text_everything_is_readable_and_with_implicit_tls_nothing():
    clear, implicit = (measure(recorded(name).dialogue).payload for name in ("clear_smtp_auth_plain", "implicit_tls13"))
    assert clear[READABLE] and not clear[SHAKING] + clear[SEALED]
    assert not implicit[READABLE] and implicit[SHAKING] and implicit[SEALED]


def test_opening_a_capture_does_not_change_what_crossed_the_wire():
    capture = recorded("starttls_tls13")
    assert measure(capture.dialogue).payload == measure(capture.decrypted().dialogue).payload


def test_starttls_costs_two_turns_more_than_implicit_tls():
    explicit, implicit = (measure(recorded(name).dialogue).turns for name in ("starttls_tls13", "implicit_tls13"))
    assert explicit == implicit + 2


@given(st.binary(max_size=600))
def test_entropy_lies_between_nothing_and_eight_bits(data):
    assert 0 <= entropy(data) <= 8
    assert all(0 <= bits <= 7 for _, bits in entropies(data))


def test_equal_bytes_have_no_entropy_and_all_bytes_have_eight_bits():
    assert entropy(b"") == entropy(bytes(500)) == 0
    assert entropy(bytes(range(256))) == approx(8)
    assert entropy(os.urandom(20_000)) > 7.9 > 6 > entropy(b"The PIN is 4921, and nobody else knows it. " * 50)
