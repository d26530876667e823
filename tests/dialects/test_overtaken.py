"""An IMAP client that waits no longer for the answer to STARTTLS goes on in clear text, and can be read again."""

import pytest

from labkit.dialects import CLIENT, IMAP, SERVER

SAID = b"a1 STARTTLS\r\na2 LOGIN alice hunter2\r\na3 LOGOUT\r\n"
ANSWER = b"a2 OK Logged in\r\n"


@pytest.mark.parametrize("cut", range(len(SAID)))
def test_an_answer_to_a_later_command_ends_the_wait_for_the_upgrade(cut):
    reader = IMAP.reader()
    phrases = [*reader.feed(CLIENT, SAID[:cut]), *reader.feed(CLIENT, SAID[cut:])]
    assert [phrase.title for phrase in phrases] == ["STARTTLS"] and reader.waits
    said = reader.feed(SERVER, ANSWER)
    assert [phrase.title for phrase in said] == ["LOGIN", "LOGOUT", "OK"]
    assert not reader.waits and not reader.upgraded


def test_what_stands_behind_starttls_is_still_injected_when_the_go_ahead_comes():
    reader = IMAP.reader()
    reader.feed(CLIENT, SAID)
    kinds = [phrase.kind for phrase in reader.feed(SERVER, b"a1 OK Begin\r\n")]
    assert kinds == ["go-ahead", "injected"] and reader.upgraded
