import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_checks import read_page
from show_samples import HOSTILE, Origin, Script, clear_text, hello, hostile, starttls
from thoroughly import examples

from labkit.decode.event import CLIENT, SERVER, TLS, Event, Field
from labkit.errors import LabError
from labkit.show.byteview import byteview

HELLO = next(event for event in starttls(False).events if event.title == "ClientHello")


class _Grid(HTMLParser):
    """Collects the hexadecimal digits of the grid, and which of them belong to a field."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[dict[str, str]] = []
        self.owned: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("br", "circle", "path"):
            self.stack.append(dict(attrs) | {"": tag})

    def handle_endtag(self, tag):
        if tag not in ("br", "circle", "path"):
            self.stack.pop()

    def handle_data(self, data):
        if any(element.get("class") == "lk-hex" for element in self.stack) and self.stack[-1][""] == "span":
            self.owned.append((self.stack[-1]["title"], data))


def owned(view):
    grid = _Grid()
    grid.feed(view.html)
    return grid.owned


def in_text(view):
    """The bytes in the plain text: what stands between the offset and the words."""
    cells = [re.match(r"(?:[0-9a-f]{4}|    )  ((?:[0-9a-f]{2} ?)*)", line) for line in view.text.splitlines()]
    return bytes.fromhex(" ".join(cell[1] for cell in cells if cell))


def test_every_byte_of_a_message_stands_once_in_the_grid_and_belongs_to_a_field():
    view = byteview(HELLO)
    read_page(view.html)
    assert bytes.fromhex(" ".join(digits for _, digits in owned(view))) == hello()
    assert all(title for title, _ in owned(view))


def test_every_byte_of_a_message_stands_once_in_the_plain_text():
    text = "\n".join(byteview(HELLO).text.splitlines()[3:])
    assert in_text(type("View", (), {"text": text})) == hello()


def test_each_field_says_its_name_its_value_and_a_sentence_in_both_forms():
    view = byteview(HELLO)
    page = "".join(read_page(view.html).words)
    for words in ("host name", "mail.lab.test", "A sentence on the host name.", "TLS_AES_128_GCM_SHA256 (0x1301)"):
        assert words in page and words in view.text
    assert "000a" not in view.text.split("0006")[0]


def test_fields_open_and_close_without_a_script_and_by_keyboard():
    page = read_page(byteview(HELLO).html)
    assert {"details", "summary"} <= page.tags and "script" not in page.tags
    assert ("tabindex", "0") in page.attributes


def test_pointing_at_a_field_lights_up_its_bytes_and_those_of_its_children():
    html = byteview(HELLO).html
    number = re.search(r'<summary class="lk-s(\d+)"><span class="lk-key">cipher suites<', html)[1]
    assert f".lk-s{number}:is(:hover,:focus-visible)) .lk-f{number}" in html
    assert len(re.findall(rf'class="[^"]*lk-f{number}[" ]', html)) == 3


def test_sorts_of_fields_differ_by_underline_and_are_explained():
    html = byteview(HELLO).html
    for css, line in (("structure", "dotted"), ("random", "dashed"), ("by-client", "solid")):
        assert f'class="lk-key lk-{css}"' in html
        assert re.search(rf"\.lk-{css}{{[^}}]*border-bottom:2px {line}", html)


def test_a_message_without_known_fields_is_still_shown_whole():
    event = HELLO._replace(title="Finished", data=bytes(range(40)))
    view = byteview(event)
    assert bytes.fromhex(" ".join(digits for _, digits in owned(view))) == event.data
    assert "not described" in view.text


def test_the_lines_of_a_command_or_reply_are_its_fields():
    reply = next(event for event in clear_text().events if event.title == "250")
    view = byteview(reply)
    assert "250-SIZE 33554432" in view.text and "The meaning of line 1." in view.text
    assert bytes.fromhex(" ".join(digits for _, digits in owned(view))) == reply.data


def test_an_event_without_bytes_says_so():
    with pytest.raises(LabError, match="SYN carries no bytes"):
        byteview(clear_text().events[0])


def test_hostile_bytes_and_values_stay_text():
    for event in hostile().events[3:]:
        page = read_page(byteview(event).html)
        assert "<script>" in "".join(page.words)
    origin = Origin()
    origin.fields = lambda event: (Field(HOSTILE, 0, 1, HOSTILE, HOSTILE),)
    view = byteview(Event(0.0, 1, SERVER, TLS, "handshake", HOSTILE, b"x", False, 1, origin))
    read_page(view.html)
    assert "\x1b" not in view.html + view.text


def test_a_plain_view_is_not_wider_than_a_page():
    long = HELLO._replace(origin=Origin())
    long.origin.fields = lambda event: (Field("name " * 30, 0, 80, "value" * 100, "sentence " * 60),)
    for event in (HELLO, long):
        assert max(map(len, byteview(event).text.splitlines())) <= 110


@settings(deadline=None, max_examples=examples(60))
@given(st.binary(min_size=1, max_size=70), st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), max_size=8))
def test_fields_that_leave_holes_or_overlap_lose_no_byte(data, spans):
    script = Script()
    script.add(CLIENT, TLS, "handshake", "made up", data)
    event = script.events[0]
    event.origin.fields = lambda _: tuple(Field("part", a, b, "v", "m") for a, b in spans if a <= b)
    assert bytes.fromhex(" ".join(digits for _, digits in owned(byteview(event)))) == data


def test_a_message_of_many_kilobytes_stays_a_small_page():
    event = HELLO._replace(origin=Origin(), data=bytes(20_000))
    event.origin.fields = lambda _: tuple(Field("entry", n * 4, n * 4 + 4, "v", "m") for n in range(5_000))
    assert len(byteview(event).html) < 3_000_000
