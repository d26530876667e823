"""The steps of the upgrade, found in live conversations."""

from conversations import conversation

from labkit import Lab, policies
from labkit.decode.dialogue import read
from labkit.dialects import CLIENT, SERVER
from labkit.show.step_list import Steps


def _steps(capture):
    return [step.name for step in capture.steps().steps]


def test_an_upgraded_conversation_has_all_seven_steps_once_it_is_opened():
    with Lab() as lab:
        mail = lab.smtp()
        with lab.capture() as capture:
            assert lab.send(mail, "hello", policy=policies.verified)
    first_six = ["greeting", "question", "offer", "upgrade", "go-ahead", "handshake"]
    assert _steps(capture) == first_six
    assert _steps(capture.decrypted()) == [*first_six, "first words in TLS"]
    assert "Step 5: go-ahead" in capture.ladder(capture.steps().notes).text
    assert "250-STARTTLS" in capture.steps().text and "250-STARTTLS" in capture.steps().html


def test_the_word_that_is_offered_stays_in_a_long_line():
    long = b"CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE UIDPLUS UNSELECT SORT STARTTLS LOGINDISABLED"
    turns = (
        (SERVER, b"* OK [%s] ready\r\n" % long),
        (CLIENT, b"a CAPABILITY\r\n"),
        (SERVER, b"* %s\r\na OK done\r\n" % long),
        (CLIENT, b"b STARTTLS\r\n"),
    )
    greeting, _, offer = Steps(read(conversation(turns, 143))).text.splitlines()[:3]
    assert "SASL-IR ID ENABLE IDLE … " in greeting
    assert "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID … STARTTLS … " in offer


def test_a_conversation_in_clear_text_stops_after_the_question():
    with Lab() as lab:
        mail = lab.smtp(starttls="off")
        with lab.capture() as capture:
            assert lab.send(mail, "hello")
    assert _steps(capture) == ["greeting", "question"]


def test_implicit_tls_has_no_step_in_the_clear():
    with Lab() as lab:
        mail = lab.smtp(implicit=True)
        with lab.capture() as capture:
            assert lab.send(mail, "hello", policy=policies.implicit)
    assert _steps(capture) == ["handshake"]
    assert _steps(capture.decrypted()) == ["handshake", "first words in TLS"]
