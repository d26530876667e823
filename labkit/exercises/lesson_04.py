"""Which version: who picks it, which are forbidden, and why an attacker cannot talk two programs down."""

from collections.abc import Iterator

from labkit.exercises.captures import capture_that
from labkit.exercises.checkers import equals, shown, tried_on, word
from labkit.exercises.question import Exercise, Lesson, Prediction

_SERVER_TLS12 = b"DOWNGRD\x01"
_SERVER_OLDER = b"DOWNGRD\x00"
"""What a server that knows TLS 1.3 writes when it agrees on TLS 1.2, or on less (RFC 8446 §4.1.3)."""


def _mark(answer: object) -> str:
    if answer == "DOWNGRD\x00":
        return "The value is right, but the answer is bytes: leave it as it is in the event's data."
    if isinstance(answer, bytes) and len(answer) == 32:
        return "That is the whole random of 32 bytes: the mark is in its last eight."
    if isinstance(answer, bytes) and len(answer) == 8 and not answer.startswith(b"DOWNGRD"):
        return (
            f"{shown(answer)} is random, so this server marked nothing: does it speak TLS 1.3 as well, "
            "and did the client offer TLS 1.1 only?"
        )
    mistakes = {_SERVER_TLS12: "This mark stands for TLS 1.2: let the client offer TLS 1.1 only."}
    return equals(_SERVER_OLDER, mistakes)(answer)


def _ranges() -> Iterator[tuple[object, object, str]]:
    from labkit.trials.handshakes import ALL

    cases = [
        (ALL[2:], ALL[1:5], "TLS 1.2"),
        (ALL[4:], ALL[4:], "TLS 1.3"),
        (ALL[5:], ALL[1:4], None),
        (ALL[:1], ALL[:2], "SSL 2.0"),
        (tuple(reversed(ALL[2:5])), ALL[3:], "TLS 1.2"),
    ]
    for client, server, version in cases:
        yield (list(client), list(server)), version, f"{_span(client)} and {_span(server)}"


def _span(versions: tuple[str, ...]) -> str:
    return versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}"


def _agree(answer: object) -> str:
    if not callable(answer):
        return tried_on(_ranges)(answer)
    return tried_on(_ranges)(lambda pair: answer(*pair))


LESSON = Lesson(
    "04",
    "Which version?",
    Prediction(
        "A client offers TLS 1.0 to 1.3, and the server knows TLS 1.0 to 1.2. Who decides, and what will be spoken?",
        {
            "a": "the client decides: TLS 1.3",
            "b": "the server decides: TLS 1.2",
            "c": "the weaker one wins: TLS 1.0",
            "d": "they do not understand each other",
        },
        right="b",
        because="The client sets the limits with its offer, and the server picks the newest that both know.",
    ),
    (
        Exercise(
            "04.1",
            "Which version will they agree on?",
            word(
                "TLS 1.2",
                "TLSv1.2",
                "TLS1.2",
                mistakes={
                    "TLS 1.3": "The server does not know TLS 1.3.",
                    "TLS 1.1": "They have it in common, but also a newer one.",
                    "SSL 3.0": "The client does not know SSL 3.0.",
                    "TLS 1.0": "The client does not know TLS 1.0.",
                },
            ),
            hints=("Write down both lists and mark what is in both.", "TLS 1.1 and TLS 1.2 are in both."),
            solution='agreed = "TLS 1.2"',
            because="The newest version that both know wins.",
        ),
        Exercise(
            "04.2",
            "Which RFC forbids SSL 3.0?",
            equals(
                7568,
                mistakes={
                    "7568": "It is right, but a number has no quotes.",
                    6176: "That one is about SSL 2.0.",
                    8996: "That one is about TLS 1.0 and 1.1.",
                    6101: "That one describes SSL 3.0. It was written down as history.",
                    7507: "That one is about the second try with an older version.",
                    9325: "That one recommends what to use; look for the one that forbids.",
                    5246: "That is TLS 1.2.",
                    8446: "That is TLS 1.3.",
                },
                otherwise="Look at the row of SSL 3.0 in the table.",
            ),
            hints=("The table in this notebook has a row for it.", "The row of SSL 3.0 says which RFC it is."),
            solution="rfc = 7568",
            because="Its title says it: Deprecating Secure Sockets Layer Version 3.0.",
        ),
        Exercise(
            "04.3",
            "Capture a mail over TLS 1.1.",
            capture_that(
                (
                    lambda capture: capture.dialogue.session and capture.dialogue.session.version,
                    "No version was agreed on in this capture: do both sides speak TLS 1.1?",
                ),
                (
                    lambda capture: capture.dialogue.session.version == "TLS 1.1",
                    'They agreed on something else: `lab.smtp` and `lab.send` both take `tls=("TLS 1.1",)`.',
                ),
            ),
            hints=(
                'The server takes `tls=("TLS 1.1",)`, and the client does not offer it unless it is asked to.',
                'Inside `with lab.capture() as deprecated:` comes `lab.send(server, "…", tls=("TLS 1.1",))`.',
            ),
            solution=(
                'server = lab.smtp(tls=("TLS 1.1",))\n'
                "with lab.capture() as deprecated:\n"
                '    lab.send(server, "Hello from 2006", policy=policies.verified, tls=("TLS 1.1",))'
            ),
            because="Both had to be asked: neither offers a deprecated version by itself (RFC 8996).",
        ),
        Exercise(
            "04.4",
            "Which eight bytes does a server of TLS 1.3 write into its random when it is asked for TLS 1.1?",
            _mark,
            hints=(
                'The server takes `tls=("TLS 1.0", "TLS 1.3")`, which stands for all four; the client `tls=("TLS '
                '1.1",)`.',
                "The random stands at the bytes 6 to 37 of the ServerHello, so the mark is `event.data[30:38]`.",
            ),
            solution=(
                'server = lab.smtp(tls=("TLS 1.0", "TLS 1.3"))\n'
                "with lab.capture() as honest:\n"
                '    lab.send(server, "Hello", policy=policies.verified, tls=("TLS 1.1",))\n'
                'hello = next(event for event in honest.dialogue.events if event.title == "ServerHello")\n'
                "mark = hello.data[30:38]"
            ),
            because="The number says how far down it went. Only a client that offered more takes it for an alarm.",
        ),
        Exercise(
            "04.5",
            "Write the rule of the matrix as a function.",
            _agree,
            hints=(
                "`ALL` has every version, oldest first. Which of them are in both lists?",
                "`common = [version for version in ALL if version in client and version in server]`, and its last.",
                "Mind the case in which `common` is empty: `common[-1] if common else None`.",
            ),
            solution=(
                "def agree(client, server):\n"
                "    common = [version for version in ALL if version in client and version in server]\n"
                "    return common[-1] if common else None"
            ),
            because="Sixty-four live sessions, and one line of Python that predicts them all.",
        ),
    ),
)
