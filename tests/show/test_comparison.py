"""Captures beside each other: what is drawn is what was measured, and it is also said in words."""

import pytest
from page_checks import read_page

from labkit import Lab, compare, entropy_curve, recorded, side_by_side
from labkit.errors import LabError

NAMES = {
    "in the clear": "clear_smtp_auth_plain",
    "STARTTLS": "starttls_tls13",
    "implicit <TLS>": "implicit_tls13",
}


@pytest.fixture(scope="module")
def captures():
    return {shown: recorded(name) for shown, name in NAMES.items()}


def test_the_bars_say_what_could_be_read(captures):
    picture = compare(captures)
    clear, starttls, implicit = picture.text.splitlines()
    assert "password" in clear and "client name" in clear and "ciphertext" not in clear
    assert "password" not in starttls and "server name" in starttls
    assert "readable, " not in implicit and "ciphertext" in implicit
    read_page(picture.html)


def test_the_columns_show_ciphertext_as_nothing_but_its_length(captures):
    page = side_by_side(captures)
    assert "AUTH PLAIN" in page.text.split("\n\n")[0]
    assert "▒" in page.text and "&lt;TLS&gt;" in page.html and "<TLS>" not in page.html
    read_page(page.html)


def test_the_curve_is_also_told_in_numbers(captures):
    picture = entropy_curve(captures["STARTTLS"])
    assert "readable: " in picture.text and "ciphertext: 7." in picture.text
    read_page(picture.html)


def test_nothing_to_compare_is_said_in_a_sentence():
    with Lab() as lab, lab.capture() as quiet:
        pass
    for show in (compare, side_by_side):
        with pytest.raises(LabError, match="no TCP conversation"):
            show({"quiet": quiet})
    with pytest.raises(LabError, match="no TCP conversation"):
        entropy_curve(quiet)
