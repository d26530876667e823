"""SMTP smuggling: one message for the sender is two for a server that takes another line for the end of the first."""

import pytest
from conversations import conversation

from labkit.capture.conversation import CLIENT, SERVER
from labkit.decode.dialogue import read
from labkit.decode.event import TEXT
from labkit.decode.privacy import visible

BEGUN = [
    (SERVER, b"220 mx ESMTP\r\n"),
    *((CLIENT, b"MAIL FROM:<a@x>\r\n"), (SERVER, b"250 ok\r\n")),
    *((CLIENT, b"RCPT TO:<b@y>\r\n"), (SERVER, b"250 ok\r\n")),
    *((CLIENT, b"DATA\r\n"), (SERVER, b"354 go\r\n")),
]
LEFT = [(CLIENT, b"QUIT\r\n"), (SERVER, b"221 bye\r\n")]
DOTS = (b"\n.\n", b"\n.\r\n", b"\r\n.\r", b"\r\n.\n", b"\r\n\0.\r\n")
SECOND = b"MAIL FROM:<evil@x>\r\nRCPT TO:<v@y>\r\nDATA\r\nSubject: two\r\n\r\nyours\r\n.\r\n"


def titles(*turns):
    dialogue = read(conversation([*BEGUN, *turns], 25))
    said = [event for event in dialogue.events if event.layer == TEXT]
    assert all(b"".join(e.data for e in said if e.sender == side) == sent(turns, side) for side in (CLIENT, SERVER))
    return [event.title for event in said][len(BEGUN) :], {one.value for one in visible(dialogue)}


def sent(turns, side):
    return b"".join(data for by, data in [*BEGUN, *turns] if by == side)


@pytest.mark.parametrize("apart", (True, False))
@pytest.mark.parametrize("dot", DOTS)
def test_further_replies_tell_that_the_server_read_commands_in_the_message(dot, apart):
    replies = [b"250 one\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 two\r\n"]
    answers = [(SERVER, reply) for reply in replies] if apart else [(SERVER, b"".join(replies))]
    found, told = titles((CLIENT, b"Subject: one\r\n\r\nmine" + dot + SECOND), *answers, *LEFT)
    commands = ["message", "MAIL", "RCPT", "DATA", "250", "250", "250", "354"]
    assert found == [*commands, "message", "250", "QUIT", "221"]
    assert {"one", "mine", "evil@x", "v@y", "two", "yours"} <= told


@pytest.mark.parametrize("end", ([], LEFT))
@pytest.mark.parametrize("dot", DOTS)
def test_one_reply_tells_that_the_server_read_one_message(dot, end):
    found, told = titles((CLIENT, b"Subject: one\r\n\r\nmine" + dot + SECOND), (SERVER, b"250 one\r\n"), *end)
    assert found[:2] == ["message", "250"] and len(found) == 2 + len(end)
    assert "evil@x" not in told


def test_a_dot_on_a_line_of_its_own_that_no_command_follows_is_text():
    message = b"Subject: one\r\n\r\nmine\n.\nmailing\r\n.\r\n"
    found, told = titles((CLIENT, message), (SERVER, b"250 one\r\n250 again\r\n"), *LEFT)
    assert found == ["message", "250", "250", "QUIT", "221"] and "mine\n.\nmailing" in told
