"""Dialogues straight out of a file: the same as from memory, opened with what stands in it, and without keeping it."""

import tracemalloc
from itertools import islice

import pytest

from labkit import recorded
from labkit.capture.pcap import Frame, read_frames, write_pcapng
from labkit.decode.file import dialogues
from labkit.errors import CaptureError
from labkit.trust.keylog import parse

_CLIENT_PORT = slice(34, 36)
"""Of an Ethernet frame with IPv4 and TCP from the client."""


def write_sessions(path, count, name="starttls_tls13"):
    """A file in which the client of a recording calls again and again, each time from another port."""
    capture = recorded(name)
    client = capture.frames[0].data[_CLIENT_PORT]

    def frames():
        for number in range(count):
            port = (1024 + number).to_bytes(2, "big")
            for time, link, data, length in capture.frames:
                start = 34 if data[_CLIENT_PORT] == client else 36
                yield Frame(time + number * 10**9, link, data[:start] + port + data[start + 2 :], length)

    write_pcapng(path, frames(), capture.keylog)
    return capture


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.pcapng"


def test_a_file_says_what_a_capture_in_memory_says(path):
    capture = write_sessions(path, 3)
    wanted = [event.title for event in capture.decrypted().dialogue.events]
    found = list(dialogues(read_frames(path), {}))
    assert [[event.title for event in dialogue.events] for dialogue in found] == [wanted] * 3
    assert [dialogue.client.port for dialogue in found] == [1024, 1025, 1026]


def test_secrets_from_elsewhere_open_it_too(path):
    capture = recorded("starttls_tls12")
    write_pcapng(path, capture.frames)
    (closed,) = dialogues(read_frames(path), {})
    (opened,) = dialogues(read_frames(path), parse(capture.keylog))
    assert "No secrets were used" in closed.session.problem and opened.session.opened


def test_secrets_that_come_later_in_a_file_open_what_follows_them(path, tmp_path):
    """A program that captures while sessions run writes each one's secrets when it learns them."""
    for name in ("starttls_tls12", "starttls_tls13"):
        recorded(name).save(tmp_path / f"{name}.pcapng")
    path.write_bytes(b"".join((tmp_path / f"starttls_{tls}.pcapng").read_bytes() for tls in ("tls12", "tls13")))
    assert [dialogue.session.opened for dialogue in dialogues(read_frames(path), {})] == [True, True]


def test_a_dialogue_comes_before_the_rest_of_the_file_is_read(path):
    write_sessions(path, 2)
    path.write_bytes(path.read_bytes() + b"nothing that belongs here")
    file = read_frames(path)
    source = dialogues(file, {})
    assert len(list(islice(source, 1))) == 1 and not file.problem
    assert len(list(source)) == 1 and "damaged" in file.problem


def test_no_session_is_kept_once_it_has_ended(path):
    def peak(count):
        write_sessions(path, count)
        tracemalloc.start()
        assert sum(1 for _ in dialogues(read_frames(path), {})) == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)  # what is imported and cached once
    left_behind = (peak(400) - peak(100)) / 300  # both are longer than what is read ahead
    size = path.stat().st_size / 100
    assert left_behind < size / 10  # who spoke with whom is remembered for a while, what was said is not


def test_what_is_not_a_capture_raises_when_it_is_read(path):
    path.write_bytes(b"Dear Bob,")
    source = dialogues(read_frames(path), {})
    with pytest.raises(CaptureError, match="neither pcap nor pcapng"):
        next(source)
