"""Checkers for answers that are captures, or about one: what must be true of them.

A claim is a pair: a condition on the capture, and the sentence for a capture that does not meet it.
"""

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labkit.decode.event import TEXT
from labkit.exercises.checkers import shown
from labkit.exercises.question import Checker
from labkit.show.capture import Capture

if TYPE_CHECKING:
    from labkit.decode.event import Dialogue, Event, TLSSession

CaptureClaim = tuple[Callable[[Capture], Any], str]


NOTHING = "Nothing was captured: let a client do its work inside the `with` block, then check the capture."
"""What is said of a capture without a conversation."""


def capture_that(*claims: CaptureClaim) -> Checker:
    """A capture of which every claim holds; the student reads the sentence of the first that does not."""

    def checker(answer: object, *about: object) -> str:
        if not isinstance(answer, Capture):
            return (
                "The answer is the capture itself, the name after `as` in `with lab.capture() as …`, "
                f"and yours is {shown(answer)}."
            )
        if not answer.conversations:
            return NOTHING
        return next((complaint for holds, complaint in claims if not holds(answer)), "")

    return checker


def about_capture(checker: "Callable[[Any, Capture], str]") -> Checker:
    """A checker of an answer about a capture, which is the argument after the answer."""

    def about(answer: object, capture: object) -> str:
        if not isinstance(capture, Capture) or not capture.conversations:
            return f"What the answer is about is a capture with something in it, and you gave {shown(capture)}."
        return checker(answer, capture)

    return about


def said(capture: Capture) -> "list[Event]":
    """Everything that was said in the capture, opened with its secrets."""
    return [event for dialogue in capture.decrypted().dialogues for event in dialogue.events if event.layer == TEXT]


def lines(capture: Capture) -> list[str]:
    """Everything that was said in the capture, line by line, as it crossed the wire or as it was opened."""
    return [line for event in said(capture) for line in event.text.splitlines()]


def readable(capture: Capture) -> set[str]:
    """What kinds of things can be read on the path in it: ``password``, ``subject``, …"""
    return {exposure.what for exposure in capture.visible()}


def sessions(capture: Capture) -> "list[TLSSession]":
    """The TLS sessions in the capture, opened with its secrets."""
    return [dialogue.session for dialogue in capture.decrypted().dialogues if dialogue.session is not None]


def messages(capture: Capture) -> "list[Event]":
    """The messages that a server took."""
    return [event for dialogue in capture.decrypted().dialogues for event in taken(dialogue)]


def taken(dialogue: "Dialogue") -> "list[Event]":
    """The messages of a dialogue that the server took: those that it answered with a 250."""

    events = (event for event in dialogue.events if event.layer == TEXT)
    return [
        event
        for event, reply in itertools.pairwise(events)
        if event.kind == "message" and event.sender == "client" and reply.title == "250"
    ]
