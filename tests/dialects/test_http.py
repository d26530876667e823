"""HTTP is read in captures: heads, and the content that they announce; tshark reads the same out of a policy fetch."""

import subprocess
from http.client import HTTPResponse
from io import BytesIO
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools import tool

from labkit import Lab
from labkit.dialects import ALL, HTTP, recognise
from labkit.dialects.base import CLIENT, SERVER

REQUEST = b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.bob.test\r\n\r\n"
CONTENT = b"version: STSv1\r\nmode: enforce\r\nmx: mail.bob.test\r\nmax_age: 604800\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(CONTENT)
SAID = [(CLIENT, REQUEST), (SERVER, RESPONSE + CONTENT)]
PHRASES = [
    (CLIENT, "command", "GET", REQUEST),
    (SERVER, "reply", "200", RESPONSE),
    (SERVER, "reply", "content", CONTENT),
]


def read(pieces):
    reader = HTTP.reader()
    return [tuple(phrase) for sender, data in pieces for phrase in reader.feed(sender, data)]


def test_a_policy_is_asked_for_and_comes_with_what_each_line_means():
    assert read(SAID) == PHRASES
    assert "RFC 8461 §3.3" in HTTP.explain("command", "GET", "GET /.well-known/mta-sts.txt HTTP/1.1")
    assert "may keep the policy" in HTTP.explain("reply", "content", "max_age: 604800")
    assert "must not follow" in HTTP.explain("reply", "302", "HTTP/1.1 302 Found")


@given(st.lists(st.integers(0, 300), max_size=6))
def test_bytes_may_be_split_anywhere(cuts):
    pieces = []
    for sender, data in SAID:
        places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
        pieces += [(sender, data[start:end]) for start, end in pairwise(places)]
    assert read(pieces) == PHRASES


CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=4)
FIELDS = st.sampled_from((b"", b"Expires: never\r\n"))


@given(CHUNKS, st.sampled_from((b"", b";x=y", b" ")), FIELDS, st.lists(st.integers(0, 300), max_size=6))
def test_content_in_chunks_is_what_the_standard_library_reads(chunks, extension, fields, cuts):
    """RFC 9112 §7.1."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent = [b"%X%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks] + [b"0\r\n%s\r\n" % fields]
    whole = head + b"".join(sent)
    places = [0, *sorted(cut % (len(whole) + 1) for cut in cuts), len(whole)]
    phrases = read([(CLIENT, REQUEST), *((SERVER, whole[a:b]) for a, b in pairwise(places)), (SERVER, RESPONSE)])
    assert [said for _, _, title, said in phrases if title == "chunk"] == sent
    assert phrases[-1][2:] == ("200", RESPONSE)
    assert library_reads(whole) == b"".join(chunks)


def library_reads(data):
    response = HTTPResponse(SimpleNamespace(makefile=lambda _: BytesIO(data)))
    response.begin()
    return response.read()


@pytest.mark.parametrize(
    ("asked", "head", "content"),
    (
        (b"GET", b"HTTP/1.0 200 OK\r\n\r\n", b"up to the end"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b""),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", b""),
    ),
)
def test_where_content_ends_depends_on_what_was_asked_and_answered(asked, head, content):
    """RFC 9112 §6.3."""
    behind = b"" if content else RESPONSE
    phrases = read([(CLIENT, asked + b" / HTTP/1.1\r\n\r\n"), (SERVER, head + content + behind)])
    assert [said for sender, _, _, said in phrases if sender == SERVER] == [head, content or behind]


@given(st.lists(st.tuples(st.sampled_from((CLIENT, SERVER)), st.binary(max_size=60)), max_size=8))
def test_any_bytes_are_phrases_or_held_and_none_is_lost(said):
    reader = HTTP.reader()
    phrases = [phrase for sender, data in said for phrase in reader.feed(sender, data)]
    for side in (CLIENT, SERVER):
        told = b"".join(phrase.data for phrase in phrases if phrase.sender == side) + reader.rest(side)
        assert told == b"".join(data for sender, data in said if sender == side)


def test_it_is_recognised_by_its_first_bytes_and_is_no_dialect_that_is_upgraded():
    assert recognise(RESPONSE, REQUEST) is HTTP and recognise(b"", REQUEST) is HTTP
    assert recognise(b"220 ftp.lab.test ready\r\n", REQUEST) is not HTTP, "a browser that was brought elsewhere"
    assert HTTP not in ALL


@pytest.mark.parametrize("how", ("auto", "tap"))
def test_tshark_and_the_lab_read_the_same_fetch_of_a_policy(how, tmp_path):
    with Lab("loopback", capture=how, hosts=("dns", "www", "provider")) as lab:
        lab.domain("bob.test").sts("enforce")
        sender = lab.provider().sender
        with lab.capture() as capture:
            sender._policy("bob.test", sender._resolver())
        sealed = next(one for one in capture.dialogues if one.server.port == 443)
        fetch = next(one for one in capture.decrypted().dialogues if one.server.port == 443)
        capture.save(tmp_path / "fetch.pcapng")
    assert sealed.dialect is HTTP and not any(event.title == "GET" for event in sealed.events)
    assert [event.title for event in fetch.events if event.layer == "text"] == ["GET", "200", "content"]
    assert any("mode: enforce" in event.text for event in fetch.events)
    fields = ["-e", "http.request.uri", "-e", "http.response.code", "-e", "http.host"]
    command = [tool("tshark"), "-r", tmp_path / "fetch.pcapng", "-Y", "http", "-T", "fields", *fields]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.split()
    assert said == ["/.well-known/mta-sts.txt", "mta-sts.bob.test", "200"]
