"""A network at a glance: every session of a server has a mark in its row, and the words say the same."""

import re

import pytest

from labkit import Lab, policies
from labkit.show.timeline import timeline

CLEAR = {"starttls": "off", "auth": "always"}


@pytest.fixture(scope="module")
def picture():
    with Lab(network="loopback", capture="tap") as lab:
        open_, good, implicit = lab.smtp(port=2525, **CLEAR), lab.smtp(), lab.imap(implicit=True)
        with lab.capture() as capture:
            for _ in range(3):
                lab.send(open_, "The PIN is 4921", login=("alice", "hunter2"))
            lab.send(good, "x")
            lab.fetch(implicit, policy=policies.implicit)
    return timeline(capture, ["mail", "nobody"])


def test_the_words_count_the_sessions_of_each_server_by_what_can_be_read_of_them(picture):
    assert picture.text.splitlines() == [
        "mail: 5 sessions: 3 in which a password or a message can be read, 1 with explicit TLS, "
        "1 with TLS from the first byte.",
        "nobody: 0 sessions.",
    ]
    assert "5 sessions of 2 servers" in picture.label


def test_every_session_has_a_mark_and_every_kind_of_mark_a_shape_of_its_own(picture):
    axes = picture.figure.axes[0]
    marks = [line for line in axes.lines if line.get_marker() not in ("None", None, "")]
    shapes = [mark.get_marker() for mark in marks]
    legend = 4
    assert len(marks) == 5 + legend and len(set(shapes)) == 4
    assert shapes.count("X") == 3 + 1
    assert re.search(r'role="img"', picture.html)
