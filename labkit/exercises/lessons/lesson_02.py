"""The STARTTLS handshake: its steps, who takes them, and what is forgotten."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from labkit.clients import policies
from labkit.exercises.captures import about_capture, capture_that, messages, said
from labkit.exercises.checkers import equals, number, same, shown, spelled_alike
from labkit.exercises.drawn import Draw
from labkit.exercises.functions import Call, tried_on
from labkit.exercises.keeping import draw
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.exercises.staged import CLEAR, mailed
from labkit.show.recordings import recorded

if TYPE_CHECKING:
    from labkit.decode.event import Dialogue
    from labkit.show.capture import Capture


@about_capture
def _go_ahead(answer: object, capture: "Capture") -> str:
    events = capture.dialogue.events
    by_kind = {event.kind: event for event in reversed(events)}
    if "go-ahead" not in by_kind:
        return "There is no go-ahead in that capture: the question is about the first one of the lesson."
    go_ahead = by_kind["go-ahead"]
    if same(answer, go_ahead):
        return "That is the right event. The question is about its frame: `.frame`."
    asked = next(event.frame for event in events if event.title == "STARTTLS")
    mistakes = {
        by_kind["greeting"].frame: "That frame carries the greeting, the first 220. The go-ahead is the second.",
        events.index(go_ahead): "That is its place in the list of events, not its frame: ask the event for `.frame`.",
        asked: "There alice asks. The go-ahead is the answer.",
        220: "220 is its reply code. In which frame did it come?",
    }
    return number(go_ahead.frame, mistakes={k: v for k, v in mistakes.items() if k != go_ahead.frame})(answer)


_OFFER, _UPGRADE = "250-STARTTLS", "STARTTLS"
_BY_SERVER = (
    "220 Ready to start TLS", "220 mail.lab.test ESMTP", "250-SIZE 33554432", "354 End data with <CR><LF>.<CR><LF>",
    "454 4.7.0 TLS not available", "530 Must issue a STARTTLS command first", "221 Bye",
)  # fmt: skip
_BY_CLIENT = (
    "EHLO alice.lab.test", "MAIL FROM:<alice@lab.test>", "RCPT TO:<bob@lab.test>", "DATA", "QUIT",
    "AUTH PLAIN AGFsaWNlAGh1bnRlcjI=",
)  # fmt: skip
_SERVER, _CLIENT = ("server", "the server", "mail"), ("client", "the client", "alice")


def _mixed_lines(of: Draw) -> list[str]:
    """The offer, the command, and four lines more, in any order."""
    more = [*of.some("02.2 server", _BY_SERVER, 2), *of.some("02.2 client", _BY_CLIENT, 2)]
    return of.shuffled("02.2", [_OFFER, _UPGRADE, *more])


def _senders(answer: object) -> str:
    asked = _mixed_lines(draw())
    given = [answer.get(line) for line in asked] if isinstance(answer, Mapping) else answer
    if not isinstance(given, list | tuple) or len(given) != len(asked):
        return f"The answer is a list of {len(asked)} words, one for each of the lines, and yours is {shown(answer)}."
    for line, sender in zip(asked, given, strict=True):
        if not any(spelled_alike(sender, name) for name in (*_SERVER, *_CLIENT)):
            return f'Each word is "client" or "server", and for the line `{line}` you have {shown(sender)}.'
        right = _SERVER if line[:3].isdigit() else _CLIENT
        if not any(spelled_alike(sender, name) for name in right):
            return f"`{line}` is not sent by the {_CLIENT[0] if right is _SERVER else _SERVER[0]}: {_SIGN[right]}"
    return ""


_SIGN = {
    _SERVER: "it begins with a reply code, and only servers reply with codes.",
    _CLIENT: "it begins with a word, and so do all commands.",
}


_SENDING = (
    {"login": ("alice", "hunter2"), "policy": policies.verified, "server": {"mechanisms": "LOGIN"}},
    {"policy": policies.verified},
    {"login": ("alice", "hunter2"), "server": CLEAR},
    {"login": ("alice", "hunter2"), "policy": policies.implicit, "server": {"implicit": True}},
)
"""Ways to send a mail in which the numbers of commands before and inside TLS are others than in the lesson."""


def _some_mail(of: Draw) -> "Capture":
    return mailed(**of.one("02.3", _SENDING))


def _commands(capture: "Capture") -> tuple[int, int]:
    asked = [event for event in said(capture) if event.kind in ("command", "credential")]
    inside = sum(event.encrypted for event in asked)
    return len(asked) - inside, inside


@about_capture
def _counts(answer: object, capture: "Capture") -> str:
    clear, inside = right = _commands(capture)
    mistakes = {
        (inside, clear): "These are the right numbers, in the wrong order.",
        (clear, 0): "Inside TLS there is more than nothing: use `.decrypted()`.",
        (clear + inside, 0): "These are all commands together: which of them are `encrypted`?",
        (2, 6): "That would be right for the first capture of the lesson. This is another one.",
    }
    mistakes = {wrong: why for wrong, why in mistakes.items() if wrong != right}
    given = tuple(answer) if isinstance(answer, list) else answer
    return equals(right, mistakes, "Count the events of the kinds `command` and `credential`.")(given)


def _refused(capture: "Capture") -> bool:
    return any(event.title == "530" and "STARTTLS" in event.text for event in said(capture))


def _said_by_server(capture: "Capture") -> list[str]:
    return [event.text for event in said(capture) if event.sender == "server"]


def _tried(capture: "Capture") -> bool:
    """Whether the client asked for anything besides greeting and leaving."""
    return any(event.kind == "command" and event.title not in ("EHLO", "HELO", "QUIT") for event in said(capture))


@cache
def _failed_handshakes() -> "tuple[Dialogue, ...]":
    """Handshakes that the client breaks off, because the certificate has another name; in both versions."""
    server = {"certificate": "wrong name"}
    captures = (mailed(policy=policies.verified, server={**server, "tls": tls}) for tls in ("TLS 1.2", "TLS 1.3"))
    return tuple(capture.decrypted().dialogue for capture in captures)


def _dialogues() -> Iterator[Call]:
    whole, older = (recorded(f"starttls_{name}").decrypted().dialogue for name in ("tls13", "tls12"))
    at = next(index for index, event in enumerate(whole.events) if event.kind == "go-ahead")
    before, go_ahead, after = whole.events[:at], whole.events[at], whole.events[at + 1 :]
    refusal = go_ahead._replace(kind="refusal", title="454", data=b"454 4.7.0 TLS not available\r\n")
    refused = replace(whole, events=(*before, refusal), session=None)
    implicit = recorded("implicit_tls13").decrypted().dialogue
    yield _call(whole, True, "a dialogue that was upgraded")
    yield _call(older, True, "a dialogue that was upgraded to TLS 1.2")
    yield _call(recorded("starttls_not_offered").dialogue, False, "a dialogue without STARTTLS")
    yield _call(recorded("clear_though_offered").dialogue, False, "a dialogue whose client did not take the offer")
    yield _call(implicit, False, "a dialogue with implicit TLS, where nothing was upgraded,")
    yield _call(refused, False, "a dialogue in which STARTTLS was refused")
    cut = replace(whole, events=(*before, go_ahead), session=None)
    yield _call(cut, False, "a dialogue that was cut after the go-ahead")
    hasty = replace(whole, events=(*before, *after), session=None)
    yield _call(hasty, False, "a dialogue in which a client did not wait for the go-ahead")
    for failed in _failed_handshakes():
        version = failed.session.version if failed.session else ""
        yield _call(failed, False, f"a dialogue whose handshake, of {version}, the client broke off")
    yield _call(_ended_at_finished(older), False, "a dialogue in which the server never sent its Finished")
    refusing = {"kind": "alert", "title": "Alert: bad_certificate"}
    refusing_inside = _ended_at_finished(whole, **refusing)
    yield _call(refusing_inside, False, "a dialogue in which the client sent an encrypted alert for its Finished")


def _ended_at_finished(dialogue: "Dialogue", **changes: str) -> "Dialogue":
    """A conversation that ends with the client's Finished, or with what stands in its place."""
    at = next(place for place, e in enumerate(dialogue.events) if (e.title, e.sender) == ("Finished", "client"))
    events = (*dialogue.events[:at], dialogue.events[at]._replace(**changes))
    return replace(dialogue, events=events, session=dialogue.session and replace(dialogue.session, opened=False))


def _call(dialogue: "Dialogue", upgraded: bool, called: str) -> Call:
    return Call((dialogue,), upgraded, called)


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
        wrong={
            "a": "The greeting of SMTP names the server and nothing more; and it is as open to be rewritten as the "
            "rest before TLS.",
            "b": "It can get a list there, but must throw it away: whatever was said before TLS may be the work of "
            "somebody on the path.",
            "d": "A certificate says who the server is, not what it can do.",
        },
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
            "Who sends each of these lines: the client or the server?",
            _senders,
            given=_mixed_lines,
            hints=(
                "Find such lines in the transcript or in the ladder, and follow the arrow.",
                "A line that begins with three digits is a reply, and only one of the two replies.",
            ),
            solution='senders = ["server" if line[:3].isdigit() else "client" for line in mixed]',
            because=(
                "`250-STARTTLS` is a line of the server's answer to EHLO, an offer; `STARTTLS` alone is the client's "
                "command (RFC 3207 §2, §4). Replies begin with a code (RFC 5321 §4.2)."
            ),
        ),
        Exercise(
            "02.3",
            "How many commands did alice send in clear text, and how many inside TLS?",
            _counts,
            given=_some_mail,
            hints=(
                "`other.decrypted().dialogue.events` has all of them. Keep those whose `kind` is `command` or "
                "`credential`.",
                "Each event says whether it was `encrypted`. Count both kinds.",
            ),
            solution=(
                "events = other.decrypted().dialogue.events\n"
                'asked = [event.encrypted for event in events if event.kind in ("command", "credential")]\n'
                "commands = (asked.count(False), asked.count(True))"
            ),
            because=(
                "With STARTTLS it is EHLO and STARTTLS in the clear, and then, inside TLS, EHLO once more and "
                "everything "
                "that matters. Without TLS nothing is inside, with implicit TLS nothing is outside."
            ),
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
                    lambda capture: not messages(capture),
                    'The server took the mail, so it does not require STARTTLS: make it with `starttls="required"`.',
                ),
                (
                    lambda capture: any("STARTTLS" in line for line in _said_by_server(capture)),
                    "This server does not speak of STARTTLS, so it cannot require it: make it with "
                    '`starttls="required"`.',
                ),
                (
                    _tried,
                    "The client left before it tried to send: it wanted to log in, and this server offers no login in "
                    "the clear. Leave out `login=`.",
                ),
                (
                    _refused,
                    "Something was refused here, but not for want of STARTTLS, with a `530`: make the server with "
                    '`lab.smtp(starttls="required")`.',
                ),
            ),
            hints=(
                '`lab.smtp(starttls="required")` makes the server, `policy=policies.none` the client.',
                "Both go into one cell: first the server, in the place of the one that runs there (`replace=True`), "
                "then the "
                "`with` block with `lab.send` in it.",
            ),
            solution=(
                'strict = lab.smtp(starttls="required", replace=True)\n'
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
                "An event of the kind `go-ahead` must be there: without a question there is none, and with implicit "
                "TLS neither.",
                "A handshake that was begun can fail. It has come to its end when both sides have sent a Finished "
                "(RFC 8446 §4.4.4): look at `event.title` and `event.sender`.",
                '`{e.sender for e in dialogue.events if e.title == "Finished"}` is the set of those who have.',
            ),
            solution=(
                "def upgraded(dialogue):\n"
                '    agreed = any(event.kind == "go-ahead" for event in dialogue.events)\n'
                '    finished = {e.sender for e in dialogue.events if e.title == "Finished"}\n'
                '    return agreed and finished == {"client", "server"}'
            ),
            because=(
                "A log line that says STARTTLS shows that somebody asked. It does not show that anybody agreed, nor "
                "that "
                "the handshake came to its end."
            ),
        ),
    ),
)
