"""However the network cuts what a client sends, the server answers as if it had come in one piece."""

import asyncio
import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from thoroughly import examples

from labkit.mail.mailbox import Message
from labkit.mail.postoffice import PostOffice
from labkit.servers.imap.commands import COMMANDS
from labkit.servers.imap.session import IMAPSession
from labkit.servers.pop3 import _Session as POP3Session
from labkit.servers.settings import Settings

IMAP = (
    b"a LOGIN {3}\r\nbob {9+}\r\nswordfish\r\nb APPEND Sent (\\Seen) {11}\r\na: b\r\n\r\nx{3\r\nc SELECT INBOX\r\n"
    b'd FETCH 1 (BODY[] BODY[HEADER.FIELDS ({4}\r\nFrom "to")])\r\n'
    b"f SEARCH SUBJECT {2}\r\nx}\r\ng LOGOUT\r\n"
)
POP3 = b"USER bob\r\nPASS swordfish\r\nRETR 1\r\nTOP 1 0\r\nDELE 1\r\nAUTH PLAIN\r\nQUIT\r\n"


class _Wire(asyncio.Transport):
    """A connection without a network."""

    def __init__(self):
        super().__init__()
        self.said = b""

    def write(self, data):
        self.said += data

    def get_extra_info(self, name, default=None):
        return default

    def is_closing(self):
        return False

    def can_write_eof(self):
        return False

    def resume_reading(self):
        pass

    pause_reading = close = abort = resume_reading


class _Server:
    context = None
    settings = Settings(143, auth="always")

    def __init__(self):
        self.tasks = []
        self.post = PostOffice()
        message = Message("a@b", ("bob@lab.test",), b"From: x\r\n\r\n.\r\n..\r\n", "clear text", "")
        self.post.deliver(message)
        for mailbox in self.post.account("bob").mailboxes.values():
            mailbox.validity = 1  # otherwise each has another one

    def begin(self, work):
        self.tasks.append(asyncio.get_running_loop().create_task(work))


async def _answers(make, pieces):
    server, wire = _Server(), _Wire()
    session = make(server)
    session.connection_made(wire)
    for piece in pieces:
        session.data_received(piece)
        for _ in range(3):
            await asyncio.sleep(0)
    session.eof_received()
    await asyncio.wait_for(server.tasks[0], 5)
    return wire.said


def _quiet(_):
    """The log is not looked at here."""


KINDS = {
    "IMAP": (lambda server: IMAPSession(server, _quiet, COMMANDS), IMAP, b"g OK Logged out\r\n"),
    "POP3": (lambda server: POP3Session(server, _quiet), POP3, b"+OK Goodbye\r\n"),
}


@pytest.mark.parametrize("protocol", KINDS)
@settings(max_examples=examples(150))
@given(st.lists(st.integers(1, 300)))
@example(list(range(1, 300)))
def test_any_cut_gives_the_same_answers(protocol, cuts):
    make, said, last = KINDS[protocol]
    places = sorted({0, len(said), *(cut for cut in cuts if cut < len(said))})
    pieces = [said[start:end] for start, end in itertools.pairwise(places)]
    whole = asyncio.run(_answers(make, [said]))
    assert whole.endswith(last)
    assert asyncio.run(_answers(make, pieces)) == whole
