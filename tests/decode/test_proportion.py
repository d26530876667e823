"""However bytes come, making a dialogue of them takes time in proportion: twice the input, about twice the time."""

from collections.abc import Callable

import pytest
from conversations import conversation
from proportion import assert_in_proportion
from transcripts import Turn

from labkit.capture.conversation import CLIENT, SERVER
from labkit.decode.dialogue import read

GREETED = (SERVER, b"220 mx ESMTP\r\n")
MAY_BE_TWO = [GREETED, (CLIENT, b"DATA\r\n"), (SERVER, b"354\r\n"), (CLIENT, b"hi\n.\nMAIL FROM:<a@b>\r\n\r\n.\r\n")]
LOGGED_IN = [GREETED, (CLIENT, b"AUTH PLAIN AGEAYg==\r\n"), (SERVER, b"235 in\r\n")]
UPGRADED = [GREETED, (CLIENT, b"STARTTLS\r\n"), (SERVER, b"220 go\r\n")]
HELLO = bytes.fromhex("160301002b 01000027 0303") + bytes(32) + bytes.fromhex("00 0002 1301 01 00")
HOSTILE: dict[str, Callable[[int], list[Turn]]] = {
    "a long reply to a message that may be two": lambda size: [*MAY_BE_TWO, *[(SERVER, b"250-x\r\n")] * size],
    "what is injected before a ClientHello": lambda size: [*UPGRADED, *[(CLIENT, b"NOOP\r\n")] * size, (CLIENT, HELLO)],
    "what may begin a security layer": lambda size: [*LOGGED_IN, *[(CLIENT, b"\0\r\n")] * size],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_twice_the_input_takes_about_twice_the_time(what):
    said = HOSTILE[what]

    def reading(size: int) -> Callable[[], object]:
        whole = conversation(said(size), 25)
        return lambda: read(whole)

    assert_in_proportion(reading)
