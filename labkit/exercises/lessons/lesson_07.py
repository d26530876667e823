"""Ports and policies: what is spoken where, and what a client does without TLS."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from labkit.clients import policies
from labkit.decode.event import fields_named
from labkit.exercises.captures import capture_that, sessions
from labkit.exercises.checkers import as_text, members, shown, spelled_alike
from labkit.exercises.drawn import Draw
from labkit.exercises.functions import Call, tried_on
from labkit.exercises.keeping import draw
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.servers.provider import Provider
from labkit.show.grid import Grid
from labkit.trials.policies import SERVERS

if TYPE_CHECKING:
    from labkit.decode.event import Dialogue
    from labkit.show.capture import Capture

_BEGINS = {
    587: ("explicit", "587 is for submission with STARTTLS"),
    465: ("implicit", "465 is for submission with TLS from the first byte (RFC 8314 §7.3), whatever you often read"),
    143: ("explicit", "143 is for IMAP, which begins in the clear"),
    993: ("implicit", "993 is for IMAP with TLS from the first byte"),
    110: ("explicit", "110 is for POP3, which begins in the clear"),
    995: ("implicit", "995 is for POP3 with TLS from the first byte"),
    25: ("explicit", "25 is for relay, and there is no relay with TLS from the first byte"),
}
"""Port -> when TLS starts there, and what it is for."""
_SAID = {
    "explicit": ("explicit", "explicit TLS", "explicitly", "STARTTLS", "STLS"),
    "implicit": ("implicit", "implicit TLS", "implicitly", "TLS", "TLS first", "TLS from the first byte"),
}
"""When TLS starts -> how that can be said."""


def _some_ports(of: Draw) -> list[int]:
    return of.shuffled("07.1", [587, 465, *of.some("07.1 more", (143, 993, 110, 995, 25), 3)])


def _spoken(answer: object) -> str:
    asked = _some_ports(draw())
    if isinstance(answer, list | tuple) and len(answer) == len(asked):
        answer = dict(zip(asked, answer, strict=True))
    if not isinstance(answer, Mapping):
        return f'The answer is a dictionary, like {{587: "…", …}}, and yours is {shown(answer)}.'
    for port in asked:
        given = answer.get(port, answer.get(str(port), ...))
        if given is ...:
            return f"Port {port} is missing."
        meant = next((when for when, words in _SAID.items() if any(spelled_alike(given, word) for word in words)), "")
        if not meant:
            return f'For port {port} you have {shown(given)}: it is "explicit" or "implicit".'
        right, why = _BEGINS[port]
        if meant != right:
            return f"On port {port} TLS does not start {meant}ly: {why}."
    return ""


def _name(policy: Any) -> Any:
    """The name of a policy, which is given itself, by its name or as it is written in code."""
    named = policy.name if isinstance(policy, policies.Policy) else policy
    told = as_text(named)
    return named if told is None else told.lower().removeprefix("policies.")


def _kind(of: Draw) -> str:
    """A kind of server at which some policies get through and some do not."""
    return of.one("07.2", [kind for kind in SERVERS if kind != "STARTTLS, good certificate"])


def _arrives(answer: object, grid: Grid) -> str:
    if not isinstance(grid, Grid) or not any(name == "verified" for name, _ in grid.cells):
        return f"What the answer is about is the grid of the lesson, `lab.policies()`, and you gave {shown(grid)}."
    kind, names = _kind(draw()), [policy.name for policy in policies.ALL]
    if isinstance(answer, policies.Policy):
        answer = (answer,)
    if isinstance(answer, set | frozenset | list | tuple):
        answer = [_name(one) for one in answer]
    why = {name: f"At this server: {grid.why(name, kind)}" for name in names}
    return members([name for name in names if grid.cells[name, kind].mark != "∅"], missing=why, extra=why, of=names)(
        answer
    )


def _at_wrong_name(capture: "Capture") -> "list[Dialogue]":
    """The conversations in which the certificate bears another name than the one that the client asked for."""
    return [
        one
        for one in capture.decrypted().dialogues
        if one.session
        and any(
            one.session.server_name not in field.value
            for event in one.events
            for field in fields_named(event.fields, "subject")
        )
    ]


def _logged_in(capture: "Capture") -> bool:
    """Whether a login was accepted inside TLS, by a server with the wrong name."""
    events = (event for dialogue in _at_wrong_name(capture) for event in dialogue.events)
    return any(event.title == "235" and event.encrypted for event in events)


def _blocking(answer: object) -> str:
    if not isinstance(answer, Provider):
        return f"The answer is a provider, made with `lab.provider(...)`, and yours is {shown(answer)}."
    if any("certificate" in block.reason for block in answer.blocks):
        return ""
    if answer.blocks:
        return (
            f"It has blocked a mail, but because {answer.blocks[-1].reason}. Let the next server offer STARTTLS with a "
            "certificate that does not fit, and give the provider a policy that looks at it."
        )
    if answer.relayed:
        return (
            f"It has relayed what it got, under {answer.under}: give it one that looks at the "
            "certificate, and let the next server have a wrong one."
        )
    return "This provider has blocked nothing yet, and relayed nothing: send a mail through it."


def _advice() -> Iterator[Call]:
    for known, lost, policy in (
        (True, True, "verified"),
        (True, False, "verified"),
        (False, False, "opportunistic"),
        (False, True, "mandatory"),
    ):
        yield Call((known, lost), policy, f"known={known}, better_lost_than_leaked={lost}", _WHY_NOT)


_WHY_NOT = {
    "none": "That one sends everything in the clear, whatever the server offers.",
    "opportunistic": "That one goes on in the clear without TLS.",
    "mandatory": "What does it do at a server without TLS, and what with a wrong certificate?",
    "verified": "It loses the mail to every server whose certificate does not fit, of which there are many among those "
    "that are not known.",
    "implicit": "Servers that are not known are reached on port 25, where there is no implicit TLS.",
}


def _advise(answer: Any) -> str:
    if not callable(answer):
        return tried_on(_advice)(answer)

    def named(known: bool, better_lost_than_leaked: bool) -> Any:
        name = _name(answer(known, better_lost_than_leaked))
        return "verified" if known and name == "implicit" else name  # RFC 8314 §3 prefers implicit TLS

    return tried_on(_advice)(named)


LESSON = Lesson(
    "07",
    "Ports and policies",
    Prediction(
        "alice's mail program shows a padlock: her connection to the provider is encrypted and verified. What does she "
        "know about the way from there to bob?",
        {
            "a": "it is encrypted as well, all the way",
            "b": "it is encrypted if bob's server can do it, and she is told if not",
            "c": "nothing",
            "d": "it is encrypted, but not verified",
        },
        right="c",
        because=(
            "Each hop has its own connection and its own policy. Between servers it is usually opportunistic, and "
            "nobody tells the sender how it went."
        ),
        wrong={
            "a": "The padlock shows the connection to the provider. What the provider does next is another connection.",
            "b": "Between servers a mail usually goes on in the clear where there is no TLS, and no message tells "
            "alice.",
            "d": "It may be, and it may as well be in the clear. The padlock says nothing about it.",
        },
    ),
    (
        Exercise(
            "07.1",
            "When does TLS start on each of these ports?",
            _spoken,
            given=_some_ports,
            hints=(
                "One of the submission ports is called `submissions`, with an s at the end, like https.",
                "Look at the table of ports: its third column says how TLS starts.",
            ),
            solution=('spoken = {port: "implicit" if port in (465, 993, 995) else "explicit" for port in some_ports}'),
            because="465, 993 and 995 speak TLS from the first byte; all the others begin in the clear (RFC 8314 §7).",
        ),
        Exercise(
            "07.2",
            "With which policies does a mail arrive at a server of this kind, protected or not?",
            _arrives,
            given=_kind,
            hints=(
                "Look at the column of this kind of server in the grid.",
                "A ∅ stands for a mail that was not sent. All others arrived, one way or another.",
            ),
            solution=(
                "cells = {name: cell for (name, server), cell in grid.cells.items() if server == kind}\n"
                'arrives = {name for name, cell in cells.items() if cell.mark != "∅"}'
            ),
            because=(
                "A policy trades mail that is lost against mail that leaks. `opportunistic` sends nearly everywhere; "
                "`verified` sends only to the right server."
            ),
        ),
        Exercise(
            "07.3",
            "Capture a client that insists on TLS and still gives its password to the wrong server.",
            capture_that(
                (
                    sessions,
                    "There is no TLS in this capture, so the client did not insist on it: `policies.mandatory`.",
                ),
                (
                    _at_wrong_name,
                    "The certificate in this capture is for the name that the client wanted: let the server have "
                    '`certificate="wrong name"`.',
                ),
                (
                    _logged_in,
                    "No login was accepted inside TLS: either none was given, with `login=`, or the client looked at "
                    "the "
                    "certificate and stopped.",
                ),
            ),
            hints=(
                'The server: `lab.smtp(certificate="wrong name")`.',
                "Which policy insists on TLS, but takes any certificate? And give it a `login=`.",
            ),
            solution=(
                'wrong = lab.smtp(certificate="wrong name", replace=True)\n'
                "with lab.capture() as handed_over:\n"
                '    lab.send(wrong, "The PIN is 4921", login=("alice", "hunter2"), policy=policies.mandatory)'
            ),
            because="Only a certificate that is compared with the expected name tells the right server from another.",
        ),
        Exercise(
            "07.4",
            "Make a provider that blocks a mail because of a certificate.",
            _blocking,
            hints=(
                'The server on the next hop: `lab.smtp(port=25, certificate="wrong name")`.',
                "The provider: `lab.provider(server, policy=policies.verified)`. Then send a mail through it.",
            ),
            solution=(
                'impostor = lab.smtp(port=25, certificate="wrong name", replace=True)\n'
                "blocking = lab.provider(impostor, policy=policies.verified, replace=True)\n"
                'lab.send(blocking, "The PIN is 4921", login=("alice", "hunter2"), policy=policies.verified)'
            ),
            because="With the policy `mandatory` the same mail would have gone through, to whoever answered.",
        ),
        Exercise(
            "07.5",
            "Write a policy advisor.",
            _advise,
            hints=(
                "Begin with `if known: return policies.verified`.",
                "For unknown servers: `policies.mandatory` where leaking is worse, `policies.opportunistic` otherwise.",
            ),
            solution=(
                "def advise(known, better_lost_than_leaked):\n"
                "    if known:\n"
                "        return policies.verified\n"
                "    return policies.mandatory if better_lost_than_leaked else policies.opportunistic"
            ),
            because="This is, in short, what RFC 8314 says to mail programs and RFC 7435 to everybody else.",
        ),
    ),
)
