"""Whichever record of a session is missing, the others are what they were, and what is ciphertext is called so."""

import pytest
from conversations import GAP, closed, conversation
from tls_sessions import Chunks, in_memory

from labkit.decode.dialogue import read
from labkit.decode.event import TLS, Dialogue

SUITES = {"AES-GCM": "ECDHE+AESGCM", "ChaCha20": "ECDHE+CHACHA20", "CBC": "ECDHE+AES128+SHA256:!AESGCM:@SECLEVEL=0"}
SESSIONS = [("TLS 1.3", SUITES["AES-GCM"]), *(("TLS 1.2", suite) for suite in SUITES.values())]


def records(chunks: Chunks) -> Chunks:
    found: Chunks = []
    for side, data in chunks:
        start = 0
        while start < len(data):
            end = start + 5 + int.from_bytes(data[start + 3 : start + 5])
            found.append((side, data[start:end]))
            start = end
    return found


def told(dialogue: Dialogue) -> list[tuple[str, str, bool]]:
    return [(event.sender, event.title, event.encrypted) for event in dialogue.events if event.layer == TLS]


@pytest.mark.parametrize(("version", "suite"), SESSIONS)
def test_whichever_record_is_missing_no_other_is_called_damaged(version, suite):
    chunks, secrets = in_memory(version, suite)
    whole = records(chunks)
    crossed = {number: data[0] for number, (_, data) in enumerate(whole)}
    for lost, kind in crossed.items():
        heard = [(side, GAP if number == lost else data) for number, (side, data) in enumerate(whole)]
        for view in (None, secrets):
            dialogue = read(closed(conversation(heard, 465)), view)
            strange = [one for one in told(dialogue) if one[1].startswith(("broken", "Alert: malformed", "not TLS"))]
            assert not strange and not dialogue.session.resumed, (lost, kind)


@pytest.mark.parametrize(("version", "suite"), SESSIONS)
def test_an_eavesdropper_sees_of_the_others_what_was_seen_before(version, suite):
    whole = records(in_memory(version, suite).chunks)
    before = told(read(closed(conversation(whole, 465))))
    assert len(before) == len(whole)
    for lost in range(2, len(whole)):  # both hellos are there
        heard = [(side, GAP if number == lost else data) for number, (side, data) in enumerate(whole)]
        found = told(read(closed(conversation(heard, 465))))
        expected = before[:lost] + before[lost + 1 :]
        assert [(side, encrypted) for side, _, encrypted in found] == [(s, e) for s, _, e in expected]
