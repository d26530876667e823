"""Beyond stripping: bytes that cross the line between clear text and TLS."""

from labkit.exercises.checkers import equals, function, members, shown
from labkit.exercises.question import Exercise, Lesson, Prediction


def _verdicts(answer: object) -> str:
    from labkit.attacks.verdict import DECEIVED, UNHARMED, Verdict

    if not isinstance(answer, list | tuple) or len(answer) != 2 or not all(isinstance(v, Verdict) for v in answer):
        return f"The answer is a pair of verdicts, `(one.verdict, other.verdict)`, and yours is {shown(answer)}."
    found = tuple(verdict.outcome for verdict in answer)
    if found == (UNHARMED, DECEIVED):
        return "These are the right verdicts in the wrong order: the server with the mistake comes first."
    if found[0] == DECEIVED and not "".join(answer[0].evidence).startswith("-ERR"):
        return "The first verdict is not from a POP3 server: there the answer to the injected command begins with -ERR."
    if found[0] != DECEIVED:
        return (
            f"The first verdict is {found[0]!r}, so that server does not make the mistake, or was not asked: "
            '`lab.pop3(quirks=("keeps the buffer",))`, and a client that upgrades.'
        )
    return "" if found[1] == UNHARMED else f"The second verdict is {found[1]!r}: use a server without the mistake."


LESSON = Lesson(
    "10",
    "Beyond stripping",
    Prediction(
        "A client insists on TLS, and verifies the certificate of the right server. Can somebody on the path still do "
        "harm?",
        {
            "a": "no, both ends are genuine and the channel is encrypted",
            "b": "only by cutting the connection",
            "c": "yes, by what she says before the handshake, if an end does not forget it",
            "d": "yes, by breaking the cipher",
        },
        right="c",
        because=(
            "STARTTLS has a before and an after on one connection. What is kept from before, in a buffer or a "
            "variable, is taken for something that was said inside TLS."
        ),
    ),
    (
        Exercise(
            "10.1",
            "What did mallory put behind `STARTTLS`?",
            equals(
                "VRFY mallory",
                mistakes={
                    "STARTTLS": "That is alice's own command; it went on as it came.",
                    "VRFY mallory\r\n": "It is right but for the line end.",
                    b"VRFY mallory\r\n": "The answer is text in quotes, without the line end.",
                },
            ),
            hints=(
                "Look at the edits of the first attack, or at the column of mail in its two sides.",
                "It is a harmless command: it asks whether a user exists.",
            ),
            solution='injected = "VRFY mallory"',
            because="A harmless command is enough for the proof: the server answered it inside TLS.",
        ),
        Exercise(
            "10.2",
            "What would have stopped `StealByInjection`?",
            members(
                ("a server that clears its buffer", "implicit TLS"),
                missing={
                    "implicit TLS": "And if there were no clear text before TLS at all?",
                    "a server that clears its buffer": "Where was the injected command kept?",
                },
                extra={
                    "a better certificate": "The certificate was the right one, and stayed out of it.",
                    "a client that verifies": "It did verify. Nobody pretended to be somebody else.",
                },
            ),
            hints=("Which of the four touches the place where the bytes were kept?", "There are two."),
            solution='stops = {"a server that clears its buffer", "implicit TLS"}',
            because="One mends the mistake, the other has no place for it.",
        ),
        Exercise(
            "10.3",
            "The verdicts of `CommandInjection` on a POP3 server with the mistake and on one without.",
            _verdicts,
            hints=(
                '`lab.pop3(quirks=("keeps the buffer",))` is the server with the mistake, `lab.pop3()` the one '
                "without.",
                "Each is attacked in a `with lab.mallory(attacks.CommandInjection()) as …:`, with a `lab.fetch(...)` "
                "of bob in it, under `policies.verified`.",
            ),
            solution=(
                'bob = {"login": ("bob", "swordfish"), "policy": policies.verified}\n'
                'with lab.mallory(attacks.CommandInjection(), at=lab.pop3(quirks=("keeps the buffer",))) as one:\n'
                '    lab.fetch(lab.servers["mail", 110], **bob)\n'
                "with lab.mallory(attacks.CommandInjection(), at=lab.pop3()) as other:\n"
                '    lab.fetch(lab.servers["mail", 110], **bob)\n'
                "verdicts = (one.verdict, other.verdict)"
            ),
            because="The protocol is another one, the mistake is the same: a buffer that outlives the upgrade.",
        ),
        Exercise(
            "10.4",
            "Write what a server does with its buffer when the go-ahead was sent.",
            function(
                {
                    b"": b"",
                    b"NOOP\r\n": b"",
                    b"EHLO mallory\r\nMAIL FROM:<mallory@lab.test>\r\n": b"",
                    b"\x16\x03\x01\x02\x00": b"",
                },
                mistakes={
                    b"NOOP\r\n": "That is a command from before the handshake.",
                    b"\x16\x03\x01\x02\x00": "That looks like TLS, but it came before the go-ahead: a client has to "
                    "wait for it, so whoever sent this was in too much of a hurry (RFC 3207 §4).",
                },
            ),
            hints=(
                "Nothing that is in the buffer at this moment has come through TLS.",
                "So nothing of it may be used.",
            ),
            solution='def after_upgrade(buffer: bytes) -> bytes:\n    return b""',
            because=(
                "At least sixteen of the twenty-three servers in the study of 2021 lacked it at some time; "
                "aiosmtpd has "
                "it since 1.4.6."
            ),
        ),
    ),
)
