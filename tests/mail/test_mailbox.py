"""The mailbox shows any message that can arrive, however strange."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from thoroughly import examples

from labkit.mail.mailbox import Mailbox, Message
from labkit.servers.log import ServerLog


def _message(data: bytes) -> Message:
    return Message("alice@lab.test", ("bob@lab.test", "carol@lab.test"), data, "TLS 1.3", "alice")


FIELDS = st.sampled_from(
    (
        b"Subject: =?utf-8?q?caf=C3=A9?=",
        b"Subject: =?utf-8?b?!!!?=",
        b"Subject: \xff",
        b"Subject:",
        b"Content-Type: text/plain; charset=nonsense",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Type: multipart/mixed; boundary=x",
        b"Content-Type: text/",
        b"Content-Type: image/png",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: uuencode",
        b"Content-Disposition: attachment",
        b"From: <<@",
        b"no field",
    )
)
MAILS = st.builds(lambda fields, body: b"\r\n".join([*fields, b"", body]), st.lists(FIELDS), st.binary())


@settings(deadline=None, max_examples=examples(300))
@given(MAILS | st.binary())
@example(b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xff\r\n")
@example(b"Subject: =?utf-8?q?=0a?=\r\n\r\n")
def test_any_bytes_are_a_message_that_can_be_shown(data):
    message = _message(data)
    assert isinstance(message.subject, str) and isinstance(message.text, str)
    assert "\n" not in repr(message)
    assert message.data == data


def test_a_message_tells_its_envelope_and_its_subject():
    message = _message(b"Subject: =?utf-8?q?caf=C3=A9?=\r\nContent-Type: text/plain\r\n\r\none\r\ntwo\r\n")
    assert repr(message) == "<from alice@lab.test to bob@lab.test, carol@lab.test, sent over TLS 1.3, subject 'café'>"
    assert (message.subject, message.text) == ("café", "one\ntwo")


def test_a_mailbox_is_a_sequence():
    mailbox = Mailbox()
    assert repr(mailbox) == "<an empty mailbox>" and not mailbox
    mailbox.keep(_message(b"\r\n"))
    mailbox.keep(_message(b"Subject: 2\r\n\r\n"))
    assert [message.subject for message in mailbox] == ["", "2"] and mailbox[-1:][0].subject == "2"
    assert repr(mailbox).count("\n") == 1


@settings(deadline=None, max_examples=examples(100))
@given(st.text())
def test_a_log_line_is_one_line_without_control_characters(text):
    log = ServerLog()
    log.write(1, text)
    assert log[0].startswith("#1 ") and log[0].isprintable()


def test_a_log_keeps_the_newest_lines():
    log = ServerLog()
    for number in range(6000):
        log.write(number, "x")
    assert len(log) == 5000 and log[-1] == "#5999 x"
    assert repr(ServerLog()) == "<nothing happened yet>"
