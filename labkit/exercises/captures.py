"""Checkers for answers that are captures, or functions that are tried on captures: what must be true of them.

A claim is a pair: what must hold of the capture, and the sentence for one of which it does not.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from labkit.exercises.checkers import same, shown
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
                f"The answer is the capture itself, the name after `as` in `with lab.capture() as …`, "
                f"and yours is {shown(answer)}."
            )
        if not answer.conversations:
            return "Nothing was captured: send the mail inside the `with` block, and check the capture below it."
        return next((complaint for holds, complaint in claims if not holds(answer)), "")

    return checker


def tried_on(cases: Callable[[], Iterable[tuple[object, Any, str]]]) -> Checker:
    """A function of one argument; `cases` gives (argument, what it must return, what that argument is called)."""

    def checker(answer: object, *about: object) -> str:
        if not callable(answer):
            return f"The answer is a function, given by its name alone, and yours is {shown(answer)}."
        return next(filter(None, (_tried(answer, *case) for case in cases())), "")

    return checker


def _tried(answer: Callable, given: object, wanted: Any, called: str) -> str:
    try:
        got = answer(given)
    except Exception as error:
        return f"On {called} it stops with {type(error).__name__}: {str(error)[:80]}."
    if same(got, wanted):
        return ""
    if got is None:
        return f"On {called} it returns nothing: does every way through it end in a return?"
    return f"On {called} it returns {shown(got)}, but it should be {shown(wanted)}."


def said(capture: "Capture") -> "list[Event]":
    """Everything that was said in the capture, opened with its secrets."""
    return [event for dialogue in capture.decrypted().dialogues for event in dialogue.events if event.layer == "text"]


def readable(capture: "Capture") -> set[str]:
    """What kinds of things somebody on the path can read in it: ``password``, ``subject``, …"""
    return {exposure.what for exposure in capture.visible()}
