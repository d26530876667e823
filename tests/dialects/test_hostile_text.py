"""Whatever two sides say, a reader never raises, loses no byte, and keeps no more than it may."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughly import examples
from transcripts import Turn, held, phrases, stream

from labkit.dialects import ALL, CLIENT, IMAP, POP3, SERVER, SMTP, Dialect, reader
from labkit.dialects.framing import binary_records, coded_lines, stanzas, tagged_lines

WORDS = [
    *(b"a1 ", b"* ", b"+ ", b"+OK", b"-ERR", b"OK", b"NO", b"BAD", b"PREAUTH", b"BYE", b"FETCH", b"APPEND", b"LOGIN"),
    *(b"STARTTLS", b"STLS", b"AUTHENTICATE PLAIN", b"AUTH PLAIN", b"UID ", b"IDLE", b"DONE", b"{3}\r\n", b"{3+}\r\n"),
    *(b"{99999999999}\r\n", b"{-1}", b"{}", b"EHLO x", b"BDAT 9", b"DATA", b"RETR 1", b"LIST", b"CAPA", b"250-"),
    *(
        b"220 ",
        b"354 ",
        b"334 ",
        b"\r\n",
        b"\n",
        b"\r",
        b".\r\n",
        b"\r\n.\r\n",
        b" ",
        b"\0",
        b"\xff\xfe",
        b"\x16\x03\x01",
    ),
]
SIDES = st.sampled_from([CLIENT, SERVER])
BYTES = st.one_of(st.binary(max_size=40), st.lists(st.sampled_from(WORDS), max_size=8).map(b"".join))
TALK = st.lists(st.tuples(SIDES, BYTES), max_size=12)


@pytest.fixture(scope="module", autouse=True)
def small_limits():
    """The same readers, with limits that a test can reach."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (reader, coded_lines, tagged_lines, stanzas, binary_records):
            patch.setattr(module, "LARGEST", 64)
        for dialect in ALL:
            patch.setattr(dialect.reader, "_longest", 32)
        yield


def keeps_all(dialect: Dialect, said: list[Turn]) -> None:
    found = phrases(dialect, said)
    for side in (CLIENT, SERVER):
        assert stream(found, side) == stream(said, side)
    assert all(p.data for p in found if p.title != "message")


@settings(max_examples=examples(400))
@given(st.sampled_from(ALL), TALK)
def test_no_reader_raises_or_loses_a_byte(dialect, said):
    keeps_all(dialect, said)


@settings(max_examples=examples(400))
@given(st.sampled_from(ALL), TALK)
def test_every_phrase_can_be_explained_and_searched_for_mail(dialect, said):
    for phrase in phrases(dialect, said):
        if phrase.kind == "message":
            assert all(0 <= start <= end <= len(phrase.data) for start, end in dialect.messages(phrase.data))
        for line in phrase.data.decode("latin-1").splitlines():
            assert dialect.explain(phrase.kind, phrase.title, line).endswith((".", ")"))


POP3_HELLO = (SERVER, b"+OK\r\n")
ENDLESS = {
    "a line of the client": (SMTP, [], CLIENT, b"x"),
    "a line of the server": (IMAP, [], SERVER, b"x"),
    "a continued reply": (SMTP, [], SERVER, b"250-x\r\n"),
    "a message": (SMTP, [(CLIENT, b"DATA\r\n"), (SERVER, b"354 go\r\n")], CLIENT, b"x"),
    "a chunk": (SMTP, [(CLIENT, b"BDAT 999999999999\r\n")], CLIENT, b"x"),
    "a literal of the client": (IMAP, [(CLIENT, b"a APPEND x {9999999999999999999+}\r\n")], CLIENT, b"x"),
    "a literal of the server": (IMAP, [(SERVER, b"* 1 FETCH (BODY[] {9999999999999999999}\r\n")], SERVER, b"x"),
    "literals without end": (IMAP, [], SERVER, b"* LIST {1}\r\n"),
    "a reply of many lines": (POP3, [POP3_HELLO, (CLIENT, b"RETR 1\r\n"), POP3_HELLO], SERVER, b"x\r\n"),
    "a list without line ends": (POP3, [POP3_HELLO, (CLIENT, b"LIST\r\n"), POP3_HELLO], SERVER, b"x"),
    "a client that does not wait": (IMAP, [(CLIENT, b"a STARTTLS\r\n")], CLIENT, b"b NOOP\r\n"),
}


@pytest.mark.parametrize("size", range(1, 300, 13))
def test_what_follows_a_literal_that_comes_in_pieces_is_read(size):
    client = b"a APPEND x {%d+}\r\n%s\r\nb NOOP\r\n" % (size, b"x" * size)
    server = b"* 1 FETCH (BODY[] {%d}\r\n%s)\r\n* 3 EXISTS\r\n" % (size, b"x" * size)
    for side, data, first, last in ((CLIENT, client, "command", "NOOP"), (SERVER, server, "message", "EXISTS")):
        found = phrases(IMAP, [(side, data[at : at + 7]) for at in range(0, len(data), 7)])
        assert [p.kind for p in found[:-1]] == [first, *["message"] * (len(found) - 2)]
        assert found[-1].title == last


@pytest.mark.parametrize("what", ENDLESS)
def test_what_never_ends_comes_out_in_pieces(what):
    dialect, before, side, more = ENDLESS[what]
    following = dialect.reader()
    said = [*before, *[(side, more)] * 400]
    found, most = [], 0
    for who, data in said:
        found += following.feed(who, data)
        most = max(most, held(following))
    assert most <= 64 + 32 + len(more)
    assert max(len(phrase.data) for phrase in found) <= 64 + 32
    keeps_all(dialect, said)
