"""However bytes come, reading them takes time in proportion: twice the input, about twice the time."""

from collections.abc import Callable
from time import process_time

import pytest
from small_readers import XMPPReader
from transcripts import Turn

from labkit.dialects import CLIENT, HTTP, IMAP, MANAGESIEVE, POP3, SERVER, SMTP
from labkit.dialects.base import Reader

PIECE = 7
"""Bytes of a segment."""


def in_pieces(side: str, data: bytes) -> list[Turn]:
    return [(side, data[at : at + PIECE]) for at in range(0, len(data), PIECE)]


def waiting(count: int) -> list[Turn]:
    """A client that should wait for a literal, and goes on; the server answers what it said later."""
    said = b"".join(b"t%d NOOP\r\n" % number for number in range(count))
    answers = b"".join(b"t%d OK done\r\n" % number for number in range(count))
    return [(CLIENT, b"a LOGIN {5}\r\n"), *in_pieces(CLIENT, said), *in_pieces(SERVER, answers)]


def waiting_again_and_again(count: int) -> list[Turn]:
    said = b"".join(b"t%d STARTTLS\r\n" % number for number in range(count))
    answers = b"".join(b"t%d NO\r\n" % number for number in reversed(range(count)))
    return [(CLIENT, said), *in_pieces(SERVER, answers)]


HOSTILE: dict[str, tuple[Callable[[], Reader], Callable[[int], list[Turn]]]] = {
    "a reply of many lines": (SMTP.reader, lambda size: in_pieces(SERVER, b"250-x\r\n" * size + b"250 x\r\n")),
    "a reply of one line": (SMTP.reader, lambda size: in_pieces(SERVER, b"250 " + b"x" * 7 * size)),
    "a message": (
        SMTP.reader,
        lambda size: [(CLIENT, b"DATA\r\n"), (SERVER, b"354\r\n"), *in_pieces(CLIENT, b"x\n.\n\r\n" * size)],
    ),
    "replies in the middle of a message": (
        SMTP.reader,
        lambda size: [
            *((CLIENT, b"DATA\r\n"), (SERVER, b"354\r\n"), (CLIENT, b"x" * 70 * size)),
            *[(SERVER, b"250 ok\r\n")] * size,
        ],
    ),
    "commands without an answer": (SMTP.reader, lambda size: [(CLIENT, b"NOOP\r\n")] * size),
    "commands behind one that waits": (
        SMTP.reader,
        lambda size: [(CLIENT, b"STARTTLS\r\n"), *[(CLIENT, b"NOOP\r\n")] * size, *[(SERVER, b"250 ok\r\n")] * size],
    ),
    "a list": (
        POP3.reader,
        lambda size: [(SERVER, b"+OK\r\n"), (CLIENT, b"LIST\r\n"), *in_pieces(SERVER, b"+OK\r\n" + b"1 2\r\n" * size)],
    ),
    "a list without carriage returns": (
        POP3.reader,
        lambda size: [(SERVER, b"+OK\n"), (CLIENT, b"LIST\n"), *in_pieces(SERVER, b"+OK\n" + b"1 2\n" * size)],
    ),
    "a name of a script": (
        MANAGESIEVE.reader,
        lambda size: in_pieces(CLIENT, b"GETSCRIPT {9999999+}\r\n" + b"x" * 7 * size),
    ),
    "lines that nothing asked for": (
        POP3.reader,
        lambda size: [(SERVER, b"+OK\r\n+OK\r\n"), *in_pieces(SERVER, b"x\r\n" * size)],
    ),
    "a response without spaces": (IMAP.reader, lambda size: in_pieces(SERVER, b"x" * 7 * size)),
    "a response with literals": (IMAP.reader, lambda size: in_pieces(SERVER, b"* LIST" + b" {1}\r\nx" * size)),
    "a command with literals": (IMAP.reader, lambda size: in_pieces(CLIENT, b"a LOGIN" + b" {1+}\r\nx" * size)),
    "answers that overtake a literal": (IMAP.reader, waiting),
    "answers that overtake upgrades": (IMAP.reader, waiting_again_and_again),
    "the head of a request": (
        HTTP.reader,
        lambda size: in_pieces(CLIENT, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * size + b"\r\n"),
    ),
    "the fields behind the last chunk": (
        HTTP.reader,
        lambda size: [
            (SERVER, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            *in_pieces(SERVER, b"0\r\n" + b"A: b\r\n" * size),
        ],
    ),
    "nested elements": (XMPPReader, lambda size: in_pieces(CLIENT, b"<a>" * size)),
    "a tag without an end": (XMPPReader, lambda size: in_pieces(CLIENT, b"<a " + b"b='>' " * size)),
    "a quoted value without an end": (XMPPReader, lambda size: in_pieces(CLIENT, b"<a b='" + b"x" * 7 * size)),
    "a comment without an end": (XMPPReader, lambda size: in_pieces(CLIENT, b"<!--" + b"- " * 4 * size)),
    "white space": (XMPPReader, lambda size: in_pieces(CLIENT, b" " * 7 * size)),
}


def seconds(make: Callable[[], Reader], said: list[Turn]) -> float:
    """CPU time."""
    reader, before = make(), process_time()
    for side, data in said:
        reader.feed(side, data)
    return process_time() - before


@pytest.mark.parametrize("what", HOSTILE)
def test_twice_the_input_takes_about_twice_the_time(what):
    make, said = HOSTILE[what]
    size = 500
    while seconds(make, said(size)) < 0.02 and size < 32_000:
        size *= 2
    once, twice = said(size), said(2 * size)
    # What else the machine does only adds to a time: the least of several is the nearest to the truth.
    times: list[tuple[float, float]] = []
    while len(times) < 4 or (len(times) < 20 and not _twice(times)):
        times.append((seconds(make, once), seconds(make, twice)))
    assert _twice(times), times


def _twice(times: list[tuple[float, float]]) -> bool:
    """Whether the longer ones took less than three times as long as the shorter ones; four times is quadratic."""
    shorter, longer = map(min, zip(*times, strict=True))
    return longer < 3 * shorter
