"""The lines of a phrase: each has its meaning and its bytes, also those that are empty."""

from hypothesis import given
from hypothesis import strategies as st

from labkit.decode.escaped import escaped
from labkit.decode.event import CLIENT, SERVER, TEXT, Event
from labkit.decode.words import Words
from labkit.dialects.smtp import SMTP

LINE_ENDS = st.sampled_from([b"\r\n", b"\n", b"\r", b""])
SAID = st.lists(st.tuples(st.binary(max_size=12), LINE_ENDS), min_size=1, max_size=8).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


def _reply(data: bytes, dialect=SMTP) -> Event:
    return Event(0.0, 1, SERVER, TEXT, "reply", "250", data, False, len(data), Words(dialect))


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode) | st.just(rb"\udc80" + b"\x80"))
def test_bytes_become_the_text_that_the_standard_library_makes_of_them(data):
    assert escaped(data) == data.decode("utf-8", "backslashreplace")


@given(SAID.filter(bool))
def test_every_byte_of_a_reply_is_in_one_field_and_every_field_is_a_line(data):
    for event in (_reply(data), _reply(data, None)):
        assert b"".join(event.data[field.start : field.end] for field in event.fields) == data
        assert [field.value for field in event.fields] == [line for line, _ in event.lines]
        assert all(field.meaning for field in event.fields)


def test_final_blank_lines_are_lines():
    event = _reply(b"250-one\r\n250 two\r\n\r\n\r\n")
    assert [line for line, _ in event.lines] == ["250-one", "250 two", "", ""]
    assert [(field.start, field.end) for field in event.fields] == [(0, 9), (9, 18), (18, 20), (20, 22)]
    assert event.text == "250-one\r\n250 two\r\n\r\n"


def test_a_line_that_is_no_text_is_not_called_a_command():
    """As behind a login whose security layer encrypts (RFC 4422 §3.7)."""
    for data, meaning in ((b"FROB\r\n", "does not know this command"), (b"\0\0\0\x40\xb8\x9d\x80\n", "cannot read")):
        event = _reply(data)._replace(sender=CLIENT, kind="command", title="unknown command")
        assert meaning in event.meaning
