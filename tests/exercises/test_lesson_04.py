"""Wrong answers to lesson 04 are told what is wrong with them; right ones pass."""

import pytest
from lesson_captures import CLEAR, VERIFIED, captured

from labkit import check
from labkit.trials.handshakes import ALL

OLD = ("TLS 1.1",)


def test_a_deprecated_version_has_to_be_asked_for_on_both_sides():
    assert "right" in check("04.3", captured({"tls": OLD}, tls=OLD, **VERIFIED)).text
    assert "something else" in check("04.3", captured(**VERIFIED)).text
    assert "No version was agreed" in check("04.3", captured({"tls": OLD}, **VERIFIED)).text
    assert "No version was agreed" in check("04.3", captured(CLEAR)).text


def _common(client, server):
    return [version for version in ALL if version in client and version in server]


@pytest.mark.parametrize(
    ("number", "answer", "told"),
    [
        ("04.1", "TLS 1.2", "right"),
        ("04.1", "TLS 1.3", "does not know"),
        ("04.1", "TLS 1.1", "newer one"),
        ("04.1", "TLSv1.2", "right"),
        ("04.1", 1.2, "text"),
        ("04.2", 7568, "right"),
        ("04.2", 6176, "SSL 2.0"),
        ("04.2", 8996, "TLS 1.0 and 1.1"),
        ("04.2", "7568", "no quotes"),
        ("04.2", 5000, "row of SSL 3.0"),
        ("04.4", b"DOWNGRD\x00", "right"),
        ("04.4", b"DOWNGRD\x01", "stands for TLS 1.2"),
        ("04.4", "DOWNGRD\x00", "bytes"),
        ("04.4", bytes(8), "marked nothing"),
        ("04.4", bytes(32), "last eight"),
        ("04.5", lambda client, server: (_common(client, server) or [None])[-1], "right"),
        ("04.5", lambda client, server: _common(client, server)[-1], "IndexError"),
        ("04.5", lambda client, server: (_common(client, server) or [None])[0], "should be"),
        ("04.5", "TLS 1.2", "a function"),
    ],
)
def test_what_is_said_of_an_answer(number, answer, told):
    assert told in check(number, answer).text
