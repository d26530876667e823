"""Stripping: an attacker takes the encryption away."""

from collections.abc import Iterator
from typing import Any

from labkit.exercises.checkers import equals, shown, tried_on
from labkit.exercises.question import Exercise, Lesson, Prediction

_EXCUSE = b"454 4.7.0 TLS not available\r\n"


def _login_line(answer: object) -> str:
    if not isinstance(answer, str):
        return f"The answer is a line of text, and yours is {shown(answer)}: each item of the loot has its `line`."
    if answer.strip() in ("swordfish", '"swordfish"'):
        return "That is the password. The question is about the line in which it crossed the wire."
    if "hunter2" in answer or "AUTH PLAIN" in answer:
        return "That is alice's login, over SMTP. bob reads his mail over IMAP."
    if "LOGIN" not in answer.upper() or "swordfish" not in answer:
        return f"It is not {shown(answer)}. Look for the item whose `what` is `password`."
    return ""


def _survived(answer: object) -> str:
    from labkit.attack import Attack
    from labkit.attacks import RefuseUpgrade

    if not isinstance(answer, Attack):
        return f"The answer is the attack, the name after `as` in `with lab.mallory(…) as …`, not {shown(answer)}."
    if not isinstance(answer.vector, RefuseUpgrade):
        return f"This attack was {answer.vector.name}: the question is about `attacks.RefuseUpgrade()`."
    if not answer.reports:
        return "Nobody came by: let alice send inside the `with` block."
    if not answer.edits:
        return "She never got to refuse: this client did not ask for STARTTLS."
    verdict = answer.verdict
    if verdict.secrets:
        return f"She read the {' and the '.join(verdict.secrets)}: which policy does not go on without TLS?"
    return ""


def _line(sender: str, kind: str, title: str, data: bytes) -> Any:
    from labkit.attacks import Line
    from labkit.dialects import SMTP

    return Line(sender, kind, title, data, False, SMTP)


_PASSES = (
    ("server", "greeting", "220", b"220 mail.lab.test ESMTP\r\n"),
    ("client", "command", "EHLO", b"EHLO alice.lab.test\r\n"),
    ("server", "reply", "250", b"250-mail.lab.test\r\n250 STARTTLS\r\n"),
    ("client", "command", "QUIT", b"QUIT\r\n"),
)
_ASKS = ("client", "command", "STARTTLS", b"STARTTLS\r\n")


def _excuse(answer: object) -> str:
    from labkit.attacks import Pass, Vector

    vector = answer() if isinstance(answer, type) else answer
    if not isinstance(vector, Vector):
        return f"The answer is a class that is made from `attacks.Vector`, and yours is {shown(answer)}."
    for said in _PASSES:
        got, complaint = _asked(vector, said)
        if complaint or not all(isinstance(action, Pass) for action in got):
            return complaint or f"It does something to {_line(*said).text.splitlines()[0]!r}, which should pass."
    got, complaint = _asked(vector, _ASKS)
    return complaint or _answers(got)


def _asked(vector: Any, said: tuple[str, str, str, bytes]) -> tuple[tuple[Any, ...], str]:
    """What a vector does about a line, and what is wrong with it where it stops with an error."""
    line = _line(*said)
    try:
        got = vector.on_line(line)
    except Exception as error:
        text = line.text.splitlines()[0]
        return (), f"Your `on_line` stopped with {type(error).__name__}: {error}, on the line {text!r}."
    return () if got is None else got if isinstance(got, tuple) else (got,), ""


def _answers(got: tuple[Any, ...]) -> str:
    from labkit.attacks import Answer

    if not got:
        return "It lets `STARTTLS` pass: look at `line.title`."
    if len(got) > 1 or not isinstance(got[0], Answer):
        return f"For `STARTTLS` it returns {shown(got[0])}, and it should return `attacks.Answer(...)` alone."
    data = got[0].data
    if isinstance(data, str):
        return "The reply must be bytes: put a `b` in front of the quotes."
    if data == _EXCUSE.rstrip():
        return "The reply is right but for its end: every line of SMTP ends with `\\r\\n`."
    return "" if data == _EXCUSE else f"It answers {shown(data)}, and it should answer {_EXCUSE!r}."


def _sides(vector: Any, policy: Any = None, **server: Any) -> tuple[object, object]:
    from labkit.lab import Lab

    with Lab() as lab:
        mail = lab.smtp(**server)
        with lab.mallory(vector) as attack:
            lab.send(mail, "The PIN is 4921", policy=policy)
        return attack.victim_side, attack.server_side


def _attacks() -> Iterator[tuple[object, bool, str]]:
    from labkit import attacks
    from labkit.clients import policies

    yield _sides(attacks.StripCapability()), True, "an attack in which the offer was removed"
    yield _sides(attacks.Vector()), False, "an attacker who only listened"
    yield _sides(attacks.Vector(), starttls="off"), False, "a server that never offered it"
    yield _sides(attacks.Vector(), policy=policies.none), False, "a client that did not want TLS"


def _detector(answer: object) -> str:
    if not callable(answer):
        return tried_on(_attacks)(answer)
    return tried_on(_attacks)(lambda sides: answer(*sides))


LESSON = Lesson(
    "08",
    "Stripping",
    Prediction(
        "Somebody on the path removes the line `250-STARTTLS` from the server's answer. What does an opportunistic "
        "client do?",
        {
            "a": "it notices, because the answer is signed",
            "b": "it tries STARTTLS all the same",
            "c": "it sends login and mail in the clear",
            "d": "it stops",
        },
        right="c",
        because=(
            "To the client it looks like one of the many servers without TLS, and its policy is to go on. Nothing "
            "before the handshake is signed (RFC 3207 §6)."
        ),
    ),
    (
        Exercise(
            "08.1",
            "Which line did mallory remove?",
            equals(
                "250-STARTTLS",
                mistakes={
                    "STARTTLS": "That is what a client sends. The line of the server has a reply code in front.",
                    b"250-STARTTLS": "The value is right, but the answer is text in quotes.",
                    "250 STARTTLS": "Nearly: the last line of a reply has a space behind its code; this has a hyphen.",
                },
            ),
            hints=("Look at `mallory.edits` of the first attack.", "It is marked in the column of mail."),
            solution='line = "250-STARTTLS"',
            because="Fourteen bytes, and everything after them crossed the wire in the clear.",
        ),
        Exercise(
            "08.2",
            "In which line did mallory read bob's password over IMAP?",
            _login_line,
            hints=(
                'An IMAP server that takes a login in the clear: `lab.imap(auth="always")`.',
                'Inside `with lab.mallory(attacks.StripCapability()) as mallory:` comes `lab.fetch(imap, login=("bob", '
                '"swordfish"), policy=policies.opportunistic)`, and then `mallory.loot`.',
            ),
            solution=(
                'imap = lab.imap(auth="always")\n'
                "with lab.mallory(attacks.StripCapability()) as mallory:\n"
                '    lab.fetch(imap, login=("bob", "swordfish"), policy=policies.opportunistic)\n'
                'login_line = next(item.line for item in mallory.loot if item.what == "password")'
            ),
            because=(
                "This server takes a login in the clear, so one word was enough. A server that says LOGINDISABLED "
                "would have held the client back (RFC 9051 §6.2.3), unless mallory removes that word too: "
                "`attacks.LureIntoLogin()`."
            ),
        ),
        Exercise(
            "08.3",
            "Find a policy with which `attacks.RefuseUpgrade()` gets nothing.",
            _survived,
            hints=(
                "In 07 you found the policies that never send anything in the clear.",
                "`policies.mandatory` or `policies.verified`, in a `with lab.mallory(attacks.RefuseUpgrade()) as "
                "survived:`.",
            ),
            solution=(
                "with lab.mallory(attacks.RefuseUpgrade()) as survived:\n"
                '    lab.send(mail, "The PIN is 4921", login=("alice", "hunter2"), policy=policies.mandatory)'
            ),
            because="The mail did not arrive, and nobody else has it. Only the client can make this choice.",
        ),
        Exercise(
            "08.4",
            "Write a vector that answers `STARTTLS` with `454 4.7.0 TLS not available`.",
            _excuse,
            hints=(
                "`def on_line(self, line):` looks at `line.title`, which is `STARTTLS` for that command.",
                'For it, `return attacks.Answer(b"454 4.7.0 TLS not available\\r\\n")`. A method that returns nothing '
                "returns None, and so lets the line pass.",
            ),
            solution=(
                "class Excuse(attacks.Vector):\n"
                '    """Says that TLS is not available just now."""\n\n'
                "    def on_line(self, line):\n"
                '        if line.title == "STARTTLS":\n'
                '            return attacks.Answer(b"454 4.7.0 TLS not available\\r\\n")'
            ),
            because="That is the whole attack. The rest of the lab carries it out for you: `lab.mallory(Excuse())`.",
        ),
        Exercise(
            "08.5",
            "Write the detector that needs two sides.",
            _detector,
            hints=(
                "What was said on a side: `[event.text for event in victim.dialogue.events]`.",
                "Ask of each side whether a reply has the line `250-STARTTLS`. The word alone will not do: it stands "
                "in the greeting, too, in the name of this lab.",
                "It was stripped if the server said it and the victim did not hear it.",
            ),
            solution=(
                "def stripped(victim, server):\n"
                "    offered = []\n"
                "    for side in (victim, server):\n"
                '        replies = [e.text for e in side.dialogue.events if e.sender == "server" and not e.encrypted]\n'
                '        offered.append(any("250-STARTTLS" in reply for reply in replies))\n'
                "    return offered == [False, True]"
            ),
            because=(
                "With one side only, `False` would mean either that nobody offered it, or that somebody took it away."
            ),
        ),
    ),
)
