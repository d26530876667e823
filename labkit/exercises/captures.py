"""Checkers for answers that are captures: what must be true of them.

A claim is a pair: what must hold of the capture, and the sentence for one of which it does not.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labkit.exercises.checkers import shown
from labkit.exercises.question import Checker

if TYPE_CHECKING:
    from labkit.decode.event import Event
    from labkit.show.capture import Capture

Claim = tuple[Callable[["Capture"], Any], str]


def capture_that(*claims: Claim) -> Checker:
    """A capture of which every claim holds; the first that does not is what the student is told."""

    def checker(answer: object, *about: object) -> str:
        from labkit.show.capture import Capture

        if not isinstance(answer, Capture):
            return (
                "The answer is the capture itself, the name after `as` in `with lab.capture() as …`, "
                f"and yours is {shown(answer)}."
            )
        if not answer.conversations:
            return "Nothing was captured: send the mail inside the `with` block, and check the capture below it."
        return next((complaint for holds, complaint in claims if not holds(answer)), "")

    return checker


def said(capture: "Capture") -> "list[Event]":
    """Everything that was said in the capture, opened with its secrets."""
    from labkit.decode.event import TEXT

    return [event for dialogue in capture.decrypted().dialogues for event in dialogue.events if event.layer == TEXT]


def readable(capture: "Capture") -> set[str]:
    """What kinds of things somebody on the path can read in it: ``password``, ``subject``, …"""
    return {exposure.what for exposure in capture.visible()}
