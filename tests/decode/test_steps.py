"""The steps of the upgrade, found in live conversations."""

from labkit import Lab, policies


def _steps(capture):
    return [step.name for step in capture.steps().steps]


def test_an_upgraded_conversation_has_all_seven_steps_once_it_is_opened():
    with Lab() as lab:
        mail = lab.smtp()
        with lab.capture() as capture:
            assert lab.send(mail, "hello", policy=policies.verified)
    first_six = ["greeting", "question", "offer", "upgrade", "go-ahead", "handshake"]
    assert _steps(capture) == first_six
    assert _steps(capture.decrypted()) == [*first_six, "first words inside TLS"]
    assert "Step 5: go-ahead" in capture.ladder(capture.steps().notes).text
    assert "250-STARTTLS" in capture.steps().text and "250-STARTTLS" in capture.steps().html


def test_the_word_that_is_offered_stays_in_a_long_line():
    with Lab() as lab:
        server = lab.imap()
        with lab.capture() as capture:
            assert lab.fetch(server, login=("bob", "swordfish"), policy=policies.verified)
    greeting, _, offer = capture.steps().text.splitlines()[:3]
    assert "IDLE UIDPLUS… " in greeting
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
    assert _steps(capture.decrypted())[-1] == "first words inside TLS"
