"""JSON for programs: what is not text has its bytes, and they are whole."""

import base64
import json

import pytest
from tcp_frames import Connection, frames

from labkit.capture.conversation import CLIENT, SERVER
from labkit.capture.reassembly import conversations
from labkit.decode.dialogue import read
from labkit.show.json_lines import json_line

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 32
LATIN = "Ein aufgeräumtes Café\r\n".encode("latin-1") * 500


def content(body: bytes) -> dict:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    asked = Connection().open().say(CLIENT, b"GET / HTTP/1.1\r\nHost: www.lab.test\r\n\r\n")
    (conversation,) = conversations(frames(asked.say(SERVER, head, body).close().segments))
    *_, said = (event for event in json.loads(json_line(read(conversation)))["events"] if event["wire"] == len(body))
    return said


@pytest.mark.parametrize(
    ("body", "text"),
    [(PICTURE, None), (PICTURE[:64], "\\x89PNG"), (LATIN, "Ein aufger\\xe4umtes")],
    ids=["picture", "its beginning", "Latin-1"],
)
def test_a_picture_has_no_text_and_all_its_bytes(body, text):
    said = content(body)
    assert base64.b64decode(said["base64"]) == body
    assert said["text"] is None if text is None else said["text"].startswith(text)
