"""Stripping: an attacker takes the encryption away."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from labkit.attack import Attack
from labkit.attacks import Mangle, RefuseUpgrade, StripCapability, Vector
from labkit.attacks.actions import Answer, Pass, Replace
from labkit.attacks.vector import Answered, Line
from labkit.attacks.verdict import LEAKED, STOPPED
from labkit.clients import policies
from labkit.dialects import SMTP
from labkit.exercises.checkers import as_text, shown
from labkit.exercises.drawn import Draw
from labkit.exercises.functions import Call, returned, tried_on
from labkit.exercises.missions import mail_kept, offer_untouched, offered, password_read
from labkit.exercises.question import Exercise, Lesson, Prediction
from labkit.exercises.staged import attacked
from labkit.show.capture import Capture

_BOBS_PASSWORD = "swordfish"
_EXCUSE = b"454 4.7.0 TLS not available\r\n"


class RemovedLine(Vector):
    """Removes one line from the server's answer to EHLO."""

    id = "removed line"

    def __init__(self, keyword: str) -> None:
        self.keyword = keyword.encode()

    def on_line(self, line: Line) -> Answered:
        if line.sender != "server" or b"250-" + self.keyword not in line.data:
            return None
        kept = [each for each in line.data.splitlines(keepends=True) if each[4:].split()[0] != self.keyword]
        return Replace(b"".join(kept))


class LastLineRemoved(Vector):
    """Removes the last line of the server's answer to EHLO, so that the one before it ends the list."""

    id = "last line removed"

    def on_line(self, line: Line) -> Answered:
        if line.sender != "server" or not line.data.startswith(b"250-"):
            return None
        *kept, last, _ = line.data.splitlines(keepends=True)
        return Replace(b"".join((*kept, last[:3], b" ", last[4:])))


def _some_attack(of: Draw) -> "tuple[Capture, Capture]":
    """What the victim and what the server saw of an attack that removed one line."""
    attack = attacked(RemovedLine(of.one("08.1", ("SIZE", "8BITMIME", "AUTH"))), server={"auth": "always"})
    return attack.victim_side, attack.server_side


def _removed(answer: object, sides: object) -> str:
    if not isinstance(sides, tuple) or [type(side) for side in sides] != [Capture, Capture]:
        return "What the answer is about is the pair of captures that you were given."
    victim, server = map(offered, sides)
    gone, said = [line for line in server if line[4:] not in {each[4:] for each in victim}], as_text(answer)
    if said is None:
        return f"The answer is a line of text in quotes, and yours is {shown(answer)}."
    if said in gone or (gone and said == gone[0].replace("-", " ", 1)):
        return ""
    if said in [line[4:] for line in gone]:
        return "That is the right one. The line of the server has a reply code in front: give it whole."
    if said in victim:
        return "Both sides have that line. Which one has only the server's?"
    if said.upper().endswith("STARTTLS"):
        return "That was removed in the first attack of the lesson. This is another one."
    return f"It is not {shown(answer)}: compare the answers to EHLO on both sides, line by line."


def _attack(answer: object, kind: type[Vector], named: str) -> str:
    """Why an attack cannot be judged; empty where it can."""
    if not isinstance(answer, Attack):
        return (
            "The answer is the attack itself, the name after `as` in `with lab.mallory(…) as …`, "
            f"and yours is {shown(answer)}."
        )
    if not isinstance(answer.vector, kind):
        return f"This attack was {answer.vector.name}: the question is about `attacks.{named}()`."
    if answer.under_way:
        return "The attack is still under way: hand it in below its `with` block."
    came = answer.victim_side.conversations or answer.reports
    return "" if came else "No client came by: let one send or fetch inside the `with` block."


def _stolen(answer: Attack) -> str:
    if complaint := _attack(answer, StripCapability, "StripCapability"):
        return complaint
    dialects = {dialogue.dialect.name for dialogue in answer.victim_side.dialogues if dialogue.dialect}
    if not dialects:
        return "No client came by at the server that was attacked: give the attack `at=`, and the server of the client."
    if "IMAP" not in dialects:
        return f"This attack was on {' and '.join(sorted(dialects))}: the question is about IMAP."
    if answer.verdict.outcome != LEAKED:
        return f"She read no password. The verdict is: {answer.verdict.outcome}, {answer.verdict.why}."
    if answer.reports and all("asks for no TLS" in report.said for report in answer.reports):
        return (
            "This client never wanted TLS, so nothing had to be stripped. Take a policy that uses TLS if it is offered."
        )
    read = {(item.what, item.value) for item in answer.loot}
    if "password" not in answer.verdict.secrets or ("user name", "bob") not in read:
        return "She has read something, but not bob's password: give `lab.fetch` his login."
    if ("password", _BOBS_PASSWORD) not in read:
        return "She has read a password, but the server refused it: it is not bob's."
    return ""


def _survived(answer: Attack) -> str:
    if complaint := _attack(answer, RefuseUpgrade, "RefuseUpgrade"):
        return complaint
    if not answer.edits:
        return "She never got to refuse: this client did not ask for STARTTLS."
    if answer.verdict.secrets:
        return f"She read the {' and the '.join(answer.verdict.secrets)}: which policy does not go on without TLS?"
    return "" if answer.verdict.outcome == STOPPED else f"The client did not stop: {answer.verdict.why}."


def _line(sender: str, kind: str, title: str, data: bytes) -> Any:
    return Line(sender, kind, title, data, False, SMTP)


_PASSES = (
    ("server", "greeting", "220", b"220 mail.lab.test ESMTP\r\n"),
    ("client", "command", "EHLO", b"EHLO alice.lab.test\r\n"),
    ("server", "reply", "250", b"250-mail.lab.test\r\n250 STARTTLS\r\n"),
    ("client", "command", "VRFY", b"VRFY STARTTLS\r\n"),
    ("client", "message", "message", b"Subject: STARTTLS\r\n\r\nSay STARTTLS first.\r\n.\r\n"),
    ("client", "command", "QUIT", b"QUIT\r\n"),
)
_ASKS = ("client", "command", "STARTTLS", b"STARTTLS\r\n")


def _excuse(answer: object) -> str:
    vector, complaint = returned(answer) if isinstance(answer, type) and issubclass(answer, Vector) else (answer, "")
    if complaint:
        return f"Making one of your class: {complaint}"
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
    got, complaint = returned(vector.on_line, line, on=f"the line {line.text.splitlines()[0]!r}")
    return () if got is None else tuple(got) if isinstance(got, tuple | list) else (got,), complaint


def _answers(got: tuple[Any, ...]) -> str:
    if not got:
        return (
            "For `STARTTLS` it returns nothing, and so lets it pass: look at `line.title`, and put a `return` in front "
            "of the answer."
        )
    if len(got) > 1 or not isinstance(got[0], Answer):
        return f"For `STARTTLS` it returns {shown(got[0])}, and it should return `attacks.Answer(...)` alone."
    data = got[0].data
    if isinstance(data, str):
        return "The reply must be bytes: put a `b` in front of the quotes."
    if data == _EXCUSE.rstrip():
        return "The reply is right but for its end: every line of SMTP ends with `\\r\\n`."
    return "" if data == _EXCUSE else f"It answers {shown(data)}, and it should answer {_EXCUSE!r}."


@cache
def _attacks() -> "tuple[tuple[Attack, bool, str], ...]":
    """Attacks, whether STARTTLS was taken away in them, and what they are called; made once."""
    telling = "The server said 250-STARTTLS, and you did not hear it."
    found = (
        (StripCapability(), {}, True, "an attack in which the offer was removed"),
        (Vector(), {}, False, "an attacker who only listened"),
        (Vector(), {"server": {"starttls": "off"}}, False, "a server that never offered it"),
        (Vector(), {"policy": policies.none}, False, "a client that did not want TLS"),
        (StripCapability(), {"text": telling}, True, "an attack on a mail whose text speaks of 250-STARTTLS"),
        (Vector(), {"text": telling, "server": {"starttls": "off"}}, False, "a mail that only speaks of 250-STARTTLS"),
        (RefuseUpgrade(), {}, False, "an attack that left the offer in place and refused it later"),
        (Mangle(), {}, True, "an attack in which the offer was overwritten"),
        (LastLineRemoved(), {}, False, "an attack after which the offer is the last line of the list"),
    )
    return tuple((attacked(vector, **how), taken, called) for vector, how, taken, called in found)


def _both_sides() -> Iterator[Call]:
    return (Call((it.victim_side, it.server_side), taken, called) for it, taken, called in _attacks())


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
        wrong={
            "a": "Nothing before the handshake is signed, neither the answer to EHLO nor the greeting.",
            "b": "A client asks for what was offered. STARTTLS was not, as far as it can see.",
            "d": "That would be a client that insists on TLS. An opportunistic one prefers mail in the clear to no "
            "mail.",
        },
    ),
    (
        Exercise(
            "08.1",
            "Which line did mallory remove in this attack?",
            _removed,
            given=_some_attack,
            hints=(
                "Compare the server's answers to `EHLO` in the two captures: `victim` and `server` are their names.",
                "The lines of a capture: `[event.text for event in server.dialogue.events]`. One line is only in the "
                "server's.",
            ),
            solution=(
                'answers = [next(e.text for e in side.dialogue.events if "8BITMIME" in e.text or "SIZE" in e.text)\n'
                "           for side in (victim, server)]\n"
                "heard, said = (answer.splitlines() for answer in answers)\n"
                "line = next(line for line in said if line not in heard)"
            ),
            because="From the victim's side alone it cannot be seen: a server may as well not offer it.",
        ),
        Exercise(
            "08.2",
            "Read bob's password by stripping an IMAP session, and hand in the attack.",
            _stolen,
            hints=(
                'The server: `lab.imap(auth="always")`. The client: `lab.fetch(server, login=("bob", "swordfish"), '
                "policy=policies.opportunistic)`.",
                "`lab.fetch` goes inside `with lab.mallory(attacks.StripCapability()) as stolen:`.",
            ),
            solution=(
                'imap = lab.imap(auth="always", replace=True)\n'
                "with lab.mallory(attacks.StripCapability(), at=imap) as stolen:\n"
                '    lab.fetch(imap, login=("bob", "swordfish"), policy=policies.opportunistic)'
            ),
            because="The same attack, the same result, in another protocol: what was removed is again the word "
            "STARTTLS.",
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
            tried_on(_both_sides),
            hints=(
                "What was said on a side: `[event.text for event in victim.dialogue.events]`.",
                "Ask of each side whether a reply of the server has the line `250-STARTTLS`, or `250 STARTTLS` where "
                "it is the last of the list. The word alone will not do: a mail may speak of it.",
                "It was stripped if the server said it and the victim did not hear it.",
            ),
            solution=(
                "def stripped(victim, server):\n"
                "    offered = []\n"
                "    for side in (victim, server):\n"
                '        replies = [e.text for e in side.dialogue.events if e.sender == "server" and not e.encrypted]\n'
                '        lines = [line[4:] for reply in replies for line in reply.splitlines() if line[:3] == "250"]\n'
                '        offered.append("STARTTLS" in lines)\n'
                "    return offered == [False, True]"
            ),
            because=(
                "With one side only, `False` would mean either that nobody offered it, or that somebody took it away."
            ),
        ),
        Exercise(
            "08.6",
            "The first mission: read alice's password, and hand in the console.",
            password_read,
            hints=(
                "alice asks for TLS only if it is offered. Which line of the answer to `EHLO` offers it?",
                "Pass the greeting and `EHLO`. Take `250-STARTTLS` out of the answer, and send what you wrote.",
            ),
            solution=(
                "class Strip(attacks.Vector):\n"
                "    def on_line(self, line):\n"
                '        offer = b"250-STARTTLS\\r\\n"\n'
                '        return attacks.Replace(line.data.replace(offer, b"")) if offer in line.data else None\n\n'
                "console = you_are_mallory(lab, script=Strip())\n"
                "console.run(lab.send, mail, pin, login=alice, policy=friendly)\n"
                "read = console"
            ),
            because="By hand it is one line less. The solution does the same as a script, where nobody can click.",
        ),
        Exercise(
            "08.7",
            "The second mission: read it, and let alice hear the answer to `EHLO` as it came.",
            offer_untouched,
            hints=(
                "alice sees the offer and says `STARTTLS`. A server may have reasons to refuse.",
                "When `STARTTLS` is held, write `454 4.7.0 TLS not available`, say it to alice, and drop her line.",
            ),
            solution=(
                "class Refuse(attacks.Vector):\n"
                "    def on_line(self, line):\n"
                '        no = attacks.Answer(b"454 4.7.0 TLS not available\\r\\n")\n'
                '        return no if line.title == "STARTTLS" else None\n\n'
                "console = you_are_mallory(lab, script=Refuse())\n"
                "console.run(lab.send, mail, pin, login=alice, policy=friendly)\n"
                "refused = console"
            ),
            because=(
                "RFC 3207 §4 lets the client decide whether it goes on after a 454. An opportunistic one does, so an "
                "untouched offer protects nothing."
            ),
        ),
        Exercise(
            "08.8",
            "The third mission: alice believes that her mail has arrived, and bob gets nothing.",
            mail_kept,
            hints=(
                "First it has to go in the clear. Then alice waits for three answers: to `RCPT`, to `DATA`, and to the "
                "mail. Which of them can you give yourself?",
                "Drop `DATA` and say `354 Go on` to alice; drop the mail and say `250 2.0.0 Ok`.",
            ),
            solution=(
                "class Keep(attacks.StripCapability):\n"
                "    def on_line(self, line):\n"
                '        if line.title == "DATA":\n'
                '            return attacks.Answer(b"354 Go on\\r\\n")\n'
                '        if line.kind == "message":\n'
                '            return attacks.Answer(b"250 2.0.0 Ok\\r\\n")\n'
                "        return super().on_line(line)\n\n"
                "console = you_are_mallory(lab, script=Keep())\n"
                "console.run(lab.send, mail, pin, login=alice, policy=friendly)\n"
                "kept = console"
            ),
            because="A reply code is nothing but text from the other end, and without TLS anybody can be that end.",
        ),
    ),
)
