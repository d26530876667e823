import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.byhand.editable import read, written
from labkit.show.printed import printable

ODD = st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"\\", b"\\x41", b"\\r", b"\xc3", b"\xa9", b"a", b"\0"])).map(
    b"".join
)


@given(st.binary(max_size=60) | ODD)
def test_bytes_come_back_exactly_as_they_were(data):
    assert read(written(data)) == data


@given(st.binary(max_size=60) | ODD)
def test_nothing_in_the_text_is_invisible(data):
    assert all(printable(line) == line for line in written(data).split("\n"))


@given(st.text(max_size=60))
def test_whatever_is_typed_stands_for_some_bytes_and_is_shown_again_as_those(text):
    assert read(written(read(text))) == read(text)


@pytest.mark.parametrize(
    "text, data",
    [
        ("EHLO alice", b"EHLO alice\r\n"),
        ("250-mail\n250 HELP", b"250-mail\r\n250 HELP\r\n"),
        ("250-mail\r\n250 HELP", b"250-mail\r\n250 HELP\r\n"),
        ("a line without an end\\", b"a line without an end"),
        (r"two\nlines, a tab\t, \\", b"two\nlines, a tab\t, \\\r\n"),
        (r"\q stays as it is", b"\\q stays as it is\r\n"),
        (r"\x1b[2J", b"\x1b[2J\r\n"),
        ("é", "é\r\n".encode()),
        ("", b"\r\n"),
        ("\\", b""),
    ],
)
def test_a_line_of_text_is_a_line_on_the_wire(text, data):
    assert read(text) == data
