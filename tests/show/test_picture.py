import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from page_checks import read_page, svg_of

from labkit.errors import LabError
from labkit.show.picture import Picture, canvas, ink
from labkit.show.shapes import line, page, write


def picture(words="<b>hello & goodbye</b>"):
    figure = canvas(120)
    axes = page(figure)
    write(axes, 20, 20, words, "clear")
    line(axes, (0, 100), (50, 50), "tls", 2.0, (0, (4, 3)))
    return Picture(figure, "a line\nand a word", "A line and a word", "First a line.\nThen a word.")


def test_a_picture_is_one_balanced_svg_with_its_label_and_its_words():
    page = read_page(picture().html)
    svg = svg_of(picture().html)
    assert svg.get("role") == "img" and svg.get("aria-label") == "A line and a word"
    described = dict(page.attributes)["aria-describedby"]
    assert ("id", described) in page.attributes
    assert "Then a word." in "".join(page.words) and "details" in page.tags


def test_what_stands_in_a_picture_stays_text():
    assert "<b>hello & goodbye</b>" in "".join(svg_of(picture().html).itertext())


def test_mathematics_and_colours_in_a_text_are_left_as_they_came():
    words = 'costs $5 and $6, #ffffff id="x" url(#y)'
    assert words in "".join(svg_of(picture(words).html).itertext())


def test_every_colour_in_a_picture_follows_the_theme():
    svg = re.search(r"<svg id.*</svg>", picture().html, re.DOTALL)[0]
    assert "var(--lk-clear,#a34000)" in svg and "var(--lk-tls,#0b5ac0)" in svg
    bare = re.findall(r"(?<!,)#[0-9a-f]{6}\b", re.sub(r"<text.*?</text>", "", svg))
    assert not bare


def test_two_pictures_on_one_page_share_no_identifier_and_no_style():
    one = picture()
    read_page(one.html + one.html)
    assert not re.search(r"[>},]\s*\*\s*\{", one.html)


def test_repr_is_the_text(capsys):
    print(picture())
    assert capsys.readouterr().out == "a line\nand a word\n"


@pytest.mark.parametrize(("suffix", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("PDF", b"%PDF")])
def test_a_picture_is_saved_in_the_format_of_its_name(tmp_path, suffix, magic):
    target = tmp_path / f"ladder.{suffix}"
    picture().save(target)
    saved = target.read_bytes()
    assert saved.startswith(magic) and b"--lk-" not in saved


def test_a_saved_picture_has_light_paper(tmp_path):
    picture().save(tmp_path / "p.svg")
    assert ink("paper") in (tmp_path / "p.svg").read_text()


@pytest.mark.parametrize("name", ["picture.gif", "picture", "missing/picture.svg"])
def test_a_picture_that_cannot_be_saved_says_why(tmp_path, name):
    with pytest.raises(LabError, match=r"\.svg, \.png or \.pdf|another place"):
        picture().save(tmp_path / name)


def test_drawing_leaves_the_settings_of_matplotlib_and_pyplot_alone():
    program = """
import sys, matplotlib
before = matplotlib.rcParams.copy()
sys.path[:0] = sys.argv[1:]
from test_picture import picture
picture().html
assert "matplotlib.pyplot" not in sys.modules
assert matplotlib.rcParams.copy() == before
"""
    here = Path(__file__).parent
    # An older matplotlib calls a newer pyparsing in a way that is deprecated there.
    strict = ("-W", "error::UserWarning", "-W", "ignore::DeprecationWarning")
    command = [sys.executable, *strict, "-c", program, str(here), str(here.parent)]
    subprocess.run(command, check=True, timeout=120)


def test_letters_that_the_font_lacks_do_no_harm(recwarn):
    assert "漢字 🙂" in "".join(svg_of(picture("漢字 🙂").html).itertext())
    assert not list(recwarn)


def test_where_no_home_can_be_written_a_picture_is_drawn_without_a_word_about_it():
    code = "from labkit import recorded; print(len(recorded('starttls_tls13').ladder().html))"
    without = {"HOME": "/proc/self", "MPLCONFIGDIR": "", "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | without, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "") and int(done.stdout) > 1000
