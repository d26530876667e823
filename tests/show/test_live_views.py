import pytest
from page_checks import read_page
from test_byteview import owned

from labkit import Lab, read_capture
from labkit.decode.event import TCP, TLS

PASSWORD = "AGFsaWNlAGh1bnRlcjI="
"""alice and hunter2 as AUTH PLAIN sends them (RFC 4616)."""


@pytest.fixture(scope="module", params=["TLS 1.2", "TLS 1.3"])
def session(request):
    """A real session after STARTTLS, captured."""
    with Lab() as lab:
        server = lab.smtp()
        with lab.capture() as capture:
            outcome = lab.send(server, "The PIN is 4921", login=("alice", "hunter2"), tls=(request.param,))
        assert outcome.sent, outcome
        yield request.param, capture


def test_a_live_session_is_shown_as_the_eavesdropper_sees_it_and_opened(session):
    version, capture = session
    sealed, opened = repr(capture), repr(capture.decrypted())
    assert "250-STARTTLS" in sealed and version in sealed and "alice" in sealed and ":587" in sealed
    assert PASSWORD not in sealed and "4921" not in sealed
    assert PASSWORD in opened and "The PIN is 4921" in opened
    for view in (capture, capture.decrypted()):
        read_page(view._repr_html_())


def test_a_live_session_has_a_ladder_in_four_phases(session):
    _, capture = session
    for view in (capture, capture.decrypted()):
        text = view.ladder().text
        assert all(phase in text for phase in ("TCP", "clear text", "TLS handshake", "encrypted"))
        read_page(view.ladder().html)


def test_every_byte_of_every_live_handshake_message_has_a_field(session):
    _, capture = session
    events = [e for e in capture.decrypted().dialogue.events if e.layer == TLS and e.kind == "handshake"]
    counted = {}
    for event in events:
        number = counted[event.title] = counted.get(event.title, -1) + 1
        view = capture.decrypted().bytes(event.title, number)
        assert bytes.fromhex(" ".join(digits for _, digits in owned(view))) == event.data
        assert "not described" not in view.text


def test_what_cannot_be_read_on_the_path_is_not_among_what_is_visible(session):
    _, capture = session
    values = " ".join(exposure.value for exposure in capture.visible())
    assert "mail.lab.test" in values and "hunter2" not in values


def test_a_saved_capture_shows_the_same_when_it_is_read_again(session, tmp_path):
    _, capture = session
    capture.save(tmp_path / "session.pcapng")
    again = read_capture(tmp_path / "session.pcapng").decrypted()
    assert PASSWORD in repr(again)
    shown = [event.title for event in capture.decrypted().dialogue.events if event.layer != TCP]
    assert [event.title for event in again.dialogue.events if event.layer != TCP] == shown
