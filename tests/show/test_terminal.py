"""The transcript in a terminal: lines that fit, and the time of a long message in proportion to what is shown."""

from textwrap import wrap

from hypothesis import given
from hypothesis import strategies as st
from show_samples import Script

from labkit.decode.event import CLIENT, SERVER, TEXT
from labkit.decode.privacy import Exposure
from labkit.show.lines import lines_of
from labkit.show.printed import INVISIBLE, printable
from labkit.show.readings import Reading
from labkit.show.terminal import WIDTH, chopped, plain_text


@given(st.text(alphabet="ab-é  ", max_size=90), st.integers(1, 20))
def test_a_line_is_broken_where_the_standard_library_would_break_it(text, width):
    assert chopped(text, width) == (wrap(text, width, drop_whitespace=False, break_on_hyphens=False) or [""])


@given(st.lists(st.text(alphabet="xyz 0", max_size=150), max_size=4), st.text(alphabet="name ", max_size=60))
def test_no_line_is_wider_than_the_page_or_ends_with_a_space(said, name):
    script = Script()
    script.add(SERVER, TEXT, "reply", "250", "\r\n".join(["250 OK", *said]).encode() + b"\r\n")
    script.add(CLIENT, TEXT, "unknown", "unknown", bytes(range(200)))
    text = plain_text(Reading(script.dialogue(names=(f"alice {name}", "mail")), ()))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert not [line for line in text.split("\n") if line != line.rstrip()]


def _events_of(kind, data):
    script = Script()
    script.add(CLIENT, TEXT, kind, kind, data)
    return script.events


def test_bytes_that_are_no_text_are_shown_by_a_sample():
    (picture,) = _events_of("unknown", bytes(range(256)) * 6)
    lines, rest = lines_of(picture)
    assert sum(len(line.data) for line in lines) <= 160 and rest > 1300
    (cyrillic,) = _events_of("unknown", "Письмо без кодировки. ".encode() * 10)
    assert lines_of(cyrillic)[1] == 0
    (latin,) = _events_of("unknown", "Grüße aus der alten Zeit, müde. ".encode("latin-1") * 10)
    assert lines_of(latin)[1] == 0


def test_what_is_left_out_is_counted_to_the_byte_and_blank_lines_at_the_end_are_counted_too():
    (message,) = _events_of("message", b"one\r\n" + b"\r\n" * 40)
    lines, rest = lines_of(message)
    assert len(lines) == 20 and rest == len(message.data) - (lines[-1].start + len(lines[-1].data))
    (short,) = _events_of("message", b"one\r\ntwo\r\n")
    assert lines_of(short)[1] == 0


def test_a_long_message_and_what_it_gives_away_take_little_room():
    (message,) = _events_of("message", b"Subject: long\r\n\r\n" + b"a line of it\r\n" * 100_000)
    exposure = Exposure("message", "a line of it\n" * 100_000, 0, 17, len(message.data))
    script = Script()
    script.events = [message]
    text = plain_text(Reading(script.dialogue(), [exposure]))
    assert len(text) < 10_000 and "bytes more" in text


def test_a_character_that_hides_itself_or_others_is_written_out():
    hiding = [char for char in map(chr, range(0x10000)) if INVISIBLE.match(char)]
    assert hiding and [char for char in hiding if INVISIBLE.search(printable(char))] == []
