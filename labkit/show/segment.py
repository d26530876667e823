"""The receive buffer of a program that reads the last line before TLS: that line, and the bytes after it.

The bytes are those of one TCP segment, as it was captured. The sender of each line is not known here.
"""

from functools import partial
from typing import TYPE_CHECKING

from labkit.capture.conversation import CLIENT, SERVER, Chunk
from labkit.decode.event import Event
from labkit.errors import LabError
from labkit.show import html
from labkit.show.page import Page
from labkit.show.printed import decoded

if TYPE_CHECKING:
    from labkit.show.capture import Capture

_INJECTED = "injected"
_READERS = {CLIENT: "the server", SERVER: "the client"}
"""Sender of a segment -> its receiver."""


def buffer(capture: "Capture") -> Page:
    """The TCP segment in which clear text stands after the upgrade command, or after the go-ahead, line by line.

    Raises `LabError` where there is no such segment in the capture's dialogue.
    """
    for event in capture.dialogue.events:
        if event.kind == _INJECTED and (segment := _segment(capture, event)):
            lines = segment.data.splitlines(keepends=True)
            return Page(partial(_boxes, segment, lines), _text(segment, lines))
    raise LabError("No segment of this capture holds clear text behind an upgrade command or a go-ahead.")


def _segment(capture: "Capture", event: Event) -> Chunk | None:
    """The TCP segment that has an injected line after another line; None where the line came alone."""
    conversation = capture.conversations[capture.dialogues.index(capture.dialogue)]
    sent = (chunk for chunk in conversation.chunks if chunk.sender == event.sender)
    return next((chunk for chunk in sent if event.data in chunk.data and event.data != chunk.data), None)


def _said(segment: Chunk) -> str:
    reader = _READERS[segment.sender]
    return f"One TCP segment of {segment.size} bytes, frame {segment.frame}, in the buffer of {reader}:"


def _parts(lines: list[bytes]) -> list[tuple[str, str, str]]:
    """(its bytes as text, its size, what it is) of each line."""
    meanings = ["what it was waiting for", *["behind it: from here on it should be TLS"] * (len(lines) - 1)]
    shown = [decoded(line).replace("␍", r"\r").replace("␊", r"\n") for line in lines]
    return [(text, f"{len(line)} bytes", words) for line, text, words in zip(lines, shown, meanings, strict=True)]


def _boxes(segment: Chunk, lines: list[bytes]) -> html.Node:
    boxes = [
        html.div("lk-piece" if number == 0 else "lk-piece lk-behind")[
            html.code[text], html.br, html.small[f"{size}, {words}"]
        ]
        for number, (text, size, words) in enumerate(_parts(lines))
    ]
    return html.p("lk-head")[_said(segment)], html.div("lk-buffer")[boxes]


def _text(segment: Chunk, lines: list[bytes]) -> str:
    parts = _parts(lines)
    wide = max(len(text) for text, _, _ in parts)
    rows = [f"| {text:<{wide}} | {size}, {words}" for text, size, words in parts]
    edge = f"+{'-' * (wide + 2)}+"
    return "\n".join([_said(segment), edge, *rows, edge])
