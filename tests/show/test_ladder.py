import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_checks import read_page, svg_of
from show_samples import HOSTILE, Script, clear_text, hostile, starttls
from thoroughly import examples

from labkit.decode.event import CLIENT, SERVER, TCP, TEXT, TLS
from labkit.show.forms import FORMS
from labkit.show.ladder import ladder
from labkit.show.printed import printable
from labkit.show.rungs import ENCRYPTED, SHAKING, SHOWN, rungs
from labkit.show.shapes import STROKES


def drawn(picture):
    return "".join(svg_of(picture.html).itertext())


@pytest.mark.parametrize("dialogue", [clear_text(), starttls(True), starttls(False)], ids=["clear", "opened", "sealed"])
def test_every_event_is_named_in_the_drawing_in_the_text_and_in_the_words(dialogue):
    picture = ladder(dialogue)
    read_page(picture.html)
    for form in (drawn(picture), picture.text, picture.words):
        assert not [event.title for event in dialogue.events if event.title not in form]


def test_the_phases_stand_beside_the_ladder_in_their_order():
    expected = ["TCP", "clear text", "TLS handshake", "encrypted", "TCP"]
    for dialogue in (starttls(True), starttls(False)):
        seen = [rung.phase for rung in rungs(dialogue)]
        assert [
            phase for number, phase in enumerate(seen) if [*seen[:1], *seen][number] != phase or not number
        ] == expected
        beside = [line.rpartition("│")[2].strip() for line in ladder(dialogue).text.splitlines() if "│" in line]
        assert [phase for phase in beside if phase] == expected


def test_a_ticket_of_tls_1_3_comes_after_the_handshake_whatever_follows_it():
    script = Script()
    for sender in (SERVER, CLIENT):
        script.add(sender, TLS, "handshake", "Finished", bytes(52), True, 74)
    script.add(SERVER, TLS, "handshake", "NewSessionTicket", bytes(200), True, 255)
    assert [rung.phase for rung in rungs(script.dialogue())] == [SHAKING, SHAKING, ENCRYPTED]


def test_the_forms_differ_by_shape_and_not_only_by_colour():
    shapes = [stroke[:1] + stroke[2:] for stroke in STROKES.values()]
    locked = {form.name: form.locked for form in FORMS}
    assert len({(shape, locked[name]) for name, shape in zip(STROKES, shapes, strict=True)}) == 4
    assert locked["opened"] and locked["sealed"]


def test_the_lines_in_the_drawing_are_dashed_solid_and_dash_dotted():
    svg = ElementTree.tostring(svg_of(ladder(starttls(True)).html), encoding="unicode")
    dashes = {re.sub(r"[\d.]+", "n", dash) for dash in re.findall(r"stroke-dasharray: ([\d., ]+)", svg)}
    assert len(dashes) == 2


def test_ciphertext_that_repeats_itself_is_one_rung():
    script = Script()
    for _ in range(50):
        script.add(SERVER, TLS, "application-data", "application data", b"x" * 10, True)
    assert "application data × 50 (500 bytes)" in ladder(script.dialogue()).text  # noqa: RUF001


def test_clear_text_is_never_folded():
    script = Script()
    for _ in range(3):
        script.say(b"NOOP")
    assert ladder(script.dialogue()).text.count("NOOP") == 3


def test_a_very_long_dialogue_is_cut_and_says_how_much_is_missing():
    script = Script()
    for number in range(500):
        script.say(b"NOOP %d" % number)
    picture = ladder(script.dialogue())
    assert picture.text.count("NOOP") == SHOWN == 80
    for form in (picture.text, picture.words, drawn(picture)):
        assert "… 420 more events" in form


def test_the_text_is_not_wider_than_a_page():
    for dialogue in (clear_text(), starttls(True), starttls(False), hostile()):
        assert max(map(len, ladder(dialogue).text.splitlines())) <= 115


def test_no_label_is_wider_than_the_room_between_the_lifelines():
    script = Script()
    script.say(b"EHLO " + b"W" * 900)
    script.reply(*(b"250-" + b"M" * 90 for _ in range(40)))
    picture = ladder(script.dialogue(names=("a" * 300, "m" * 300)))
    renderer = picture.figure.canvas.get_renderer() if hasattr(picture.figure.canvas, "get_renderer") else None
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = renderer or FigureCanvasAgg(picture.figure).get_renderer()
    width = picture.figure.get_figwidth() * picture.figure.dpi
    for text in picture.figure.axes[0].texts:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0 and box.x1 <= width, text.get_text()


@pytest.mark.parametrize("dialogue", [clear_text(), starttls(True), starttls(False)], ids=["clear", "opened", "sealed"])
def test_no_two_texts_overlap_and_none_is_cut_off(dialogue):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = ladder(dialogue, {5: "the offer", 6: "the request"}).figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    width, height = figure.get_size_inches() * figure.dpi
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.axes[0].texts]
    for number, (name, box) in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, name
        for other, second in boxes[number + 1 :]:
            apart = box.x1 <= second.x0 or second.x1 <= box.x0 or box.y1 <= second.y0 + 1 or second.y1 <= box.y0 + 1
            assert apart, f"{name!r} and {other!r}"


def test_no_text_is_smaller_than_nine_points():
    assert min(text.get_fontsize() for text in ladder(starttls(True)).figure.axes[0].texts) >= 9


def test_the_offer_of_the_upgrade_stays_in_a_label_that_is_shortened():
    script = Script()
    others = [b"250-CAPABILITY-%02d" % number for number in range(20)]
    for position in (1, 10, 20):
        script.reply(
            b"250-mail.lab.test", *others[: position - 1], b"250-STARTTLS", *others[position - 1 :], b"250 HELP"
        )
    picture = ladder(script.dialogue())
    assert picture.text.count("STARTTLS") == 3 and drawn(picture).count("STARTTLS") == 3


def test_a_note_stands_under_its_event():
    picture = ladder(starttls(True), {5: "here it offers the upgrade"})
    lines = picture.text.splitlines()
    offer = next(number for number, line in enumerate(lines) if "STARTTLS · HELP" in line)
    assert "here it offers the upgrade" in lines[offer + 1] and "here it offers the upgrade" in drawn(picture)


def test_a_gap_and_a_reset_are_drawn():
    script = Script()
    script.syn()
    script.reply(b"220 hello", kind="greeting")
    script.add(SERVER, TCP, "gap", "gap", wire=1460)
    script.add(CLIENT, TCP, "rst", "RST")
    picture = ladder(script.dialogue())
    assert "1,460 bytes are missing" in drawn(picture) and "RST" in picture.text


def test_hostile_bytes_stay_text():
    picture = ladder(hostile(), {1: HOSTILE})
    page = read_page(picture.html)
    assert "\x1b" not in picture.html + picture.text and "\u202e" not in picture.html + picture.text
    assert "<script>" in "".join(page.words)
    assert printable("$\\frac{a}{b}$") in picture.words


def test_a_dialogue_without_events_is_an_empty_ladder():
    picture = ladder(Script().dialogue())
    read_page(picture.html)
    assert "alice" in picture.text


@settings(deadline=None, max_examples=examples(25))
@given(
    st.lists(st.tuples(st.text(max_size=12), st.binary(max_size=60), st.booleans()), min_size=1, max_size=6),
    st.text(max_size=9),
)
def test_any_titles_bytes_and_names_give_a_well_formed_picture(said, name):
    script = Script()
    for title, data, encrypted in said:
        script.add(CLIENT, TEXT, "command", title, data, encrypted)
    picture = ladder(script.dialogue(names=(name, name)))
    read_page(picture.html)
    svg_of(picture.html)
