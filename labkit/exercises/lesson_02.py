"""The STARTTLS handshake: its steps, who takes them, and what is forgotten."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from labkit.exercises.captures import capture_that, said
from labkit.exercises.checkers import equals, number, tried_on, word
from labkit.exercises.question import Exercise, Lesson, Prediction

if TYPE_CHECKING:
    from labkit.show.capture import Capture


def _go_ahead(answer: object, capture: "Capture") -> str:
    events = capture.dialogue.events
    greeting, go_ahead = (next(e for e in events if e.kind == kind) for kind in ("greeting", "go-ahead"))
    mistakes = {
        greeting.frame: "That frame carries the greeting, the first 220. The go-ahead is the second.",
        events.index(go_ahead): "That is its place in the list of events, not its frame: ask the event for `.frame`.",
        next(e.frame for e in events if e.title == "STARTTLS"): "There alice asks. The go-ahead is the answer.",
    }
    return number(go_ahead.frame, mistakes={k: v for k, v in mistakes.items() if k != go_ahead.frame})(answer)


def _commands(capture: "Capture") -> tuple[int, int]:
    asked = [event for event in said(capture) if event.kind in ("command", "credential")]
    inside = sum(event.encrypted for event in asked)
    return len(asked) - inside, inside


def _counts(answer: object, capture: "Capture") -> str:
    clear, inside = _commands(capture)
    mistakes = {
        (inside, clear): "These are the right numbers, in the wrong order.",
        (clear, 0): "Inside TLS there is more than nothing: use `capture.decrypted()`.",
        (clear + inside, 0): "These are all commands together: which of them are `encrypted`?",
    }
    return equals((clear, inside), mistakes)(answer)


def _dialogues() -> Iterator[tuple[object, bool, str]]:
    from dataclasses import replace

    from labkit.show.recordings import recorded

    yield recorded("starttls_tls13").dialogue, True, "a dialogue that was upgraded"
    yield recorded("starttls_not_offered").dialogue, False, "a dialogue without STARTTLS"
    yield recorded("clear_smtp_auth_plain").dialogue, False, "a dialogue in clear text"
    yield recorded("implicit_tls13").dialogue, False, "a dialogue with implicit TLS, where nothing was upgraded"
    whole = recorded("starttls_tls13").dialogue
    at = next(index for index, event in enumerate(whole.events) if event.kind == "go-ahead")
    before, go_ahead, after = whole.events[:at], whole.events[at], whole.events[at + 1 :]
    refusal = go_ahead._replace(kind="refusal", title="454", data=b"454 4.7.0 TLS not available\r\n")
    yield replace(whole, events=(*before, refusal), session=None), False, "a dialogue in which STARTTLS was refused"
    yield replace(whole, events=(*before, go_ahead), session=None), False, "a dialogue that was cut after the go-ahead"
    yield replace(whole, events=(*before, *after)), False, "a dialogue in which a client did not wait for the go-ahead"


LESSON = Lesson(
    "02",
    "The STARTTLS handshake",
    Prediction(
        "A client upgrades its connection with STARTTLS. When does it learn which login mechanisms it may use?",
        {
            "a": "from the greeting of the server",
            "b": "from the answer to EHLO, before TLS",
            "c": "from the answer to a second EHLO, inside TLS",
            "d": "from the server's certificate",
        },
        right="c",
        because=(
            "What was said before TLS could have been written by anybody on the path, so both forget it after the "
            "handshake, and the client asks again (RFC 3207 §4.2). This server even offers AUTH only then."
        ),
    ),
    (
        Exercise(
            "02.1",
            "What is the number of the frame that carried the go-ahead?",
            _go_ahead,
            hints=(
                "Each event of `capture.dialogue.events` has a `kind` and a `frame`. One of them has the kind "
                "`go-ahead`.",
                '`next(event for event in capture.dialogue.events if event.kind == "go-ahead")` is that event.',
            ),
            solution='frame = next(event.frame for event in capture.dialogue.events if event.kind == "go-ahead")',
            because="After this frame every payload byte of the conversation belongs to TLS.",
        ),
        Exercise(
            "02.2",
            "Who sends `250-STARTTLS`?",
            word(
                "server",
                "the server",
                "mail",
                mistakes={
                    "client": "It begins with a reply code, and only servers reply with codes. The client sends the "
                    "word `STARTTLS` alone, a moment later.",
                    "alice": "It begins with a reply code, and only servers reply with codes.",
                    "both": "Only one of them offers it; the other one takes the offer.",
                },
            ),
            hints=("Follow the arrow in the ladder.", "Lines that begin with three digits are replies."),
            solution='sender = "server"',
            because="It is a line of the server's answer to EHLO: an offer (RFC 3207 §2).",
        ),
        Exercise(
            "02.3",
            "How many commands did alice send in clear text, and how many inside TLS?",
            _counts,
            hints=(
                "`capture.decrypted().dialogue.events` has all of them. Keep those whose `kind` is `command` or "
                "`credential`.",
                "Each event says whether it was `encrypted`. Count both kinds; in clear text it is EHLO and one more.",
            ),
            solution=(
                "events = capture.decrypted().dialogue.events\n"
                'asked = [event.encrypted for event in events if event.kind in ("command", "credential")]\n'
                "commands = (asked.count(False), asked.count(True))"
            ),
            because="EHLO and STARTTLS in the clear, and then, inside TLS, EHLO once more and everything that matters.",
        ),
        Exercise(
            "02.4",
            "Capture how a server that requires STARTTLS treats a client that does not want it.",
            capture_that(
                (
                    lambda capture: not any(event.encrypted for event in said(capture)),
                    "There is TLS in this capture: let the client use `policy=policies.none`.",
                ),
                (
                    lambda capture: any(event.title == "530" for event in said(capture)),
                    'The server took everything: make it with `starttls="required"`.',
                ),
            ),
            hints=(
                '`lab.smtp(starttls="required")` makes the server, `policy=policies.none` the client.',
                "Both go into one cell: first the server, then the `with` block with `lab.send` in it.",
            ),
            solution=(
                'strict = lab.smtp(starttls="required")\n'
                "with lab.capture() as refused:\n"
                '    lab.send(strict, "The PIN is 4921", policy=policies.none)'
            ),
            because=(
                "The server answers `530` to `MAIL`: first STARTTLS (RFC 3207 §4). RFC 3207 forbids this on a public "
                "server for incoming mail, because senders that cannot do TLS would be locked out."
            ),
        ),
        Exercise(
            "02.5",
            "Write a function that says whether a dialogue was really upgraded.",
            tried_on(_dialogues),
            hints=(
                "Three things must be there, in this order: an event with the title `STARTTLS`, one of the kind "
                "`go-ahead`, and one with the title `ClientHello`.",
                "The go-ahead alone is nearly enough: without a question there is none. What must follow it?",
                "`kinds = [event.kind for event in dialogue.events]`, and then: is `go-ahead` in it, and `handshake`?",
            ),
            solution=(
                "def upgraded(dialogue):\n"
                "    kinds = [event.kind for event in dialogue.events]\n"
                '    return "go-ahead" in kinds and "handshake" in kinds'
            ),
            because="A log line that says STARTTLS shows that somebody asked. It does not show that anybody agreed.",
        ),
    ),
)
