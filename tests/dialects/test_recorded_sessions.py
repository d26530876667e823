"""What the sessions of data/ say is read alike however it is split, and every line of it has a meaning."""

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import examples
from transcripts import phrases, split, stream

from labkit import recorded
from labkit.decode.event import TEXT
from labkit.dialects import ALL, CLIENT, SERVER
from labkit.show.recordings import names

NAMES = [name for name in names() if name != "arp_poisoning"]


def spoken(name):
    """(dialect, turns) of each conversation, and of what was said inside its TLS."""
    for dialogue in recorded(name).decrypted().dialogues:
        for inside in (False, True):
            said = [(e.sender, e.data) for e in dialogue.events if e.layer == TEXT and e.encrypted is inside]
            if said and dialogue.dialect is not None:
                yield dialogue.dialect, said


SPOKEN = [one for name in NAMES for one in spoken(name)]


@settings(max_examples=examples(300))
@given(st.sampled_from(SPOKEN), st.lists(st.integers(0, 500), max_size=12))
def test_splitting_changes_nothing_and_no_byte_is_lost(session, cuts):
    dialect, said = session
    whole = phrases(dialect, said)
    assert phrases(dialect, split(said, cuts)) == whole
    assert [stream(whole, side) for side in (CLIENT, SERVER)] == [stream(said, side) for side in (CLIENT, SERVER)]


@pytest.mark.parametrize("name", NAMES)
def test_every_line_has_a_true_meaning(name):
    for dialogue in recorded(name).decrypted().dialogues:
        for event in dialogue.events if dialogue.dialect else ():
            for line, meaning in event.lines:
                assert meaning and not meaning.startswith("Not a "), (event.title, line)
                assert "does not know" not in meaning or event.kind != "command", (event.title, line)


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_every_command_that_a_dialect_says_something_about_is_one_that_it_knows(dialect):
    named = (dialect.ask, dialect.writes.user_command, dialect.writes.upload, dialect.replies_to_message)
    of_a_kind = (dialect.upgrades, dialect.logins, dialect.envelope, dialect.delivers, dialect.counted, dialect.works)
    others = (dialect.makes, dialect.settled_by, *dialect.settled_by.values(), dialect.concluded, dialect.only_errors)
    assert {*named, *chain(*of_a_kind, *others)} - {""} <= set(dialect.commands)
