"""Beyond stripping: bytes that cross the line between clear text and TLS."""

import secrets
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from labkit.attack import Attack
from labkit.attacks import CommandInjection
from labkit.attacks.actions import Replace
from labkit.attacks.vector import Answered, Line
from labkit.attacks.verdict import DECEIVED, UNHARMED, UNKNOWN, Verdict
from labkit.clients import policies
from labkit.exercises.checkers import members, shown, word
from labkit.exercises.drawn import NAMES, Draw
from labkit.exercises.functions import Call, returned
from labkit.exercises.keeping import draw
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.exercises.staged import attacked

if TYPE_CHECKING:
    from labkit.show.capture import Capture


class OtherInjection(CommandInjection):
    """Puts a given command after STARTTLS."""

    def __init__(self, command: str) -> None:
        self.command = command.encode()

    def on_line(self, line: Line) -> Answered:
        return Replace(line.data + self.command + b"\r\n") if line.title == "STARTTLS" else None


def _command(of: Draw) -> str:
    return f"{of.one('10.1 verb', ('VRFY', 'NOOP', 'EXPN'))} {of.word('10.1')}"


def _injected_session(of: Draw) -> "tuple[Capture, Capture]":
    """What the victim and what the server saw of an injection."""
    vector = OtherInjection(_command(of))
    attack = attacked(vector, server={"quirks": ("keeps the buffer",)}, policy=policies.verified)
    return attack.victim_side.decrypted(), attack.server_side.decrypted()


def _injected(answer: object) -> str:
    right = _command(draw())
    return word(
        right,
        mistakes={
            "STARTTLS": "That is alice's own command; it went on as it came.",
            f"STARTTLS {right}": "alice's own command is part of that: what came behind it?",
            "VRFY mallory": "That was the first attack of the lesson. This is another one.",
            right.split()[0]: "That is only its first word: the command has another.",
            "EHLO alice.lab.test": "alice says that herself: it is on both sides.",
        },
        otherwise="Look for a command that stands on the server's side alone.",
    )(answer)


_STOP_IT = (
    "a server that clears its buffer",
    "implicit TLS",
    "a server that hangs up when anything comes behind STARTTLS",
)
_DO_NOT = {
    "a better certificate": "The certificate was the right one, and stayed out of it.",
    "a client that verifies": "It did verify. The other end was the right one.",
    "a client that insists on TLS": "It did insist on TLS, and it got TLS.",
    "a stronger cipher": "No cipher was broken: the server gave it away in clear text, to mallory's mailbox.",
    "a longer password": "It would have been stolen all the same: it was not guessed.",
    "TLS 1.3 instead of TLS 1.2": "It happened before the handshake, whichever version follows.",
}


def _measures(of: Draw) -> list[str]:
    """Draws measures that would have helped, and others that would not."""
    helps = of.some("10.2 helps", _STOP_IT, of.number("10.2", 1, 3))
    return of.shuffled("10.2", [*helps, *of.some("10.2 others", tuple(_DO_NOT), 3)])


def _stops(answer: object) -> str:
    asked = _measures(draw())
    why = dict.fromkeys(_STOP_IT, "Where was the injected command kept, and what would have kept it out?")
    why["implicit TLS"] = "And if there were no clear text before TLS at all?"
    return members([each for each in asked if each in _STOP_IT], missing=why, extra=_DO_NOT, of=asked)(answer)


def _other_attack(answer: Attack) -> str:
    """What is wrong with an attack that is handed in with its verdict."""
    if not isinstance(answer.vector, CommandInjection):
        return f"This attack was {answer.vector.name}: the question is about `attacks.CommandInjection()`."
    spoken = {dialogue.dialect.name for dialogue in answer.victim_side.dialogues if dialogue.dialect} - {"POP3"}
    return f"This attack was on {' and '.join(sorted(spoken))}: the question is about POP3." if spoken else ""


def _verdicts(answer: object) -> str:
    if isinstance(answer, list | tuple):
        if complaint := next(filter(None, (_other_attack(each) for each in answer if isinstance(each, Attack))), ""):
            return complaint
        answer = tuple(getattr(each, "verdict", each) for each in answer)
    if not isinstance(answer, tuple) or len(answer) != 2 or not all(isinstance(v, Verdict) for v in answer):
        return f"The answer is a pair of verdicts, `(one.verdict, other.verdict)`, and yours is {shown(answer)}."
    found = tuple(verdict.outcome for verdict in answer)
    if found == (UNHARMED, DECEIVED):
        return "These are the right verdicts in the wrong order: the server with the mistake comes first."
    if found[0] != DECEIVED:
        return (
            f"The first verdict is {found[0]!r}, so that server does not make the mistake, or was not asked: "
            '`lab.pop3(quirks=("keeps the buffer",))`, and a client that upgrades.'
        )
    if not "".join(answer[0].evidence).startswith("-ERR"):
        return "The first verdict is not from a POP3 server: there the answer to the injected command begins with -ERR."
    if found[1] == UNKNOWN:
        return "No client came by in the second attack: let bob fetch his mail inside the `with` block."
    return "" if found[1] == UNHARMED else f"The second verdict is {found[1]!r}: use a server without the mistake."


_OWN = ("peer", "host", "certificate")
"""What a server knows without the client's having said it."""


def _session(name: str, word: str) -> dict[str, object]:
    """The state of a session of SMTP at the moment of the go-ahead."""
    return {
        "peer": f"192.0.2.{1 + secrets.randbelow(250)}",
        "host": f"mail.{name}.test",
        "certificate": f"the certificate of mail.{name}.test",
        "buffer": f"MAIL FROM:<{word}@lab.test>\r\n".encode(),
        "greeted_as": f"{name}.lab.test",
        "user": name,
        "sender": f"{word}@lab.test",
        "recipients": [f"{name}@lab.test"],
    }


def _some_session(of: Draw) -> dict[str, object]:
    return _session(of.name("10.4"), of.word("10.4"))


def _states() -> Iterator[Call]:
    dice = secrets.SystemRandom()
    whole = _session(dice.choice(NAMES), f"m{dice.randint(10, 99)}")
    quiet = {**whole, "buffer": b"", "user": None, "sender": None, "recipients": []}
    hasty = {**whole, "buffer": b"\x16\x03\x01\x02\x00\x01"}
    for state, called in (
        (whole, "a session with something of everything"),
        (quiet, "a session in which little was said"),
        (hasty, "a session whose buffer looks like the beginning of TLS"),
    ):
        yield Call((dict(state.items()),), state, called)


def _forgets(answer: object) -> str:
    if not callable(answer):
        return f"The answer is a function, given by its name alone, and yours is {shown(answer)}."
    for call in _states():
        got, complaint = returned(answer, *call.arguments, on=call.called)
        if complaint := complaint or _kept(got, call):
            return complaint
    return ""


def _kept(got: object, call: Call) -> str:
    if got is None:
        return f"On {call.called} it returns nothing: does it end in a `return`?"
    if not isinstance(got, Mapping):
        return (
            f"On {call.called} it returns {shown(got)}, and it should return a dictionary, what is left of the session."
        )
    for key in _OWN:
        if got.get(key) != call.wanted[key]:
            return f"On {call.called} it has lost {key!r}, which the server knows by itself and not from the client."
    for key in got:
        if key not in _OWN and got[key]:
            return f"On {call.called} it keeps {key!r}: {_WHY.get(key, 'it was not there before')}."
    return ""


_WHY = {
    "buffer": "what is in there came in the clear, also where it looks like TLS, since a client has to wait for the "
    "go-ahead (RFC 3207 §4)",
    "greeted_as": "a name that was given in EHLO before TLS must be discarded (RFC 3207 §4.2)",
    "user": "a login before TLS may be mallory's, and then alice works in her session",
    "sender": "a mail that was begun before TLS may be mallory's",
    "recipients": "recipients that were given before TLS may be mallory's",
}


LESSON = Lesson(
    "10",
    "Beyond stripping",
    Prediction(
        "A client insists on TLS, and verifies the certificate of the right server. Can somebody on the path still do "
        "harm?",
        {
            "a": "no, both ends are genuine and the channel is encrypted",
            "b": "yes, by what she says before the handshake, if an end does not forget it",
            "c": "only by cutting the connection",
            "d": "yes, by breaking the cipher",
        },
        right="b",
        because=(
            "STARTTLS has a before and an after on one connection. What is kept from before, in a buffer or a "
            "variable, is taken for something that was said inside TLS."
        ),
        wrong={
            "a": "Both ends are genuine. But what one of them kept from before the handshake may not be.",
            "c": "She can always do that. But there is a part of the conversation that she can still write herself: "
            "the one before TLS.",
            "d": "No cipher is broken anywhere in this series, and it need not be.",
        },
    ),
    (
        Exercise(
            "10.1",
            "What did mallory put behind `STARTTLS` in this attack?",
            _injected,
            given=_injected_session,
            hints=(
                "List what was said on each side: `[event.text for event in server.dialogue.events]`.",
                "One command is on the server's side and not on the victim's. It stands next to `STARTTLS`.",
            ),
            solution=(
                'sides = [{e.text for e in side.dialogue.events if e.sender == "client"} for side in (victim, '
                "server)]\n"
                'injected = next(text for text in sides[1] - sides[0] if text.startswith(("VRFY", "NOOP", "EXPN")))'
            ),
            because="A harmless command is enough for the proof: the server answered it inside TLS.",
        ),
        Exercise(
            "10.2",
            "Which of these would have stopped `StealByInjection`?",
            _stops,
            given=_measures,
            hints=(
                "Which of them touch the place where the bytes were kept, or leave no such place?",
                "What concerns the certificate, the cipher or the password does not: all three were in order.",
            ),
            solution=(
                'stops = {measure for measure in measures if measure.startswith("a server") or measure == '
                '"implicit TLS"}'
            ),
            because="A server that forgets mends the mistake, and implicit TLS has no place for it.",
        ),
        Exercise(
            "10.3",
            "The verdicts of `CommandInjection` on a POP3 server with the mistake and on one without.",
            _verdicts,
            hints=(
                '`lab.pop3(quirks=("keeps the buffer",))` is the server with the mistake, `lab.pop3(replace=True)` '
                "the one "
                "without.",
                "Each is attacked in a `with lab.mallory(attacks.CommandInjection()) as …:`, with a `lab.fetch(...)` "
                "of bob in it, under `policies.verified`.",
            ),
            solution=(
                'broken_pop3 = lab.pop3(quirks=("keeps the buffer",), replace=True)\n'
                "with lab.mallory(attacks.CommandInjection(), at=broken_pop3) as one:\n"
                "    lab.fetch(broken_pop3, policy=policies.verified)\n"
                "mended_pop3 = lab.pop3(replace=True)\n"
                "with lab.mallory(attacks.CommandInjection(), at=mended_pop3) as other:\n"
                "    lab.fetch(mended_pop3, policy=policies.verified)\n"
                "verdicts = (one.verdict, other.verdict)"
            ),
            because="The protocol is another one, the mistake is the same: a buffer that outlives the upgrade.",
        ),
        Exercise(
            "10.4",
            "Write what a server still knows of a session when the go-ahead was sent.",
            _forgets,
            given=_some_session,
            hints=(
                "Go through the entries one by one: who said that, the client, or was it known without it?",
                "The address of the peer, the server's own name and its certificate do not come from the client's "
                "words.",
                "A new dictionary with these three entries is enough.",
            ),
            solution=(
                'def after_upgrade(session):\n    return {key: session[key] for key in ("peer", "host", "certificate")}'
            ),
            because=(
                "Everything that the client said before TLS is discarded, in every variable and in the buffer (RFC "
                "3207 "
                "§4.2). At least sixteen of the twenty-three servers in the study of 2021 kept the buffer at some "
                "time; "
                "aiosmtpd clears it since 1.4.6."
            ),
        ),
    ),
)
