"""What the author of a message asks of every hop (RFC 8689)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.defences.requiretls import DEFAULT, REQUIRED, WAIVED, wish

BODY = b"From: a@b\r\n%s\r\nSubject: x\r\n\r\nTLS-Required: No\r\n"


@pytest.mark.parametrize(
    "options, field, expected",
    (
        ((), b"X: y", DEFAULT),
        (("REQUIRETLS",), b"X: y", REQUIRED),
        (("SIZE=1", "requiretls"), b"X: y", REQUIRED),
        ((), b"TLS-Required: No", WAIVED),
        ((), b"tls-required:no", WAIVED),
        ((), b"TLS-Required: Yes", DEFAULT),
        ((), b"TLS-Required: No\r\nTLS-Required: No", DEFAULT),
        (("REQUIRETLS",), b"TLS-Required: No", REQUIRED),
    ),
)
def test_the_envelope_beats_the_field_and_the_body_says_nothing(options, field, expected):
    assert wish(options, BODY % field) == expected


@given(st.binary(max_size=200))
def test_any_bytes_ask_for_nothing_unless_they_hold_the_field(data):
    assert wish((), data) == DEFAULT or b"tls-required" in data.lower()
