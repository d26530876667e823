"""Whatever two sides say, the phrases do not depend on how TCP has cut the bytes."""

from hypothesis import given, settings
from hypothesis import strategies as st
from test_hostile_text import TALK
from thoroughly import examples
from transcripts import before_tls, phrases, split, stream

from labkit.dialects import ALL, CLIENT, SERVER

IN_LINES = [dialect for dialect in ALL if dialect.name not in ("LDAP", "PostgreSQL")]
"""The dialects whose bytes are always cut alike; bytes that are not a binary record come as they were sent."""


@settings(max_examples=examples(1000), deadline=None)
@given(st.sampled_from(IN_LINES), TALK, st.lists(st.integers(0, 60), max_size=6))
def test_whatever_is_said_may_be_split_anywhere(dialect, said, cuts):
    whole, pieces = phrases(dialect, said), phrases(dialect, split(said, cuts))
    assert before_tls(pieces) == before_tls(whole)
    assert all(stream(pieces, side) == stream(whole, side) for side in (CLIENT, SERVER))
