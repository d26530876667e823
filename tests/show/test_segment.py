"""The buffer is that of the segment which was captured: the line that was awaited, and what came with it."""

import pytest
from page_checks import read_page

from labkit import Lab, attacks, buffer, policies
from labkit.errors import LabError


@pytest.mark.parametrize("protocol, command", [("smtp", "STARTTLS"), ("imap", "STARTTLS"), ("pop3", "STLS")])
def test_a_command_behind_the_upgrade_lies_in_the_buffer_of_the_server(protocol, command):
    with Lab() as lab:
        lab.start(protocol, quirks=("keeps the buffer",))
        with lab.mallory(attacks.CommandInjection()) as mallory:
            mallory.visit(f"{protocol.upper()}, careful")
        shown = buffer(mallory.server_side)
        added = mallory.edits[0].added[0].decode().rstrip()
    first, *lines = shown.text.splitlines()
    assert "in the buffer of the server" in first
    assert f"{command}\\r\\n" in lines[1] and "what it was waiting for" in lines[1]
    assert added in lines[2] and "behind it" in lines[2]
    read_page(shown.html)


def test_a_reply_behind_the_go_ahead_lies_in_the_buffer_of_the_client():
    with Lab() as lab:
        lab.smtp()
        with lab.mallory(attacks.ResponseInjection()) as mallory:
            mallory.visit("SMTP, careful")
        shown = buffer(mallory.victim_side)
    assert "in the buffer of the client" in shown.text and "220 Ready to start TLS\\r\\n" in shown.text
    assert "X-MALLORY" in shown.text


def test_where_nothing_lies_behind_it_is_an_error_that_says_so():
    with Lab() as lab:
        mail = lab.smtp()
        with lab.capture() as capture:
            lab.send(mail, "Hello", policy=policies.verified)
        with pytest.raises(LabError, match="No segment of this capture holds clear text behind"):
            buffer(capture)
